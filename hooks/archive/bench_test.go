package archive_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"heliograph/hooks/archive"
	"heliograph/hooks/archive/archivetest"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// BenchmarkArchive asks what pages ask, of a company's mail of a year.
func BenchmarkArchive(b *testing.B) {
	for _, engine := range []struct {
		name string
		open func(testing.TB) *store.DB
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.Postgres}} {
		b.Run(engine.name, func(b *testing.B) {
			db := engine.open(b)
			archivetest.Fill(b, db)
			a := archive.New(archive.Options{Store: db, Internal: internal})
			yes := true
			filters := map[string]archive.Filter{
				"all":                         {},
				"one account":                 {Scope: archivetest.Team(1)},
				"team of ten":                 {Scope: archivetest.Team(10)},
				"a common word":               {Words: "w1"},
				"a common word, one account":  {Words: "w1", Scope: archivetest.Team(1)},
				"a common word, team of ten":  {Words: "w1", Scope: archivetest.Team(10)},
				"a Chinese word":              {Words: "合同"},
				"one character":               {Words: "合"},
				"a phrase of common words":    {Words: `"w1 w3 w5"`},
				"five common words":           {Words: "w1 w3 w5 w7 w9"},
				"a rare word":                 {Words: "needle"},
				"a rare word, a nobody":       {Words: "needle", Scope: []string{"nobody@corp.example"}},
				"no such word":                {Words: "nothingofthekind"},
				"all but a common word":       {Words: "-w1"},
				"a common word that failed":   {Words: "w1", State: "failed"},
				"failed":                      {State: "failed"},
				"failed, one account":         {State: "failed", Scope: archivetest.Team(1)},
				"withdrawn, of which is none": {State: "withdrawn"},
				"mirrored, one account":       {State: "mirrored", Scope: archivetest.Team(1)},
				"a tag":                       {Tag: "vip"},
				"a tag nobody has":            {Tag: "x", Scope: archivetest.Team(10)},
				"the busiest customer":        {Persons: []string{archivetest.Customer(0)}},
				"the busiest, one account":    {Persons: []string{archivetest.Customer(0)}, Scope: archivetest.Team(1)},
				"a quiet customer":            {Persons: []string{archivetest.Customer(4900)}},
				"a domain":                    {Domains: []string{"c0.example"}},
				"from and a word":             {From: archivetest.Customer(1), Words: "合同 w2"},
				"old mail with a word":        {Words: "w1", Until: time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC)},
				"a day":                       {Since: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2025, 3, 2, 0, 0, 0, 0, time.UTC)},
				"attachments":                 {HasFiles: &yes, Direction: "inbound"},
				"automated outbound":          {Automated: &yes, Direction: "inbound"},
				"name of an attachment":       {Attachment: "offer.pdf", Words: "w1"},
				"a thread":                    {Thread: "t00100"},
			}
			asks := map[string]func(ctx context.Context) error{}
			for name, f := range filters {
				asks["search: "+name] = func(ctx context.Context) error {
					_, next, err := a.Search(ctx, f, 0, 50)
					if err == nil && next != 0 {
						_, _, err = a.Search(ctx, f, next, 50)
					}
					return err
				}
			}
			for name, f := range map[string]archive.TalkFilter{
				"all": {Limit: 51}, "companies": {Limit: 51, Companies: true}, "one account": {Limit: 51, Scope: archivetest.Team(1)}, "team of ten": {Limit: 51, Scope: archivetest.Team(10)},
				"all accounts": {Limit: 51, Scope: archivetest.Team(50)}, "by name": {Limit: 200, Match: "p77"}, "by name, team": {Limit: 200, Match: "some", Scope: archivetest.Team(10)},
			} {
				asks["talks: "+name] = func(ctx context.Context) error {
					_, err := a.Talks(ctx, f)
					return err
				}
			}
			asks["count: the busiest"] = func(ctx context.Context) error {
				_, err := a.Count(ctx, archivetest.Team(10), []string{archivetest.Customer(0), archivetest.Customer(1)})
				return err
			}
			asks["colleagues: the busiest"] = func(ctx context.Context) error {
				_, err := a.Colleagues(ctx, nil, []string{archivetest.Customer(0)}, 50)
				return err
			}
			var all []time.Duration
			worst, worstName := time.Duration(0), ""
			for b.Loop() {
				for name, ask := range asks {
					start := time.Now()
					if err := ask(b.Context()); err != nil {
						b.Fatalf("%s: %v", name, err)
					}
					took := time.Since(start)
					all = append(all, took)
					if took > worst {
						worst, worstName = took, name
					}
					if took > 100*time.Millisecond {
						b.Logf("%s took %s", name, took)
					}
				}
			}
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(all[len(all)*95/100].Microseconds())/1000, "p95-ms")
			b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
			b.Logf("the worst: %s, %s (a first page and the one after it)", worstName, worst)
		})
	}
}
