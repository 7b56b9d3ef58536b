package contacts_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/contacts"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func learn(t fataler, f fixture, target string, origin config.ValueOrigin, title string) {
	t.Helper()
	err := f.Learn(context.Background(), target, "li@customer.example", contacts.Fields{crmclient.FieldTitle: title}, origin, f.clock.tick())
	if err != nil {
		t.Fatal(err)
	}
}

func settled(t fataler, f fixture, target string) {
	t.Helper()
	for range 3 {
		if err := errors.Join(f.Sync(context.Background(), target), f.WriteAll(context.Background(), target)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		policy config.ConflictPolicy
		crm    string
		learnt string
		want   string // in the CRM
		states []string
	}{
		"a gap is filled":                    {config.ConflictsPriority, "", "Buyer", "Buyer", nil},
		"a gap is filled when asked for too": {config.ConflictsAsk, "", "Buyer", "Buyer", nil},
		"the CRM comes first":                {config.ConflictsPriority, "Boss", "Buyer", "Boss", []string{"crm"}},
		"the latest wins":                    {config.ConflictsLatest, "Boss", "Buyer", "Buyer", []string{"other"}},
		"ask leaves the CRM alone":           {config.ConflictsAsk, "Boss", "Buyer", "Boss", []string{"open"}},
		"the same is no conflict":            {config.ConflictsAsk, "BUYER ", "Buyer", "BUYER ", nil},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				target := fmt.Sprintf("t%d", targets.Add(1))
				r := newRemote(10)
				f := newBook(db, target, r, func(k *config.Contacts) { k.Conflicts = c.policy })
				r.now = f.clock.tick
				id := r.put(crmclient.ContactRecord{Name: "李雷", Addresses: []string{"li@customer.example"}, Fields: map[string]string{crmclient.FieldTitle: c.crm}})
				settled(t, f, target)
				for range 2 { // again changes nothing
					learn(t, f, target, config.OriginSignature, c.learnt)
					settled(t, f, target)
				}
				if got := r.live()[id].Fields[crmclient.FieldTitle]; got != c.want {
					t.Errorf("title in the CRM: got %q, want %q", got, c.want)
				}
				all, err := f.Conflicts(t.Context(), target, true, 10)
				if err != nil {
					t.Fatal(err)
				}
				var states []string
				for _, k := range all {
					states = append(states, k.State)
					if k.CRMValue != c.crm || k.Value != c.learnt || k.Origin != "signature" || k.At.IsZero() || k.CRMAt.IsZero() {
						t.Errorf("conflict: got %+v", k)
					}
				}
				if !slices.Equal(states, c.states) {
					t.Errorf("conflicts: got %q, want %q", states, c.states)
				}
			})
		}
	})
}

func TestDecidingAConflict(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, takeCRM := range []bool{true, false} {
			target := fmt.Sprintf("t%d", targets.Add(1))
			r := newRemote(10)
			f := newBook(db, target, r, func(k *config.Contacts) { k.Conflicts = config.ConflictsAsk })
			r.now = f.clock.tick
			id := r.put(crmclient.ContactRecord{Name: "李雷", Addresses: []string{"li@customer.example"}, Fields: map[string]string{crmclient.FieldTitle: "Boss"}})
			settled(t, f, target)
			learn(t, f, target, config.OriginSignature, "Buyer")
			open, err := f.Conflicts(t.Context(), target, false, 10)
			if err != nil || len(open) != 1 {
				t.Fatalf("open conflicts: got %+v, %v; want one", open, err)
			}
			if err := f.ResolveConflict(t.Context(), open[0].ID, takeCRM); err != nil {
				t.Fatal(err)
			}
			settled(t, f, target)
			want := map[bool]string{true: "Boss", false: "Buyer"}[takeCRM]
			if got := r.live()[id].Fields[crmclient.FieldTitle]; got != want {
				t.Errorf("title in the CRM: got %q, want %q", got, want)
			}
			if err := f.ResolveConflict(t.Context(), open[0].ID, true); !errors.Is(err, contacts.ErrNoConflict) {
				t.Errorf("deciding it again: got %v, want ErrNoConflict", err)
			}
			// What was decided is not asked again, even when the contact changes otherwise.
			r.change(id, func(p *crmclient.ContactRecord) { p.Name = "李磊" })
			settled(t, f, target)
			if open, err := f.Conflicts(t.Context(), target, false, 10); err != nil || len(open) != 0 {
				t.Errorf("asked again: got %+v, %v", open, err)
			}
		}
	})
}

func TestReopeningAConflict(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRemote(10)
		f := newBook(db, "crm", r, func(k *config.Contacts) { k.Conflicts = config.ConflictsAsk })
		r.now = f.clock.tick
		id := r.put(crmclient.ContactRecord{Name: "李雷", Addresses: []string{"li@customer.example"}, Fields: map[string]string{crmclient.FieldTitle: "Boss"}})
		settled(t, f, "crm")
		learn(t, f, "crm", config.OriginSignature, "Buyer")
		open, err := f.Conflicts(t.Context(), "crm", false, 10)
		if err != nil || len(open) != 1 {
			t.Fatal(open, err)
		}
		one := open[0].ID
		if err := f.ReopenConflict(t.Context(), one); !errors.Is(err, contacts.ErrNoConflict) {
			t.Errorf("while it is open: %v", err)
		}
		for _, takeCRM := range []bool{true, false} { // of the latter, before it is written
			if err := errors.Join(f.ResolveConflict(t.Context(), one, takeCRM), f.ReopenConflict(t.Context(), one)); err != nil {
				t.Fatal(takeCRM, err)
			}
		}
		settled(t, f, "crm")
		if got := r.live()[id].Fields[crmclient.FieldTitle]; got != "Boss" {
			t.Errorf("the CRM has %q, though the decision was taken back", got)
		}
		if err := f.ResolveConflict(t.Context(), one, false); err != nil {
			t.Fatal(err)
		}
		settled(t, f, "crm")
		if err := f.ReopenConflict(t.Context(), one); !errors.Is(err, contacts.ErrWritten) {
			t.Errorf("after it was written: %v", err)
		}
	})
}

func TestDismissingAPair(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRemote(10)
		f := newBook(db, "crm", r)
		r.now = f.clock.tick
		a := r.put(crmclient.ContactRecord{Name: "Smith, John", Phones: []string{"+86 138 0013 8000"}, Addresses: []string{"js@beta.example"}})
		b := r.put(crmclient.ContactRecord{Name: "John Smith", Phones: []string{"13800138000"}, Addresses: []string{"john@freemail.example"}})
		settled(t, f, "crm")
		count := func(want int) {
			t.Helper()
			if found, err := f.Duplicates(t.Context(), "crm", 10); err != nil || len(found) != want {
				t.Errorf("got %+v, %v; want %d", found, err, want)
			}
		}
		count(1)
		if err := f.Dismiss(t.Context(), "crm", b, a); err != nil {
			t.Fatal(err)
		}
		r.change(a, func(p *crmclient.ContactRecord) { p.Name = "Smith John" })
		settled(t, f, "crm")
		count(0)
		if err := f.Dismiss(t.Context(), "crm", a, b); !errors.Is(err, contacts.ErrNoPair) {
			t.Errorf("again: %v", err)
		}
		if err := f.Restore(t.Context(), "crm", a, b); err != nil {
			t.Fatal(err)
		}
		count(1)
	})
}

// Two sources and the people at the CRM change a field in any order, and any policy: whatever was overwritten by us is kept, and so
// is what was learnt.
func TestNoValueIsLost(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		checks := 0
		rapid.Check(t, func(t *rapid.T) {
			if checks++; checks > enough(db) {
				return
			}
			loseNothing(t, db)
		})
	})
}

func loseNothing(t *rapid.T, db *store.DB) {
	target := fmt.Sprintf("t%d", targets.Add(1))
	r := newRemote(3)
	policy := rapid.SampledFrom([]config.ConflictPolicy{config.ConflictsLatest, config.ConflictsPriority, config.ConflictsAsk}).Draw(t, "policy")
	f := newBook(db, target, r, func(k *config.Contacts) {
		k.Conflicts = policy
		k.Priority = rapid.Permutation(k.Priority).Draw(t, "priority")
	})
	r.now = f.clock.tick
	id := r.put(crmclient.ContactRecord{Name: "李雷", Addresses: []string{"li@customer.example"}})
	settled(t, f, target)
	n := 0
	fresh := func() string { n++; return fmt.Sprintf("Title %d", n) }
	t.Repeat(map[string]func(*rapid.T){
		"signature": func(*rapid.T) { learn(t, f, target, config.OriginSignature, fresh()) },
		"import":    func(*rapid.T) { learn(t, f, target, config.OriginImport, fresh()) },
		"people": func(*rapid.T) {
			r.change(id, func(p *crmclient.ContactRecord) { p.Fields[crmclient.FieldTitle] = fresh() })
		},
		"sync":  func(*rapid.T) { _ = f.Sync(context.Background(), target) },
		"write": func(*rapid.T) { _ = f.WriteAll(context.Background(), target) },
		"decide": func(t *rapid.T) {
			open, err := f.Conflicts(context.Background(), target, false, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range open {
				if err := f.ResolveConflict(context.Background(), c.ID, rapid.Bool().Draw(t, "crm")); err != nil {
					t.Fatal(err)
				}
			}
		},
	})
	kept := map[string]bool{"": true}
	all, err := f.Conflicts(context.Background(), target, true, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		kept[c.CRMValue], kept[c.Value] = true, true
	}
	for _, w := range r.written {
		if !kept[w.old] {
			t.Fatalf("%q was overwritten with %q in the CRM and is not kept", w.old, w.value)
		}
	}
}

// A field that somebody changed in the CRM meanwhile is not overwritten.
func TestWritingOverAChange(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRemote(10)
		f := newBook(db, "crm", r)
		r.now = f.clock.tick
		id := r.put(crmclient.ContactRecord{Name: "李雷", Addresses: []string{"li@customer.example"}})
		settled(t, f, "crm")
		learn(t, f, "crm", config.OriginSignature, "Buyer")
		r.change(id, func(p *crmclient.ContactRecord) { p.Fields[crmclient.FieldTitle] = "Boss" })
		settled(t, f, "crm")
		f.clock.move(changedAgain)
		settled(t, f, "crm")
		if got := r.live()[id].Fields[crmclient.FieldTitle]; got != "Boss" || len(r.written) != 0 {
			t.Errorf("title in the CRM: got %q after %v, want Boss", got, r.written)
		}
	})
}

const changedAgain = time.Minute

// dump is all that says which contacts there are.
func dump(t fataler, f fixture, target string) [][]string {
	t.Helper()
	var out [][]string
	for _, query := range []string{
		`SELECT id, record, times, joined_into, merged_into, search FROM contact_records WHERE target = $1 ORDER BY id`,
		`SELECT contact, kind, key, '', '', '' FROM contact_keys WHERE target = $1 ORDER BY contact, kind, key`,
		`SELECT contact, field, origin, value, base, refused FROM contact_values WHERE target = $1 ORDER BY contact, field, origin`,
	} {
		rows, err := f.db.Reader().QueryContext(context.Background(), query, target)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var row [6]string
			if err := rows.Scan(&row[0], &row[1], &row[2], &row[3], &row[4], &row[5]); err != nil {
				t.Fatal(err)
			}
			out = append(out, row[:])
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// Merges in any order, undone in any order, leave everything as it was; while they last, all of a group are found as one.
func TestMergeAndUndoIsIdentity(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		checks := 0
		rapid.Check(t, func(t *rapid.T) {
			if checks++; checks > enough(db) {
				return
			}
			target := fmt.Sprintf("t%d", targets.Add(1))
			r := newRemote(100)
			f := newBook(db, target, r)
			r.now = f.clock.tick
			var ids []string
			for i := range 6 {
				ids = append(ids, r.put(person(i)))
			}
			settled(t, f, target)
			before := dump(t, f, target)
			var merges []int64
			for range rapid.IntRange(1, 8).Draw(t, "merges") {
				a, b := rapid.SampledFrom(ids).Draw(t, "a"), rapid.SampledFrom(ids).Draw(t, "b")
				id, err := f.Merge(context.Background(), target, a, b)
				if errors.Is(err, contacts.ErrSame) {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				merges = append(merges, id)
				one, _, err := f.Resolve(context.Background(), target, a)
				two, _, err2 := f.Resolve(context.Background(), target, b)
				if err := errors.Join(err, err2); err != nil || one.ID != two.ID {
					t.Fatalf("after the merge of %s and %s: got %s and %s, %v", a, b, one.ID, two.ID, err)
				}
			}
			for _, id := range rapid.Permutation(merges).Draw(t, "undo") {
				if _, err := f.Undo(context.Background(), id); err != nil {
					t.Fatal(err)
				}
				if _, err := f.Undo(context.Background(), id); !errors.Is(err, contacts.ErrNoMerge) {
					t.Fatalf("undoing twice: got %v", err)
				}
			}
			if after := dump(t, f, target); !reflect.DeepEqual(after, before) {
				t.Fatalf("got  %q\nwant %q", after, before)
			}
		})
	})
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRemote(100)
		f := newBook(db, "crm", r, func(k *config.Contacts) { k.MergeInCRM = true })
		r.now = f.clock.tick
		add := func(name, company, phone string, addresses ...string) string {
			return r.put(crmclient.ContactRecord{Name: name, Company: company, Phones: []string{phone}, Addresses: addresses})
		}
		same1 := add("Li Lei", "Acme Co., Ltd.", "", "li@acme.example", "li.lei@acme.example")
		same2 := add("李雷", "", "", "LI@acme.example")
		likely1, likely2 := add("Smith, John", "Beta GmbH", "+86 138 0013 8000", "js@beta.example"), add("John Smith", "", "13800138000", "john@freemail.example")
		add("王芳", "顶点有限公司", "010-65881234", "wf@ding.example")
		add("张伟", "顶点", "010-65881234", "zw@ding.example") // colleagues on one switchboard
		settled(t, f, "crm")
		found, err := f.Duplicates(t.Context(), "crm", 10)
		if err != nil || len(found) != 1 || found[0].A.ID != likely1 || found[0].B.ID != likely2 {
			t.Errorf("proposed: got %+v, %v; want just %s and %s", found, err, likely1, likely2)
		}
		if one, there, err := f.Resolve(t.Context(), "crm", same2); err != nil || !there || one.ID != same1 {
			t.Errorf("same address: got %+v, %v, %v; want %s", one, there, err, same1)
		}
		// The CRM was asked to merge, and told of it.
		if got := r.people[same2]; got.MergedInto != same1 {
			t.Errorf("in the CRM: got %+v", got)
		}
		if hits, err := f.Search(t.Context(), "", "lei acme", 10); err != nil || len(hits) != 1 || hits[0].ID != same1 {
			t.Errorf("search: got %+v, %v", hits, err)
		}
		if hits, err := f.Search(t.Context(), "crm", "13800138000", 10); err != nil || len(hits) != 2 {
			t.Errorf("search by number: got %+v, %v", hits, err)
		}
		if hits, err := f.Search(t.Context(), "crm", "芳", 10); err != nil || len(hits) != 1 {
			t.Errorf("search by one character: got %+v, %v", hits, err)
		}
		merges, err := f.Merges(t.Context(), "crm", 10)
		if err != nil || len(merges) != 1 || !merges[0].Automatic || len(merges[0].Before) != 2 {
			t.Fatalf("merges: got %+v, %v", merges, err)
		}
		if _, err := f.Undo(t.Context(), merges[0].ID); !errors.Is(err, contacts.ErrMergedInCRM) {
			t.Errorf("undo: got %v, want ErrMergedInCRM", err)
		}
	})
}

// What was undone by a person is not merged again by itself.
func TestAnUndoneMergeStaysUndone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRemote(100)
		f := newBook(db, "crm", r)
		r.now = f.clock.tick
		a := r.put(crmclient.ContactRecord{Name: "Front desk", Addresses: []string{"info@acme.example"}})
		b := r.put(crmclient.ContactRecord{Name: "Li Lei", Addresses: []string{"info@acme.example"}})
		settled(t, f, "crm")
		merges, err := f.Merges(t.Context(), "crm", 10)
		if err != nil || len(merges) != 1 {
			t.Fatalf("merges: got %+v, %v; want one", merges, err)
		}
		if _, err := f.Undo(t.Context(), merges[0].ID); err != nil {
			t.Fatal(err)
		}
		r.change(b, func(p *crmclient.ContactRecord) { p.Name = "Li Lei 2" })
		settled(t, f, "crm")
		for _, id := range []string{a, b} {
			if one, _, err := f.Resolve(t.Context(), "crm", id); err != nil || one.ID != id {
				t.Errorf("contact %s resolves to %s, %v", id, one.ID, err)
			}
		}
	})
}
