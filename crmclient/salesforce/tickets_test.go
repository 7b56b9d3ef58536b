package salesforce_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/salesforce"
)

func TestTickets(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *salesforce.Config) { c.AssignmentRule = true })
	wang := f.user("wang@example.com")
	queue := f.add("Group", map[string]any{"Name": "Support '1'", "DeveloperName": "Support_1", "Type": "Queue"})
	contact := f.add("Contact", map[string]any{"LastName": "Li"})
	var assign []string
	f.fail = func(r *http.Request) (int, string) {
		if h := r.Header.Get("Sforce-Auto-Assign"); h != "" {
			assign = append(assign, h)
		}
		return 0, ""
	}
	k := &crmclient.Ticket{
		Key: "t1", Subject: "Broken", Text: "It is broken.", Priority: "urgent", Assignee: "Wang@example.com", ContactID: contact,
		Requester: crmclient.Person{Name: "Li", Address: "li@customer.example"}, Fields: map[string]any{"Due__c": time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC)},
		Files: []crmclient.Attachment{attachment("log.txt", "log"), {Name: "lost.txt"}},
	}
	first := must(c.CreateTicket(t.Context(), k))(t)
	again := must(c.CreateTicket(t.Context(), k))(t)
	if first.RemoteID != again.RemoteID || !again.Duplicate || len(f.rows("ContentVersion")) != 1 {
		t.Errorf("got %+v, then %+v, %d files", first, again, len(f.rows("ContentVersion")))
	}
	row := f.rows("Case")[0]
	if row["OwnerId"] != wang || row["Priority"] != "High" || row["Due__c"] != "2026-05-06" || row["ContactId"] != contact || !strings.Contains(row["Description"].(string), "lost.txt") {
		t.Errorf("case: %v", row)
	}
	must(c.CreateTicket(t.Context(), &crmclient.Ticket{Key: "t2", Subject: "For a queue", Queue: "Support '1'"}))(t)
	must(c.CreateTicket(t.Context(), &crmclient.Ticket{Key: "t3", Subject: "For the rules"}))(t)
	if rows := f.rows("Case"); rows[1]["OwnerId"] != queue || rows[2]["OwnerId"] != nil || !slices.Equal(assign, []string{"FALSE", "FALSE", "TRUE"}) {
		t.Errorf("cases: %v, headers %q", rows[1:], assign)
	}
	found, ok, err := c.FindTicket(t.Context(), "t1")
	if err != nil || !ok || found.ID != first.RemoteID || found.Fields["Subject"] != "Broken" || found.Fields["Due__c"] != time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC) {
		t.Errorf("found %+v, %v, %v", found, ok, err)
	}
	if _, ok, err := c.FindTicket(t.Context(), "nothing"); ok || err != nil {
		t.Errorf("no ticket: %v, %v", ok, err)
	}
	zhao := f.user("zhao@example.com")
	if err := c.AssignTicket(t.Context(), first.RemoteID, "zhao@example.com"); err != nil || f.rows("Case")[0]["OwnerId"] != zhao {
		t.Errorf("assign: %v", err)
	}
	wantClass(t, c.AssignTicket(t.Context(), first.RemoteID, "nobody@example.com"), crmclient.ClassPermanent)
	_, err = c.CreateTicket(t.Context(), &crmclient.Ticket{Key: "t4", Queue: "Nowhere"})
	wantClass(t, err, crmclient.ClassPermanent)
}

func TestFilesOfRecords(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	id := f.add("Case", map[string]any{"Subject": "x"})
	file := attachment("a.txt", "hello")
	first := must(c.AttachFile(t.Context(), "Case", id, file))(t)
	again := must(c.AttachFile(t.Context(), "Case", id, file))(t)
	if first != again || !strings.HasPrefix(first, "069") {
		t.Errorf("got %q, then %q", first, again)
	}
	_, err := c.AttachFile(t.Context(), "Case", "500000000000999AAA", file)
	if !errors.Is(err, crmclient.ErrNoRecord) {
		t.Errorf("no record: got %v", err)
	}
}

func TestFileOfAnotherLengthIsNotWritten(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	id := f.add("Case", map[string]any{"Subject": "x"})
	for _, content := range []string{"too short", strings.Repeat("too long ", 100)} {
		file := attachment("a.txt", content)
		file.Size = 100
		if _, err := c.AttachFile(t.Context(), "Case", id, file); err == nil {
			t.Errorf("%.9s: no error", content)
		}
	}
	if n := len(f.rows("ContentVersion")); n != 0 {
		t.Errorf("files: %d", n)
	}
}
