package freshsales_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/freshsales"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func section(url string) freshsales.Config {
	return freshsales.Config{Settings: crmclient.Settings{URL: url}, Token: config.NewSecret(apiKey), DefaultContact: defaultID, PollChanges: true}
}

func open(t *testing.T, cfg freshsales.Config, d crmclient.Deps) crmclient.Client {
	t.Helper()
	c, err := freshsales.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(interface{ Close() error }).Close() })
	return c
}

func with(change func(*freshsales.Config)) func(*testing.T, crmtest.Fake, crmtest.Connection) crmclient.Client {
	return func(t *testing.T, f crmtest.Fake, c crmtest.Connection) crmclient.Client {
		cfg := section(c.URL)
		cfg.Settings = c.Settings()
		if change != nil {
			change(&cfg)
		}
		d := c.Deps("freshsales")
		d.Intents = f.(*freshFake)
		return open(t, cfg, d)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, crmtest.Subject{
		Fake:    func(t *testing.T) crmtest.Fake { return newFake(t) },
		New:     with(nil),
		Secrets: []string{apiKey},
		MaxText: 50_000,
		Faults: []crmtest.Fault{
			{Name: "token", Serve: told(401, map[string]any{"login": "failed", "message": "no"}), Class: crmclient.ClassAuth},
			{Name: "rights", Serve: told(403, refusal(403, "forbidden")), Class: crmclient.ClassAuth},
			{Name: "value", Serve: told(400, refusal(400, "validation failed")), Class: crmclient.ClassPermanent},
			{Name: "too many", Serve: told(429, refusal(429, "You have exceeded the limit")), Class: crmclient.ClassRate},
		},
		Checks: checks(),
	})
}

func told(status int, body any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, status, body) }
}

func checks() map[string]crmtest.Check {
	broken := func(change func(*freshFake)) func(*testing.T, crmtest.Fake) {
		return func(_ *testing.T, f crmtest.Fake) { change(f.(*freshFake)) }
	}
	return map[string]crmtest.Check{
		"good":            {},
		"good, by id":     {New: with(func(c *freshsales.Config) { c.ActivityType = strconv.Itoa(emailType) }), Break: broken(func(f *freshFake) { f.noTypes = true })},
		"wrong key":       {New: with(func(c *freshsales.Config) { c.Token = config.NewSecret("another") }), Class: crmclient.ClassAuth, Says: "API settings"},
		"missing type":    {Break: broken(func(f *freshFake) { f.noTypes = true }), Class: crmclient.ClassConfiguration, Says: "Phone"},
		"missing contact": {Break: broken(func(f *freshFake) { delete(f.contacts, defaultID) }), Class: crmclient.ClassConfiguration, Says: "end of its address"},
		"missing rights":  {Break: broken(func(f *freshFake) { f.denied["/lookup"] = 403 }), Class: crmclient.ClassAuth, Says: "Roles"},
		"wrong place":     {Break: broken(func(f *freshFake) { f.denied["/"] = 404 }), Class: crmclient.ClassConfiguration, Says: "bundle alias"},
		"no list":         {Break: broken(func(f *freshFake) { f.denied["/sales_activities"] = 403 }), Class: crmclient.ClassAuth, Says: "Roles"},
		"no list needed":  {New: with(func(c *freshsales.Config) { c.FindActivities = "off" }), Break: broken(func(f *freshFake) { f.denied["/sales_activities"] = 403 })},
	}
}

// bench is a fake behind a server that does the next requests to write activities as next says, and a client of it.
type bench struct {
	*freshFake
	c    crmclient.Client
	url  string
	next func(w http.ResponseWriter, r *http.Request) (done bool)
}

func newBench(t *testing.T, change func(*freshsales.Config)) *bench {
	t.Helper()
	b := &bench{freshFake: newFake(t)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.next != nil && b.Writes(r) && b.next(w, r) {
			return
		}
		b.freshFake.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	b.connect(t, change)
	return b
}

// connect makes another client, as after a restart.
func (b *bench) connect(t *testing.T, change func(*freshsales.Config)) {
	t.Helper()
	cfg := section(b.url)
	if change != nil {
		change(&cfg)
	}
	b.c = open(t, cfg, crmclient.Deps{Intents: b.freshFake})
}

// lose makes the activity, or not, and answers as a gateway without an answer does.
func (b *bench) lose(commit bool) {
	b.next = func(w http.ResponseWriter, r *http.Request) bool {
		if commit {
			b.freshFake.ServeHTTP(httptest.NewRecorder(), r)
		}
		w.WriteHeader(http.StatusGatewayTimeout)
		b.next = nil
		return true
	}
}

func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	type outcome struct {
		committed bool
		class     crmclient.Class // of the next try
		records   int             // after it
		last      int             // after one more, which is of a person where the one before was given up
	}
	cases := map[string]struct {
		change func(*freshsales.Config)
		prepare
		want []outcome
	}{
		"looks in the account":            {nil, nil, []outcome{{true, "", 1, 1}, {false, "", 1, 1}}},
		"looks in a list from the oldest": {nil, func(f *freshFake) { f.ascending = true }, []outcome{{true, "", 1, 1}, {false, "", 1, 1}}},
		"looks at the contact":            {func(c *freshsales.Config) { c.FindActivities = "contact" }, nil, []outcome{{true, "", 1, 1}, {false, "", 1, 1}}},
		"stops":                           {func(c *freshsales.Config) { c.FindActivities = "off" }, nil, []outcome{{true, crmclient.ClassPermanent, 1, 2}, {false, crmclient.ClassPermanent, 0, 1}}},
		"retries":                         {func(c *freshsales.Config) { c.FindActivities, c.OnUnknown = "off", "retry" }, nil, []outcome{{true, "", 2, 2}, {false, "", 1, 1}}},
		"too many to look at":             {func(c *freshsales.Config) { c.LookPages = 1 }, func(f *freshFake) { f.ascending = true; f.fill(150) }, []outcome{{true, crmclient.ClassPermanent, 1, 2}}},
	}
	for name, c := range cases {
		for _, want := range c.want {
			t.Run(fmt.Sprintf("%s, committed %v", name, want.committed), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, c.change)
				if c.prepare != nil {
					c.prepare(b.freshFake)
				}
				b.lose(want.committed)
				if _, err := b.c.LogEmail(t.Context(), crmtest.Activity("k")); crmclient.ClassOf(err) != crmclient.ClassRetry {
					t.Fatalf("first: got %v", err)
				}
				b.connect(t, c.change)
				if _, err := b.c.LogEmail(t.Context(), crmtest.Activity("k")); crmclient.ClassOf(err) != want.class || len(b.Records(t)) != want.records {
					t.Errorf("second: got %v and %d records, want class %q and %d", err, len(b.Records(t)), want.class, want.records)
				}
				if _, err := b.c.LogEmail(t.Context(), crmtest.Activity("k")); err != nil || len(b.Records(t)) != want.last {
					t.Errorf("third: got %v and %d records, want %d", err, len(b.Records(t)), want.last)
				}
			})
		}
	}
}

type prepare func(*freshFake)

// fill makes activities of people.
func (f *freshFake) fill(n int) {
	for range n {
		f.nextID++
		f.activities[f.nextID] = map[string]any{"id": f.nextID, "title": "call", "notes": "a call", "created_at": time.Now().Add(-time.Hour).Format(time.RFC3339)}
	}
}

// What Freshsales itself refused was not written: nothing needs to be looked for, and nobody has to decide.
func TestRefusedIsNotUnknown(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *freshsales.Config) { c.FindActivities = "off" })
	b.next = func(w http.ResponseWriter, _ *http.Request) bool {
		answer(w, 400, refusal(400, "owner is not valid"))
		b.next = nil
		return true
	}
	if _, err := b.c.LogEmail(t.Context(), crmtest.Activity("k")); crmclient.ClassOf(err) != crmclient.ClassPermanent || !strings.Contains(err.Error(), "owner is not valid") {
		t.Fatalf("got %v", err)
	}
	if _, err := b.c.LogEmail(t.Context(), crmtest.Activity("k")); err != nil || len(b.Records(t)) != 1 {
		t.Errorf("again: got %v, %d records", err, len(b.Records(t)))
	}
}

// A busy account with long notes: looking ends at the time of the intent, and pages that are too long are halved.
func TestLookingEnds(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.fill(2000)
	for i := range 120 {
		b.activities[9000+i] = map[string]any{"id": 9000 + i, "notes": strings.Repeat("长", 10_000), "created_at": time.Now().Format(time.RFC3339)}
	}
	b.nextID = 9000 + 200
	b.lose(false)
	_, _ = b.c.LogEmail(t.Context(), crmtest.Activity("k"))
	before := b.listed
	if _, err := b.c.LogEmail(t.Context(), crmtest.Activity("k")); err != nil || len(b.Records(t)) != 1 || b.listed-before > 12 {
		t.Errorf("got %v, %d records, %d pages", err, len(b.Records(t)), b.listed-before)
	}
}

func TestMailOfAPerson(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *freshsales.Config) { c.UploadDocuments = true })
	a := crmtest.Activity("of-a-person")
	a.Owner = "wang@example.com"
	id := strconv.Itoa(b.add("Li Lei", "li.lei@customer.example"))
	a.Contacts = []crmclient.Contact{{ID: id}}
	a.Attachments = append(a.Attachments,
		crmtest.NewFile("offer <1>.pdf", "application/pdf", []byte("an offer")), crmtest.NewFile("evil <b>.exe", "application/octet-stream", []byte("EICAR")))
	for i := range 2 {
		if receipt, err := b.c.LogEmail(t.Context(), a); err != nil || receipt.Duplicate != (i > 0) {
			t.Fatalf("got %+v, %v", receipt, err)
		}
	}
	if len(b.activities) != 1 {
		t.Fatalf("activities: got %d, want 1", len(b.activities))
	}
	for _, one := range b.activities {
		notes := one["notes"].(string)
		for _, want := range []string{"From: Wang Fang <wang@example.com>\n", "quotation.pdf (12345 bytes): its content is not kept\n", "evil <b>.exe (5 bytes): Freshsales did not take it\n"} {
			if !strings.Contains(notes, want) {
				t.Errorf("notes: %q is not in %q", want, notes)
			}
		}
		if whole(one["targetable_id"]) != id || whole(one["owner_id"]) != strconv.Itoa(wangID) || !slices.Equal(b.files["Contact "+id], []string{"offer <1>.pdf"}) {
			t.Errorf("activity: got %v with files %q", one, b.files)
		}
	}
	a = crmtest.Activity("of-a-company")
	a.Companies = []crmclient.Company{{ID: "5"}}
	receipt, err := b.c.LogEmail(t.Context(), a)
	if n, _ := strconv.Atoi(receipt.RemoteID); err != nil || b.activities[n]["targetable_type"] != "SalesAccount" {
		t.Errorf("of a company: %v, %v", b.activities[n], err)
	}
}

func TestNobody(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(cfg *freshsales.Config) { cfg.DefaultContact = 0 })
	if _, err := b.c.LogEmail(t.Context(), crmtest.Activity("x")); crmclient.ClassOf(err) != crmclient.ClassPermanent {
		t.Errorf("got %v, want a permanent error", err)
	}
}

func TestPeopleAndCompanies(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	c := b.c.(*freshsales.Poller)
	id := strconv.Itoa(b.add("Li Lei", "Li.Lei@customer.example"))
	company, there, err := c.FindCompany(t.Context(), "customer.example")
	if err != nil || !there || company != (crmclient.Company{ID: "5", Name: "Customer", Domain: "customer.example", Owner: "wang@example.com"}) {
		t.Errorf("company: %+v, %v, %v", company, there, err)
	}
	if _, there, err := c.FindCompany(t.Context(), "other.example"); err != nil || there {
		t.Errorf("no company: %v, %v", there, err)
	}
	for range 2 {
		if err := c.PlaceContact(t.Context(), id, "5"); err != nil {
			t.Error(err)
		}
	}
	k, there, err := c.ContactByID(t.Context(), id)
	if err != nil || !there || k.Address != "li.lei@customer.example" || k.Owner != "wang@example.com" || whole(b.contacts[atoi(id)]["sales_accounts"]) != `[{"id":5,"is_primary":true}]` {
		t.Errorf("by id: %+v, %v, %v", k, there, err)
	}
	for _, none := range []string{"4242", "../users", "-1"} {
		if _, there, err := c.ContactByID(t.Context(), none); err != nil || there {
			t.Errorf("id %q: %v, %v", none, there, err)
		}
	}
	made, err := c.CreateContact(t.Context(), crmclient.Person{Name: "Han", Address: "han@customer.example"}, "wang@example.com")
	if err != nil || whole(b.contacts[atoi(made.ID)]["owner_id"]) != strconv.Itoa(wangID) || made.Owner != "wang@example.com" {
		t.Errorf("made: %+v, %v", made, err)
	}
	made, err = c.CreateContact(t.Context(), crmclient.Person{Name: "Mei", Address: "mei@customer.example"}, "gone@example.com")
	if err != nil || b.contacts[atoi(made.ID)]["owner_id"] != nil {
		t.Errorf("of one who left: %+v, %v", made, err)
	}
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// Without the setting the client does not claim to tell changes.
func TestNoChangesUnlessAsked(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *freshsales.Config) { c.PollChanges = false })
	if _, ok := b.c.(crmclient.RecordChanges); ok {
		t.Error("it claims to tell changes")
	}
	if _, ok := b.c.(crmclient.RecordReader); !ok {
		t.Error("it reads no records")
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*freshsales.Config)
		want   string
	}{
		"no token":  {func(c *freshsales.Config) { c.Token = config.Secret{} }, "token is missing"},
		"no url":    {func(c *freshsales.Config) { c.URL = "" }, "url is missing"},
		"url":       {func(c *freshsales.Config) { c.URL = "ftp://x" }, "url"},
		"find":      {func(c *freshsales.Config) { c.FindActivities = "x" }, "find_activities"},
		"unknown":   {func(c *freshsales.Config) { c.OnUnknown = "x" }, "on_unknown"},
		"pages":     {func(c *freshsales.Config) { c.LookPages = -1 }, "look_pages"},
		"company":   {func(c *freshsales.Config) { c.CompanyField = "Web Site" }, "company_field"},
		"negative":  {func(c *freshsales.Config) { c.DefaultContact = -1 }, "default_contact"},
		"negative2": {func(c *freshsales.Config) { c.HourlyRequests = -1 }, "hourly_requests"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := section("https://example.myfreshworks.com")
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

// A list of which the vendor lets only a few pages through at once is looked through in several attempts.
func TestLookGoesOn(t *testing.T) {
	t.Parallel()
	for _, committed := range []bool{true, false} {
		f := newFake(t)
		pages, made := 0, 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if f.Writes(r) {
				made++
			}
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/sales_activities") {
				if pages++; pages%4 == 0 {
					answer(w, 429, refusal(429, "You have exceeded the limit"))
					return
				}
			}
			f.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		a := crmtest.Activity("k")
		if _, err := f.Begin(t.Context(), a.Key); err != nil {
			t.Fatal(err)
		}
		for id := range 2000 {
			notes := "a call"
			if id == 0 && committed {
				notes = crmclient.KeyLine(a.Key)
			}
			f.activities[id+1] = map[string]any{"id": id + 1, "notes": notes, "created_at": time.Now().Add(time.Duration(id-2000) * time.Millisecond).Format(time.RFC3339)}
		}
		f.nextID = 3000
		c := open(t, section(server.URL), crmclient.Deps{Intents: f})
		receipt, err := c.LogEmail(t.Context(), a)
		for range 20 {
			if err != nil {
				receipt, err = c.LogEmail(t.Context(), a)
			}
		}
		if err != nil || receipt.Duplicate != committed || committed != (made == 0) {
			t.Errorf("committed %v: got %+v, %v, %d writes", committed, receipt, err, made)
		}
	}
}
