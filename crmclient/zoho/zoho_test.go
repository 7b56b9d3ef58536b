package zoho_test

import (
	"testing"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/zoho"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// section is a configuration for the fake.
func section(f *zohoFake, url string) zoho.Config {
	no := false
	return zoho.Config{
		Settings: crmclient.Settings{URL: url}, DataCenter: "cn", AccountsURL: f.accounts.URL, ClientID: clientID,
		ClientSecret: config.NewSecret(clientSecret), RefreshToken: config.NewSecret(refreshToken),
		DefaultRecord: "Contacts/" + defaultID, IncludeHTML: &no, CaseKeyField: "Ticket_Key",
	}
}

func activitySection(f *zohoFake, url string) zoho.Config {
	cfg := section(f, url)
	cfg.Record, cfg.DefaultRecord, cfg.KeyField = zoho.RecordActivity, "", "Mail_Key"
	cfg.Fields = fieldmap.Fields{
		"Mail_Thread":   fieldmap.From("thread", fieldmap.Cut(255)),
		"Mail_Accounts": fieldmap.From("accounts", fieldmap.Join(", "), fieldmap.Cut(2000)),
		"Mail_Bcc":      fieldmap.From("bcc_addresses", fieldmap.Join(", "), fieldmap.Cut(2000)),
	}
	return cfg
}

func subject(section func(*zohoFake, string) zoho.Config) crmtest.Subject {
	return crmtest.Subject{
		Fake: func(t *testing.T) crmtest.Fake { return newFake(t) },
		New: func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(f.(*zohoFake), c.URL)
			cfg.Timeout = config.Duration(c.Timeout)
			return open(t, cfg, crmclient.Deps{Target: "zoho", Logger: c.Logger})
		},
		Secrets: []string{clientSecret, refreshToken, accessPrefix},
	}
}

func open(t *testing.T, cfg zoho.Config, d crmclient.Deps) crmclient.Client {
	t.Helper()
	c, err := zoho.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(interface{ Close() error }).Close() })
	return c
}

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("associated e-mails", func(t *testing.T) { crmtest.Run(t, subject(section)) })
	t.Run("activities", func(t *testing.T) {
		s := subject(activitySection)
		s.MaxText = 100_000 // 32,000 characters
		crmtest.Run(t, s)
	})
}
