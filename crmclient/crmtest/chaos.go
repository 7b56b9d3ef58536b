package crmtest

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/limit"
)

// serve is the server of a soak: the limit first, as with all vendors, then a fault or the fake.
func (r *soak) serve(w http.ResponseWriter, req *http.Request) {
	wait, ok := r.bucket.take()
	if !ok {
		r.refused.Add(1)
		w.Header().Set("Retry-After", strconv.FormatFloat(wait.Seconds(), 'f', 3, 64))
		if r.s.Refuse != nil {
			r.s.Refuse(w, req)
			return
		}
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if fault := r.chaos.next(); fault != nil {
		fault(w, req)
		return
	}
	r.fake.ServeHTTP(w, req)
}

// bucket is the limit of the server.
type bucket struct {
	rate, size float64
	passed     atomic.Int64

	mu   sync.Mutex // guards all below
	left float64
	at   time.Time
}

func newBucket(rate float64) *bucket {
	size := max(1, rate*soakWindow.Seconds())
	// What is under way when the client's limiter has counted it may come in one bunch; without this a well-behaved client
	// would be refused by chance.
	return &bucket{rate: rate, size: 2 * size, left: 2 * size, at: time.Now()}
}

func (b *bucket) take() (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.left = min(b.size, b.left+now.Sub(b.at).Seconds()*b.rate)
	b.at = now
	if b.left < 1 {
		return time.Duration((1 - b.left) / b.rate * float64(time.Second)), false
	}
	b.left--
	b.passed.Add(1)
	return 0, true
}

// limiter is the connector's own limit, which all nodes share in the product. Its window is small as all time here.
func (r *soak) limiter(what string, _ limit.Rate) crmclient.RateLimiter {
	perWindow := max(1, int(r.o.Rate*soakWindow.Seconds()))
	return memoryLimiter{r.local, what, limit.Rate{Count: perWindow, Per: soakWindow}}
}

type memoryLimiter struct {
	m    *limit.Memory
	key  string
	rate limit.Rate
}

// Allow takes one request from the rate.
func (l memoryLimiter) Allow(ctx context.Context) (time.Duration, error) {
	d, err := l.m.Allow(ctx, l.key, l.rate, 1)
	if err != nil || d.Allowed {
		return 0, err
	}
	return max(d.RetryAfter, time.Millisecond), nil
}

// chaos makes the faults, in the same order in each run: one in each block of requests, at a place that varies, and
// the kinds in turn.
type chaos struct {
	block  int
	kinds  []http.HandlerFunc
	rare   [][]http.HandlerFunc // kinds of which there are too many for each turn
	random *rand.Rand
	made   atomic.Int64

	mu        sync.Mutex // guards all below, and random
	n, at     int
	kind, odd int
}

func newChaos(s Subject, g *gate, part float64) *chaos {
	c := &chaos{block: max(1, int(1/part)), random: rand.New(rand.NewPCG(5000, 5))} // the same each time, on purpose
	status := func(code int, commit bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if commit {
				g.commit(r)
			}
			w.WriteHeader(code)
		}
	}
	body := func(contentType, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			g.commit(r)
			w.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(w, text)
		}
	}
	usual := []http.HandlerFunc{
		status(500, false), status(502, true), status(503, false), status(504, true), status(429, false), status(408, true),
		status(401, false), status(403, false), status(500, true), status(503, true),
	}
	var any []http.HandlerFunc
	for code := 300; code < 600; code++ {
		// A server that says "it is there already" or "there is no such thing" and lies cannot be survived by anybody.
		lie := code == http.StatusNotFound || code == http.StatusGone || s.wantedClass(code) == crmclient.ClassDuplicate
		if !lie {
			any = append(any, status(code, code%2 == 0))
		}
	}
	c.random.Shuffle(len(any), func(i, j int) { any[i], any[j] = any[j], any[i] })
	own := []http.HandlerFunc{}
	for _, f := range s.Faults {
		if f.Class != crmclient.ClassDuplicate {
			own = append(own, f.Serve)
		}
	}
	c.rare = [][]http.HandlerFunc{usual, any, own}
	c.kinds = []http.HandlerFunc{
		c.one(0),
		func(w http.ResponseWriter, _ *http.Request) { reset(w) },
		c.one(1),
		func(w http.ResponseWriter, r *http.Request) { g.commit(r); reset(w) },
		c.one(2),
		body("application/json", `{"id": "4`),
		func(_ http.ResponseWriter, r *http.Request) { g.silence(r) },
		body("application/json", ""),
		c.one(0),
		body("text/html", "<html><body>Please log in"),
		func(_ http.ResponseWriter, r *http.Request) { g.commit(r); g.silence(r) },
		c.one(1),
		cutAnswer(g),
	}
	return c
}

func cutAnswer(g *gate) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rec := g.commit(r)
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(bytes.Clone(rec.Body.Bytes()[:rec.Body.Len()/2]))
		panic(http.ErrAbortHandler)
	}
}

// one takes the next of a list that is too long for each turn.
func (c *chaos) one(list int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		choice := c.rare[list]
		if len(choice) == 0 {
			choice = c.rare[0]
		}
		c.odd++
		f := choice[c.odd%len(choice)]
		c.mu.Unlock()
		f(w, r)
	}
}

// next returns the fault of this request, or nil.
func (c *chaos) next() http.HandlerFunc {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n%c.block == 0 {
		c.at = c.random.IntN(c.block)
	}
	hit := c.n%c.block == c.at
	c.n++
	if !hit {
		return nil
	}
	c.made.Add(1)
	f := c.kinds[c.kind%len(c.kinds)]
	c.kind++
	return f
}
