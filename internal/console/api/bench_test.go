package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/hooks/archive"
	"heliograph/hooks/archive/archivetest"
	"heliograph/hooks/contacts"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/console/api/mail"
	"heliograph/internal/console/api/operations"
	"heliograph/internal/pause"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// company is the API over a company's mail of a year, asked by the callers.
type company struct {
	handler http.Handler
	caller  *access.Caller
}

func openCompany(b *testing.B, db *store.DB) *company {
	b.Helper()
	archivetest.Fill(b, db)
	now := func() time.Time { return archivetest.End }
	q := queue.Open(db, queue.Options{})
	b.Cleanup(q.Close)
	book := contacts.New(contacts.Options{Store: db, Queue: q})
	figures := operations.New(operations.Options{
		Store: db, Queue: q, Pauses: pause.New(db, nil, nil), Node: "n1", Host: "host", Version: "bench", Now: now,
		Config:   func() *config.Config { return &config.Config{Targets: []config.Target{{Name: "crm"}}} },
		Contacts: func() *contacts.Book { return book },
	})
	b.Cleanup(figures.Close)
	if err := figures.Count(b.Context()); err != nil {
		b.Fatal(err)
	}
	letters := mail.New(mail.Options{
		Store: db, Queue: q, Archive: archive.New(archive.Options{Store: db}), Contacts: func() *contacts.Book { return book }, Targets: func() []string { return []string{"crm"} }, Now: now,
	})
	doc, err := api.Read([]api.Part{letters.API(), figures.API()}, "bench")
	if err != nil {
		b.Fatal(err)
	}
	c := &company{}
	c.handler, err = api.New(api.Options{Document: doc, Authenticate: func(*http.Request) (*access.Caller, error) { return c.caller, nil }})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// get asks, and reads the answer if somebody wants it.
func (c *company) get(b *testing.B, path string, into any) time.Duration {
	b.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, nil)
	start := time.Now()
	c.handler.ServeHTTP(w, r)
	took := time.Since(start)
	if w.Code != http.StatusOK {
		b.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			b.Fatal(err)
		}
	}
	return took
}

// BenchmarkAPI asks what the pages ask of lists and figures, over HTTP, of 100,000 messages and 5,000 customers.
func BenchmarkAPI(b *testing.B) {
	person := access.Person{ID: "1", Email: "boss@corp.example"}
	with := func(role access.Role, scope access.Scope, accounts ...string) *access.Caller {
		person.Role = role
		return access.NewCaller(person, scope, accounts, nil)
	}
	callers := map[string]*access.Caller{
		"admin": with(access.Admin, access.ScopeAll), "manager": with(access.Manager, access.ScopeTeam, archivetest.Team(10)...),
		"agent": with(access.Agent, access.ScopeOwn, archivetest.Account(1)),
	}
	year := "from=" + archivetest.Start.Format(time.RFC3339)
	for _, engine := range []struct {
		name string
		open func(testing.TB) *store.DB
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}} {
		b.Run(engine.name, func(b *testing.B) {
			c := openCompany(b, engine.open(b))
			type question struct{ who, path string }
			var asks []question
			for _, who := range []string{"admin", "manager", "agent"} {
				c.caller = callers[who]
				var customers struct {
					Items []struct{ ID string }
				}
				c.get(b, "/api/v1/customers", &customers)
				busiest := "/api/v1/customers/" + url.PathEscape(customers.Items[0].ID)
				paths := []string{
					"/api/v1/messages", "/api/v1/messages?q=" + url.QueryEscape("合同"), "/api/v1/messages?q=w1", "/api/v1/messages?q=needle",
					"/api/v1/customers", "/api/v1/customers?q=p77", busiest, busiest + "/timeline",
				}
				if who != "agent" {
					paths = append(paths, "/api/v1/overview")
					for _, metric := range []string{"captured", "mirrored", "lag", "failed"} {
						paths = append(paths, "/api/v1/trends?metric="+metric, "/api/v1/trends?by=account&metric="+metric+"&"+year)
					}
				}
				for _, path := range paths {
					asks = append(asks, question{who, path})
				}
			}
			slowest := map[question]time.Duration{}
			var all []time.Duration
			for b.Loop() {
				for _, q := range asks {
					c.caller = callers[q.who]
					took := c.get(b, q.path, nil)
					all = append(all, took)
					slowest[q] = max(slowest[q], took)
				}
			}
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(all[len(all)*95/100].Microseconds())/1000, "p95-ms")
			b.ReportMetric(float64(all[len(all)-1].Microseconds())/1000, "worst-ms")
			slices.SortFunc(asks, func(x, y question) int { return int(slowest[y] - slowest[x]) })
			for _, q := range asks[:8] {
				b.Logf("%s %s: %s at most", q.who, q.path, slowest[q].Round(time.Millisecond/10))
			}
		})
	}
}
