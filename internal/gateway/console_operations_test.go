package gateway_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api/apitest"
	"heliograph/internal/console/api/operations"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
)

// TestPausedAccountIsNotCaptured pauses an account while its mail program is signed in: mail flows on, nothing of it is captured, and after it
// is resumed what is in the mailbox is.
func TestPausedAccountIsNotCaptured(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t)
	g := start(t, mailboxesAt(d)+imapListeners)
	li, wang := d.Users[0], d.Users[1]
	part, err := g.Operations()
	if err != nil {
		t.Fatal(err)
	}
	admin := apitest.New(t, part.API()).As(access.NewCaller(access.Person{ID: "1", Email: "it@example.com", Role: access.Admin}, access.ScopeAll, nil, nil))
	body := func(id string) []byte {
		return simple("customer@elsewhere.example", li.Name, "it "+id, id+"@elsewhere.example")
	}
	put(t, d, li, body("before"))
	program := g.imap(0, li)
	look(t, program)
	g.entries(journal.StateConfirmed, 1)

	var account operations.AccountDetail
	admin.Post("/api/v1/accounts/"+li.Name+"/pause", map[string]any{"reason": "works council"}).JSON(http.StatusOK, &account)
	if account.Capturing || account.Paused == nil || account.Paused.By != "it@example.com" || account.Capture.WhyCode != operations.CapturePolicyWhyCodePaused {
		t.Errorf("paused: %+v", account)
	}
	put(t, d, li, body("meanwhile"))
	put(t, d, wang, body("colleague"))
	look(t, program) // the open session
	again := g.imap(1, li)
	look(t, again) // a new one
	appendTo(t, again, "Sent", simple(li.Name, "customer@elsewhere.example", "it filed", "filed@example.com"))
	look(t, g.imap(1, wang))
	for _, e := range g.entries(journal.StateConfirmed, 2) { // a colleague's is captured, so that all before it could have been
		if e.Account == li.Name && e.Mailbox == "Sent" {
			t.Error("what was filed is captured")
		}
	}
	var list operations.AccountPage
	admin.Get("/api/v1/accounts?state=paused").JSON(http.StatusOK, &list)
	if len(list.Items) != 1 || list.Items[0].Address != li.Name || list.Items[0].Entries != 1 {
		t.Errorf("paused accounts: %+v", list.Items)
	}
	account = operations.AccountDetail{}
	admin.Post("/api/v1/accounts/"+li.Name+"/resume", nil).JSON(http.StatusOK, &account)
	if !account.Capturing || account.Paused != nil {
		t.Errorf("resumed: %+v", account)
	}
	mailtest.Eventually(t, 20*time.Second, func() error {
		look(t, g.imap(1, li))
		admin.Get("/api/v1/accounts/"+li.Name).JSON(http.StatusOK, &account)
		if account.Entries < 2 || len(account.Mailboxes) == 0 || len(account.Programs) == 0 {
			return fmt.Errorf("account %+v", account)
		}
		return nil
	})
}

// TestOperationsOfARunningGateway looks at what only a running gateway knows.
func TestOperationsOfARunningGateway(t *testing.T) {
	t.Parallel()
	r, i, _ := oauthOffice(t)
	part, err := r.Operations()
	if err != nil {
		t.Fatal(err)
	}
	admin := apitest.New(t, part.API()).As(access.NewCaller(access.Person{ID: "1", Email: "it@example.com", Role: access.Admin}, access.ScopeAll, nil, nil))
	r.enroll(i, "li@example.com")
	var o operations.Overview
	mailtest.Eventually(t, 20*time.Second, func() error {
		admin.Get("/api/v1/overview").JSON(http.StatusOK, &o)
		if len(o.Nodes) != 1 || !o.Nodes[0].Self || o.Nodes[0].State != operations.NodeStateUp {
			return fmt.Errorf("nodes %+v", o.Nodes)
		}
		return nil
	})
	names := map[string]operations.Level{}
	for _, c := range o.Checks {
		names[c.Name] = c.Level
	}
	if names["listeners"] != operations.LevelOk || names["journal"] != operations.LevelOk || names["space"] == "" || names["certificate"] == "" || o.Sessions == nil {
		t.Errorf("checks %v, sessions %+v", names, o.Sessions)
	}
	var result operations.TestResult
	admin.Post("/api/v1/upstreams/main/test", nil).JSON(http.StatusOK, &result)
	if len(result.Steps) < 4 || result.Level == operations.LevelFailed {
		t.Errorf("upstream: %+v", result)
	}
	admin.Post("/api/v1/accounts/li@example.com/test", nil).JSON(http.StatusOK, &result)
	if len(result.Steps) != 2 || result.Level != operations.LevelOk {
		t.Errorf("account: %+v", result)
	}
	var run operations.Run
	started := admin.Post("/api/v1/accounts/li@example.com/runs", map[string]any{"kind": "backfill", "dry_run": true})
	started.JSON(http.StatusAccepted, &run)
	mailtest.Eventually(t, 20*time.Second, func() error {
		admin.Get(started.Header.Get("Location")).JSON(http.StatusOK, &run)
		if run.State != operations.RunStateDone || len(run.Rows) != 1 {
			return fmt.Errorf("run %+v", run)
		}
		return nil
	})
	var link operations.EnrolmentLink
	admin.Post("/api/v1/accounts/wang@example.com/enrolment-link", map[string]any{}).JSON(http.StatusCreated, &link)
	if link.Address != "wang@example.com" || len(link.Ways) == 0 {
		t.Errorf("link %+v", link)
	}
}
