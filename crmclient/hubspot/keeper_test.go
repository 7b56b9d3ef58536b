package hubspot_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
)

// ExpireTokens makes HubSpot refuse the tokens that are out.
func (f *hubFake) ExpireTokens(*testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = ""
}

// RefuseCredentials revokes the refresh token.
func (f *hubFake) RefuseCredentials(*testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live, f.refuse = "", map[string]any{"status": "BAD_REFRESH_TOKEN", "message": "revoked", "error": "invalid_grant"}
}

// TokensIssued counts the tokens.
func (f *hubFake) TokensIssued(*testing.T) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tokens
}

// Object are deals.
func (f *hubFake) Object() crmtest.Object {
	return crmtest.Object{Name: "deals", Text: "dealname", Number: "amount", MissingID: "999999"}
}

// PutObject changes a deal.
func (f *hubFake) PutObject(_ *testing.T, id string, fields map[string]any) string {
	props := map[string]string{}
	for name, v := range fields {
		props[name] = fmt.Sprint(v)
	}
	return f.put("deals", id, props)
}

// DeleteObject deletes a deal.
func (f *hubFake) DeleteObject(_ *testing.T, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows["deals"][id].deleted = true
}

// ObjectFields returns a deal.
func (f *hubFake) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.get("deals", id)
	if r == nil {
		return nil, false
	}
	out := map[string]any{}
	for k, v := range r.props {
		out[k] = v
	}
	return out, true
}

// ObjectsWithText returns the deals with the name.
func (f *hubFake) ObjectsWithText(_ *testing.T, name string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []string
	for id, r := range f.rows["deals"] {
		if !r.deleted && r.props["dealname"] == name {
			ids = append(ids, id)
		}
	}
	return ids
}

// Tickets returns the tickets.
func (f *hubFake) Tickets(*testing.T) []crmtest.TicketRecord {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []crmtest.TicketRecord
	for id, r := range f.rows["tickets"] {
		ticket := crmtest.TicketRecord{ID: id, Key: decoded(r.props["ticket_key"]), Subject: r.props["subject"], Text: r.props["content"]}
		if r.props["hubspot_owner_id"] == wangOwner {
			ticket.Assignee = "wang@example.com"
		}
		out = append(out, ticket)
	}
	return out
}

// Agent is an owner of the second page.
func (f *hubFake) Agent(*testing.T) string { return "wang@example.com" }

// WritesTicket tells the upsert of a ticket.
func (f *hubFake) WritesTicket(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/tickets/batch/upsert")
}

// WritesObject tells the upsert of a deal.
func (f *hubFake) WritesObject(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/deals/batch/upsert")
}

// WritesPerson tells the making of a contact.
func (f *hubFake) WritesPerson(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/objects/contacts")
}

// Delivery is a webhook as HubSpot makes it.
func (f *hubFake) Delivery(t *testing.T, id string, at time.Time) *crmclient.Delivery {
	f.mu.Lock()
	f.deliveries++
	occurred := at.UnixMilli() + int64(f.deliveries)
	f.mu.Unlock()
	body, err := json.Marshal([]any{map[string]any{
		"eventId": 1, "subscriptionId": 12345, "portalId": 62515, "appId": 54321, "occurredAt": occurred, "subscriptionType": "deal.propertyChange",
		"attemptNumber": 0, "objectId": json.Number(id), "changeSource": "CRM_UI", "propertyName": "amount", "propertyValue": "1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return delivery(body, at)
}

// delivery signs a body as HubSpot does.
func delivery(body []byte, at time.Time) *crmclient.Delivery {
	stamp := strconv.FormatInt(at.UnixMilli(), 10)
	m := hmac.New(sha256.New, []byte(clientSecret))
	m.Write([]byte(http.MethodPost + webhookURL + string(body) + stamp))
	h := http.Header{}
	h.Set("Content-Type", contentIsJSON)
	h.Set(headerStamp, stamp)
	h.Set(headerSigned, base64.StdEncoding.EncodeToString(m.Sum(nil)))
	return &crmclient.Delivery{Method: http.MethodPost, URL: &url.URL{Path: "/in/hubspot"}, Header: h, Body: body, At: at}
}
