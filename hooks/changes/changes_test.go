package changes_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/crmclient"
	"heliograph/hooks/changes"
	"heliograph/internal/limit"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// desk is a Watcher with what a consumer was told.
type desk struct {
	*changes.Watcher
	db   *store.DB
	told []string
	all  []changes.Change
}

func watcher(db *store.DB, c crmclient.Client) *changes.Watcher {
	return changes.New(changes.Options{Store: db, Targets: []changes.Target{{Name: "crm", Client: c}}, Registerer: prometheus.NewRegistry()})
}

// open watches stage and amount of deals, learns what is there and begins to consume.
func open(t *testing.T, db *store.DB, c crmclient.Client) *desk {
	t.Helper()
	d := &desk{Watcher: watcher(db, c), db: db}
	if err := d.Watch(t.Context(), "crm", "deals", []string{"stage", "amount"}); err != nil {
		t.Fatal(err)
	}
	d.consume(t)
	d.follow(t)
	d.want(t)
	return d
}

func (d *desk) follow(t *testing.T) {
	t.Helper()
	if err := d.Follow(t.Context(), "crm", "deals"); err != nil {
		t.Fatal(err)
	}
}

func (d *desk) consume(t *testing.T) {
	t.Helper()
	for {
		var got []changes.Change
		n, err := d.Consume(t.Context(), "rules", 2, func(_ context.Context, _ store.Querier, c []changes.Change) error {
			got = c
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		d.all = append(d.all, got...)
		for _, c := range got {
			d.told = append(d.told, say(c))
		}
		if n == 0 {
			return
		}
	}
}

// say is a change in one line, its fields in order.
func say(c changes.Change) string {
	text := c.ID + " " + c.Kind
	for _, f := range []string{"stage", "amount"} {
		if v, ok := c.Fields[f]; ok {
			text += fmt.Sprintf(" %s %v→%v", f, v.Old, v.New)
		}
	}
	return text
}

// want checks what was told since the last call, in order.
func (d *desk) want(t *testing.T, want ...string) {
	t.Helper()
	d.consume(t)
	if !slices.Equal(d.told, want) {
		t.Errorf("told:\n got %q\nwant %q", d.told, want)
	}
	d.told = nil
}

func TestToldOnceWithOldAndNew(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		c.fill(t, 8)
		d := open(t, db, listing{c})
		c.set("b", deal("won", 1))
		c.set("x", deal("new", 7))
		c.set("a", map[string]any{"note": "nobody watches this"})
		d.follow(t)
		d.want(t, "b changed stage new→won", "x made stage <nil>→new amount <nil>→7")
		d.follow(t)
		d.want(t)
		// Two changes between two looks are one; there and back is none; another form of a number is none.
		c.set("b", deal("lost", 1))
		c.set("b", deal("won", 5))
		c.set("c", deal("won", 2))
		c.set("c", deal("new", 2))
		c.set("d", map[string]any{"amount": json.Number("3.00")})
		d.follow(t)
		d.want(t, "b changed amount 1→5")
		c.remove("b")
		c.remove("never seen")
		d.follow(t)
		d.want(t, "b deleted stage won→<nil> amount 5→<nil>")
		c.set("b", deal("new", 1))
		d.follow(t)
		d.want(t, "b made stage <nil>→new amount <nil>→1")
		last := d.all[len(d.all)-1]
		if last.ChangedAt.IsZero() || last.SeenAt.IsZero() || last.Target != "crm" || last.Object != "deals" {
			t.Errorf("got %+v", last)
		}
	})
}

// TestCrashAtEachStep stops the watcher when the CRM has answered and nothing is written yet, at each answer, and starts another one.
func TestCrashAtEachStep(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		c.fill(t, 7)
		d := &desk{Watcher: watcher(db, listing{c}), db: db}
		if err := d.Watch(t.Context(), "crm", "deals", []string{"stage", "amount"}); err != nil {
			t.Fatal(err)
		}
		d.consume(t)
		crashing := func(what string) {
			t.Helper()
			for range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				c.mu.Lock()
				first := c.calls + 1 + len(d.all)%3 // after one to three answers
				c.onCall = func(call int) {
					if call == first {
						cancel()
					}
				}
				c.mu.Unlock()
				err := watcher(db, listing{c}).Follow(ctx, "crm", "deals")
				cancel()
				c.mu.Lock()
				c.onCall = nil
				c.mu.Unlock()
				d.all = append(d.all, changes.Change{}) // varies the place of the next crash
				d.consume(t)
				if err == nil {
					return
				}
			}
			t.Errorf("%s: it never came to an end", what)
		}
		// A crash at each answer makes no progress where one answer is one step: let every second one through.
		for range 3 {
			crashing("learning")
			d.follow(t)
			d.want(t)
			for i := range 9 {
				c.set(string(rune('a'+i)), deal("step", i))
			}
			d.Watcher = watcher(db, listing{c})
			d.follow(t)
			d.consume(t)
			if len(d.told) != 9 && len(d.told) != 0 {
				t.Errorf("told: got %q", d.told)
			}
			d.told = nil
			c.set("a", deal("again", 1))
			c.set("b", deal("again", 2))
			crashing("following")
			d.follow(t)
			d.want(t, "a changed stage step→again amount 0→1", "b changed stage step→again amount 1→2")
			c.expire()
			c.set("a", deal("step", 0))
			c.set("b", deal("step", 1))
			crashing("comparing")
			d.follow(t)
			d.want(t, "a changed stage again→step amount 1→0", "b changed stage again→step amount 2→1")
		}
	})
}

func TestWebhooksWakeIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		c.fill(t, 3)
		c.overlap = 0
		d := open(t, db, listing{c})
		c.silently("a", deal("won", 0)) // the CRM will not tell of it
		d.follow(t)
		d.want(t)
		for range 3 { // a delivery comes three times
			if watched, err := d.Wake(t.Context(), "crm", "deals", "a"); err != nil || !watched {
				t.Fatal(watched, err)
			}
		}
		c.reads = nil
		d.follow(t)
		d.want(t, "a changed stage new→won")
		if !slices.Equal(c.reads, []string{"a"}) {
			t.Errorf("read: got %q, want a once", c.reads)
		}
		// The webhook and the poll tell of the same change; one of something that is gone; one of a new record.
		c.set("b", deal("won", 1))
		c.remove("c")
		c.set("z", deal("new", 9))
		for _, id := range []string{"b", "c", "z", "no such record"} {
			if _, err := d.Wake(t.Context(), "crm", "deals", id); err != nil {
				t.Fatal(err)
			}
		}
		d.follow(t)
		d.consume(t)
		slices.Sort(d.told)
		d.want(t, "b changed stage new→won", "c deleted stage new→<nil> amount 2→<nil>", "z made stage <nil>→new amount <nil>→9")
		for _, other := range [][2]string{{"crm", "orders"}, {"other", "deals"}} {
			if watched, err := d.Wake(t.Context(), other[0], other[1], "a"); err != nil || watched {
				t.Errorf("%q: got %v, %v; want that it is not watched", other, watched, err)
			}
		}
	})
}

func TestRefusedCursor(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		c.fill(t, 8)
		d := open(t, db, listing{c})
		c.set("a", deal("won", 0))
		c.set("y", deal("new", 5))
		c.remove("h")
		c.silently("b", deal("lost", 1))
		c.expire()
		d.follow(t)
		d.want(t, "a changed stage new→won", "b changed stage new→lost", "y made stage <nil>→new amount <nil>→5", "h deleted stage new→<nil> amount 7→<nil>")
		c.set("a", deal("lost", 0))
		d.follow(t)
		d.want(t, "a changed stage won→lost")
	})
}

func TestRecordsThatCannotBeListed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		c.fill(t, 4)
		d := open(t, db, c)
		c.set("a", deal("won", 0)) // first sight, and the CRM does not tell what it was
		d.follow(t)
		d.want(t)
		c.set("a", deal("lost", 0))
		d.follow(t)
		d.want(t, "a changed stage won→lost")
		c.mu.Lock()
		c.tellOld = true
		c.mu.Unlock()
		c.set("b", deal("won", 1))
		d.follow(t)
		d.want(t, "b changed stage new→won")
		c.silently("a", deal("new", 0))
		c.remove("b")
		c.expire()
		d.follow(t) // what is known is read again, one by one
		d.want(t, "a changed stage lost→new", "b deleted stage won→<nil> amount 1→<nil>")
	})
}

func TestOwnWritingIsNotTold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		c.fill(t, 4)
		d := open(t, db, listing{c})
		note := func(id string, fields map[string]any) {
			t.Helper()
			err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
				return d.Wrote(ctx, tx, "crm", "deals", id, fields)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		// The CRM gives the number back in another form.
		note("a", map[string]any{"stage": "won", "amount": "12.5"})
		c.set("a", map[string]any{"stage": "won", "amount": json.Number("12.50")})
		d.follow(t)
		d.want(t)
		// Somebody changes another field before we look.
		note("b", map[string]any{"stage": "won"})
		c.set("b", map[string]any{"amount": json.Number("99")})
		c.set("b", map[string]any{"stage": "won"})
		d.follow(t)
		d.want(t, "b changed amount 1→99")
		// Somebody writes another value over ours, and later the same as ours.
		c.set("a", map[string]any{"stage": "lost"})
		d.follow(t)
		c.set("a", map[string]any{"stage": "won"})
		d.follow(t)
		d.want(t, "a changed stage won→lost", "a changed stage lost→won")
		// The CRM says itself that it was us.
		c.mu.Lock()
		c.own = true
		c.mu.Unlock()
		c.set("c", deal("won", 2))
		c.set("ours", deal("new", 2))
		d.follow(t)
		d.want(t)
		c.mu.Lock()
		c.own = false
		c.mu.Unlock()
		c.set("c", deal("lost", 2))
		d.follow(t)
		d.want(t, "c changed stage won→lost")
	})
}

func TestFieldsAreAdded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		c.fill(t, 4)
		d := &desk{Watcher: watcher(db, listing{c}), db: db}
		follows := func(want bool, fields ...string) {
			t.Helper()
			if got, trouble, err := changes.Follows(t.Context(), db.Reader(), "crm", "deals", fields); err != nil || got != want || trouble != "" {
				t.Errorf("changes of %v are told: %v, %q, %v, want %v", fields, got, trouble, err, want)
			}
		}
		follows(false, "stage")
		if err := d.Watch(t.Context(), "crm", "deals", []string{"stage"}); err != nil {
			t.Fatal(err)
		}
		follows(false, "stage") // nothing was read yet
		d.consume(t)
		d.follow(t)
		follows(true, "stage")
		c.set("a", deal("won", 77))
		for range 2 {
			if err := d.Watch(t.Context(), "crm", "deals", []string{"amount", "stage"}); err != nil {
				t.Fatal(err)
			}
		}
		follows(false, "stage", "amount")
		d.follow(t)
		follows(true, "amount", "stage")
		d.want(t, "a changed stage new→won") // what amount was nobody knows
		c.set("b", deal("new", 78))
		d.follow(t)
		d.want(t, "b changed amount 1→78")
		list, err := d.Status(t.Context())
		if err != nil || len(list) != 1 || !slices.Equal(list[0].Fields, []string{"amount", "stage"}) || list[0].Phase != "follow" {
			t.Errorf("status: got %+v, %v", list, err)
		}
		if err := d.Unwatch(t.Context(), "crm", "deals"); err != nil {
			t.Fatal(err)
		}
		c.set("a", deal("lost", 1))
		d.follow(t)
		d.want(t)
		for _, bad := range [][]string{nil, {""}, {string(make([]byte, 400))}} {
			if err := d.Watch(t.Context(), "crm", "deals", bad); err == nil {
				t.Errorf("fields %q: no error", bad)
			}
		}
		if err := d.Watch(t.Context(), "nobody", "deals", []string{"x"}); err == nil {
			t.Error("a target that is not there: no error")
		}
	})
}

func TestFailuresWait(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		d := open(t, db, listing{c})
		c.fail = func(int) error { return &crmclient.Error{Class: crmclient.ClassAuth, Message: "wrong key"} }
		if err := d.Follow(t.Context(), "crm", "deals"); crmclient.ClassOf(err) != crmclient.ClassAuth {
			t.Fatalf("got %v", err)
		}
		list, err := d.Status(t.Context())
		if err != nil || list[0].Failures != 1 || list[0].Reason != "wrong key" {
			t.Errorf("status: got %+v, %v", list, err)
		}
		if _, trouble, err := changes.Follows(t.Context(), db.Reader(), "crm", "deals", nil); trouble != "wrong key" || err != nil {
			t.Errorf("trouble %q, %v", trouble, err)
		}
		c.fail = nil
		c.set("a", deal("new", 1))
		d.follow(t)
		d.want(t, "a made stage <nil>→new amount <nil>→1")
		if list, err = d.Status(t.Context()); err != nil || list[0].Failures != 0 || list[0].Reason != "" {
			t.Errorf("status: got %+v, %v", list, err)
		}
	})
}

func TestConsumersHaveTheirOwnCursors(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		c.fill(t, 3)
		d := open(t, db, listing{c})
		c.set("a", deal("won", 0))
		d.follow(t)
		failing := errors.New("not this time")
		if _, err := d.Consume(t.Context(), "rules", 10, func(context.Context, store.Querier, []changes.Change) error { return failing }); !errors.Is(err, failing) {
			t.Fatalf("got %v", err)
		}
		count := func(name string) (n int) {
			t.Helper()
			n, err := d.Consume(t.Context(), name, 10, func(context.Context, store.Querier, []changes.Change) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := count("late"); n != 0 {
			t.Errorf("a new consumer: got %d changes, want those to come", n)
		}
		d.want(t, "a changed stage new→won") // after the failure they come again
		c.set("b", deal("won", 1))
		d.follow(t)
		if n := count("late"); n != 1 {
			t.Errorf("got %d changes, want 1", n)
		}
		list, err := d.Changes(t.Context(), 0, 10)
		if err != nil || len(list) != 2 || list[0].Seq >= list[1].Seq {
			t.Errorf("got %+v, %v; want both", list, err)
		}
	})
}

// TestManyAtOnce lets several nodes follow, wake and consume while people write. The changes of each record must form one chain: each
// old value is the new one of the change before, and the last is what the CRM has.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		c.fill(t, 6)
		d := open(t, db, listing{c})
		var group sync.WaitGroup
		for node := range 3 {
			w := watcher(db, listing{c})
			group.Go(func() {
				random := rand.New(rand.NewPCG(uint64(node), 7))
				for i := range 12 {
					id := string(rune('a' + random.IntN(6)))
					c.set(id, deal(fmt.Sprintf("s%d-%d", node, i), random.IntN(3)))
					if i%3 == 0 {
						if _, err := w.Wake(t.Context(), "crm", "deals", id); err != nil {
							t.Error(err)
						}
					}
					if err := w.Follow(t.Context(), "crm", "deals"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		d.follow(t)
		d.consume(t)
		last := map[string]any{}
		for i, change := range d.all {
			v, ok := change.Fields["stage"]
			if !ok {
				continue
			}
			before, known := last[change.ID]
			if known && before != v.Old || !known && v.Old != "new" || v.Old == v.New {
				t.Errorf("change %d of %s: got %v→%v after %v", i, change.ID, v.Old, v.New, before)
			}
			last[change.ID] = v.New
		}
		for id, stage := range last {
			if is := c.records[id]["stage"]; is != stage {
				t.Errorf("%s: told %v, is %v", id, stage, is)
			}
		}
		if len(last) == 0 {
			t.Error("nothing was told")
		}
	})
}

func TestRunFollowsOnOneNode(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		claims := limit.NewMemory(limit.MemoryOptions{})
		t.Cleanup(func() { _ = claims.Close() })
		c := newCRM()
		c.overlap = 0
		c.fill(t, 3)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		var nodes []*changes.Watcher
		for i := range 2 {
			w := changes.New(changes.Options{
				Store: db, Targets: []changes.Target{{Name: "crm", Client: listing{c}}}, Claims: claims, Owner: fmt.Sprint("node ", i),
				Interval: 20 * time.Millisecond, Tick: 5 * time.Millisecond,
			})
			nodes = append(nodes, w)
			group.Go(func() {
				if err := w.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		d := &desk{Watcher: nodes[0], db: db}
		if err := d.Watch(t.Context(), "crm", "deals", []string{"stage", "amount"}); err != nil {
			t.Fatal(err)
		}
		d.consume(t)
		await := func(ready func() bool) {
			t.Helper()
			deadline := time.NewTimer(20 * time.Second)
			defer deadline.Stop()
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for !ready() {
				select {
				case <-tick.C:
				case <-deadline.C:
					t.Fatal("it does not happen")
				}
			}
		}
		await(func() bool {
			list, err := d.Status(t.Context())
			return err == nil && len(list) == 1 && list[0].Phase == "follow"
		})
		c.set("a", deal("won", 0))
		await(func() bool { d.consume(t); return len(d.told) == 1 })
		c.silently("b", deal("won", 1))
		if _, err := nodes[1].Wake(t.Context(), "crm", "deals", "b"); err != nil {
			t.Fatal(err)
		}
		await(func() bool { d.consume(t); return len(d.told) == 2 })
		cancel()
		group.Wait()
		d.want(t, "a changed stage new→won", "b changed stage new→won")
	})
}
