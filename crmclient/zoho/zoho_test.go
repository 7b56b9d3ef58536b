package zoho_test

import (
	"net/http"
	"slices"
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
		RecordKeys: map[string]string{"Deals": "Mail_Key"},
		NotifyURL:  "https://gateway.example.com/hooks/zoho", NotifyToken: config.NewSecret(notifyToken),
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

// mailOnly is the fake without what the other subject tests just the same.
type mailOnly struct{ all *zohoFake }

func (f mailOnly) Records(t *testing.T) []crmtest.Record            { return f.all.Records(t) }
func (f mailOnly) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.all.ServeHTTP(w, r) }
func (f mailOnly) Writes(r *http.Request) bool                      { return f.all.Writes(r) }
func (f mailOnly) ExpireTokens(t *testing.T)                        { f.all.ExpireTokens(t) }
func (f mailOnly) RefuseCredentials(t *testing.T)                   { f.all.RefuseCredentials(t) }
func (f mailOnly) TokensIssued(t *testing.T) int                    { return f.all.TokensIssued(t) }

func fakeOf(f crmtest.Fake) *zohoFake {
	if m, ok := f.(mailOnly); ok {
		return m.all
	}
	return f.(*zohoFake)
}

func subject(section func(*zohoFake, string) zoho.Config) crmtest.Subject {
	return crmtest.Subject{
		Fake: func(t *testing.T) crmtest.Fake { return newFake(t) },
		New: func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(fakeOf(f), c.URL)
			cfg.Settings = c.Settings()
			return open(t, cfg, c.Deps("zoho"))
		},
		Secrets: []string{clientSecret, refreshToken, accessPrefix, notifyToken},
		Webhook: crmtest.Webhook{ID: "5545974000000123456", BodyUnsigned: true},
		Refuse: func(w http.ResponseWriter, _ *http.Request) {
			fail(w, http.StatusTooManyRequests, "TOO_MANY_REQUESTS", nil)
		},
		Faults: faults(),
		Checks: checks(section),
	}
}

// faults are refusals in Zoho's words.
func faults() []crmtest.Fault {
	told := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fail(w, status, code, nil) }
	}
	inside := func(code string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			element := map[string]any{"code": code, "status": "error", "message": "told inside", "details": map[string]any{"api_name": "Subject"}}
			if r.Method == http.MethodGet {
				answer(w, http.StatusOK, map[string]any{"available": true})
				return
			}
			answer(w, http.StatusMultiStatus, map[string]any{"data": []any{element}, "Emails": []any{element}})
		}
	}
	return []crmtest.Fault{
		{Name: "no permission", Serve: told(403, "NO_PERMISSION"), Class: crmclient.ClassAuth},
		{Name: "scope", Serve: told(401, "OAUTH_SCOPE_MISMATCH"), Class: crmclient.ClassAuth},
		{Name: "token for ever refused", Serve: told(401, "INVALID_TOKEN"), Class: crmclient.ClassAuth},
		{Name: "module", Serve: told(400, "INVALID_MODULE"), Class: crmclient.ClassConfiguration},
		{Name: "licence", Serve: told(403, "LICENSE_ACCESS_DENIED"), Class: crmclient.ClassConfiguration},
		{Name: "credits", Serve: told(429, "TOO_MANY_REQUESTS"), Class: crmclient.ClassRate},
		{Name: "their fault", Serve: told(500, "INTERNAL_ERROR"), Class: crmclient.ClassRetry},
		{Name: "modified", Serve: told(412, "RECORD_MODIFIED"), Class: crmclient.ClassRetry},
		{Name: "storage", Serve: told(400, "STORAGE_SPACE_EXCEEDED"), Class: crmclient.ClassPermanent},
		{Name: "field missing in 207", Serve: inside("MANDATORY_NOT_FOUND"), Class: crmclient.ClassPermanent},
		{Name: "unknown word in 207", Serve: inside("SOMETHING_NEW"), Class: crmclient.ClassPermanent},
		{Name: "no permission in 207", Serve: inside("NO_PERMISSION"), Class: crmclient.ClassAuth},
	}
}

// checks are the set-ups that Check tells apart.
func checks(section func(*zohoFake, string) zoho.Config) map[string]crmtest.Check {
	with := func(change func(*zoho.Config)) func(*testing.T, crmtest.Fake, crmtest.Connection) crmclient.Client {
		return func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(fakeOf(f), c.URL)
			cfg.Settings = c.Settings()
			change(&cfg)
			return open(t, cfg, c.Deps("zoho"))
		}
	}
	broken := func(change func(*zohoFake)) func(*testing.T, crmtest.Fake) {
		return func(_ *testing.T, f crmtest.Fake) { change(fakeOf(f)) }
	}
	without := func(module, field string) func(*zohoFake) {
		return func(f *zohoFake) {
			f.columns[module] = slices.DeleteFunc(f.columns[module], func(c column) bool { return c.name == field })
		}
	}
	return map[string]crmtest.Check{
		"good":      {},
		"wrong key": {New: with(func(c *zoho.Config) { c.ClientSecret = config.NewSecret("another secret") }), Class: crmclient.ClassAuth, Says: "client_secret"},
		"expired token": {
			Break: broken(func(f *zohoFake) { f.refuse = map[string]any{"error": "invalid_code"} }), Class: crmclient.ClassAuth, Says: "connect",
		},
		"too many tokens": {
			Break: broken(func(f *zohoFake) {
				f.refuse = map[string]any{"error": "Access Denied", "error_description": "You have made too many requests continuously. Please try again after some time."}
			}), Class: crmclient.ClassRate, Says: "ten",
		},
		"client of another data centre": {
			Break: broken(func(f *zohoFake) { f.refuse = map[string]any{"error": "invalid_client"} }), Class: crmclient.ClassAuth, Says: "data_center",
		},
		"wrong data centre": {
			Break: broken(func(f *zohoFake) { f.apiDomain = "https://www.zohoapis.eu" }), Class: crmclient.ClassConfiguration, Says: "set data_center: eu",
		},
		"missing field":   {Break: broken(without("Leads", "Last_Name")), Class: crmclient.ClassConfiguration, Says: "Last_Name"},
		"no address":      {Break: broken(without("Contacts", "Secondary_Email")), Class: crmclient.ClassConfiguration, Says: "email_fields"},
		"key not unique":  {Break: broken(func(f *zohoFake) { notUnique(f, "Cases", "Ticket_Key") }), Class: crmclient.ClassConfiguration, Says: "Do not allow duplicate values"},
		"missing scope":   {Break: broken(func(f *zohoFake) { f.denied["/settings"] = "OAUTH_SCOPE_MISMATCH" }), Class: crmclient.ClassAuth, Says: "ZohoCRM.settings.fields.READ"},
		"missing rights":  {Break: broken(func(f *zohoFake) { f.denied["/users"] = "NO_PERMISSION" }), Class: crmclient.ClassAuth, Says: "Profiles"},
		"missing licence": {Break: broken(func(f *zohoFake) { f.denied["/org"] = "LICENSE_ACCESS_DENIED" }), Class: crmclient.ClassConfiguration, Says: "edition"},
		"missing module":  {Break: broken(func(f *zohoFake) { delete(f.columns, "Cases") }), Class: crmclient.ClassConfiguration, Says: "API Names"},
	}
}

func notUnique(f *zohoFake, module, field string) {
	for i, c := range f.columns[module] {
		if c.name == field {
			f.columns[module][i].unique = false
		}
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

func TestConformanceOfAssociatedEmails(t *testing.T) {
	t.Parallel()
	s := subject(section)
	s.Fake = func(t *testing.T) crmtest.Fake { return mailOnly{newFake(t)} }
	crmtest.Run(t, s)
}

func TestConformanceOfActivities(t *testing.T) {
	t.Parallel()
	s := subject(activitySection)
	s.MaxText = 130_000 // 32,000 characters
	crmtest.Run(t, s)
}

// dealsChannel is the number of the channel of Deals of the target "zoho".
const dealsChannel = "1069995665830"
