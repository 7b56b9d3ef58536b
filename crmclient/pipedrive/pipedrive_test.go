package pipedrive_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/pipedrive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// section is a configuration for the fake.
func section(f *pipeFake, url string) pipedrive.Config {
	no := false
	return pipedrive.Config{
		Settings: crmclient.Settings{URL: url}, ClientID: clientID, ClientSecret: config.NewSecret(clientSecret), RefreshToken: config.NewSecret(refreshToken),
		TokenURL: f.oauth.URL + "/oauth/token", DefaultPerson: defaultID, IncludeHTML: &no,
	}
}

func static(f *pipeFake, url string) pipedrive.Config {
	cfg := section(f, url)
	cfg.ClientID, cfg.ClientSecret, cfg.RefreshToken, cfg.Token = "", config.Secret{}, config.Secret{}, config.NewSecret(apiToken)
	return cfg
}

func open(t *testing.T, cfg pipedrive.Config, d crmclient.Deps) crmclient.Client {
	t.Helper()
	c, err := pipedrive.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(interface{ Close() error }).Close() })
	return c
}

func TestConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, crmtest.Subject{
		Fake: func(t *testing.T) crmtest.Fake { return newFake(t) },
		New: func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(f.(*pipeFake), c.URL)
			cfg.Settings = c.Settings()
			d := c.Deps("pipedrive")
			d.Intents = f.(*pipeFake)
			return open(t, cfg, d)
		},
		Secrets: []string{apiToken, clientSecret, refreshToken, accessPrefix},
		MaxText: 125_000, // 30,000 characters
		Refuse: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-RateLimit-Reset", "1")
			answer(w, http.StatusTooManyRequests, refusal("request over limit"))
		},
		Faults: []crmtest.Fault{
			{Name: "refused with 200", Serve: told(200, refusal("something")), Class: crmclient.ClassPermanent},
			{Name: "token", Serve: told(401, refusal("unauthorized access")), Class: crmclient.ClassAuth},
			{Name: "plan", Serve: told(402, refusal("payment required")), Class: crmclient.ClassConfiguration},
			{Name: "blocked", Serve: told(403, refusal("forbidden")), Class: crmclient.ClassAuth},
			{Name: "value", Serve: told(400, refusal("validation failed")), Class: crmclient.ClassPermanent},
		},
		Checks: checks(),
	})
}

func told(status int, body any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, status, body) }
}

func checks() map[string]crmtest.Check {
	with := func(change func(*pipedrive.Config, *pipeFake)) func(*testing.T, crmtest.Fake, crmtest.Connection) crmclient.Client {
		return func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := section(f.(*pipeFake), c.URL)
			cfg.Settings = c.Settings()
			change(&cfg, f.(*pipeFake))
			return open(t, cfg, c.Deps("pipedrive"))
		}
	}
	broken := func(change func(*pipeFake)) func(*testing.T, crmtest.Fake) {
		return func(_ *testing.T, f crmtest.Fake) { change(f.(*pipeFake)) }
	}
	return map[string]crmtest.Check{
		"good":            {},
		"good, by token":  {New: with(func(c *pipedrive.Config, f *pipeFake) { *c = static(f, c.URL) })},
		"wrong key":       {New: with(func(c *pipedrive.Config, _ *pipeFake) { c.ClientSecret = config.NewSecret("another secret") }), Class: crmclient.ClassAuth, Says: "secret"},
		"wrong token":     {New: with(func(c *pipedrive.Config, f *pipeFake) { *c = static(f, c.URL); c.Token = config.NewSecret("another") }), Class: crmclient.ClassAuth, Says: "Personal preferences"},
		"expired token":   {Break: broken(func(f *pipeFake) { f.refuse = map[string]any{"error": "invalid_grant"} }), Class: crmclient.ClassAuth, Says: "connect"},
		"missing type":    {Break: broken(func(f *pipeFake) { f.types = []string{"call"} }), Class: crmclient.ClassConfiguration, Says: "activity_type"},
		"missing person":  {Break: broken(func(f *pipeFake) { delete(f.persons, defaultID) }), Class: crmclient.ClassConfiguration, Says: "default_person"},
		"missing rights":  {Break: broken(func(f *pipeFake) { f.denied["/api/v2/persons/search"] = 403 }), Class: crmclient.ClassAuth, Says: "Permission sets"},
		"plan has lapsed": {Break: broken(func(f *pipeFake) { f.denied["/api/v1/users/me"] = 402 }), Class: crmclient.ClassConfiguration, Says: "Billing"},
	}
}

// bench is a fake behind a server, and a client of it.
func bench(t *testing.T, change func(*pipedrive.Config)) (*pipeFake, *pipedrive.Client) {
	t.Helper()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := static(f, server.URL)
	if change != nil {
		change(&cfg)
	}
	return f, open(t, cfg, crmclient.Deps{}).(*pipedrive.Client)
}

func TestMailOfAPerson(t *testing.T) {
	t.Parallel()
	for _, link := range []string{"person_id", "participants"} {
		t.Run(link, func(t *testing.T) {
			t.Parallel()
			f, c := bench(t, func(cfg *pipedrive.Config) { cfg.Link, cfg.IncludeHTML = link, nil })
			a := crmtest.Activity("of-a-person")
			a.Owner = "wang@example.com"
			a.Contacts = []crmclient.Contact{{ID: strconv.Itoa(f.add("Li Lei", "li.lei@customer.example"))}}
			a.Companies = []crmclient.Company{{ID: "5"}}
			a.Attachments = append(a.Attachments,
				crmtest.NewFile("offer <1>.pdf", "application/pdf", []byte("an offer")), crmtest.NewFile("evil <b>.exe", "application/octet-stream", []byte("EICAR")))
			for i := range 2 {
				if receipt, err := c.LogEmail(t.Context(), a); err != nil || receipt.Duplicate != (i > 0) {
					t.Fatalf("got %+v, %v", receipt, err)
				}
			}
			if len(f.activities) != 1 {
				t.Fatalf("activities: got %d, want 1", len(f.activities))
			}
			for id, one := range f.activities {
				note := one["note"].(string)
				for _, want := range []string{a.HTML, "Wang Fang &lt;wang@example.com&gt;", "quotation.pdf", "evil &lt;b&gt;.exe (5 bytes): Pipedrive did not take it"} {
					if !strings.Contains(note, want) {
						t.Errorf("note: %q is not in %q", want, note)
					}
				}
				if person(one) != a.Contacts[0].ID || whole(one["org_id"]) != "5" || whole(one["owner_id"]) != strconv.Itoa(wangID) || len(f.files[strconv.Itoa(id)]) != 1 {
					t.Errorf("activity: got %v with files %q", one, f.files)
				}
			}
		})
	}
}

// A person with many long notes: the listing does not fit into an answer, and the mail is found all the same.
func TestFoundAmongManyLongNotes(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := static(f, server.URL)
	c := open(t, cfg, crmclient.Deps{})
	a := crmtest.Activity("among-many")
	if _, err := c.LogEmail(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		f.activities[1000+i] = map[string]any{"id": 1000 + i, "subject": "x", "person_id": float64(defaultID), "note": strings.Repeat("长", 20_000), "add_time": time.Now().UTC().Format(time.DateTime)}
	}
	again := func(a *crmclient.Activity) (crmclient.Receipt, error) { // after a write whose outcome is not known
		if _, err := f.Begin(t.Context(), a.Key); err != nil {
			t.Fatal(err)
		}
		return open(t, cfg, crmclient.Deps{Intents: f}).LogEmail(t.Context(), a)
	}
	receipt, err := again(a)
	if err != nil || !receipt.Duplicate {
		t.Errorf("got %+v, %v; want the activity that is there", receipt, err)
	}
	before := f.listed
	for id := range f.activities {
		f.activities[id]["add_time"] = "2020-01-01T00:00:00Z"
	}
	if _, err := again(crmtest.Activity("another")); err != nil || f.listed-before > 8 {
		t.Errorf("with old ones: %d listings, %v; want no more than one page that fits", f.listed-before, err)
	}
}

func TestNobody(t *testing.T) {
	t.Parallel()
	_, c := bench(t, func(cfg *pipedrive.Config) { cfg.DefaultPerson = 0 })
	if _, err := c.LogEmail(t.Context(), crmtest.Activity("x")); crmclient.ClassOf(err) != crmclient.ClassPermanent {
		t.Errorf("got %v, want a permanent error", err)
	}
}

func TestPeople(t *testing.T) {
	t.Parallel()
	f, c := bench(t, nil)
	id := strconv.Itoa(f.add("Li Lei", "Li.Lei@customer.example"))
	found, err := c.FindContacts(t.Context(), []string{"li.lei@customer.example"})
	if err != nil || len(found) != 1 || found[0].Owner != "wang@example.com" || found[0].Company != "Customer" {
		t.Errorf("found: %+v, %v", found, err)
	}
	k, there, err := c.ContactByID(t.Context(), id)
	if err != nil || !there || k.Address != "li.lei@customer.example" || k.Owner != "wang@example.com" {
		t.Errorf("by id: %+v, %v, %v", k, there, err)
	}
	for _, none := range []string{"4242", "../users"} {
		if _, there, err := c.ContactByID(t.Context(), none); err != nil || there {
			t.Errorf("id %q: %v, %v", none, there, err)
		}
	}
	made, err := c.CreateContact(t.Context(), crmclient.Person{Name: "Han", Address: "han@customer.example"}, "wang@example.com")
	if err != nil || whole(f.persons[atoi(made.ID)]["owner_id"]) != strconv.Itoa(wangID) {
		t.Errorf("made: %+v, %v", made, err)
	}
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func TestRetryAfterOfTheBudget(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-RateLimit-Reset", "1800")
		answer(w, 429, refusal("daily budget"))
	}))
	t.Cleanup(server.Close)
	_, err := open(t, static(newFake(t), server.URL), crmclient.Deps{}).FindContacts(t.Context(), []string{"a@customer.example"})
	if crmclient.RetryAfter(err) != 30*time.Minute || crmclient.ClassOf(err) != crmclient.ClassRate {
		t.Errorf("got %v after %s", err, crmclient.RetryAfter(err))
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*pipedrive.Config)
		want   string
	}{
		"no token":  {func(c *pipedrive.Config) { c.Token = config.Secret{} }, "token is missing"},
		"both":      {func(c *pipedrive.Config) { c.ClientID = "x" }, "excludes"},
		"type":      {func(c *pipedrive.Config) { c.ActivityType = "E-Mail" }, "activity_type"},
		"link":      {func(c *pipedrive.Config) { c.Link = "x" }, "link must be"},
		"negative":  {func(c *pipedrive.Config) { c.DefaultPerson = -1 }, "default_person"},
		"look back": {func(c *pipedrive.Config) { c.LookBack = config.Duration(time.Minute) }, "look_back"},
		"token url": {func(c *pipedrive.Config) { c.TokenURL = "x" }, "token_url"},
		"url":       {func(c *pipedrive.Config) { c.URL = "ftp://x" }, "url"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := pipedrive.Config{Token: config.NewSecret("token")}
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			c.change(&cfg)
			if err := cfg.Validate(); err == nil || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}
