package crmtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/limit"
)

// SoakOptions say how much work a soak is. Zero values come from the environment, or are the defaults.
type SoakOptions struct {
	Mails   int     // HELIOGRAPH_SOAK_MAILS, else 200
	Rate    float64 // requests per second that the server allows: HELIOGRAPH_SOAK_RATE, else 400
	Workers int     // 8
	Faults  float64 // part of the requests that fail: 0.05
}

const (
	soakTimeout  = 500 * time.Millisecond // of a request: what silence costs
	soakWindow   = 50 * time.Millisecond  // the rate is enforced over windows of this length, in place of the vendor's seconds
	soakAttempts = 60                     // of one mail; with one fault in twenty requests nobody gets there
	soakRefusals = 5000                   // of one mail, by the rate
	soakBackoff  = 5 * time.Millisecond   // in place of the queue's 2 s, doubled each time
	soakPause    = 25 * time.Millisecond  // in place of the mirror's pause after a refusal without a time
)

// Soak sends many mails by several workers through a server that allows a rate and makes a fault of every kind (each
// status, before and after the record was made; resets, silence, broken, empty and cut answers, web pages; the vendor's own) in a fixed part of
// all requests. It tries again as the mirror does, by the class of the error and what the server asked for; what is
// given up, it sends again at the end, as an operator would. Then each mail must be there exactly once. It logs how
// the time relates to what the limit allows, the requests that passed divided by the rate, and how long faults told to wait (Retry-After, a
// day's limit: a second at most). Time is small, not virtual:
// a vendor's second is a twentieth of one.
func Soak(t *testing.T, s Subject, o SoakOptions) {
	t.Helper()
	o = o.complete(t)
	run := &soak{s: s, o: o, t: t, logs: new(logBuffer), bucket: newBucket(o.Rate)}
	run.start()
	took := run.send()
	run.verify(took)
}

func (o SoakOptions) complete(t *testing.T) SoakOptions {
	t.Helper()
	if o.Mails == 0 {
		o.Mails = int(fromEnvironment(t, "HELIOGRAPH_SOAK_MAILS", 200))
	}
	if o.Rate == 0 {
		o.Rate = fromEnvironment(t, "HELIOGRAPH_SOAK_RATE", 400)
	}
	if o.Workers == 0 {
		o.Workers = 8
	}
	if o.Faults == 0 {
		o.Faults = 0.05
	}
	return o
}

func fromEnvironment(t *testing.T, name string, otherwise float64) float64 {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || n <= 0 {
		t.Fatalf("%s: %q is not a positive number", name, v)
	}
	return n
}

// soak is one run.
type soak struct {
	s      Subject
	o      SoakOptions
	t      *testing.T
	logs   *logBuffer
	fake   HTTPFake
	gate   *gate
	chaos  *chaos
	bucket *bucket
	local  *limit.Memory

	client  atomic.Pointer[crmclient.Client]
	retries atomic.Int64
	parked  atomic.Int64
	refused atomic.Int64
	jobs    chan job

	mu     sync.Mutex    // guards until and paused
	until  time.Time     // the target is left alone
	paused time.Duration // how long it was, because it asked for that
}

// job is one attempt at one mail. Refusals for the rate are no attempts, as with the queue.
type job struct{ mail, attempt, refused int }

func (r *soak) start() {
	fake, ok := r.s.Fake(r.t).(HTTPFake)
	if !ok {
		r.t.Fatal("a soak needs a fake behind HTTP")
	}
	r.fake, r.gate = fake, newGate(r.t, fake)
	r.chaos = newChaos(r.s, r.gate, r.o.Faults)
	r.local = limit.NewMemory(limit.MemoryOptions{})
	r.t.Cleanup(func() { _ = r.local.Close() })
	r.gate.set(r.serve)
	r.connect()
	r.t.Cleanup(func() { r.s.noSecrets(r.t, "log", r.logs.String()) })
}

// connect builds a client, with a closed circuit: another node's.
func (r *soak) connect() {
	logger := slog.New(slog.NewJSONHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelInfo}))
	client := r.s.New(r.t, r.fake, Connection{
		URL: r.gate.server.URL, Timeout: soakTimeout, Logger: logger, RequestsPerSecond: r.o.Rate, Limit: r.limiter,
	})
	r.client.Store(&client)
}

// verify compares what is stored with what was sent, and tells of the run.
func (r *soak) verify(took time.Duration) {
	r.gate.set(nil)
	found := map[string]int{}
	for _, record := range r.fake.Records(r.t) {
		found[record.Key]++
	}
	bad := 0
	for i := range r.o.Mails {
		if n := found[soakKey(i)]; n != 1 {
			if bad++; bad <= 10 {
				r.t.Errorf("mail %s: got %d records, want 1", soakKey(i), n)
			}
		}
	}
	if len(found) != r.o.Mails {
		r.t.Errorf("keys: got %d, want %d", len(found), r.o.Mails)
	}
	passed := r.bucket.passed.Load()
	floor := time.Duration(max(0, float64(passed)-r.bucket.size) / r.o.Rate * float64(time.Second))
	ratio := 0.0
	if floor > 0 {
		ratio = took.Seconds() / floor.Seconds()
	}
	r.t.Logf("soak: %d mails in %.2f s, %.2f s of which the server asked for; %d requests at %.0f/s take %.2f s at least: ratio %.2f; %d refused, %d faults, %d retries, %d sent again by hand, %d wrong",
		r.o.Mails, took.Seconds(), r.paused.Seconds(), passed, r.o.Rate, floor.Seconds(), ratio, r.refused.Load(), r.chaos.made.Load(), r.retries.Load(), r.parked.Load(), bad)
}

func soakKey(i int) string { return fmt.Sprintf("soak-%05d", i) }

// send delivers all mails and returns how long it took.
func (r *soak) send() time.Duration {
	r.jobs = make(chan job, r.o.Mails) // each mail is in it at most once, so that putting one back never waits
	for i := range r.o.Mails {
		r.jobs <- job{mail: i, attempt: 1}
	}
	var left, group sync.WaitGroup
	left.Add(r.o.Mails)
	start := time.Now()
	for range r.o.Workers {
		group.Go(func() {
			for j := range r.jobs {
				if r.attempt(j) {
					left.Done()
				}
			}
		})
	}
	left.Wait()
	took := time.Since(start)
	close(r.jobs)
	group.Wait()
	return took
}

// attempt tries one mail and says whether it is done for good. If not, it comes back later.
func (r *soak) attempt(j job) (done bool) {
	ctx := r.t.Context()
	if !r.waitForTarget(ctx) {
		return true
	}
	if e, ok := r.fake.(TokenExpirer); ok && j.attempt == 1 && j.refused == 0 && j.mail%(r.o.Mails/4+1) == r.o.Mails/8 {
		e.ExpireTokens(r.t)
	}
	a := Activity(soakKey(j.mail))
	_, err := (*r.client.Load()).LogEmail(ctx, a)
	if err == nil {
		return true
	}
	if j.attempt >= soakAttempts || j.refused >= soakRefusals || ctx.Err() != nil {
		r.t.Errorf("mail %s: still failing after %d attempts: %v", a.Key, j.attempt, err)
		return true
	}
	pause, done := r.judge(j, err)
	if !done {
		if crmclient.ClassOf(err) == crmclient.ClassRate {
			j.refused++
		} else {
			j.attempt++
		}
		time.AfterFunc(pause, func() { r.jobs <- j })
	}
	return done
}

// judge decides as the mirror does, in small time.
func (r *soak) judge(j job, err error) (pause time.Duration, done bool) {
	after := min(crmclient.RetryAfter(err), time.Second)
	r.retries.Add(1)
	switch class := crmclient.ClassOf(err); {
	case class == crmclient.ClassDuplicate:
		r.retries.Add(-1)
		return 0, true
	case errors.Is(err, crmclient.ErrCircuitOpen):
		r.connect()
		return soakPause, false
	case class == crmclient.ClassRate:
		if after == 0 {
			after = soakPause
		}
		r.mu.Lock()
		now := time.Now()
		if until := now.Add(after); until.After(r.until) {
			if r.until.After(now) {
				now = r.until
			}
			r.paused, r.until = r.paused+until.Sub(now), until
		}
		r.mu.Unlock()
		return after, false
	case class == crmclient.ClassRetry:
		return max(soakBackoff<<min(j.attempt-1, 6), after), false
	}
	r.parked.Add(1) // auth, configuration, permanent: somebody looks at it and sends it again
	return soakPause, false
}

func (r *soak) waitForTarget(ctx context.Context) bool {
	for {
		r.mu.Lock()
		wait := time.Until(r.until)
		r.mu.Unlock()
		if wait <= 0 {
			return true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			r.t.Error("stopped while the target asked to wait")
			return false
		}
	}
}
