package contacts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/contacts"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// clock is a clock that stands until it is moved.
type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC).UnixMicro())
	return c
}

func (c *clock) Now() time.Time        { return time.UnixMicro(c.now.Load()).UTC() }
func (c *clock) move(d time.Duration)  { c.now.Add(d.Microseconds()) }
func (c *clock) tick() (now time.Time) { c.move(time.Second); return c.Now() }

func settings() config.Contacts {
	return config.Contacts{
		Interval: config.Duration(5 * time.Minute), StaleAfter: config.Duration(30 * time.Minute), Region: "CN",
		Conflicts: config.ConflictsPriority, Priority: []config.ValueOrigin{config.OriginCRM, config.OriginImport, config.OriginSignature},
		AutoMerge: true,
	}
}

type fixture struct {
	*contacts.Book
	db    *store.DB
	clock *clock
}

func newBook(db *store.DB, target string, client crmclient.Client, change ...func(*config.Contacts)) fixture {
	f := fixture{db: db, clock: newClock()}
	cfg := settings()
	for _, c := range change {
		c(&cfg)
	}
	f.Book = contacts.New(contacts.Options{
		Store: db, Queue: queue.Open(db, queue.Options{Now: f.clock.Now}), Targets: []contacts.Target{{Name: target, Client: client}}, Config: cfg, Now: f.clock.Now,
	})
	return f
}

type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// copied returns the contacts of a target as the tables have them.
func copied(t fataler, db *store.DB, target string) map[string]crmclient.ContactRecord {
	t.Helper()
	rows, err := db.Reader().QueryContext(context.Background(), `SELECT id, record FROM contact_records WHERE target = $1 AND deleted = 0`, target)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]crmclient.ContactRecord{}
	for rows.Next() {
		var id, raw string
		var r crmclient.ContactRecord
		if err := errors.Join(rows.Scan(&id, &raw), json.Unmarshal([]byte(raw), &r)); err != nil {
			t.Fatal(err)
		}
		out[id] = r
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// sameAs compares the copy with the CRM.
func (f fixture) sameAs(t fataler, r *remote, target string) {
	t.Helper()
	got, want := copied(t, f.db, target), r.live()
	for id, p := range want {
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var plain crmclient.ContactRecord
		if err := json.Unmarshal(raw, &plain); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got[id], plain) {
			t.Fatalf("contact %s: got %+v, want %+v", id, got[id], plain)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got contacts %q, want %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// dying is a context that ends after so many looks at it: a crash at some statement.
type dying struct {
	context.Context
	left atomic.Int64
}

func (d *dying) Err() error {
	if d.left.Add(-1) < 0 {
		return context.Canceled
	}
	return d.Context.Err()
}

var targets atomic.Int64

// Whatever changes, fails and crashes in whatever order: once the target was followed to its end, the copy is the CRM's.
func TestTheCopyIsTheCRM(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		checks := 0
		rapid.Check(t, func(t *rapid.T) {
			if checks++; checks > enough(db) {
				return
			}
			interleave(t, db)
		})
	})
}

// enough is how many interleavings a database is tried with. The queries are the same on both; each takes a round trip on PostgreSQL.
func enough(db *store.DB) int {
	if db.Dialect() == store.Postgres {
		return 6
	}
	return 40
}

func interleave(t *rapid.T, db *store.DB) {
	target := fmt.Sprintf("t%d", targets.Add(1))
	r := newRemote(rapid.SampledFrom([]int{1, 2, 3, 7, 150}).Draw(t, "page"))
	f := newBook(db, target, r)
	r.now = f.clock.tick
	faults := 0
	trouble := func(string) error {
		if faults--; faults == 0 {
			return errors.New("the connection broke")
		}
		return nil
	}
	r.fault, r.lost = trouble, trouble
	for range rapid.SampledFrom([]int{0, 3, 120}).Draw(t, "there before") {
		r.put(person(r.next))
	}
	pick := func() string {
		ids := slices.Sorted(maps.Keys(r.live()))
		if len(ids) == 0 {
			return ""
		}
		return rapid.SampledFrom(ids).Draw(t, "id")
	}
	var told []crmclient.ContactRecord // pushes that may come late
	t.Repeat(map[string]func(*rapid.T){
		"make": func(*rapid.T) { r.put(person(r.next)) },
		"change": func(*rapid.T) {
			id := pick()
			r.change(id, func(p *crmclient.ContactRecord) {
				p.Name += "x"
				p.Fields[crmclient.FieldTitle] = p.Name
				p.Addresses = append(slices.Clone(p.Addresses), p.Name+"@customer.example")[:1]
			})
			told = append(told, r.live()[id])
		},
		"delete": func(*rapid.T) { r.remove(pick(), "") },
		"merge":  func(*rapid.T) { a, b := pick(), pick(); r.remove(b, a) },
		"expire": func(*rapid.T) { r.expire() },
		"sync":   func(*rapid.T) { _ = f.Sync(context.Background(), target) },
		"fail": func(t *rapid.T) {
			faults = rapid.IntRange(1, 12).Draw(t, "call")
			_ = f.Sync(context.Background(), target)
			faults = 0
		},
		"crash": func(t *rapid.T) {
			ctx := &dying{Context: context.Background()}
			ctx.left.Store(int64(rapid.IntRange(0, 200).Draw(t, "statement")))
			_ = f.Sync(ctx, target)
		},
		"push": func(t *rapid.T) {
			if len(told) > 0 {
				_ = f.Apply(context.Background(), target, []crmclient.ContactRecord{rapid.SampledFrom(told).Draw(t, "told")})
			}
		},
		"wait": func(*rapid.T) { f.clock.move(time.Hour) },
	})
	if err := f.Sync(context.Background(), target); err != nil {
		t.Fatal(err)
	}
	f.sameAs(t, r, target)
	if _, complete, err := f.Lookup(context.Background(), target, nil); err != nil || !complete {
		t.Fatalf("complete: got %v, %v; want true", complete, err)
	}
	for id, p := range r.live() {
		found, _, err := f.Lookup(context.Background(), target, p.Addresses)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range p.Addresses {
			if !slices.ContainsFunc(found[a], func(c crmclient.Contact) bool { return c.ID == id || c.Address == a }) {
				t.Fatalf("contact %s is not found by its address", id)
			}
		}
	}
}

func person(i int) crmclient.ContactRecord {
	return crmclient.ContactRecord{
		Name: fmt.Sprintf("Person %d", i), Addresses: []string{fmt.Sprintf("person%d@customer.example", i)}, Phones: []string{fmt.Sprintf("1380013%04d", i)},
		Fields: map[string]string{crmclient.FieldTitle: "Buyer"},
	}
}

// HTTP troubles do not lose the place, and the CRM is left alone for as long as it asks.
func TestFollowingOverHTTP(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRemote(10)
		for i := range 45 {
			r.put(person(i))
		}
		var calls, status atomic.Int64
		v := newVendor(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			calls.Add(1)
			switch s := int(status.Load()); s {
			case 0:
				r.ServeHTTP(w, req)
				if calls.Load() == 4 { // while the listing lasts
					r.put(person(100))
					r.remove("c0001", "")
				}
			case http.StatusTooManyRequests:
				w.Header().Set("Retry-After", "90")
				w.WriteHeader(s)
			default:
				w.WriteHeader(s)
			}
		}))
		f := newBook(db, "crm", v)
		r.now = f.clock.Now
		status.Store(http.StatusTooManyRequests)
		if at := f.SyncJob(t.Context(), "crm"); !at.Equal(f.clock.Now().Add(90 * time.Second)) {
			t.Errorf("after 429 with Retry-After: again at %v, want in 90 s", at)
		}
		before := calls.Load()
		f.clock.move(time.Minute)
		f.SyncJob(t.Context(), "crm")
		if calls.Load() != before {
			t.Error("the CRM was asked before the time that it named")
		}
		f.clock.move(time.Minute)
		status.Store(http.StatusInternalServerError)
		if at := f.SyncJob(t.Context(), "crm"); !at.After(f.clock.Now()) {
			t.Error("after 500 it is not waited for")
		}
		if s := status1(t, f); s.Failures != 2 || s.Reason == "" || s.Complete {
			t.Errorf("status: got %+v", s)
		}
		status.Store(0)
		calls.Store(0)
		f.clock.move(time.Hour)
		f.SyncJob(t.Context(), "crm")
		f.sameAs(t, r, "crm")
		if s := status1(t, f); s.Failures != 0 || s.Reason != "" || !s.Complete || s.Records != 45 {
			t.Errorf("status: got %+v", s)
		}
		status.Store(http.StatusUnauthorized)
		if at := f.SyncJob(t.Context(), "crm"); at.Before(f.clock.Now().Add(time.Minute)) {
			t.Error("a target with wrong credentials is asked again within a minute")
		}
		// The copy answers while the CRM is away, but not for ever as if it were all there is.
		found, complete, err := f.Lookup(t.Context(), "crm", []string{"PERSON2@customer.example"})
		if err != nil || !complete || len(found["PERSON2@customer.example"]) != 1 {
			t.Errorf("lookup: got %v, %v, %v", found, complete, err)
		}
		f.clock.move(time.Hour)
		if _, complete, err := f.Lookup(t.Context(), "crm", nil); err != nil || complete {
			t.Errorf("stale: got complete %v, %v", complete, err)
		}
	})
}

func status1(t *testing.T, f fixture) contacts.Status {
	t.Helper()
	all, err := f.Status(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("status: got %+v, %v", all, err)
	}
	return all[0]
}

// A CRM that tells no changes is listed again each time, and what is gone from the list is gone.
func TestListingOnly(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRemote(4)
		for i := range 10 {
			r.put(person(i))
		}
		f := newBook(db, "crm", listingOnly{r})
		for range 3 {
			if err := f.Sync(t.Context(), "crm"); err != nil {
				t.Fatal(err)
			}
			f.sameAs(t, r, "crm")
			r.remove(slices.Sorted(maps.Keys(r.live()))[0], "")
			r.put(person(50 + r.next))
		}
	})
}

type listingOnly struct{ r *remote }

func (l listingOnly) ListContacts(ctx context.Context, cursor string) ([]crmclient.ContactRecord, string, error) {
	return l.r.ListContacts(ctx, cursor)
}

func (l listingOnly) FindContacts(ctx context.Context, a []string) ([]crmclient.Contact, error) {
	return l.r.FindContacts(ctx, a)
}

func (l listingOnly) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	return l.r.LogEmail(ctx, a)
}
