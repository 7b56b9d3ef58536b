package operations_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/console/api/operations"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

const (
	wang = "wang@example.com"
	li   = "li@example.com"
)

// A dead letter is shown with what to do, and a retry really delivers it; others do not see it.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.crm.status.Store(http.StatusUnprocessableEntity)
		r.submit(wang, "a@customer.test")
		r.submit(li, "b@customer.test")
		admin, team := r.as(access.Admin), r.as(access.Manager, li)
		var page operations.JobPage
		const dead = "/api/v1/queue/jobs?state=discarded&target=crm"
		r.eventually("two dead letters", func() bool {
			admin.Get(dead).JSON(http.StatusOK, &page)
			return len(page.Items) == 2
		})
		for _, j := range page.Items {
			if j.What != operations.JobWhatDelivery || j.Target != "crm" || j.Reason == "" || j.Remedy == "" || j.Account == "" || j.Entry == "" || !slices.Contains(j.Can, operations.JobCanRetry) {
				t.Errorf("job %+v", j)
			}
		}
		var own operations.JobPage
		team.Get(dead).JSON(http.StatusOK, &own)
		if len(own.Items) != 1 || own.Items[0].Account != li {
			t.Fatalf("the team of li sees %+v", own.Items)
		}
		wangs := page.Items[slices.IndexFunc(page.Items, func(j operations.Job) bool { return j.Account == wang })]
		team.Get(fmt.Sprintf("/api/v1/queue/jobs/%d", wangs.Id)).Problem(http.StatusNotFound, "no_job")
		team.Post(fmt.Sprintf("/api/v1/queue/jobs/%d/retry", wangs.Id), nil).Problem(http.StatusForbidden, "forbidden")
		var stats operations.QueueStats
		team.Get("/api/v1/queue").JSON(http.StatusOK, &stats)
		for _, s := range stats.Items {
			if s.State == operations.JobStateDiscarded && s.Count != 1 {
				t.Errorf("the team's dead letters: %+v", s)
			}
		}

		r.crm.status.Store(0)
		all := map[string]any{"filter": map[string]any{"state": "discarded"}, "preview": true}
		var done operations.JobsDone
		admin.Post("/api/v1/queue/jobs/retry", all).JSON(http.StatusOK, &done)
		if done.Matched != 2 || done.Done != 0 {
			t.Errorf("preview %+v", done)
		}
		admin.Post("/api/v1/queue/jobs/retry", map[string]any{}).Problem(http.StatusUnprocessableEntity, "choose_jobs")
		admin.Post(fmt.Sprintf("/api/v1/queue/jobs/%d/retry", wangs.Id), nil).Is(http.StatusOK)
		r.eventually("the CRM has it", func() bool { return r.crm.posts.Load() == 1 })
		all["preview"] = false
		admin.Post("/api/v1/queue/jobs/retry", all).JSON(http.StatusOK, &done)
		if done.Done != 1 {
			t.Errorf("the rest: %+v", done)
		}
		r.eventually("the CRM has both", func() bool { return r.crm.posts.Load() == 2 })
		r.named(map[string]string{"retryJob": "deliver:crm", "retryJobs": "deliver:crm"})
		if acts := r.api.Acts("retryJobs"); len(acts) == 0 || acts[len(acts)-1].Notes["done"] != 1 {
			t.Errorf("on record: %+v", acts)
		}
	})
}

// What is discarded has a reason, and what goes to another target is delivered there.
func TestDiscardAndSendElsewhere(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.crm.status.Store(http.StatusUnprocessableEntity)
		r.submit(wang, "a@customer.test")
		r.submit(wang, "b@customer.test")
		admin := r.as(access.Admin)
		var page operations.JobPage
		r.eventually("two dead letters", func() bool {
			admin.Get("/api/v1/queue/jobs?what=delivery&state=discarded&limit=1").JSON(http.StatusOK, &page)
			return len(page.Items) == 1 && page.Next != ""
		})
		first := page.Items[0]
		admin.Get("/api/v1/queue/jobs?what=delivery&state=discarded&limit=1&cursor="+page.Next).JSON(http.StatusOK, &page)
		second := page.Items[0]
		var o operations.Overview
		admin.Get("/api/v1/overview").JSON(http.StatusOK, &o)
		if len(o.Failures) != 1 || o.Failures[0].Count != 2 || strings.Contains(o.Failures[0].Reason, "(request ") || !strings.Contains(first.Reason, "(request ") {
			t.Errorf("refused twice for one reason: %+v; of the first: %s", o.Failures, first.Reason)
		}
		admin.Post(fmt.Sprintf("/api/v1/queue/jobs/%d/discard", first.Id), map[string]any{"reason": "  "}).Problem(http.StatusUnprocessableEntity, "no_reason")
		var job operations.Job
		admin.Post(fmt.Sprintf("/api/v1/queue/jobs/%d/discard", first.Id), map[string]any{"reason": "customer has left"}).JSON(http.StatusOK, &job)
		if job.State != operations.JobStateCancelled || !strings.Contains(job.Reason, "customer has left") {
			t.Errorf("discarded: %+v", job)
		}
		admin.Post(fmt.Sprintf("/api/v1/queue/jobs/%d/discard", first.Id), map[string]any{"reason": "again"}).Problem(http.StatusConflict, "job_state")
		to := fmt.Sprintf("/api/v1/queue/jobs/%d/send-to", second.Id)
		admin.Post(to, map[string]any{"target": "nowhere"}).Problem(http.StatusUnprocessableEntity, "no_target")
		admin.Post(to, map[string]any{"target": "other", "reason": "wrong system"}).JSON(http.StatusOK, &job)
		if job.Kind != "deliver:other" || job.Message != second.Message {
			t.Errorf("sent elsewhere: %+v", job)
		}
		admin.Post(to, map[string]any{"target": "other"}).Problem(http.StatusConflict, "no_delivery")
		r.named(map[string]string{"discardJob": "deliver:crm", "sendJobTo": "deliver:crm"})
	})
}

// A paused target gets nothing until it is resumed; a test of it says what is wrong.
func TestTargets(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		admin, auditor := r.as(access.Admin), r.as(access.Auditor)
		var list operations.TargetList
		auditor.Get("/api/v1/targets").JSON(http.StatusOK, &list)
		if len(list.Items) != 2 || list.Items[0].Name != "crm" || list.Items[0].State != operations.TargetStateOk || len(list.Items[0].Capabilities) < 2 {
			t.Fatalf("targets %+v", list.Items)
		}
		auditor.Post("/api/v1/targets/crm/pause", map[string]any{"reason": "x"}).Problem(http.StatusForbidden, "forbidden")
		admin.Post("/api/v1/targets/nowhere/pause", map[string]any{"reason": "x"}).Problem(http.StatusNotFound, "no_target")
		var target operations.Target
		admin.Post("/api/v1/targets/crm/pause", map[string]any{"reason": "maintenance"}).JSON(http.StatusOK, &target)
		if target.State != operations.TargetStatePaused || target.Reason != "maintenance" || target.PausedBy != "admin@example.com" || target.PausedAt.IsZero() {
			t.Errorf("paused: %+v", target)
		}
		r.submit(wang, "a@customer.test")
		r.eventually("it waits", func() bool {
			auditor.Get("/api/v1/targets/crm").JSON(http.StatusOK, &target)
			return target.Queued == 1
		})
		var page operations.JobPage
		r.eventually("it says why", func() bool {
			auditor.Get("/api/v1/queue/jobs?target=crm").JSON(http.StatusOK, &page)
			return len(page.Items) == 1 && strings.Contains(page.Items[0].Reason, "maintenance") && strings.HasPrefix(page.Items[0].Remedy, "Resume")
		})
		if r.crm.tries.Load() != 0 {
			t.Error("a paused target was asked")
		}
		admin.Post("/api/v1/targets/crm/resume", nil).JSON(http.StatusOK, &target)
		r.eventually("it is delivered", func() bool { return r.crm.posts.Load() == 1 })
		var result operations.TestResult
		admin.Post("/api/v1/targets/crm/test", nil).JSON(http.StatusOK, &result)
		if result.Level != operations.LevelOk || len(result.Steps) == 0 {
			t.Errorf("test: %+v", result)
		}
		r.crm.Close()
		admin.Post("/api/v1/targets/crm/test", nil).JSON(http.StatusOK, &result)
		if result.Level != operations.LevelFailed || result.Steps[0].Remedy == "" {
			t.Errorf("test of what is away: %+v", result)
		}
		admin.Post("/api/v1/targets/crm/resync", nil).Problem(http.StatusConflict, "not_followed")
	})
}

// The figures of overview and trends are those of the messages that were made, for each what they may see.
func TestFigures(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		for range 3 {
			r.submit(wang, "a@customer.test")
		}
		r.submit(li, "b@customer.test")
		r.submit(li, wang) // stays inside
		r.eventually("all is delivered", func() bool { return r.crm.posts.Load() == 4 })
		admin, team := r.as(access.Admin), r.as(access.Manager, li)
		var o operations.Overview
		sum := func(list []operations.Minute) (n int) {
			for _, m := range list {
				n += m.Count
			}
			return n
		}
		r.eventually("all is written down", func() bool {
			admin.Get("/api/v1/overview").JSON(http.StatusOK, &o)
			return o.Totals.Mirrored == 4 && sum(o.Mirrored) == 4 && o.Totals.Excluded == 1 // its figures are read one after the other
		})
		if len(o.Captured) != 60 || sum(o.Captured) != 5 || sum(o.Mirrored) != 4 || o.Totals.Captured != 5 || o.Sessions == nil || o.Sessions.Imap != 3 {
			t.Errorf("overview: captured %d mirrored %d totals %+v sessions %+v", sum(o.Captured), sum(o.Mirrored), o.Totals, o.Sessions)
		}
		if len(o.Attention) == 0 || o.Attention[0].Kind != operations.Space || o.Level != operations.LevelWarning {
			t.Errorf("attention %+v, level %s", o.Attention, o.Level)
		}
		team.Get("/api/v1/overview").JSON(http.StatusOK, &o)
		if sum(o.Captured) != 2 || o.Totals.Mirrored != 1 {
			t.Errorf("the team of li: captured %d, totals %+v", sum(o.Captured), o.Totals)
		}
		r.as(access.Agent, li).Get("/api/v1/overview").Problem(http.StatusForbidden, "forbidden")

		for range 2 { // counting twice changes nothing
			if err := r.part.Count(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			query string
			team  bool
			want  map[string]int
		}{
			{query: "metric=captured", want: map[string]int{"": 5}},
			{query: "metric=captured&step=1h", want: map[string]int{"": 5}},
			{query: "metric=captured&step=1d&from=" + time.Now().Add(-100*time.Hour).UTC().Format(time.RFC3339), want: map[string]int{"": 5}},
			{query: "metric=captured&by=account", want: map[string]int{wang: 3, li: 2}},
			{query: "metric=captured&by=direction", want: map[string]int{"outbound": 4, "internal": 1}},
			{query: "metric=captured&by=account", team: true, want: map[string]int{li: 2}},
			{query: "metric=mirrored&by=target", want: map[string]int{"crm": 4}},
			{query: "metric=mirrored&account=" + wang, want: map[string]int{"": 3}},
			{query: "metric=excluded", want: map[string]int{"": 1}},
			{query: "metric=failed", want: map[string]int{"": 0}},
			{query: "metric=lag&by=target", want: map[string]int{"crm": 4}},
			{query: "metric=rules&by=rule", want: map[string]int{}},
		} {
			client := admin
			if c.team {
				client = team
			}
			var tr operations.Trends
			client.Get("/api/v1/trends?"+c.query).JSON(http.StatusOK, &tr)
			got := map[string]int{}
			for _, s := range tr.Series {
				n := 0
				for _, p := range s.Points {
					n += p.Count
					if tr.Metric == operations.TrendMetricLag && p.Count > 0 && (p.P50 <= 0 || p.P95 < p.P50 || p.P95 > 60) {
						t.Errorf("lag %+v", p)
					}
				}
				if got[s.Name] = n; n != s.Total {
					t.Errorf("%s: %d in points, %d in total", c.query, n, s.Total)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%s: got %v, want %v", c.query, got, c.want)
			}
		}
		admin.Get("/api/v1/trends?metric=captured&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z").Problem(http.StatusUnprocessableEntity, "bad_range")
	})
}

// Nodes give signs of life, and say goodbye.
func TestNodes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.exec(`INSERT INTO nodes (name, host, version, roles, started_at, seen_at, stopped_at) VALUES ('n0', 'gone', 'old', '["smtp"]', 1, $1, 0)`, store.Micros(time.Now().Add(-time.Hour)))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.part.Run(ctx) }()
		state := func() string {
			var o operations.Overview
			r.as(access.Auditor).Get("/api/v1/overview").JSON(http.StatusOK, &o)
			text := ""
			for _, n := range o.Nodes {
				text += fmt.Sprintf("%s %s %v %v; ", n.Name, n.State, n.Self, n.Roles)
			}
			for _, a := range o.Attention {
				if a.Kind == operations.NodeLost {
					text += "lost " + a.Name
				}
			}
			return text
		}
		want := "n0 lost false [smtp]; n1 up true [smtp watch mirror rules console]; lost gone"
		r.eventually("it is up: "+state(), func() bool { return state() == want })
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s := state(); !strings.Contains(s, "n1 stopped") {
			t.Error(s)
		}
	})
}

// Every operation asks for its permission.
func TestPermissions(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t))
	doc, err := api.Read([]api.Part{r.part.API()}, "test")
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("{id}", "1", "{name}", "crm", "{address}", "li@example.com", "{subject}", "a@b.example", "{token}", "x")
	for _, o := range doc.Operations() {
		path := fill.Replace(o.Path)
		nobody := r.api.As(nil).Do(o.Method, path, nil).Status
		if public := o.Permission == access.Public; public == (nobody == http.StatusUnauthorized) {
			t.Errorf("%s as nobody: %d", o.ID, nobody)
		}
		for _, role := range access.Roles() {
			c := access.NewCaller(access.Person{ID: "p", Email: "p@example.com", Role: role}, access.ScopeOwn, []string{"p@example.com"}, nil)
			if c.May(o.Permission) {
				continue
			}
			if got := r.api.As(c).Do(o.Method, path, nil).Status; got != http.StatusForbidden {
				t.Errorf("%s as %s: %d", o.ID, role, got)
			}
		}
	}
}
