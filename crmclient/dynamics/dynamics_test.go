package dynamics_test

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/dynamics"
	"heliograph/crmclient/fieldmap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// custom are columns that a customer adds, so that all of a mail can be found again.
func custom() fieldmap.Fields {
	return fieldmap.Fields{
		"description":  fieldmap.From("text_body", fieldmap.TextToHTML()),
		"new_mailkey":  fieldmap.From("key"),
		"new_accounts": {From: "accounts", Then: []fieldmap.Step{fieldmap.Join(",")}, KeepEmpty: true},
		"new_bcc":      {From: "bcc_addresses", Then: []fieldmap.Step{fieldmap.Join(",")}, KeepEmpty: true},
		"new_thread":   fieldmap.From("thread"),
	}
}

func section(f *fake, s crmclient.Settings) dynamics.Config {
	f.change(func() { f.url = s.URL })
	return dynamics.Config{
		Settings: s, MaxText: 32_000, LoginURL: f.login.URL, Tenant: tenant, ClientID: clientID, ClientSecret: config.NewSecret(clientSecret), Fields: custom(),
		KeyColumns:   map[string]string{"email": "new_heliographkey", "incident": "new_heliographkey", "deal": "new_heliographkey"},
		TicketFields: fieldmap.Fields{"new_ticketkey": fieldmap.From("key")}, DefaultCustomer: customer,
	}
}

func open(t *testing.T, cfg dynamics.Config, d crmclient.Deps) *dynamics.Client {
	t.Helper()
	c, err := dynamics.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	client := c.(*dynamics.Client)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func subject() crmtest.Subject {
	with := func(change func(*dynamics.Config)) func(*testing.T, crmtest.Fake, crmtest.Connection) crmclient.Client {
		return func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(f.(*fake), c.Settings())
			change(&cfg)
			return open(t, cfg, c.Deps("dyn"))
		}
	}
	spoil := func(change func(f *fake)) func(*testing.T, crmtest.Fake) {
		return func(_ *testing.T, f crmtest.Fake) { f.(*fake).change(func() { change(f.(*fake)) }) }
	}
	return crmtest.Subject{
		Fake:    func(t *testing.T) crmtest.Fake { return newFake(t) },
		New:     with(func(*dynamics.Config) {}),
		Secrets: []string{clientSecret, "s3cr3t-token"},
		Classes: map[int]crmclient.Class{http.StatusPreconditionFailed: crmclient.ClassDuplicate},
		MaxText: 32_000 * 4,
		Checks: map[string]crmtest.Check{
			"good":                {},
			"wrong key":           {New: with(func(c *dynamics.Config) { c.ClientSecret = config.NewSecret("another one") }), Class: crmclient.ClassAuth, Says: "secret"},
			"wrong tenant":        {New: with(func(c *dynamics.Config) { c.Tenant = "other.example" }), Class: crmclient.ClassConfiguration},
			"no application user": {Break: spoil(func(f *fake) { f.stranger = true }), Class: crmclient.ClassAuth, Says: "Application users"},
			"token refused": {Break: spoil(func(f *fake) {
				f.fail = func(*http.Request) (int, string) { return 401, "" }
			}), Class: crmclient.ClassAuth, Says: "application user"},
			"wrong environment": {New: func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
				cfg := section(f.(*fake), c.Settings())
				cfg.APIVersion = "v9.9"
				return open(t, cfg, c.Deps("dyn"))
			}, Class: crmclient.ClassConfiguration, Says: "url"},
			"missing field":         {New: with(func(c *dynamics.Config) { c.Fields["new_nothing"] = fieldmap.From("key") }), Class: crmclient.ClassConfiguration, Says: "new_nothing"},
			"missing search column": {New: with(func(c *dynamics.Config) { c.EmailColumns = []string{"emailaddress9"} }), Class: crmclient.ClassConfiguration, Says: "emailaddress9"},
			"missing key column":    {New: with(func(c *dynamics.Config) { c.KeyColumns["email"] = "new_nokey" }), Class: crmclient.ClassConfiguration, Says: "key_columns"},
			"no alternate key":      {Break: spoil(func(f *fake) { f.tables["incidents"].alternate = "" }), Class: crmclient.ClassConfiguration, Says: "alternate key"},
			"missing permission":    {Break: spoil(func(f *fake) { f.tables["leads"].unread = true }), Class: crmclient.ClassAuth, Says: "prvReadlead"},
			"unknown table":         {New: with(func(c *dynamics.Config) { c.KeyColumns["nothing"] = "x" }), Class: crmclient.ClassConfiguration, Says: "nothing"},
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, subject())
}
