package salesforce_test

import (
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

func subject(change func(*salesforce.Config), bodiless bool) crmtest.Subject {
	return crmtest.Subject{
		Fake: func(t *testing.T) crmtest.Fake {
			f := newFake(t)
			f.bodiless = bodiless
			return f
		},
		New: func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(f.(*fake), c.URL)
			login := cfg.URL
			cfg.Settings = c.Settings()
			cfg.URL = login // the instance is behind the gate, the login host is not
			change(&cfg)
			return open(t, cfg, c.Deps("sf"))
		},
		Secrets: []string{clientSecret, "s3cr3t-access-token"},
		MaxText: 32_000 * 4,
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("email message", func(t *testing.T) {
		t.Parallel()
		crmtest.Run(t, subject(func(*salesforce.Config) {}, false))
	})
	t.Run("task", func(t *testing.T) {
		t.Parallel()
		crmtest.Run(t, subject(func(c *salesforce.Config) { c.LogAs = salesforce.LogAsTask }, true))
	})
}
