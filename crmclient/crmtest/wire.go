package crmtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/crmclient"
)

// gate stands between the connector and the fake, and makes the faults.
type gate struct {
	server *httptest.Server
	fake   HTTPFake
	fault  atomic.Pointer[http.HandlerFunc]         // answers instead of the fake; nil means no fault
	only   atomic.Pointer[func(*http.Request) bool] // the fault concerns only these; nil means all
	passed atomic.Int64                             // requests that came
	watch  func(request string)                     // told of requests that write, where it is set before the first
	quit   chan struct{}
}

func newGate(t *testing.T, f HTTPFake) *gate {
	g := &gate{fake: f, quit: make(chan struct{})}
	g.server = httptest.NewServer(g)
	t.Cleanup(func() {
		close(g.quit)
		g.server.Close()
	})
	return g
}

// ServeHTTP passes the request to the fault or to the fake.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.passed.Add(1)
	if g.watch != nil && g.fake.Writes(r) {
		g.watch(r.Method)
	}
	fault, only := g.fault.Load(), g.only.Load()
	if fault == nil || only != nil && !(*only)(r) {
		g.fake.ServeHTTP(w, r)
		return
	}
	(*fault)(w, r)
}

// set installs a fault for all requests; nil ends it.
func (g *gate) set(h http.HandlerFunc) {
	g.only.Store(nil)
	if h == nil {
		g.fault.Store(nil)
		return
	}
	g.fault.Store(&h)
}

// setWrites installs a fault for the requests that make a record.
func (g *gate) setWrites(h http.HandlerFunc) { g.setOnly(g.fake.Writes, h) }

// setOnly installs a fault for some requests.
func (g *gate) setOnly(which func(*http.Request) bool, h http.HandlerFunc) {
	g.only.Store(&which)
	g.fault.Store(&h)
}

// commit lets the fake do its work but keeps its answer back.
func (g *gate) commit(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	g.fake.ServeHTTP(rec, r)
	return rec
}

// silence waits until the client has gone. Reading the rest of the body lets the server notice that.
func (g *gate) silence(r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	select {
	case <-r.Context().Done():
	case <-g.quit:
	}
}

// reset breaks the connection with RST.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// echo answers with everything that the request held: the rudest server there can be.
func echo(w http.ResponseWriter, r *http.Request, status int) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Request-Id", "req-1")
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "7")
	}
	w.WriteHeader(status)
	if status == http.StatusNoContent || status == http.StatusNotModified || status < 200 {
		return
	}
	// Bodies of mail are not credentials, so they come last, where they do not hide what matters.
	_ = json.NewEncoder(w).Encode(map[string]any{"message": fmt.Sprint("bad request ", r.URL.String(), r.Header), "zbody": string(body)})
}

func (s Subject) runWire(t *testing.T) {
	t.Run("every status has a class", s.statuses)
	t.Run("retry-after", s.retryAfter)
	t.Run("trouble around the write", s.aroundTheWrite)
	t.Run("slow answers hit the time-out", func(t *testing.T) {
		t.Parallel()
		b := s.start(t, shortTimeout)
		b.gate.set(func(_ http.ResponseWriter, r *http.Request) { b.gate.silence(r) })
		start := time.Now()
		_, err := b.client.LogEmail(t.Context(), Activity("slow"))
		s.wantClass(t, err, crmclient.ClassRetry)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the time-out of %s took %s", shortTimeout, took)
		}
	})
	t.Run("cancelling stops a request", func(t *testing.T) {
		t.Parallel()
		b := s.start(t, longTimeout)
		ctx, cancel := context.WithCancel(t.Context())
		b.gate.set(func(_ http.ResponseWriter, r *http.Request) {
			cancel()
			b.gate.silence(r)
		})
		_, err := b.client.LogEmail(ctx, Activity("cancel"))
		s.wantClass(t, err, crmclient.ClassRetry)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	t.Run("a dead server", func(t *testing.T) {
		t.Parallel()
		b := s.start(t, longTimeout)
		b.gate.server.Close()
		_, err := b.client.LogEmail(t.Context(), Activity("dead"))
		s.wantClass(t, err, crmclient.ClassRetry)
	})
	t.Run("no redirect to another host", s.redirects)
	for _, f := range s.Faults {
		t.Run("fault "+f.Name, func(t *testing.T) {
			t.Parallel()
			b := s.start(t, longTimeout)
			b.gate.set(f.Serve)
			_, err := b.client.LogEmail(t.Context(), Activity("fault"))
			s.wantClass(t, err, f.Class)
		})
	}
}

// wantedClass is the table of RFC 9110's statuses, written a second time, from the caller's point of view.
func (s Subject) wantedClass(status int) crmclient.Class {
	if c, ok := s.Classes[status]; ok {
		return c
	}
	switch status {
	case 401, 403, 407:
		return crmclient.ClassAuth
	case 402, 404, 405, 406, 410, 415, 426, 501, 505:
		return crmclient.ClassConfiguration
	case 408, 421, 423, 424, 425:
		return crmclient.ClassRetry
	case 409:
		return crmclient.ClassDuplicate
	case 429:
		return crmclient.ClassRate
	}
	switch status / 100 {
	case 3:
		return crmclient.ClassConfiguration
	case 4:
		return crmclient.ClassPermanent
	}
	return crmclient.ClassRetry
}

func (s Subject) statuses(t *testing.T) {
	t.Parallel()
	b := s.start(t, longTimeout)
	for status := 300; status < 600; status++ {
		b.gate.set(func(w http.ResponseWriter, r *http.Request) { echo(w, r, status) })
		receipt, err := b.client.LogEmail(t.Context(), Activity("status"))
		b.closeCircuit(t, err)
		want := s.wantedClass(status)
		if want == crmclient.ClassDuplicate && err == nil && receipt.Duplicate {
			continue
		}
		if err == nil {
			t.Errorf("status %d: no error, want class %s", status, want)
			continue
		}
		s.wantClass(t, err, want)
		var e *crmclient.Error
		if !errors.As(err, &e) || e.Status != status {
			t.Errorf("status %d: the error does not say so: %v", status, err)
		}
		if t.Failed() {
			t.Fatalf("stopped at status %d", status)
		}
	}
}

// closeCircuit takes another client after an error that opens the circuit in the end. Others are kept: a connection for each of hundreds of
// requests costs more than it shows.
func (b *bench) closeCircuit(t *testing.T, err error) {
	t.Helper()
	if crmclient.ClassOf(err) == crmclient.ClassRetry {
		b.client = b.connect(t, longTimeout)
	}
}

func (s Subject) retryAfter(t *testing.T) {
	t.Parallel()
	b := s.start(t, longTimeout)
	cases := map[string]struct {
		value     string
		low, high time.Duration
	}{
		"seconds":  {"17", 17 * time.Second, 17 * time.Second},
		"date":     {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), 55 * time.Minute, time.Hour},
		"past":     {"Wed, 21 Oct 2015 07:28:00 GMT", 0, 0},
		"nonsense": {"soon", 0, 0},
		"negative": {"-5", 0, 0},
		"absurd":   {"99999999999999999999", time.Minute, 24 * time.Hour},
	}
	for name, c := range cases {
		for _, status := range []int{429, 503} {
			b.gate.set(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", c.value)
				w.WriteHeader(status)
			})
			_, err := b.connect(t, longTimeout).LogEmail(t.Context(), Activity("rate"))
			s.wantClass(t, err, s.wantedClass(status))
			if got := crmclient.RetryAfter(err); got < c.low || got > c.high {
				t.Errorf("%s, status %d: got %s, want %s to %s", name, status, got, c.low, c.high)
			}
		}
	}
}

// aroundTheWrite breaks the request that makes the record in every way, before and after the record was
// made. Whatever the connector answers, one more try must leave exactly one record.
func (s Subject) aroundTheWrite(t *testing.T) {
	const huge = 64 << 20
	cases := map[string]func(*bench, http.ResponseWriter, *http.Request){
		"reset before":   func(_ *bench, w http.ResponseWriter, _ *http.Request) { reset(w) },
		"silence before": func(b *bench, _ http.ResponseWriter, r *http.Request) { b.gate.silence(r) },
		"error before":   func(_ *bench, w http.ResponseWriter, r *http.Request) { echo(w, r, http.StatusBadGateway) },
		"reset after": func(b *bench, w http.ResponseWriter, r *http.Request) {
			b.gate.commit(r)
			reset(w)
		},
		"silence after": func(b *bench, _ http.ResponseWriter, r *http.Request) {
			b.gate.commit(r)
			b.gate.silence(r)
		},
		"error after": func(b *bench, w http.ResponseWriter, r *http.Request) {
			b.gate.commit(r)
			w.WriteHeader(http.StatusGatewayTimeout)
		},
		"broken JSON after": func(b *bench, w http.ResponseWriter, r *http.Request) {
			b.gate.commit(r)
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"id": "4`)
		},
		"web page after": func(b *bench, w http.ResponseWriter, r *http.Request) {
			b.gate.commit(r)
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html><body>Please log in")
		},
		"nothing after": func(b *bench, w http.ResponseWriter, r *http.Request) {
			b.gate.commit(r)
			w.WriteHeader(http.StatusOK)
		},
		"answer cut after": func(b *bench, w http.ResponseWriter, r *http.Request) {
			rec := b.gate.commit(r)
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
			panic(http.ErrAbortHandler)
		},
		"huge answer after": func(b *bench, w http.ResponseWriter, r *http.Request) {
			b.gate.commit(r)
			part := []byte(strings.Repeat("[", 1<<20))
			for sent := 0; sent < huge; sent += len(part) {
				if _, err := w.Write(part); err != nil {
					return
				}
			}
			b.logs.Write([]byte(hugeWasRead))
		},
	}
	for name, fault := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := longTimeout
			if strings.HasPrefix(name, "silence") {
				timeout = shortTimeout
			}
			b := s.start(t, timeout)
			b.gate.setWrites(func(w http.ResponseWriter, r *http.Request) { fault(b, w, r) })
			_, err := b.client.LogEmail(t.Context(), Activity("around"))
			if err != nil {
				s.wantClass(t, err, crmclient.ClassRetry)
			}
			if err == nil && strings.HasSuffix(name, "before") {
				t.Error("no error although the record was not made")
			}
			b.gate.set(nil)
			if _, err := b.connect(t, longTimeout).LogEmail(t.Context(), Activity("around")); err != nil {
				t.Errorf("second try: %v", err)
			}
			b.wantOne(t, "around")
			if strings.Contains(b.logs.String(), hugeWasRead) {
				t.Errorf("the connector read an answer of %d bytes", huge)
			}
		})
	}
}

const hugeWasRead = "<the huge answer was read to its end>"

func (s Subject) redirects(t *testing.T) {
	t.Parallel()
	var visits atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	t.Cleanup(other.Close)
	b := s.start(t, longTimeout)
	for _, status := range []int{301, 302, 303, 307, 308} {
		b.gate.set(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+r.URL.Path, status) })
		_, err := b.client.LogEmail(t.Context(), Activity("redirect"))
		s.wantClass(t, err, crmclient.ClassConfiguration)
	}
	if n := visits.Load(); n != 0 {
		t.Errorf("the other host got %d requests, want none", n)
	}
}
