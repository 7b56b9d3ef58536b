package operations_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api/operations"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// Many dead letters are given up at once, those that are chosen.
func TestDiscardJobs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.crm.status.Store(http.StatusUnprocessableEntity)
		for n := range 3 {
			r.submit(wang, fmt.Sprintf("a%d@customer.test", n))
		}
		admin, team := r.as(access.Admin), r.as(access.Manager, li)
		var page operations.JobPage
		dead := func() []operations.Job {
			t.Helper()
			page = operations.JobPage{}
			admin.Get("/api/v1/queue/jobs?state=discarded&target=crm").JSON(http.StatusOK, &page)
			return page.Items
		}
		r.eventually("three dead letters", func() bool { return len(dead()) == 3 })
		one := page.Items[0]
		path := fmt.Sprintf("/api/v1/queue/jobs/%d", one.Id)
		var job operations.Job
		admin.Get(path).JSON(http.StatusOK, &job)
		if job.Id != one.Id || job.State != operations.JobStateDiscarded || job.Account != wang || job.Reason == "" || job.Remedy == "" {
			t.Errorf("job %+v", job)
		}
		admin.Get("/api/v1/queue/jobs/999999999").Problem(http.StatusNotFound, "no_job")
		r.as(access.Agent, wang).Get(path).Problem(http.StatusForbidden, "forbidden")

		const discard = "/api/v1/queue/jobs/discard"
		some := map[string]any{"ids": []int64{one.Id}, "reason": "sent by hand"}
		team.Post(discard, some).Problem(http.StatusForbidden, "forbidden")
		admin.Post(discard, map[string]any{"ids": []int64{one.Id}, "reason": " "}).Problem(http.StatusUnprocessableEntity, "no_reason")
		admin.Post(discard, map[string]any{"reason": "x"}).Problem(http.StatusUnprocessableEntity, "choose_jobs")
		admin.Post(discard, map[string]any{"ids": []int64{one.Id}, "filter": map[string]any{"state": "discarded"}, "reason": "x"}).Problem(http.StatusUnprocessableEntity, "choose_jobs")
		var done operations.JobsDone
		admin.Post(discard, some).JSON(http.StatusOK, &done)
		if done.Matched != 1 || done.Done != 1 || len(done.Skipped) != 0 {
			t.Errorf("one: %+v", done)
		}
		admin.Get(path).JSON(http.StatusOK, &job)
		if job.State != operations.JobStateCancelled || !strings.Contains(job.Reason, "sent by hand") {
			t.Errorf("given up: %+v", job)
		}
		done = operations.JobsDone{}
		admin.Post(discard, some).JSON(http.StatusOK, &done)
		if done.Done != 0 || len(done.Skipped) != 1 || done.Skipped[0].Id != one.Id || done.Skipped[0].Reason == "" {
			t.Errorf("again: %+v", done)
		}
		rest := map[string]any{"filter": map[string]any{"state": "discarded", "target": "crm"}, "reason": "x", "preview": true}
		admin.Post(discard, rest).JSON(http.StatusOK, &done)
		if done.Matched != 2 || done.Done != 0 || len(dead()) != 2 {
			t.Errorf("preview: %+v, left %d", done, len(page.Items))
		}
		rest["preview"] = false
		admin.Post(discard, rest).JSON(http.StatusOK, &done)
		if done.Matched != 2 || done.Done != 2 || len(dead()) != 0 {
			t.Errorf("the rest: %+v, left %d", done, len(page.Items))
		}
		rows := 0
		err := db.Reader().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM deliveries WHERE target = 'crm' AND state = 'failed'`).Scan(&rows)
		if err != nil || rows != 3 {
			t.Errorf("the ledger has %d as failed, %v", rows, err)
		}
		if acts := r.api.Acts("discardJobs"); len(acts) == 0 || acts[len(acts)-1].Notes["done"] != 2 || acts[len(acts)-1].Notes["reason"] != "x" {
			t.Errorf("on record: %+v", acts)
		}
	})
}
