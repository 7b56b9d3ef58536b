package zoho_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
)

// serveWatch keeps notification channels: POST makes, PUT replaces, and none lives longer than a week.
func (f *zohoFake) serveWatch(w http.ResponseWriter, r *http.Request, q url.Values, body []byte) {
	if r.Method == http.MethodGet {
		f.params(q, "channel_id")
		for _, ch := range f.watches {
			if ch["channel_id"] == q.Get("channel_id") {
				answer(w, 200, map[string]any{"watch": []any{ch}, "info": map[string]any{"more_records": false}})
				return
			}
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	f.params(q)
	m := f.object(r, body)
	f.keys("watch", m, "watch")
	list, _ := m["watch"].([]any)
	ch, _ := list[0].(map[string]any)
	f.keys("channel", ch, "channel_id", "events", "channel_expiry", "token", "notify_url", "notify_on_related_action", "return_affected_field_values")
	expiry, err := time.Parse(time.RFC3339, text(ch["channel_expiry"]))
	if err != nil || time.Until(expiry) > 7*24*time.Hour || time.Until(expiry) <= 0 || len(text(ch["token"])) > 50 {
		fail(w, 400, "INVALID_DATA", map[string]any{"api_name": "channel_expiry"})
		return
	}
	at := slices.IndexFunc(f.watches, func(old map[string]any) bool { return old["channel_id"] == ch["channel_id"] })
	switch {
	case r.Method == http.MethodPost && at < 0:
		f.watches = append(f.watches, ch)
	case r.Method == http.MethodPut && at >= 0:
		f.watches[at] = ch
	default:
		f.t.Errorf("%s of a channel that exists: %v", r.Method, at >= 0)
	}
	f.watchLog = append(f.watchLog, r.Method)
	answer(w, 200, map[string]any{"watch": []any{map[string]any{"code": "SUCCESS", "status": "success", "message": "done", "details": map[string]any{}}}})
}

// Delivery is a notification as Zoho makes it once the client has asked for a channel.
func (f *zohoFake) Delivery(t *testing.T, id string, at time.Time) *crmclient.Delivery {
	body, err := json.Marshal(map[string]any{
		"server_time": at.UnixMilli(), "module": "Deals", "operation": "update", "channel_id": dealsChannel, "token": notifyToken,
		"resource_uri": "https://www.zohoapis.com.cn/crm/v8/Deals", "ids": []string{id}, "affected_fields": []any{map[string]any{id: []string{"Amount"}}},
		"query_params": map[string]any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &crmclient.Delivery{Method: http.MethodPost, URL: &url.URL{Path: "/hooks/zoho"}, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, At: at}
}

// ExpireTokens makes Zoho refuse the tokens that are out.
func (f *zohoFake) ExpireTokens(*testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = ""
}

// RefuseCredentials revokes the refresh token.
func (f *zohoFake) RefuseCredentials(*testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live, f.refuse = "", map[string]any{"error": "invalid_code"}
}

// TokensIssued counts the tokens.
func (f *zohoFake) TokensIssued(*testing.T) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tokens
}

// Object are deals.
func (f *zohoFake) Object() crmtest.Object {
	return crmtest.Object{Name: "Deals", Text: "Deal_Name", Number: "Amount", MissingID: "5545974000000999999", Deletes: true, TellsOwn: true}
}

// PutObject changes a deal as a user does.
func (f *zohoFake) PutObject(_ *testing.T, id string, fields map[string]any) string {
	if id == "" {
		f.mu.Lock()
		id = f.newID()
		f.mu.Unlock()
	}
	f.set("Deals", id, fields)
	return id
}

// DeleteObject deletes a deal.
func (f *zohoFake) DeleteObject(_ *testing.T, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.rows["Deals"], id)
	f.deleted["Deals"] = append(f.deleted["Deals"], map[string]any{"id": id, "deleted_time": f.stamp(), "type": "recycle"})
}

// ObjectFields returns a deal.
func (f *zohoFake) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.rows["Deals"][id]
	return maps.Clone(r), ok
}

// ObjectsWithText returns the deals with the name.
func (f *zohoFake) ObjectsWithText(_ *testing.T, name string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []string
	for id, r := range f.rows["Deals"] {
		if text(r["Deal_Name"]) == name {
			ids = append(ids, id)
		}
	}
	return ids
}

// Files returns the files of a deal.
func (f *zohoFake) Files(_ *testing.T, id string) []crmtest.File {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.File
	for _, a := range f.attached["Deals/"+id] {
		out = append(out, crmtest.File{ID: a["id"], Name: a["File_Name"], Content: f.contents[a["id"]]})
	}
	return out
}

// FilesOnce says that the connector finds a file by name and size.
func (f *zohoFake) FilesOnce() bool { return true }

// WritesFile tells the upload to a record.
func (f *zohoFake) WritesFile(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/Attachments")
}

// WritesTicket tells the upsert of a case.
func (f *zohoFake) WritesTicket(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/Cases/upsert")
}

// WritesObject tells the upsert of a deal.
func (f *zohoFake) WritesObject(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/Deals/upsert")
}

// WritesPerson tells the upsert of a contact or lead.
func (f *zohoFake) WritesPerson(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/Contacts/upsert") || strings.HasSuffix(r.URL.Path, "/Leads/upsert")
}

// Tickets returns the cases.
func (f *zohoFake) Tickets(*testing.T) []crmtest.TicketRecord {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.TicketRecord
	for id, r := range f.rows["Cases"] {
		ticket := crmtest.TicketRecord{ID: id, Key: text(r["Ticket_Key"]), Subject: text(r["Subject"]), Text: text(r["Description"])}
		if text(r["Owner"]) == wangID {
			ticket.Assignee = "wang@example.com"
		}
		out = append(out, ticket)
	}
	return out
}

// Agent is a user of the second page.
func (f *zohoFake) Agent(*testing.T) string { return "wang@example.com" }

func (f *zohoFake) log() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprint(f.watchLog)
}
