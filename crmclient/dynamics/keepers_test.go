package dynamics_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"heliograph/crmclient/crmtest"
)

// What the suite needs to look at tickets, records and tokens.

const agent = "agent@example.com"

// Agent returns a user.
func (f *fake) Agent(*testing.T) string {
	for _, row := range f.rows("systemusers") {
		if row["internalemailaddress"] == agent {
			return agent
		}
	}
	f.add("systemusers", map[string]any{"internalemailaddress": agent, "isdisabled": false})
	return agent
}

// Tickets returns the incidents.
func (f *fake) Tickets(t *testing.T) []crmtest.TicketRecord {
	t.Helper()
	f.report(t)
	var out []crmtest.TicketRecord
	for _, row := range f.rows("incidents") {
		get := func(name string) string { s, _ := row[name].(string); return s }
		r := crmtest.TicketRecord{ID: get("incidentid"), Key: get("new_ticketkey"), Subject: get("title"), Text: get("description")}
		for _, user := range f.rows("systemusers") {
			if user["systemuserid"] == row["ownerid"] {
				r.Assignee, _ = user["internalemailaddress"].(string)
			}
		}
		out = append(out, r)
	}
	return out
}

// Object returns the account, as far as the suite uses it.
func (f *fake) Object() crmtest.Object {
	return crmtest.Object{Name: "deal", Text: "name", Number: "new_amount", MissingID: "10000000-0000-0000-0000-00000000ffff", TellsOwn: true}
}

// PutObject makes or changes a deal as somebody else than the gateway.
func (f *fake) PutObject(_ *testing.T, id string, fields map[string]any) string {
	values := map[string]any{}
	for name, v := range fields {
		if n, ok := v.(json.Number); ok {
			v, _ = n.Float64()
		}
		values[name] = v
	}
	if id == "" {
		return f.add("deals", values)
	}
	f.change(func() {
		row := f.tables["deals"].rows[id]
		for name, v := range values {
			row[name] = v
		}
		f.now = f.now.Add(time.Second)
		row["modifiedon"], row["modifiedby"] = f.now, otherUser
	})
	return id
}

// DeleteObject removes a deal.
func (f *fake) DeleteObject(_ *testing.T, id string) {
	f.change(func() {
		t := f.tables["deals"]
		delete(t.rows, id)
		for i, o := range t.order {
			if o == id {
				t.order = append(t.order[:i:i], t.order[i+1:]...)
			}
		}
	})
}

// ObjectFields returns a deal.
func (f *fake) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	for _, row := range f.rows("deals") {
		if row["dealid"] == id {
			return row, true
		}
	}
	return nil, false
}

// ObjectsWithText returns deals by name.
func (f *fake) ObjectsWithText(_ *testing.T, text string) []string {
	var ids []string
	for _, row := range f.rows("deals") {
		if row["name"] == text {
			ids = append(ids, row["dealid"].(string))
		}
	}
	return ids
}

// WritesTicket says whether a request makes an incident.
func (f *fake) WritesTicket(r *http.Request) bool { return posts(r, "incidents") }

// WritesObject says whether a request makes a deal.
func (f *fake) WritesObject(r *http.Request) bool { return posts(r, "deals") }

// WritesPerson says whether a request makes a contact or lead.
func (f *fake) WritesPerson(r *http.Request) bool { return posts(r, "contacts") || posts(r, "leads") }

// ExpireTokens ends all tokens.
func (f *fake) ExpireTokens(*testing.T) { f.change(func() { clear(f.tokens) }) }

// RefuseCredentials ends all tokens for good.
func (f *fake) RefuseCredentials(*testing.T) {
	f.change(func() {
		clear(f.tokens)
		f.refusal = "invalid_client"
	})
}

// TokensIssued returns how many tokens there were.
func (f *fake) TokensIssued(*testing.T) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.issued
}
