package automation_test

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api/apitest"
	"heliograph/internal/console/api/automation"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// work runs the part's worker until the returned func is called.
func (r *rig) work() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.part.Run(ctx); err != nil && ctx.Err() == nil {
			r.t.Error(err)
		}
	}()
	return func() { cancel(); <-done }
}

// until asks for a replay until it is in a state.
func (r *rig) until(id string, state automation.ReplayState) automation.Replay {
	r.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		var out automation.Replay
		r.admin.Get("/api/v1/replays/"+id).JSON(200, &out)
		if out.State == state {
			return out
		}
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("it is %s, not %s: %s", out.State, state, out.Error)
		}
	}
}

func TestReplaysAreJobs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.admin.Post("/api/v1/rules", body(answer)).Is(201)
		ask := map[string]any{"since": began.Add(-time.Hour), "until": began.Add(time.Hour), "diff": "draft"}
		var replay automation.Replay
		r.admin.Post("/api/v1/rules/answer/replay", ask).JSON(202, &replay)
		r.admin.Post("/api/v1/rules/answer/replay", ask).Problem(409, "replay_running")
		r.admin.Post("/api/v1/replays/"+replay.Id+"/cancel", nil).JSON(200, &replay)
		if replay.State != automation.ReplayStateCancelled {
			t.Fatalf("%+v", replay)
		}
		r.company.block = make(chan struct{})
		r.admin.Post("/api/v1/rules/answer/replay", ask).JSON(202, &replay)
		stop := r.work()
		r.until(replay.Id, automation.ReplayStateRunning)
		stop() // the process dies in the middle
		close(r.company.block)
		stop = r.work()
		defer stop()
		done := r.until(replay.Id, automation.ReplayStateDone)
		if done.Report.Results["fires"] != 1 || done.Differences.Same != 1 || done.Progress != 1 {
			t.Errorf("%+v", done)
		}
		var runs automation.TrialRunList
		r.admin.Get("/api/v1/replays/"+replay.Id+"/runs").JSON(200, &runs)
		if len(runs.Items) != 1 || len(runs.Items[0].Effects) != 1 || runs.Items[0].Effects[0].Content.Mail.Subject == "" {
			t.Errorf("%+v", runs)
		}
		r.admin.Get("/api/v1/replays/" + replay.Id + "/differences").Is(200)
		other := r.api.As(caller(access.Manager, "other@example.com", access.ScopeTeam, "other@example.com"))
		other.Get("/api/v1/replays/"+replay.Id).Problem(404, "no_replay")
		other.Post("/api/v1/rules/answer/replay", ask).JSON(202, &replay)
		var list automation.ReplayList
		other.Get("/api/v1/replays").JSON(200, &list)
		if len(list.Items) != 1 {
			t.Errorf("%+v", list)
		}
		r.admin.Get("/api/v1/replays").JSON(200, &list)
		if len(list.Items) != 2 {
			t.Errorf("%+v", list)
		}
	})
}

// What a replay found is paged to its end.
func TestPagesOfReplays(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.company.events = []rules.Event{mailTo("li@example.com", "m1", "投诉：主轴"), mailTo("li@example.com", "m2", "投诉：交货"), mailTo("wang@example.com", "m3", "投诉：发票")}
		r.admin.Post("/api/v1/rules", body(strings.Replace(answer, "投诉", "表扬", 1))).Is(201)
		tag := r.admin.Get("/api/v1/rules/answer").Header.Get("ETag")
		tag = r.admin.Post("/api/v1/rules/answer/publish", map[string]any{"state": "shadow"}, "If-Match", tag).Is(200).Header.Get("ETag")
		r.admin.Put("/api/v1/rules/answer", body(answer), "If-Match", tag).Is(200)
		var replay automation.Replay
		r.admin.Post("/api/v1/rules/answer/replay", map[string]any{"since": began.Add(-time.Hour), "until": began.Add(time.Hour), "version": "draft", "diff": "1"}).JSON(202, &replay)
		stop := r.work()
		defer stop()
		done := r.until(replay.Id, automation.ReplayStateDone)
		at := "/api/v1/replays/" + replay.Id
		runs := pages(r, at+"/runs?", func(a *apitest.Answer) ([]automation.TrialRun, string) {
			var page automation.TrialRunList
			a.JSON(200, &page)
			return page.Items, page.Next
		}, func(run automation.TrialRun) string { return run.Title })
		differences := pages(r, at+"/differences?", func(a *apitest.Answer) ([]automation.Difference, string) {
			var page automation.DifferenceList
			a.JSON(200, &page)
			return page.Items, page.Next
		}, func(d automation.Difference) string { return d.Title })
		want := map[string]int{"投诉：主轴": 1, "投诉：交货": 1, "投诉：发票": 1}
		if !maps.Equal(runs, want) || !maps.Equal(differences, want) {
			t.Errorf("%+v: runs %v, differences %v", done, runs, differences)
		}
		r.admin.Get(at+"/runs?cursor=nonsense").Problem(422, "bad_cursor")
	})
}
