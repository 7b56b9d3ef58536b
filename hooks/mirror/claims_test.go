package mirror_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"heliograph/hooks"
	"heliograph/hooks/mirror"
	"heliograph/internal/journal"
	"heliograph/internal/limit"
	"heliograph/internal/mailtest"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// watched counts how many hold one claim at once, by what a Claimer answers.
type watched struct {
	limit.Claimer
	mu      sync.Mutex
	holders map[string]string
	both    int
	claims  atomic.Int64
	onClaim func(n int64)
}

func (w *watched) Claim(ctx context.Context, key, owner string, ttl time.Duration) (bool, error) {
	ok, err := w.Claimer.Claim(ctx, key, owner, ttl)
	n := w.claims.Add(1)
	if w.onClaim != nil {
		w.onClaim(n)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if ok {
		if now := w.holders[key]; now != "" && now != owner {
			w.both++
		}
		w.holders[key] = owner
	}
	return ok, err
}

func (w *watched) Release(ctx context.Context, key, owner string) error {
	w.mu.Lock()
	if w.holders[key] == owner {
		delete(w.holders, key)
	}
	w.mu.Unlock()
	return w.Claimer.Release(ctx, key, owner)
}

// event makes what the runner hands to a hook, so that several nodes can get it at once.
func event(id journal.ID, s copyOf, raw string) hooks.Event {
	e := journal.Entry{State: journal.StateConfirmed, Envelope: journal.Envelope{
		ID: id, Kind: journal.KindFetch, Account: s.account, Upstream: "main", Mailbox: "INBOX", UIDValidity: uidValidity, UID: s.uid, Received: time.Now(),
	}}
	return hooks.Event{Entry: e, Body: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(strings.ReplaceAll(raw, "\n", "\r\n"))), nil
	}}
}

// nodes has several mirrors on one store record the same places at once.
func nodes(t *testing.T, db *store.DB, claims limit.Claimer) *office {
	c := newCRM()
	o := oneTarget(c)
	o.Claims = claims
	w := open(t, db, o)
	const count, places = 4, 10
	var wg sync.WaitGroup
	gate := make(chan struct{})
	var ids []journal.ID
	for range count {
		o := w.options
		o.Store, o.Queue, o.Journal, o.Now, o.Internal = w.db, w.queue, w.journal, w.clock.now, internal
		m := mirror.New(o)
		for n := range places {
			place := copyOf{account: "wang@example.com", uid: uint32(n + 1), raw: offer(n)}
			id := w.seen(place)
			ids = append(ids, id)
			wg.Go(func() {
				<-gate
				if out := m.Handle(context.Background(), event(id, place, place.raw)); out.Err != nil {
					t.Errorf("Handle: %v", out.Err)
				}
			})
		}
	}
	close(gate)
	wg.Wait()
	w.indexed(ids...)
	w.start()
	w.settled()
	if len(c.logged()) != places || c.called() != places {
		t.Errorf("%d activities by %d calls, want %d", len(c.logged()), c.called(), places)
	}
	if n := len(w.partition()); n != places {
		t.Errorf("%d sightings, want one of each place: %d", n, places)
	}
	return w
}

func redisAt(t *testing.T, address string, timeout time.Duration) *limit.Redis {
	t.Helper()
	r, err := limit.NewRedis(limit.RedisOptions{Address: address, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestClaimsKeepNodesApart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		server := miniredis.RunT(t)
		// A server that is slow counts as away, and then two may hold one claim.
		w := &watched{Claimer: redisAt(t, server.Addr(), time.Minute), holders: map[string]string{}}
		nodes(t, db, w)
		if w.both > 0 || w.claims.Load() == 0 {
			t.Errorf("%d claims, %d held by two at once", w.claims.Load(), w.both)
		}
		if keys := server.Keys(); len(keys) > 0 {
			t.Errorf("claims were not given back: %v", keys)
		}
	})
}

// A real Redis does what the one in this process does.
func TestClaimsWithARealRedis(t *testing.T) {
	t.Parallel()
	server := mailtest.Redis(t)
	w := &watched{Claimer: redisAt(t, server.Addr, time.Minute), holders: map[string]string{}}
	nodes(t, storetest.SQLite(t), w)
	if w.both > 0 || w.claims.Load() == 0 {
		t.Errorf("%d claims, %d held by two at once", w.claims.Load(), w.both)
	}
	server.Stop() // all claims are lost, and then it comes back empty
	again := &watched{Claimer: redisAt(t, server.Addr, time.Second), holders: map[string]string{}, onClaim: func(n int64) {
		if n == 10 {
			server.Start()
		}
	}}
	nodes(t, storetest.SQLite(t), again)
}

// Redis dies, forgets all, or was never there: nothing is lost or doubled.
func TestClaimsWithoutRedis(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(*miniredis.Miniredis) func(int64){
		"dies half-way": func(r *miniredis.Miniredis) func(int64) {
			return func(n int64) {
				if n == 15 {
					r.SetError("LOADING Redis is loading the dataset in memory")
				}
			}
		},
		"forgets": func(r *miniredis.Miniredis) func(int64) { return func(int64) { r.FlushAll() } },
		"is away": func(r *miniredis.Miniredis) func(int64) { r.Close(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				server := miniredis.RunT(t)
				claims := redisAt(t, server.Addr(), 0)
				nodes(t, db, &watched{Claimer: claims, holders: map[string]string{}, onClaim: trouble(server)})
			})
		})
	}
	t.Run("errors", func(t *testing.T) {
		t.Parallel()
		nodes(t, storetest.SQLite(t), broken{})
	})
	t.Run("a dead node's claim", func(t *testing.T) {
		t.Parallel()
		nodes(t, storetest.SQLite(t), taken{})
	})
}

// broken fails each call, taken says that somebody else has each claim, for ever.
type (
	broken struct{}
	taken  struct{}
)

var errBroken = errors.New("broken")

func (broken) Claim(context.Context, string, string, time.Duration) (bool, error) {
	return false, errBroken
}

func (broken) Extend(context.Context, string, string, time.Duration) (bool, error) {
	return false, errBroken
}

func (broken) Release(context.Context, string, string) error { return errBroken }

func (taken) Claim(context.Context, string, string, time.Duration) (bool, error) { return false, nil }

func (taken) Extend(context.Context, string, string, time.Duration) (bool, error) { return false, nil }

func (taken) Release(context.Context, string, string) error { return nil }
