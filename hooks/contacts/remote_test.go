package contacts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/crmclient"
)

// remote is a CRM: contacts, and the order in which they changed. It is a client itself; behind HTTP it is one of a vendor.
type remote struct {
	mu      sync.Mutex
	page    int
	now     func() time.Time                   // as precise as the tables
	people  map[string]crmclient.ContactRecord // by id, deleted ones included
	log     []string                           // ids in the order of changes
	epoch   int                                // of cursors: those of an older one are refused
	next    int
	fault   func(call string) error // before a call; nil means none
	lost    func(call string) error // after it
	written []write
}

type write struct{ id, field, old, value string }

func newRemote(page int) *remote {
	return &remote{page: page, now: func() time.Time { return time.Now().Truncate(time.Microsecond) }, people: map[string]crmclient.ContactRecord{}}
}

func (r *remote) put(p crmclient.ContactRecord) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store(p)
}

func (r *remote) store(p crmclient.ContactRecord) string {
	if p.ID == "" {
		r.next++
		p.ID = fmt.Sprintf("c%04d", r.next)
	}
	if p.Kind == "" {
		p.Kind = "contact"
	}
	p.UpdatedAt = r.now().UTC()
	r.people[p.ID] = p
	r.log = append(r.log, p.ID)
	return p.ID
}

func (r *remote) change(id string, f func(*crmclient.ContactRecord)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, there := r.people[id]
	if !there || p.Deleted {
		return false
	}
	p.Fields = maps.Clone(p.Fields)
	if p.Fields == nil {
		p.Fields = map[string]string{}
	}
	f(&p)
	r.store(p)
	return true
}

func (r *remote) remove(id, into string) {
	r.change(id, func(p *crmclient.ContactRecord) {
		*p = crmclient.ContactRecord{ID: p.ID, Deleted: true, MergedInto: into}
	})
}

func (r *remote) live() map[string]crmclient.ContactRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]crmclient.ContactRecord{}
	for id, p := range r.people {
		if !p.Deleted {
			out[id] = p
		}
	}
	return out
}

func (r *remote) expire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch++
}

// call runs body under the lock, with the faults before and after it.
func (r *remote) call(name string, body func() error) error {
	if r.fault != nil {
		if err := r.fault(name); err != nil {
			return err
		}
	}
	r.mu.Lock()
	err := body()
	r.mu.Unlock()
	if err == nil && r.lost != nil {
		err = r.lost(name)
	}
	return err
}

func (r *remote) cursor(place string) string { return fmt.Sprintf("%d/%s", r.epoch, place) }

func (r *remote) place(cursor string) (string, error) {
	epoch, place, ok := strings.Cut(cursor, "/")
	if !ok || epoch != strconv.Itoa(r.epoch) {
		return "", crmclient.ErrCursorExpired
	}
	return place, nil
}

// ListContacts implements crmclient.ContactLister.
func (r *remote) ListContacts(_ context.Context, cursor string) (page []crmclient.ContactRecord, next string, err error) {
	err = r.call("list", func() error {
		after := ""
		if cursor != "" {
			if after, err = r.place(cursor); err != nil {
				return err
			}
		}
		for _, id := range slices.Sorted(maps.Keys(r.people)) {
			if id <= after || r.people[id].Deleted {
				continue
			}
			if len(page) == r.page {
				next = r.cursor(page[len(page)-1].ID)
				return nil
			}
			page = append(page, r.people[id])
		}
		return nil
	})
	return page, next, err
}

// ContactChanges implements crmclient.ContactChanges.
func (r *remote) ContactChanges(_ context.Context, cursor string) (changes []crmclient.ContactRecord, next string, err error) {
	err = r.call("changes", func() error {
		if cursor == "" {
			next = r.cursor(strconv.Itoa(len(r.log)))
			return nil
		}
		place, err := r.place(cursor)
		if err != nil {
			return err
		}
		from, err := strconv.Atoi(place)
		if err != nil {
			return err
		}
		end := min(from+r.page, len(r.log))
		for _, id := range r.log[from:end] {
			changes = append(changes, r.people[id])
		}
		next = r.cursor(strconv.Itoa(end))
		return nil
	})
	return changes, next, err
}

// WriteContact implements crmclient.ContactWriter.
func (r *remote) WriteContact(_ context.Context, id string, fields, base map[string]string) error {
	return r.call("write", func() error {
		p, there := r.people[id]
		if !there || p.Deleted {
			return crmclient.ErrContactGone
		}
		p.Fields = maps.Clone(p.Fields)
		if p.Fields == nil {
			p.Fields = map[string]string{}
		}
		for name, value := range fields {
			old := p.Field(name)
			if old == value {
				continue
			}
			if old != base[name] {
				return crmclient.ErrContactChanged
			}
			switch name {
			case crmclient.FieldName:
				p.Name = value
			case crmclient.FieldCompany:
				p.Company = value
			default:
				p.Fields[name] = value
			}
			r.written = append(r.written, write{id, name, old, value})
			r.store(p)
		}
		return nil
	})
}

// MergeContacts implements crmclient.ContactMerger.
func (r *remote) MergeContacts(_ context.Context, survivor, other string) error {
	return r.call("merge", func() error {
		p := r.people[other]
		if p.MergedInto == survivor {
			return nil
		}
		if _, there := r.people[survivor]; !there || p.ID == "" || p.Deleted {
			return crmclient.ErrContactGone
		}
		r.store(crmclient.ContactRecord{ID: other, Deleted: true, MergedInto: survivor})
		return nil
	})
}

func (*remote) FindContacts(context.Context, []string) ([]crmclient.Contact, error) { return nil, nil }

func (*remote) LogEmail(context.Context, *crmclient.Activity) (crmclient.Receipt, error) {
	return crmclient.Receipt{}, errors.New("this CRM takes no mail")
}

// answer is a page on the wire.
type answer struct {
	Items []crmclient.ContactRecord `json:"items"`
	Next  string                    `json:"next"`
}

// ServeHTTP is the vendor's API.
func (r *remote) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var a answer
	var err error
	switch req.URL.Path {
	case "/contacts":
		a.Items, a.Next, err = r.ListContacts(req.Context(), req.URL.Query().Get("cursor"))
	case "/changes":
		a.Items, a.Next, err = r.ContactChanges(req.Context(), req.URL.Query().Get("cursor"))
	default:
		http.NotFound(w, req)
		return
	}
	if errors.Is(err, crmclient.ErrCursorExpired) {
		w.WriteHeader(http.StatusGone)
		return
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(a)
}

// vendor is the connector to a remote behind HTTP.
type vendor struct {
	t    *crmclient.Transport
	base string
}

func newVendor(t *testing.T, h http.Handler) vendor {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := crmclient.NewTransport(crmclient.Options{Target: "crm", URL: u})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := transport.Close(); err != nil {
			t.Error(err)
		}
	})
	return vendor{transport, server.URL}
}

func (v vendor) get(ctx context.Context, path, cursor string) (a answer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base+path+"?cursor="+url.QueryEscape(cursor), http.NoBody)
	if err != nil {
		return a, err
	}
	got, err := v.t.Do(req)
	var failed *crmclient.Error
	if errors.As(err, &failed) && failed.Status == http.StatusGone {
		return a, fmt.Errorf("%w: %w", crmclient.ErrCursorExpired, err)
	}
	if err != nil {
		return a, err
	}
	return a, got.JSON(&a)
}

func (v vendor) ListContacts(ctx context.Context, cursor string) ([]crmclient.ContactRecord, string, error) {
	a, err := v.get(ctx, "/contacts", cursor)
	return a.Items, a.Next, err
}

func (v vendor) ContactChanges(ctx context.Context, cursor string) ([]crmclient.ContactRecord, string, error) {
	a, err := v.get(ctx, "/changes", cursor)
	return a.Items, a.Next, err
}

func (vendor) FindContacts(context.Context, []string) ([]crmclient.Contact, error) { return nil, nil }

func (vendor) LogEmail(context.Context, *crmclient.Activity) (crmclient.Receipt, error) {
	return crmclient.Receipt{}, errors.New("this CRM takes no mail")
}
