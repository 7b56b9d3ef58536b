package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"heliograph/crmclient"
	"heliograph/crmclient/rest"
)

// everything is what a client of the example can do.
type everything struct {
	crmclient.Client
	crmclient.Checker
	crmclient.Ticketer
	crmclient.RecordQuerier
	crmclient.RecordWriter
	follower
	crmclient.Describer
	crmclient.FileAttacher
	crmclient.Capped
	crmclient.ContactCreator
	crmclient.ActivityUpdater
	crmclient.ActivityWithdrawer
}

type follower interface {
	RecordChanges(ctx context.Context, object string, fields []string, cursor string) ([]crmclient.RecordChange, string, error)
}

// able is an ability of a client that must have it.
func able[T any](t *testing.T, c crmclient.Client) T {
	t.Helper()
	a, ok := crmclient.As[T](c)
	if !ok {
		t.Fatalf("the client has no ability %T", (*T)(nil))
	}
	return a
}

// formoClient starts the made-up platform and returns the client of its example.
func formoClient(t *testing.T, change func(*rest.Config)) (*formo, everything) {
	t.Helper()
	f := newFormo(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := example(t, "examples/nocode.yaml", server.URL+formoBase)
	if change != nil {
		change(&cfg)
	}
	client := open(t, cfg, crmclient.Deps{Target: "nocode"})
	if can[crmclient.LeadCreator](client) {
		t.Error("the section makes no leads, but the client says so")
	}
	return f, everything{
		client, able[crmclient.Checker](t, client), able[crmclient.Ticketer](t, client), able[crmclient.RecordQuerier](t, client),
		able[crmclient.RecordWriter](t, client), able[crmclient.RecordChanges](t, client), able[crmclient.Describer](t, client),
		able[crmclient.FileAttacher](t, client), able[crmclient.Capped](t, client), able[crmclient.ContactCreator](t, client),
		able[crmclient.ActivityUpdater](t, client), able[crmclient.ActivityWithdrawer](t, client),
	}
}

func TestTickets(t *testing.T) {
	t.Parallel()
	f, c := formoClient(t, nil)
	ticket := &crmclient.Ticket{
		Key: "t-1", Subject: strings.Repeat("打印机坏了 ", 50), Text: "\"kaputt\"\n{{ x }}", Priority: "urgent", Assignee: "wang@example.com",
		Requester: crmclient.Person{Address: "li@customer.example"}, Fields: map[string]any{"f_product": "P-9", "f_priority": "5"},
		Files: []crmclient.Attachment{file("报价 \"1\".txt", "a"), file("b.txt", "bb")},
	}
	first, err := c.CreateTicket(t.Context(), ticket)
	if err != nil || first.Duplicate {
		t.Fatalf("got %+v, %v", first, err)
	}
	again, err := c.CreateTicket(t.Context(), ticket)
	if err != nil || !again.Duplicate || again.RemoteID != first.RemoteID {
		t.Errorf("got %+v, %v", again, err)
	}
	rec, there, err := c.FindTicket(t.Context(), "t-1")
	if err != nil || !there || rec.ID != first.RemoteID || rec.Fields["f_product"] != "P-9" || rec.Fields["f_priority"] != "5" ||
		rec.Fields["f_owner"] != "u_wang" || len([]rune(fmt.Sprint(rec.Fields["f_title"]))) != 100 || rec.Fields["f_text"] != ticket.Text {
		t.Errorf("got %+v, %v, %v", rec, there, err)
	}
	if len(f.files) != 2 || f.files[0].Name != "报价 %221%22.txt" && f.files[0].Name != ticket.Files[0].Name {
		t.Errorf("files: got %+v, want both, once", f.files)
	}
	if _, there, err := c.FindTicket(t.Context(), "t-2"); there || err != nil {
		t.Errorf("got %v, %v", there, err)
	}
	wantClass(t, c.AssignTicket(t.Context(), first.RemoteID, "stranger@example.com"), crmclient.ClassPermanent)
	if err := c.AssignTicket(t.Context(), "none", "wang@example.com"); !errors.Is(err, crmclient.ErrNoRecord) {
		t.Errorf("got %v, want ErrNoRecord", err)
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	f, c := formoClient(t, nil)
	var ids []string
	for i := range 250 {
		receipt, err := c.CreateRecord(t.Context(), "shangji", fmt.Sprintf("k%d", i), map[string]any{"f_title": "deal", "f_amount": json.Number("12345678901234567.89")})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, receipt.RemoteID)
	}
	if again, err := c.CreateRecord(t.Context(), "shangji", "k7", nil); err != nil || !again.Duplicate || again.RemoteID != ids[7] {
		t.Errorf("got %+v, %v", again, err)
	}
	q := crmclient.Query{Object: "shangji", Where: []crmclient.Condition{{Field: "f_title", Is: crmclient.Equal, Value: "deal"}}, Fields: []string{"f_amount"}}
	var found []string
	for cursor := ""; ; {
		page, next, err := c.QueryRecords(t.Context(), q, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			found = append(found, r.ID)
			if len(r.Fields) != 1 || r.Fields["f_amount"] != json.Number("12345678901234567.89") || r.UpdatedAt.IsZero() {
				t.Fatalf("got %+v", r)
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if !slices.Equal(found, ids) {
		t.Errorf("got %d records, want %d in their order", len(found), len(ids))
	}
	if err := c.UpdateRecord(t.Context(), "shangji", ids[3], map[string]any{"f_stage": "won"}); err != nil {
		t.Error(err)
	}
	rec, err := c.ReadRecord(t.Context(), "shangji", ids[3])
	if err != nil || rec.Fields["f_stage"] != "won" || rec.Fields["f_title"] != "deal" {
		t.Errorf("got %+v, %v", rec, err)
	}
	if _, err := c.ReadRecord(t.Context(), "shangji", "none"); !errors.Is(err, crmclient.ErrNoRecord) {
		t.Errorf("got %v, want ErrNoRecord", err)
	}
	wantClass(t, c.UpdateRecord(t.Context(), "shangji", ids[3], map[string]any{"f_nope": 1}), crmclient.ClassConfiguration)
	_, _, err = c.QueryRecords(t.Context(), q, "no cursor of mine")
	wantClass(t, err, crmclient.ClassConfiguration)
	q.Where[0].Field = "f_title' OR '1'='1"
	_, _, err = c.QueryRecords(t.Context(), q, "")
	wantClass(t, err, crmclient.ClassConfiguration)
	before := f.requests
	for _, id := range []string{"..", ".", "", "a\r\nb"} {
		if _, err := c.ReadRecord(t.Context(), "shangji", id); err == nil {
			t.Errorf("the id %q was taken", id)
		}
	}
	if f.requests != before {
		t.Error("a request was made with an id that cannot stand in a path")
	}
}

func TestChangesAreToldOnce(t *testing.T) {
	t.Parallel()
	f, c := formoClient(t, nil)
	put := func(n int, by string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for range n {
			f.put("shangji", map[string]any{"f_title": "x"}, by)
		}
	}
	put(3, "someone")
	changes, cursor, err := c.RecordChanges(t.Context(), "shangji", nil, "")
	if err != nil || len(changes) != 0 || cursor == "" {
		t.Fatalf("the first cursor: got %d changes, %q, %v", len(changes), cursor, err)
	}
	follow := func() (ids []string, own int) {
		t.Helper()
		for {
			changes, next, err := c.RecordChanges(t.Context(), "shangji", nil, cursor)
			if err != nil {
				t.Fatal(err)
			}
			if cursor = next; len(changes) == 0 {
				return ids, own
			}
			for _, ch := range changes {
				ids = append(ids, ch.ID)
				if ch.Own {
					own++
				}
			}
		}
	}
	follow() // those of before are within the overlap
	put(120, "someone")
	put(5, "heliograph")
	if ids, own := follow(); len(ids) != 125 || own != 5 || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 125 {
		t.Errorf("got %d changes, %d our own; want 125, each once, 5 our own", len(ids), own)
	}
	f.mu.Lock()
	f.clock++
	f.forms["shangji"][0].UpdatedAt, f.forms["shangji"][0].Deleted = f.clock, true
	f.mu.Unlock()
	changes, cursor, err = c.RecordChanges(t.Context(), "shangji", nil, cursor)
	if err != nil || len(changes) != 1 || !changes[0].Deleted || changes[0].Fields != nil {
		t.Errorf("got %+v, %v; want one that is deleted", changes, err)
	}
	_, _, err = c.RecordChanges(t.Context(), "shangji", nil, "no cursor of mine")
	if !errors.Is(err, crmclient.ErrCursorExpired) {
		t.Errorf("got %v, want ErrCursorExpired", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*rest.Config)
		fake   func(*formo)
		class  crmclient.Class
		says   string
	}{
		"good":          {nil, func(*formo) {}, "", "演示租户"},
		"missing field": {nil, func(f *formo) { f.fields["youjian"] = f.fields["youjian"][1:] }, crmclient.ClassConfiguration, "f_key"},
		"no such form":  {func(c *rest.Config) { c.Needs = map[string][]string{"nope": {"x"}} }, func(*formo) {}, crmclient.ClassConfiguration, "nope"},
		"permission":    {nil, func(f *formo) { f.denied = "kehu" }, crmclient.ClassAuth, "no permission"},
		"wrong app": {func(c *rest.Config) {
			c.Vars = map[string]string{"app": "x", "people": "kehu", "mail": "youjian", "tickets": "gongdan"}
		}, func(*formo) {}, crmclient.ClassAuth, "bad signature"},
		"without a check": {func(c *rest.Config) { c.Operations.Check = nil }, func(*formo) {}, "", "searching for contacts works"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, client := formoClient(t, c.change)
			f.mu.Lock()
			c.fake(f)
			f.mu.Unlock()
			line, err := client.Check(t.Context())
			if err != nil {
				line = err.Error()
				var e *crmclient.Error
				if !errors.As(err, &e) || e.Remedy == "" && c.class != crmclient.ClassConfiguration {
					t.Errorf("%v does not say what to do", err)
				}
			}
			if wantClass(t, err, c.class); !strings.Contains(line, c.says) || strings.Contains(line, formoSecret) {
				t.Errorf("got %q, want %q", line, c.says)
			}
		})
	}
}

func TestWhatIsNotConfigured(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	client := open(t, section(t, minimal(server.URL, "")), crmclient.Deps{})
	for name, is := range map[string]bool{
		"creator": can[crmclient.ContactCreator](client), "leads": can[crmclient.LeadCreator](client),
		"updater": can[crmclient.ActivityUpdater](client), "withdrawer": can[crmclient.ActivityWithdrawer](client),
		"tickets": can[crmclient.TicketCreator](client), "finder": can[crmclient.TicketFinder](client), "assigner": can[crmclient.TicketAssigner](client),
		"reader": can[crmclient.RecordReader](client), "querier": can[crmclient.RecordQuerier](client),
		"maker": can[crmclient.RecordCreator](client), "changer": can[crmclient.RecordUpdater](client), "changes": can[crmclient.RecordChanges](client), "describer": can[crmclient.Describer](client),
		"files": can[crmclient.FileAttacher](client), "a contact lister, which rest is not": can[crmclient.ContactLister](client),
	} {
		if is {
			t.Errorf("%s: the client says it could", name)
		}
	}
	if !can[crmclient.Checker](client) || !can[crmclient.Capped](client) {
		t.Error("what needs no operation is not offered")
	}
	if _, ok := client.(crmclient.TicketCreator); ok {
		t.Error("the type itself makes tickets")
	}
}

func TestAbilitiesInAnyCombination(t *testing.T) {
	t.Parallel()
	const url = "http://127.0.0.1:1"
	operations := []string{
		"update_email: {path: /u, form: {k: '{{ key }}'}}", "withdraw_email: {path: /w, form: {k: '{{ key }}'}}",
		"create_contact: {path: /c, form: {a: '{{ address }}'}, result: {id: $.id}}", "create_lead: {path: /l, form: {a: '{{ address }}'}, result: {id: $.id}}",
		"create_ticket: {path: /t, form: {k: '{{ key }}'}, result: {id: $.id}, at_least_once: true}", "read_record: {path: '/r/{{ id }}', result: {id: $.id}}",
	}
	for bits := range 1 << len(operations) {
		more := ""
		for i, line := range operations {
			if bits&(1<<i) != 0 {
				more += "  " + line + "\n"
			}
		}
		client := open(t, section(t, minimal(url, more)), crmclient.Deps{})
		got := []bool{
			can[crmclient.ActivityUpdater](client), can[crmclient.ActivityWithdrawer](client), can[crmclient.ContactCreator](client),
			can[crmclient.LeadCreator](client), can[crmclient.TicketCreator](client), can[crmclient.RecordReader](client),
		}
		for i := range got {
			if got[i] != (bits&(1<<i) != 0) {
				t.Errorf("section with %s: abilities %v", more, got)
			}
		}
	}
}

func can[T any](c crmclient.Client) bool { _, ok := crmclient.As[T](c); return ok }

// minimal is a section with as little as there can be, and more operations.
func minimal(url, more string) string {
	return "url: " + url + `
operations:
  find_contacts:
    path: /people
    query: {email: "{{ address }}"}
    result: {items: $.items, id: $.id, address: $.email}
  log_email:
    path: /mails
    idempotency_header: Idempotency-Key
    json: {key: "{{ key }}"}
` + more
}
