package crmtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"heliograph/crmclient"
)

// ContactKeeper is a Fake whose contacts can be changed as the vendor's own users do it. Its client must then be a
// crmclient.ContactLister; what else it is, the suite finds out.
type ContactKeeper interface {
	// PutContact makes a contact, or changes the one with the id of r, and returns its id. Name, Addresses and
	// the title are kept.
	PutContact(t *testing.T, r crmclient.ContactRecord) (id string)
	DeleteContact(t *testing.T, id string)
}

// keeper is a bench whose fake keeps contacts.
type keeper struct {
	*bench
	keep   ContactKeeper
	lister crmclient.ContactLister
}

func (s Subject) runContacts(t *testing.T) {
	each := func(name string, body func(t *testing.T, k *keeper)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &keeper{bench: s.start(t, longTimeout)}
			k.keep = k.fake.(ContactKeeper)
			var ok bool
			if k.lister, ok = crmclient.As[crmclient.ContactLister](k.client); !ok {
				t.Fatal("the fake keeps contacts, but the client does not list them")
			}
			body(t, k)
		})
	}
	each("a listing has every contact, over pages", testListing)
	each("a cursor of nowhere is refused", testForeignCursor)
	each("changes are told, as they are now", testChanges)
	each("listing while others write, then following, misses nothing", testChangesWhileListing)
	each("fields are written only over what was seen", testWriting)
	each("merged contacts are told of", testMerging)
}

func person(i int) crmclient.ContactRecord {
	return crmclient.ContactRecord{
		Name: fmt.Sprintf("王芳 %d 👋", i), Addresses: []string{fmt.Sprintf("sync.%d@customer.example", i)},
		Fields: map[string]string{crmclient.FieldTitle: fmt.Sprintf("Buyer %d", i)},
	}
}

// maxPages is more than any test here needs; a cursor that never ends fails instead of hanging.
const maxPages = 10_000

// list lists all contacts into a map; meanwhile runs after each page.
func (k *keeper) list(t *testing.T, meanwhile func(page int)) map[string]crmclient.ContactRecord {
	t.Helper()
	found := map[string]crmclient.ContactRecord{}
	cursor := ""
	for page := range maxPages {
		records, next, err := k.lister.ListContacts(t.Context(), cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.ID == "" {
				t.Fatalf("a contact without an id: %+v", r)
			}
			if !r.Deleted {
				found[r.ID] = r
			}
		}
		meanwhile(page)
		if cursor = next; cursor == "" {
			return found
		}
	}
	t.Fatal("the listing does not end")
	return nil
}

// follow applies changes until there are none, and returns the cursor.
func (k *keeper) follow(t *testing.T, cursor string, into map[string]crmclient.ContactRecord) string {
	t.Helper()
	for range maxPages {
		changes, next, err := able[crmclient.ContactChanges](k.client).ContactChanges(t.Context(), cursor)
		if err != nil {
			t.Fatal(err)
		}
		cursor = next
		if len(changes) == 0 {
			return cursor
		}
		for _, r := range changes {
			if into[r.ID] = r; r.Deleted {
				delete(into, r.ID)
			}
		}
	}
	t.Fatal("the changes do not end")
	return ""
}

func (k *keeper) start(t *testing.T) (cursor string) {
	t.Helper()
	c, ok := crmclient.As[crmclient.ContactChanges](k.client)
	if !ok {
		t.Skipf("%T tells no changes", k.client)
	}
	changes, cursor, err := c.ContactChanges(t.Context(), "")
	if err != nil || len(changes) != 0 || cursor == "" {
		t.Fatalf("the first cursor: got %d changes, %q, %v; want none and a cursor", len(changes), cursor, err)
	}
	return cursor
}

func (k *keeper) same(t *testing.T, got crmclient.ContactRecord, want crmclient.ContactRecord) {
	t.Helper()
	if got.Name != want.Name || !slices.Equal(got.Addresses, want.Addresses) || got.Fields[crmclient.FieldTitle] != want.Fields[crmclient.FieldTitle] || got.Kind == "" {
		t.Errorf("contact: got %+v, want %+v", got, want)
	}
}

func testListing(t *testing.T, k *keeper) {
	const many = 1200 // more than fit into a page anywhere
	want := map[string]crmclient.ContactRecord{}
	for i := range many {
		r := person(i)
		want[k.keep.PutContact(t, r)] = r
	}
	found := k.list(t, func(int) {})
	for id, r := range want {
		k.same(t, found[id], r)
		if t.Failed() {
			return
		}
	}
}

func testForeignCursor(t *testing.T, k *keeper) {
	if _, _, err := k.lister.ListContacts(t.Context(), "no cursor of mine"); !errors.Is(err, crmclient.ErrCursorExpired) {
		t.Errorf("listing: got %v, want ErrCursorExpired", err)
	}
	if c, ok := crmclient.As[crmclient.ContactChanges](k.client); ok {
		if _, _, err := c.ContactChanges(t.Context(), "no cursor of mine"); !errors.Is(err, crmclient.ErrCursorExpired) {
			t.Errorf("changes: got %v, want ErrCursorExpired", err)
		}
	}
}

func testChanges(t *testing.T, k *keeper) {
	before := k.keep.PutContact(t, person(2000))
	cursor := k.start(t)
	known := map[string]crmclient.ContactRecord{}
	cursor = k.follow(t, cursor, known)
	if _, told := known[before]; told { // others may change theirs meanwhile
		t.Error("a change from before the cursor is told")
	}
	made := person(2001)
	id := k.keep.PutContact(t, made)
	cursor = k.follow(t, cursor, known)
	k.same(t, known[id], made)
	changed := person(2002)
	changed.ID = before
	k.keep.PutContact(t, changed)
	changed.ID, changed.Name = id, "李雷"
	changed.Addresses = []string{"sync.2003@customer.example"}
	k.keep.PutContact(t, changed)
	cursor = k.follow(t, cursor, known)
	k.same(t, known[id], changed)
	changed.Name, changed.Addresses = person(2002).Name, person(2002).Addresses
	k.same(t, known[before], changed)
	k.keep.DeleteContact(t, id)
	k.follow(t, cursor, known)
	if _, there := known[id]; there {
		t.Error("the deleted contact is still there")
	}
}

func testChangesWhileListing(t *testing.T, k *keeper) {
	var ids []string
	for i := range 1100 {
		ids = append(ids, k.keep.PutContact(t, person(3000+i)))
	}
	cursor := k.start(t)
	want := map[string]crmclient.ContactRecord{}
	for i, id := range ids {
		want[id] = person(3000 + i)
	}
	next := 5000
	found := k.list(t, func(page int) {
		for _, i := range []int{page, len(ids) - 1 - page} {
			r := person(next)
			next++
			r.ID = ids[i]
			k.keep.PutContact(t, r)
			want[ids[i]] = r
		}
		for _, i := range []int{100 + page, len(ids) - 100 - page} {
			k.keep.DeleteContact(t, ids[i])
			delete(want, ids[i])
		}
		r := person(next)
		next++
		want[k.keep.PutContact(t, r)] = r
	})
	k.follow(t, cursor, found)
	for id, r := range want {
		k.same(t, found[id], r)
	}
	for _, id := range ids {
		if _, gone := want[id]; !gone {
			if _, there := found[id]; there {
				t.Errorf("contact %s was deleted and is still there", id)
			}
		}
	}
}

func testWriting(t *testing.T, k *keeper) {
	w, ok := crmclient.As[crmclient.ContactWriter](k.client)
	if !ok {
		t.Skipf("%T writes no contacts", k.client)
	}
	id := k.keep.PutContact(t, person(6000))
	read := func() crmclient.ContactRecord { return k.list(t, func(int) {})[id] }
	title := func(v string) map[string]string { return map[string]string{crmclient.FieldTitle: v} }
	for range 2 { // again is no error
		if err := w.WriteContact(t.Context(), id, title("采购经理"), title("Buyer 6000")); err != nil {
			t.Fatal(err)
		}
	}
	if got := read().Fields[crmclient.FieldTitle]; got != "采购经理" {
		t.Errorf("title: got %q", got)
	}
	mixed := maps.Clone(title("Boss"))
	mixed[crmclient.FieldMobile] = "+8613800138000"
	if err := w.WriteContact(t.Context(), id, mixed, title("Buyer 6000")); !errors.Is(err, crmclient.ErrContactChanged) {
		t.Errorf("over another value: got %v, want ErrContactChanged", err)
	}
	if got := read(); got.Fields[crmclient.FieldTitle] != "采购经理" || got.Fields[crmclient.FieldMobile] != "" {
		t.Errorf("a refused write changed the contact: %+v", got)
	}
	if err := w.WriteContact(t.Context(), id, map[string]string{crmclient.FieldMobile: "+8613800138000"}, nil); err != nil {
		t.Errorf("an empty field: %v", err)
	}
	if got := read(); got.Fields[crmclient.FieldMobile] != "+8613800138000" || !slices.Contains(got.Phones, "+8613800138000") {
		t.Errorf("mobile: got %+v", got)
	}
	s := k.bench.s
	s.wantClass(t, w.WriteContact(t.Context(), id, map[string]string{"no such field": "x"}, nil), crmclient.ClassPermanent)
	k.keep.DeleteContact(t, id)
	for _, gone := range []string{id, "no id of mine"} {
		if err := w.WriteContact(t.Context(), gone, title("Ghost"), nil); !errors.Is(err, crmclient.ErrContactGone) {
			t.Errorf("contact %q that is gone: got %v, want ErrContactGone", gone, err)
		}
	}
}

func testMerging(t *testing.T, k *keeper) {
	m, ok := crmclient.As[crmclient.ContactMerger](k.client)
	if !ok {
		t.Skipf("%T merges no contacts", k.client)
	}
	survivor, other := k.keep.PutContact(t, person(7000)), k.keep.PutContact(t, person(7001))
	_, tells := crmclient.As[crmclient.ContactChanges](k.client)
	cursor := ""
	if tells {
		cursor = k.start(t)
	}
	for range 2 { // again changes nothing
		if err := m.MergeContacts(t.Context(), survivor, other); err != nil {
			t.Fatal(err)
		}
	}
	all := k.list(t, func(int) {})
	if _, there := all[other]; there {
		t.Error("the other is still listed")
	}
	got := slices.Sorted(slices.Values(all[survivor].Addresses))
	if want := []string{"sync.7000@customer.example", "sync.7001@customer.example"}; !slices.Equal(got, want) {
		t.Errorf("addresses: got %q, want %q", got, want)
	}
	if err := m.MergeContacts(t.Context(), survivor, "no id of mine"); !errors.Is(err, crmclient.ErrContactGone) {
		t.Errorf("merging a ghost: got %v, want ErrContactGone", err)
	}
	if !tells {
		return
	}
	changes, _, err := able[crmclient.ContactChanges](k.client).ContactChanges(t.Context(), cursor)
	if err != nil {
		t.Fatal(err)
	}
	told := slices.ContainsFunc(changes, func(r crmclient.ContactRecord) bool {
		return r.ID == other && r.Deleted && r.MergedInto == survivor
	})
	if !told {
		t.Errorf("changes: got %+v, want one that says %s is part of %s", changes, other, survivor)
	}
}
