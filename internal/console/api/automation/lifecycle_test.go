package automation_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api/apitest"
	"heliograph/internal/console/api/automation"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// publish puts a rule in force that is made of its text.
func (r *rig) publish(id, text string) {
	r.t.Helper()
	etag := r.admin.Post("/api/v1/rules", body(text)).Is(201).Header.Get("ETag")
	r.admin.Post("/api/v1/rules/"+id+"/publish", map[string]any{"state": "live"}, "If-Match", etag).Is(200)
}

// writer may write rules, but not put them in force.
func (r *rig) writer() *access.Caller {
	return access.NewCaller(access.Person{ID: "w", Email: "w@example.com", Role: access.Admin}, access.ScopeAll, nil, []access.Permission{access.RulesRead, access.RulesWrite})
}

func TestDraftIsDiscarded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		const path = "/api/v1/rules/answer/draft"
		r.admin.Delete(path, "If-Match", `"x"`).Problem(404, "no_rule")
		etag := r.admin.Post("/api/v1/rules", body(answer)).Is(201).Header.Get("ETag")
		r.admin.Delete(path, "If-Match", etag).Problem(409, "draft_only")
		r.admin.Post("/api/v1/rules/answer/publish", map[string]any{"state": "live"}, "If-Match", etag).Is(200)
		etag = r.admin.Get("/api/v1/rules/answer").Header.Get("ETag")
		other := strings.Replace(answer, "您好", "早上好", 1)
		etag = r.admin.Put("/api/v1/rules/answer", body(other), "If-Match", etag).Is(200).Header.Get("ETag")
		r.admin.Delete(path).Problem(428, "if_match")
		r.admin.Delete(path, "If-Match", `"x"`).Problem(412, "changed_meanwhile")
		var rule automation.Rule
		r.admin.Get("/api/v1/rules/answer").JSON(200, &rule)
		if !rule.Draft || !strings.Contains(string(rule.Rule), "早上好") {
			t.Errorf("before: %+v", rule)
		}
		rule = automation.Rule{}
		r.admin.Delete(path, "If-Match", etag).JSON(200, &rule)
		if rule.Draft || rule.State != automation.RuleStateLive || rule.Version != 1 || !strings.Contains(string(rule.Rule), "您好") || strings.Contains(string(rule.Rule), "早上好") {
			t.Errorf("after: %+v", rule)
		}
	})
}

func TestOneVersion(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.publish("answer", answer)
		var v automation.Version
		r.api.As(caller(access.Agent, "li@example.com", access.ScopeOwn, "li@example.com")).Get("/api/v1/rules/answer/versions/1").JSON(200, &v)
		if v.Version != 1 || !v.InForce || v.MadeBy != "admin@example.com (console)" || !strings.Contains(string(v.Body), "您好") || v.Words.Zh == "" {
			t.Errorf("%+v", v)
		}
		r.admin.Get("/api/v1/rules/answer/versions/2").Problem(404, "no_rule")
		r.admin.Get("/api/v1/rules/nothing/versions/1").Problem(404, "no_rule")
		r.api.As(nil).Get("/api/v1/rules/answer/versions/1").Problem(401, "sign_in")
	})
}

func TestDrawing(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t))
	var g automation.Graph
	r.admin.Post("/api/v1/rules/graph", body(answer)).JSON(200, &g)
	var ids []string
	for _, n := range g.Nodes {
		ids = append(ids, n.Id)
		if !resolves(t, answer, n.Pointer) {
			t.Errorf("node %s leads to %q, which is not there", n.Id, n.Pointer)
		}
	}
	if !slices.Contains(ids, "trigger") || !slices.Contains(ids, "0") || len(g.Edges) == 0 {
		t.Errorf("nodes %v, edges %+v", ids, g.Edges)
	}
	for _, e := range g.Edges {
		if !slices.Contains(ids, e.From) || !slices.Contains(ids, e.To) {
			t.Errorf("edge %+v has no ends in %v", e, ids)
		}
	}
	g = automation.Graph{}
	r.admin.Post("/api/v1/rules/graph", body(broken["notifier"].rule)).JSON(200, &g)
	if i := slices.IndexFunc(g.Nodes, func(n automation.GraphNode) bool { return n.Id == "0" }); i < 0 || g.Nodes[i].Problems != 1 {
		t.Errorf("of a rule with a mistake: %+v", g.Nodes)
	}
	r.admin.Post("/api/v1/rules/graph", body(`{"id":"a","steps":"none"}`)).Problem(422, "invalid")
	if list := r.api.Acts("drawRule"); len(list) != 0 {
		t.Errorf("on record: %+v", list)
	}
}

// All rules of an import are taken, or none.
func TestImport(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.publish("answer", answer)
		have := string(r.admin.Get("/api/v1/rules/answer/export").Is(200).Body)
		second := strings.NewReplacer("id: answer", "id: second").Replace(have)
		both := have + "---\n" + second
		importing := func(yaml, state string, dry bool) automation.ImportResult {
			t.Helper()
			var out automation.ImportResult
			r.admin.Post("/api/v1/rules/import", map[string]any{"yaml": yaml, "state": state, "dry_run": dry, "note": "from the file"}).JSON(200, &out)
			return out
		}
		rules := func() (n int) {
			t.Helper()
			var list automation.RuleList
			r.admin.Get("/api/v1/rules").JSON(200, &list)
			return len(list.Items)
		}
		actions := func(out automation.ImportResult) (list []string) {
			for _, one := range out.Items {
				list = append(list, one.Id+" "+string(one.Action)+" "+string(one.State))
			}
			return list
		}
		out := importing(both, "keep", true)
		if got := actions(out); out.Done || !slices.Equal(got, []string{"answer unchanged live", "second new draft"}) || rules() != 1 {
			t.Errorf("dry: %+v", out)
		}
		mistaken := strings.Replace(second, "do: reply", "do: rely", 1)
		out = importing(have+"---\n"+strings.Replace(mistaken, "id: second", "id: third", 1)+"---\n"+second, "keep", false)
		if out.Done || rules() != 1 || out.Items[1].Action != automation.ImportedActionInvalid || len(out.Items[1].Problems) == 0 {
			t.Errorf("with a mistake: %+v, %d rules", out, rules())
		}
		r.admin.Post("/api/v1/rules/import", map[string]any{"yaml": " \n---\n"}).Problem(422, "empty")

		// Who cannot put rules in force takes drafts only.
		writer := r.api.As(r.writer())
		changed := strings.Replace(have, "您好", "早上好", 1)
		writer.Post("/api/v1/rules/import", map[string]any{"yaml": second, "state": "live"}).Problem(403, "forbidden")
		writer.Post("/api/v1/rules/import", map[string]any{"yaml": changed}).Problem(403, "forbidden")
		if rules() != 1 {
			t.Error("a refused import is taken")
		}
		writer.Post("/api/v1/rules/import", map[string]any{"yaml": both}).JSON(200, &out)
		if got := actions(out); !out.Done || !slices.Equal(got, []string{"answer unchanged live", "second new draft"}) || rules() != 2 {
			t.Errorf("by a writer: %+v", out)
		}
		out = importing(changed+"---\n"+second, "live", false)
		if got := actions(out); !out.Done || !slices.Equal(got, []string{"answer changed live", "second changed live"}) || out.Items[0].Version != 2 || out.Items[1].Version != 1 {
			t.Errorf("put in force: %+v", out)
		}
		out = importing(second, "shadow", false)
		if got := actions(out); !out.Done || !slices.Equal(got, []string{"second state shadow"}) {
			t.Errorf("put in shadow: %+v", out)
		}
		var v automation.Version
		r.admin.Get("/api/v1/rules/answer/versions/2").JSON(200, &v)
		if !v.InForce || v.Note != "from the file" || !strings.Contains(string(v.Body), "早上好") {
			t.Errorf("%+v", v)
		}
	})
}

// two is a rule with two effects, which a person starts.
const two = `{"id":"two","name":"两步","owner":"li@example.com","trigger":{"type":"manual"},"steps":[
	{"id":"tell","do":"notify","with":{"channel":"service","title":"one"}},{"id":"again","do":"notify","with":{"channel":"service","title":"two"}}]}`

// fussy takes effects, but not those of a title until it is told to.
type fussy struct {
	mu      sync.Mutex // guards what follows
	refuses string
	done    []string
}

func (f *fussy) Perform(_ context.Context, e *rules.Effect) (map[string]any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuses != "" && strings.Contains(e.Title, f.refuses) {
		return nil, rules.Permanent(errors.New("the group does not want it"))
	}
	f.done = append(f.done, e.Title)
	return map[string]any{"id": "1"}, nil
}

func (f *fussy) accept() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuses = ""
}

// rules runs the engine of the gateway until the test ends.
func (r *rig) engineOf(f *fussy) {
	r.t.Helper()
	bench, err := r.company.Bench(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	o := bench.Given(map[string]any{})
	r.t.Cleanup(r.running(rules.New(rules.Options{Store: r.db, Queue: r.queue, World: o.World, Performer: f, Calendars: o.Calendars, Calendar: o.Calendar})))
}

// comes waits for a run of a rule that is in a state.
func (r *rig) comes(rule string, state automation.RuleRunState) automation.RuleRun {
	r.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	patience := time.NewTimer(30 * time.Second)
	defer patience.Stop()
	for {
		var list automation.RunList
		r.admin.Get("/api/v1/runs?rule="+rule).JSON(200, &list)
		if len(list.Items) == 1 && list.Items[0].State == state {
			var run automation.RuleRun
			r.admin.Get("/api/v1/runs/"+list.Items[0].Id).JSON(200, &run)
			return run
		}
		select {
		case <-tick.C:
		case <-patience.C:
			r.t.Fatalf("waiting in vain for a run that is %s: %+v", state, list.Items)
		}
	}
}

// A rule is started by hand about a message, fails, and goes on where it failed.
func TestStartAndRetry(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		const start = "/api/v1/rules/two/start"
		about := map[string]any{"message_id": "m1"}
		r.admin.Post(start, about).Problem(404, "no_rule")
		etag := r.admin.Post("/api/v1/rules", body(two)).Is(201).Header.Get("ETag")
		r.admin.Post(start, about).Problem(409, "not_in_force")
		r.admin.Post("/api/v1/rules/two/publish", map[string]any{"state": "live"}, "If-Match", etag).Is(200)
		r.admin.Post(start, map[string]any{"message_id": "nothing"}).Problem(404, "no_message")
		other := r.api.As(caller(access.Manager, "other@example.com", access.ScopeTeam, "other@example.com"))
		other.Post(start, about).Problem(404, "no_message")
		f := &fussy{refuses: "two"}
		r.engineOf(f)
		var started automation.Started
		r.admin.Post(start, about).JSON(202, &started)
		run := r.comes("two", automation.RuleRunStateFailed)
		if run.Event.Key != started.Event || run.Event.Type != automation.TriggerTypeManual || run.Event.Message != "m1" || !run.CanRetry || !strings.Contains(run.Reason, "does not want it") {
			t.Errorf("failed: %+v", run)
		}
		retry := "/api/v1/runs/" + run.Id + "/retry"
		r.admin.Post("/api/v1/runs/nothing/retry", nil).Problem(404, "no_run")
		other.Post(retry, nil).Problem(404, "no_run")
		f.accept()
		r.admin.Post(retry, nil).JSON(200, &run)
		if run.State == automation.RuleRunStateFailed || run.CanRetry {
			t.Errorf("taken up again: %+v", run)
		}
		run = r.comes("two", automation.RuleRunStateDone)
		f.mu.Lock()
		defer f.mu.Unlock()
		if !slices.Equal(f.done, []string{"one", "two"}) {
			t.Errorf("done was %q", f.done)
		}
		r.admin.Post(retry, nil).Problem(409, "not_failed")
		if acts := r.api.Acts("startRule"); len(acts) == 0 || acts[len(acts)-1].Object != "two" {
			t.Errorf("on record: %+v", acts)
		}
	})
}

// What rules said to a message is told to who sees it.
func TestWhy(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.publish("answer", answer)
		r.publish("two", two)
		r.company.why = func(ctx context.Context, which string) ([]automation.Answer, error) {
			m := r.company.mail
			if which != m.Event.Entry && which != m.Event.Message {
				return nil, nil
			}
			force, err := rules.NewBook(db, nil).InForce(ctx)
			if err != nil {
				return nil, err
			}
			trial, err := rules.NewTrial(force, bench{r.company}.Given(m.Event.Data))
			if err != nil {
				return nil, err
			}
			said, err := trial.Judge(ctx, m.Event)
			return []automation.Answer{{Event: m.Event, Account: m.Account, Rules: said, Looked: true}}, err
		}
		var list automation.WhyList
		r.admin.Get("/api/v1/rules/why?entry=entry-m1").JSON(200, &list)
		if len(list.Items) != 1 || len(list.Items[0].Verdicts) != 1 || list.Items[0].Event.Account != "li@example.com" || !list.Items[0].Looked {
			t.Fatalf("%+v", list)
		}
		if v := list.Items[0].Verdicts[0]; v.Rule != "answer" || v.Result != "fires" || v.Explanation.Kind == "" {
			t.Errorf("%+v", v)
		}
		r.admin.Get("/api/v1/rules/why?message_id=m1&all=true").JSON(200, &list)
		if len(list.Items[0].Verdicts) != 2 {
			t.Errorf("all: %+v", list.Items[0].Verdicts)
		}
		r.admin.Get("/api/v1/rules/why?entry=a&event=b").Problem(422, "which_event")
		r.admin.Get("/api/v1/rules/why").Problem(422, "which_event")
		r.admin.Get("/api/v1/rules/why?event=nothing").Problem(404, "nothing_known")
		r.api.As(caller(access.Manager, "other@example.com", access.ScopeTeam, "other@example.com")).Get("/api/v1/rules/why?entry=entry-m1").Problem(404, "nothing_known")
		list = automation.WhyList{}
		r.api.As(caller(access.Auditor, "audit@example.com", access.ScopeAll)).Get("/api/v1/rules/why?entry=entry-m1").JSON(200, &list)
		if !list.Items[0].Hidden || list.Items[0].Event.Title != "" || list.Items[0].Verdicts[0].Explanation.Kind != "" {
			t.Errorf("an auditor is told %+v", list.Items[0])
		}
	})
}

// A replay that is forgotten ends, and what it found goes with it.
func TestReplayIsForgotten(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.admin.Post("/api/v1/rules", body(answer)).Is(201)
		ask := map[string]any{"since": began.Add(-time.Hour), "until": began.Add(time.Hour)}
		items := func() (n int) {
			t.Helper()
			if err := db.Reader().QueryRowContext(t.Context(), `SELECT count(*) FROM rule_replay_items`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		var replay automation.Replay
		r.admin.Post("/api/v1/rules/answer/replay", ask).JSON(202, &replay)
		t.Cleanup(r.work())
		r.until(replay.Id, automation.ReplayStateDone)
		if items() == 0 {
			t.Error("it found nothing")
		}
		path := "/api/v1/replays/" + replay.Id
		r.api.As(caller(access.Manager, "other@example.com", access.ScopeAll)).Delete(path).Problem(404, "no_replay")
		r.admin.Delete(path).Is(204)
		r.admin.Get(path).Problem(404, "no_replay")
		r.admin.Delete(path).Problem(404, "no_replay")
		if n := items(); n != 0 {
			t.Errorf("%d of its items are left", n)
		}
	})
}

// One that is under way ends by it, and leaves nothing.
func TestReplayIsForgottenUnderWay(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t))
	r.company.block = make(chan struct{})
	r.admin.Post("/api/v1/rules", body(answer)).Is(201)
	ask := map[string]any{"since": began.Add(-time.Hour), "until": began.Add(time.Hour)}
	var first, second automation.Replay
	r.admin.Post("/api/v1/rules/answer/replay", ask).JSON(202, &first)
	t.Cleanup(r.work())
	r.until(first.Id, automation.ReplayStateRunning)
	r.admin.Delete("/api/v1/replays/" + first.Id).Is(204)
	close(r.company.block)
	r.admin.Post("/api/v1/rules/answer/replay", ask).JSON(202, &second) // it does not count as one under way
	r.until(second.Id, automation.ReplayStateDone)
	var list automation.ReplayList
	r.admin.Get("/api/v1/replays").JSON(200, &list)
	if len(list.Items) != 1 || list.Items[0].Id != second.Id {
		t.Errorf("%+v", list.Items)
	}
}

// Approvals are paged.
func TestPagesOfApprovals(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.engine(asking)
		r.company.mail.Event = mailTo("li@example.com", "m2", "投诉：交货")
		r.engine(strings.Replace(asking, `"id":"asking"`, `"id":"second"`, 1))
		var seen []string
		for next, more := "", true; more; more = next != "" {
			var page automation.ApprovalList
			r.admin.Get("/api/v1/approvals?everyone=true&limit=1&cursor="+next).JSON(200, &page)
			if len(page.Items) != 1 {
				t.Fatalf("a page of %d", len(page.Items))
			}
			next = page.Next
			seen = append(seen, page.Items[0].Title+" "+page.Items[0].Rule)
		}
		last := seen[len(seen)-1]
		slices.Sort(seen)
		if want := []string{"投诉：主轴噪音 asking", "投诉：交货 asking", "投诉：交货 second"}; !slices.Equal(seen, want) || last != want[0] {
			t.Errorf("%q, the last one %q", seen, last)
		}
	})
}

// pages reads a list to its end, one of it at a time, and returns how often each was there.
func pages[T any](r *rig, path string, read func(*apitest.Answer) (items []T, next string), key func(T) string) map[string]int {
	r.t.Helper()
	seen := map[string]int{}
	for next, more := "", true; more; more = next != "" {
		var items []T
		if items, next = read(r.admin.Get(path + "limit=1&cursor=" + next)); len(items) != 1 {
			r.t.Fatalf("%s: a page of %d", path, len(items))
		}
		seen[key(items[0])]++
	}
	return seen
}

// What rules did, what they are and what they send is paged.
func TestPages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := newPost(t, db)
		p.engine(asking)
		p.company.mail.Event = mailTo("li@example.com", "m2", "投诉：交货")
		p.engine(strings.Replace(asking, `"id":"asking"`, `"id":"second"`, 1))
		runs := pages(p.rig, "/api/v1/runs?", func(a *apitest.Answer) ([]automation.RunSummary, string) {
			var l automation.RunList
			a.JSON(200, &l)
			return l.Items, l.Next
		}, func(one automation.RunSummary) string { return one.Rule + " " + one.Event.Key })
		if want := map[string]int{"asking m1": 1, "asking m2": 1, "second m2": 1}; !maps.Equal(runs, want) {
			t.Errorf("runs %v", runs)
		}
		list := pages(p.rig, "/api/v1/rules?", func(a *apitest.Answer) ([]automation.RuleSummary, string) {
			var l automation.RuleList
			a.JSON(200, &l)
			return l.Items, l.Next
		}, func(one automation.RuleSummary) string { return one.Id })
		if want := map[string]int{"asking": 1, "second": 1}; !maps.Equal(list, want) {
			t.Errorf("rules %v", list)
		}
		want := map[string]int{}
		for n, effect := range []string{"one", "two", "three"} {
			want[entryOf(p.mail(effect))] = 1
			p.exec(`INSERT INTO outbox_bounces (report, effect, recipient, action, status, diagnostic, reporter, permanent, at) VALUES ($1, $2, 'bob@customer.example', 'failed', '5.1.1', '', '', 1, $3)`,
				"report-"+effect, effect, store.Micros(time.Now().Add(-time.Duration(n/2)*time.Minute)))
		}
		mails := pages(p.rig, "/api/v1/outbox?", func(a *apitest.Answer) ([]automation.OutboxMessage, string) {
			var l automation.OutboxList
			a.JSON(200, &l)
			return l.Items, l.Next
		}, func(one automation.OutboxMessage) string { return one.Entry })
		bounces := pages(p.rig, "/api/v1/bounces?", func(a *apitest.Answer) ([]automation.Bounce, string) {
			var l automation.BounceList
			a.JSON(200, &l)
			return l.Items, l.Next
		}, func(one automation.Bounce) string { return one.Entry })
		if !maps.Equal(mails, want) || !maps.Equal(bounces, want) {
			t.Errorf("mails %v, bounces %v, want %v", mails, bounces, want)
		}
	})
}
