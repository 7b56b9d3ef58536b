package contacts_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/hooks/contacts"
	"heliograph/internal/mailtest"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// Two nodes follow one target: each round is made once, its job ends, and the next one comes when it is due or asked for.
func TestRunsOfTheSyncEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRemote(10)
		r.put(person(1))
		var polls atomic.Int64
		r.fault = func(call string) error {
			if call == "changes" {
				polls.Add(1)
			}
			return nil
		}
		clock := newClock()
		q := queue.Open(db, queue.Options{Now: clock.Now, Poll: 20 * time.Millisecond})
		book := func() *contacts.Book {
			return contacts.New(contacts.Options{
				Store: db, Queue: q, Targets: []contacts.Target{{Name: "crm", Client: r}}, Config: settings(), Now: clock.Now,
			})
		}
		nodes := []*contacts.Book{book(), book()}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, len(nodes))
		for _, n := range nodes {
			go func() { ended <- n.Run(ctx) }()
		}
		defer q.Close()
		defer func() {
			cancel()
			for range nodes {
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
		}()
		rounds := 0
		settled := func(what string, changes int64) {
			t.Helper()
			rounds++
			mailtest.Eventually(t, 30*time.Second, func() error {
				done, err := q.List(t.Context(), queue.Filter{Kind: contacts.SyncKind("crm"), State: queue.StateCompleted})
				if err != nil {
					return err
				}
				all, err := q.List(t.Context(), queue.Filter{Kind: contacts.SyncKind("crm")})
				if err == nil && (len(done) < rounds || len(all) != len(done)) {
					err = fmt.Errorf("%s: jobs %+v, want %d that are completed", what, all, rounds)
				}
				return err
			})
			if got := polls.Load(); got != changes {
				t.Errorf("%s: the target was asked for changes %d times, want %d", what, got, changes)
			}
		}
		settled("the first round", 2) // for the cursor of now, and for what came since
		s, err := nodes[0].Status(t.Context())
		if err != nil || len(s) != 1 {
			t.Fatalf("status: got %+v, %v", s, err)
		}
		if wait := s[0].NextAt.Sub(clock.Now()); !s[0].RanAt.Equal(clock.Now()) || wait < 4*time.Minute || wait > 5*time.Minute {
			t.Errorf("status: last run %v, next run in %v; want now, and in 4 to 5 minutes", s[0].RanAt, wait)
		}
		if err := nodes[1].Poke(t.Context(), "crm"); err != nil {
			t.Fatal(err)
		}
		settled("after it was asked for", 3)
		clock.move(5 * time.Minute)
		settled("when it was due", 4)
	})
}
