package salesforce_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"heliograph/crmclient/crmtest"
)

// What the suite needs to look at tickets, records, files and tokens.

const (
	agent       = "agent@example.com"
	otherUserID = "005000000000002AAA"
)

// Agent returns a user.
func (f *fake) Agent(t *testing.T) string {
	t.Helper()
	for _, row := range f.rows("User") {
		if row["Email"] == agent {
			return agent
		}
	}
	f.user(agent)
	return agent
}

// Tickets returns the cases.
func (f *fake) Tickets(t *testing.T) []crmtest.TicketRecord {
	t.Helper()
	f.report(t)
	var out []crmtest.TicketRecord
	for _, row := range f.rows("Case") {
		get := func(name string) string { s, _ := row[name].(string); return s }
		r := crmtest.TicketRecord{ID: get("Id"), Key: get("Ticket_Key__c"), Subject: get("Subject"), Text: get("Description")}
		for _, user := range f.rows("User") {
			if user["Id"] == row["OwnerId"] {
				r.Assignee, _ = user["Email"].(string)
			}
		}
		out = append(out, r)
	}
	return out
}

// Object returns the case, as far as the suite uses it.
func (f *fake) Object() crmtest.Object {
	return crmtest.Object{Name: "Case", Text: "Subject", Number: "Amount__c", MissingID: "500000000000999AAA", Deletes: true, TellsOwn: true}
}

// PutObject makes or changes a case as somebody else than the gateway.
func (f *fake) PutObject(_ *testing.T, id string, fields map[string]any) string {
	values := map[string]any{}
	for name, v := range fields {
		if n, ok := v.(json.Number); ok {
			v, _ = n.Float64()
		}
		values[name] = v
	}
	if id == "" {
		id = f.add("Case", values)
	} else {
		f.change(func(tables map[string]*ftable) { f.set(tables["Case"], tables["Case"].rows[id], values) })
	}
	f.change(func(tables map[string]*ftable) { tables["Case"].rows[id]["LastModifiedById"] = otherUserID })
	return id
}

// DeleteObject puts a case into the recycle bin.
func (f *fake) DeleteObject(_ *testing.T, id string) {
	f.change(func(tables map[string]*ftable) {
		row := tables["Case"].rows[id]
		row["IsDeleted"] = true
		f.stamp(row)
	})
}

// ObjectFields returns a case.
func (f *fake) ObjectFields(_ *testing.T, id string) (map[string]any, bool) {
	for _, row := range f.rows("Case") {
		if row["Id"] == id {
			return row, true
		}
	}
	return nil, false
}

// ObjectsWithText returns cases by subject.
func (f *fake) ObjectsWithText(_ *testing.T, text string) []string {
	var ids []string
	for _, row := range f.rows("Case") {
		if row["Subject"] == text {
			ids = append(ids, row["Id"].(string))
		}
	}
	return ids
}

// Files returns the files of a case.
func (f *fake) Files(t *testing.T, id string) []crmtest.File {
	t.Helper()
	var out []crmtest.File
	for _, row := range f.rows("ContentVersion") {
		if row["FirstPublishLocationId"] != id {
			continue
		}
		data, err := base64.StdEncoding.DecodeString(row["VersionData"].(string))
		if err != nil {
			t.Error(err)
		}
		out = append(out, crmtest.File{ID: row["ContentDocumentId"].(string), Name: row["Title"].(string), Content: data})
	}
	return out
}

// FilesOnce says that files are known by their hash.
func (f *fake) FilesOnce() bool { return true }

// WritesFile says whether a request makes a file.
func (f *fake) WritesFile(r *http.Request) bool { return posts(r, "ContentVersion") }

// WritesTicket says whether a request makes a case.
func (f *fake) WritesTicket(r *http.Request) bool {
	return r.Method == http.MethodPatch && strings.HasPrefix(r.URL.Path, apiRoot+"/sobjects/Case/Heliograph_Key__c/")
}

// WritesObject says whether a request makes a case.
func (f *fake) WritesObject(r *http.Request) bool { return f.WritesTicket(r) }

// WritesPerson says whether a request makes a contact or lead.
func (f *fake) WritesPerson(r *http.Request) bool { return posts(r, "Contact") || posts(r, "Lead") }

func posts(r *http.Request, object string) bool {
	return r.Method == http.MethodPost && r.URL.Path == apiRoot+"/sobjects/"+object
}

// ExpireTokens ends all tokens.
func (f *fake) ExpireTokens(*testing.T) {
	f.change(func(map[string]*ftable) { clear(f.tokens) })
}

// RefuseCredentials ends all tokens for good.
func (f *fake) RefuseCredentials(*testing.T) {
	f.change(func(map[string]*ftable) {
		clear(f.tokens)
		f.refusal = "invalid_grant"
	})
}

// TokensIssued returns how many tokens there were.
func (f *fake) TokensIssued(*testing.T) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.issued
}
