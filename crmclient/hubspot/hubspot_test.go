package hubspot_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/hubspot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// section is a configuration for the fake.
func section(f *hubFake, url string) hubspot.Config {
	no := false
	return hubspot.Config{
		Settings: crmclient.Settings{URL: url}, ClientID: clientID, ClientSecret: config.NewSecret(clientSecret), RefreshToken: config.NewSecret(refreshToken),
		TokenURL: f.oauth.URL + "/oauth/v1/token", IncludeHTML: &no, MaxText: 32_000, TicketKeyProperty: "ticket_key",
		RecordKeys: map[string]string{"deals": "deal_key"}, WebhookURL: webhookURL, AppID: ownApp,
		Fields: fieldmap.Fields{
			"mail_thread":   fieldmap.From("thread"),
			"mail_accounts": fieldmap.From("accounts", fieldmap.Join(", ")),
		},
	}
}

func private(f *hubFake, url string) hubspot.Config {
	cfg := section(f, url)
	cfg.ClientID, cfg.RefreshToken, cfg.Token = "", config.Secret{}, config.NewSecret(privateToken)
	return cfg
}

// searching keeps mails single by the search, whose index is not behind in the fake.
func searching(f *hubFake, url string) hubspot.Config {
	f.mu.Lock()
	f.searchable = true
	f.mu.Unlock()
	cfg := private(f, url)
	cfg.Dedupe = "search"
	return cfg
}

func open(t *testing.T, cfg hubspot.Config, d crmclient.Deps) *hubspot.Client {
	t.Helper()
	c, err := hubspot.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	client, ok := c.(*hubspot.Client)
	if connected, is := c.(*hubspot.OAuthClient); is {
		client, ok = connected.Client, true
		if how := connected.Connection(); how.Params.Get("scope") == "" || how.Grant != "target:"+d.Target {
			t.Errorf("connection: got %+v", how.Params)
		}
	}
	if !ok {
		t.Fatalf("got %T", c)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func fakeOf(f crmtest.Fake) *hubFake {
	if m, ok := f.(mailOnly); ok {
		return m.all
	}
	return f.(*hubFake)
}

func subject(section func(*hubFake, string) hubspot.Config) crmtest.Subject {
	return crmtest.Subject{
		Fake: func(t *testing.T) crmtest.Fake { return newFake(t) },
		New: func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(fakeOf(f), c.URL)
			cfg.Settings = c.Settings()
			return open(t, cfg, c.Deps("hubspot"))
		},
		Secrets: []string{clientSecret, refreshToken, accessPrefix, privateToken},
		Classes: map[int]crmclient.Class{477: crmclient.ClassRetry},
		MaxText: 130_000, // 32,000 characters
		Webhook: crmtest.Webhook{Window: 5 * time.Minute},
		Refuse: func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusTooManyRequests, limited("You have reached your ten_secondly_rolling limit.", "TEN_SECONDLY_ROLLING"))
		},
		Faults: faults(),
		Checks: checks(section),
	}
}

func limited(message, policy string) map[string]any {
	m := map[string]any{"status": "error", "message": message, "errorType": "RATE_LIMIT", "correlationId": "c", "requestId": "r"}
	if policy != "" {
		m["policyName"] = policy
	}
	return m
}

func faults() []crmtest.Fault {
	told := func(status int, body any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { answer(w, status, body) }
	}
	inside := func(category string) http.HandlerFunc {
		return told(http.StatusMultiStatus, map[string]any{"status": "COMPLETE", "results": []any{}, "numErrors": 1, "errors": []any{failure(category, "told inside")}})
	}
	return []crmtest.Fault{
		{Name: "daily", Serve: told(429, limited("You have reached your daily limit.", "DAILY")), Class: crmclient.ClassRate},
		{Name: "secondly", Serve: told(429, limited("You have reached your secondly limit.", "")), Class: crmclient.ClassRate},
		{Name: "scopes", Serve: told(403, failure("MISSING_SCOPES", "needs scopes")), Class: crmclient.ClassAuth},
		{Name: "expired for ever", Serve: told(401, failure("EXPIRED_AUTHENTICATION", "expired")), Class: crmclient.ClassAuth},
		{Name: "value", Serve: told(400, failure("VALIDATION_ERROR", "INVALID_LONG")), Class: crmclient.ClassPermanent},
		{Name: "property", Serve: told(400, failure("VALIDATION_ERROR", "PROPERTY_DOESNT_EXIST")), Class: crmclient.ClassConfiguration},
		{Name: "value in 207", Serve: inside("VALIDATION_ERROR"), Class: crmclient.ClassPermanent},
		{Name: "rate in 207", Serve: inside("RATE_LIMITS"), Class: crmclient.ClassRate},
		{Name: "migration", Serve: told(477, failure("MIGRATION_IN_PROGRESS", "moving")), Class: crmclient.ClassRetry},
		{Name: "locked", Serve: told(423, failure("LOCKED", "locked")), Class: crmclient.ClassRetry},
		{Name: "their proxy", Serve: told(522, "x"), Class: crmclient.ClassRetry},
	}
}

func checks(section func(*hubFake, string) hubspot.Config) map[string]crmtest.Check {
	with := func(change func(*hubspot.Config)) func(*testing.T, crmtest.Fake, crmtest.Connection) crmclient.Client {
		return func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(fakeOf(f), c.URL)
			cfg.Settings = c.Settings()
			change(&cfg)
			return open(t, cfg, c.Deps("hubspot"))
		}
	}
	broken := func(change func(*hubFake)) func(*testing.T, crmtest.Fake) {
		return func(_ *testing.T, f crmtest.Fake) { change(fakeOf(f)) }
	}
	without := func(object, name string) func(*hubFake) {
		return func(f *hubFake) {
			f.properties[object] = slices.DeleteFunc(f.properties[object], func(p property) bool { return p.name == name })
		}
	}
	scopes := failure("MISSING_SCOPES", "This app hasn't been granted all required scopes")
	scopes["context"] = map[string]any{"requiredGranularScopes": []string{"crm.objects.contacts.read"}}
	return map[string]crmtest.Check{
		"good":          {},
		"wrong key":     {New: with(func(c *hubspot.Config) { c.ClientSecret = config.NewSecret("another secret") }), Class: crmclient.ClassAuth, Says: "secret"},
		"wrong token":   {New: with(func(c *hubspot.Config) { *c = staticToken(*c, "pat-na1-of-another") }), Class: crmclient.ClassAuth, Says: "Private Apps"},
		"expired token": {Break: broken(func(f *hubFake) { f.refuse = map[string]any{"error": "invalid_grant"} }), Class: crmclient.ClassAuth, Says: "connect"},
		"no unique property": {
			Break: broken(without("emails", "heliograph_key")), Class: crmclient.ClassConfiguration, Says: `POST /crm/v3/properties/emails {"name": "heliograph_key"`,
		},
		"property not unique": {Break: broken(func(f *hubFake) {
			for i := range f.properties["tickets"] {
				f.properties["tickets"][i].unique = false
			}
		}), Class: crmclient.ClassConfiguration, Says: "choose another name"},
		"missing field":      {Break: broken(without("emails", "mail_thread")), Class: crmclient.ClassConfiguration, Says: "mail_thread"},
		"missing permission": {Break: broken(func(f *hubFake) { f.denied["/crm/v3/objects/contacts"] = scopes }), Class: crmclient.ClassAuth, Says: "the scope crm.objects.contacts.read"},
		"missing owners":     {Break: broken(func(f *hubFake) { f.denied["/crm/v3/owners"] = failure("MISSING_SCOPES", "scopes") }), Class: crmclient.ClassAuth, Says: "Scopes"},
		"missing object":     {Break: broken(func(f *hubFake) { delete(f.properties, "deals") }), Class: crmclient.ClassConfiguration, Says: "no object deals"},
	}
}

func staticToken(c hubspot.Config, token string) hubspot.Config {
	c.ClientID, c.RefreshToken, c.Token = "", config.Secret{}, config.NewSecret(token)
	return c
}

// mailOnly is the fake without what the other subject tests just the same.
type mailOnly struct{ all *hubFake }

func (f mailOnly) Records(t *testing.T) []crmtest.Record            { return f.all.Records(t) }
func (f mailOnly) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.all.ServeHTTP(w, r) }
func (f mailOnly) Writes(r *http.Request) bool                      { return f.all.Writes(r) }

func TestConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, subject(section))
}

func TestConformanceBySearch(t *testing.T) {
	t.Parallel()
	s := subject(searching)
	s.Checks = nil
	s.Fake = func(t *testing.T) crmtest.Fake { return mailOnly{newFake(t)} }
	crmtest.Run(t, s)
}
