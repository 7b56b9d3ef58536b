package salesforce_test

import (
	"errors"
	"net/http"
	"path"
	"testing"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/salesforce"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// custom are fields that a customer adds, so that all of a mail can be found again.
func custom() fieldmap.Fields {
	return fieldmap.Fields{
		"Mail_Key__c": fieldmap.From("key"),
		"Accounts__c": {From: "accounts", Then: []fieldmap.Step{fieldmap.Join(",")}, KeepEmpty: true},
		"Bcc__c":      {From: "bcc_addresses", Then: []fieldmap.Step{fieldmap.Join(",")}, KeepEmpty: true},
		"Thread__c":   fieldmap.From("thread", fieldmap.Cut(255)),
	}
}

func section(f *fake, instance string) salesforce.Config {
	f.mu.Lock()
	f.instance = instance
	f.mu.Unlock()
	return salesforce.Config{
		Settings: crmclient.Settings{URL: f.login.URL}, ClientID: clientID, ClientSecret: config.NewSecret(clientSecret), Fields: custom(),
		TicketFields: fieldmap.Fields{"Ticket_Key__c": fieldmap.From("key", fieldmap.Cut(255))},
	}
}

func open(t *testing.T, cfg salesforce.Config, d crmclient.Deps) *salesforce.Client {
	t.Helper()
	if d.Target == "" {
		d.Target = "sf"
	}
	c, err := salesforce.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	client := c.(*salesforce.Client)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, crmtest.Subject{
		Fake: func(t *testing.T) crmtest.Fake { return newFake(t) },
		New: func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(f.(*fake), c.URL)
			login := cfg.URL
			cfg.Settings = c.Settings()
			cfg.URL = login // the instance is behind the gate, the login host is not
			return open(t, cfg, c.Deps("sf"))
		},
		Secrets: []string{clientSecret, "s3cr3t-access-token"},
		MaxText: 32_000 * 4,
	})
}

// What the suite tries with email messages, as far as tasks differ: an upsert of one that is there succeeds, without a body.
func TestTasksAreWrittenOnce(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *salesforce.Config) { c.LogAs = salesforce.LogAsTask })
	f.bodiless = true
	lost := true
	f.fail = func(r *http.Request) (int, string) {
		if f.Writes(r) && lost { // the task is made, the answer is lost
			lost = false
			fields := map[string]any{"Subject": "Quotation 42", "Mail_Key__c": "once", "Heliograph_Key__c": path.Base(r.URL.Path)}
			f.store(f.tables["Task"], f.newID("00T"), fields)
			return 504, `[]`
		}
		return 0, ""
	}
	a := crmtest.Activity("once")
	_, err := c.LogEmail(t.Context(), a)
	wantClass(t, err, crmclient.ClassRetry)
	first := must(c.LogEmail(t.Context(), a))(t)
	again := must(c.LogEmail(t.Context(), a))(t)
	if first.RemoteID == "" || first.RemoteID != again.RemoteID || !again.Duplicate {
		t.Errorf("got %+v, then %+v", first, again)
	}
	a.Thread = "joined"
	must(c.UpdateEmail(t.Context(), "", a))(t)
	records := f.Records(t)
	if len(records) != 1 || records[0].Thread != "joined" || records[0].Text != a.Text || len(records[0].Attachments) != 1 {
		t.Errorf("records: %+v", records)
	}
	for range 2 {
		if err := c.WithdrawEmail(t.Context(), first.RemoteID, "once"); err != nil || len(f.Records(t)) != 0 {
			t.Errorf("withdrawal: %v", err)
		}
	}
	if _, err := c.UpdateEmail(t.Context(), first.RemoteID, a); !errors.Is(err, crmclient.ErrNoRecord) {
		t.Errorf("update of what is not there: got %v", err)
	}
}
