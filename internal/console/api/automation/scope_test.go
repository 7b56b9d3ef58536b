package automation_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api/automation"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// asking is a rule that asks people about complaints.
const asking = `{"id":"asking","name":"审批","owner":"li@example.com","trigger":{"type":"mail"},"steps":[
	{"id":"ok","do":"approve","with":{"approvers":["boss@example.com","vp@example.com"],"need":2,"title":"{{.mail.subject}}","expires":"2 workdays","mail":false,"channel":"service"}}]}`

// engine runs a live rule on the message of the company, as far as it goes.
func (r *rig) engine(rule string) *rules.Run {
	r.t.Helper()
	r.admin.Post("/api/v1/rules", body(rule)).Is(201)
	var made automation.Rule
	if err := json.Unmarshal([]byte(rule), &made); err != nil {
		r.t.Fatal(err)
	}
	etag := r.admin.Get("/api/v1/rules/" + made.Id).Header.Get("ETag")
	r.admin.Post("/api/v1/rules/"+made.Id+"/publish", map[string]any{"state": "live"}, "If-Match", etag).Is(200)
	q := queue.Open(r.db, queue.Options{Poll: 10 * time.Millisecond})
	r.t.Cleanup(q.Close)
	bench, err := r.company.Bench(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	ev := r.company.mail.Event
	ev.At = time.Now()
	o := bench.Given(ev.Data)
	e := rules.New(rules.Options{
		Store: r.db, Queue: q, World: o.World, Performer: nobody{}, Calendars: o.Calendars, Calendar: o.Calendar, ApprovalKeys: [][]byte{make([]byte, 32)},
		Workers: 1, // what is given is for one at a time
	})
	if err := e.Post(r.t.Context(), ev); err != nil {
		r.t.Fatal(err)
	}
	stop := r.running(e)
	defer stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		found, err := rules.Runs(r.t.Context(), r.db.Reader(), rules.RunFilter{Rule: made.Id})
		if err != nil {
			r.t.Fatal(err)
		}
		if len(found) == 1 && found[0].State != rules.RunRunning {
			return found[0]
		}
		<-tick.C
	}
	r.t.Fatal("the rule did not run")
	return nil
}

func TestApprovalsCountOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		run := r.engine(asking)
		boss := r.api.As(caller(access.Agent, "boss@example.com", access.ScopeOwn, "boss@example.com"))
		vp := r.api.As(caller(access.Manager, "vp@example.com", access.ScopeTeam, "vp@example.com"))
		other := r.api.As(caller(access.Manager, "other@example.com", access.ScopeTeam, "other@example.com", "wang@example.com"))
		var list automation.ApprovalList
		boss.Get("/api/v1/approvals").JSON(200, &list)
		if len(list.Items) != 1 || list.Open != 1 || !list.Items[0].CanDecide || list.Items[0].Run != run.ID {
			t.Fatalf("%+v", list)
		}
		a := list.Items[0]
		path := "/api/v1/approvals/" + a.Id
		other.Get(path).Problem(404, "no_approval")
		other.Post(path+"/decide", map[string]any{"decision": "yes", "hash": a.Hash}).Problem(404, "no_approval")
		r.admin.Get(path).Is(200)
		r.admin.Post(path+"/decide", map[string]any{"decision": "yes", "hash": a.Hash}).Problem(403, "not_asked")
		boss.Post(path+"/decide", map[string]any{"decision": "yes", "hash": "0" + a.Hash[1:] + "0"}).Problem(409, "approval_changed")
		boss.Post(path+"/decide", map[string]any{"decision": "yes", "hash": a.Hash}).JSON(200, &a)
		if a.Mine != automation.ApprovalMineApproved || a.State != automation.ApprovalStateOpen || a.CanDecide {
			t.Errorf("%+v", a)
		}
		boss.Post(path+"/decide", map[string]any{"decision": "no", "hash": a.Hash}).Problem(409, "already_decided")
		vp.Post(path+"/delegate", map[string]any{"to": "somebody@elsewhere.example", "hash": a.Hash}).Problem(422, "bad_delegate")
		vp.Post(path+"/delegate", map[string]any{"to": "other@example.com", "hash": a.Hash}).Is(200)
		other.Post(path+"/decide", map[string]any{"decision": "yes", "hash": a.Hash}).JSON(200, &a)
		if a.State != automation.ApprovalStateApproved {
			t.Errorf("%+v", a)
		}
		boss.Get("/api/v1/approvals").JSON(200, &list)
		if len(list.Items) != 0 || list.Open != 0 {
			t.Errorf("%+v", list)
		}
		boss.Get("/api/v1/approvals?state=decided").JSON(200, &list)
		if len(list.Items) != 1 {
			t.Errorf("%+v", list)
		}
		boss.Get("/api/v1/approvals?everyone=true").Problem(403, "forbidden")
	})
}

// What others are asked is seen by who oversees them, and decided by nobody else.
func TestApprovalsAreSeenByWhoOversees(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.engine(asking) // about mail of li@, asks boss@ and vp@
		var list automation.ApprovalList
		r.admin.Get("/api/v1/approvals?everyone=true").JSON(200, &list)
		if len(list.Items) != 1 {
			t.Fatalf("%+v", list)
		}
		a := list.Items[0]
		path := "/api/v1/approvals/" + a.Id
		for name, c := range map[string]struct {
			who  *access.Caller
			sees bool
		}{
			"admin":                       {caller(access.Admin, "admin@example.com", access.ScopeAll), true},
			"manager of all":              {caller(access.Manager, "m@example.com", access.ScopeAll), true},
			"manager of who is asked":     {caller(access.Manager, "m@example.com", access.ScopeTeam, "m@example.com", "boss@example.com"), true},
			"manager of who has the mail": {caller(access.Manager, "m@example.com", access.ScopeTeam, "LI@example.com", "m@example.com"), true},
			"manager of others":           {caller(access.Manager, "m@example.com", access.ScopeTeam, "m@example.com", "wang@example.com"), false},
			"manager of nobody":           {caller(access.Manager, "m@example.com", access.ScopeTeam), false},
		} {
			client := r.api.As(c.who)
			list = automation.ApprovalList{}
			client.Get("/api/v1/approvals?everyone=true&state=all").JSON(200, &list)
			if (len(list.Items) == 1) != c.sees || list.Open != 0 {
				t.Errorf("%s: %+v", name, list)
			}
			list = automation.ApprovalList{}
			client.Get("/api/v1/approvals").JSON(200, &list)
			if len(list.Items) != 0 {
				t.Errorf("%s is asked: %+v", name, list)
			}
			if !c.sees {
				client.Get(path).Problem(404, "no_approval")
				client.Post(path+"/decide", map[string]any{"decision": "yes", "hash": a.Hash}).Problem(404, "no_approval")
				continue
			}
			var shown automation.Approval
			client.Get(path).JSON(200, &shown)
			if shown.Title != "投诉：主轴噪音" || shown.CanDecide || shown.Mine != "" {
				t.Errorf("%s: %+v", name, shown)
			}
			client.Post(path+"/decide", map[string]any{"decision": "yes", "hash": a.Hash}).Problem(403, "not_asked")
			client.Post(path+"/delegate", map[string]any{"to": "m@example.com", "hash": a.Hash}).Problem(403, "not_asked")
		}
		r.api.As(caller(access.Agent, "li@example.com", access.ScopeOwn, "li@example.com")).Get("/api/v1/approvals?everyone=true").Problem(403, "forbidden")
		r.api.As(caller(access.Agent, "li@example.com", access.ScopeOwn, "li@example.com")).Get(path).Problem(404, "no_approval")
	})
}

// Fields that are hidden from a manager are not told by what others are asked.
func TestApprovalsHideWhatIsMasked(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t))
	r.engine(strings.Replace(asking, `"expires"`, `"text":"12 万元","facts":[{"name":"金额","value":"120000"}],"expires"`, 1))
	masked := access.NewCaller(access.Person{ID: "m", Email: "m@example.com", Role: access.Manager}, access.ScopeAll, nil, nil, "amount")
	var list automation.ApprovalList
	r.api.As(masked).Get("/api/v1/approvals?everyone=true").JSON(200, &list)
	if a := list.Items[0]; a.Text != "•••" || len(a.Facts) != 1 || a.Facts[0].Value != "•••" {
		t.Errorf("%+v", a)
	}
	r.api.As(caller(access.Agent, "boss@example.com", access.ScopeOwn, "boss@example.com")).Get("/api/v1/approvals").JSON(200, &list)
	if a := list.Items[0]; a.Text != "12 万元" || a.Facts[0].Value != "120000" {
		t.Errorf("who decides: %+v", a)
	}
}

func TestRunsAreSeenByWhoSeesTheMail(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		run := r.engine(asking)
		path := "/api/v1/runs/" + run.ID
		for name, c := range map[string]struct {
			who  *access.Caller
			sees bool
		}{
			"admin":         {caller(access.Admin, "admin@example.com", access.ScopeAll), true},
			"owner of mail": {caller(access.Agent, "li@example.com", access.ScopeOwn, "li@example.com"), true},
			"other agent":   {caller(access.Agent, "wang@example.com", access.ScopeOwn, "wang@example.com"), false},
			"other manager": {caller(access.Manager, "m@example.com", access.ScopeTeam, "wang@example.com"), false},
			"manager":       {caller(access.Manager, "m@example.com", access.ScopeTeam, "li@example.com"), true},
			"nobody's":      {caller(access.Agent, "new@example.com", access.ScopeOwn), false},
		} {
			var list automation.RunList
			client := r.api.As(c.who)
			client.Get("/api/v1/runs?state=waiting,done").JSON(200, &list)
			if (len(list.Items) == 1) != c.sees {
				t.Errorf("%s: %d runs", name, len(list.Items))
			}
			if !c.sees {
				client.Get(path).Problem(404, "no_run")
				continue
			}
			var shown automation.RuleRun
			client.Get(path).JSON(200, &shown)
			if shown.Title != "投诉：主轴噪音" || len(shown.Steps) != 1 || len(shown.Waits) == 0 || shown.Waits[0].Approval == "" {
				t.Errorf("%s: %+v", name, shown)
			}
		}
		var hidden automation.RuleRun
		r.api.As(caller(access.Auditor, "audit@example.com", access.ScopeAll)).Get(path).JSON(200, &hidden)
		if !hidden.Hidden || hidden.Title != "" || hidden.Event.Title != "" || hidden.Steps[0].Output != nil {
			t.Errorf("%+v", hidden)
		}
		r.admin.Get("/api/v1/rules/asking/graph?run=" + run.ID).Is(200)
		var counted automation.Graph
		r.admin.Get("/api/v1/rules/asking/graph?version=0&since=2020-01-01T00:00:00Z").JSON(200, &counted)
		times := map[string]automation.NodeCounts{}
		for _, n := range counted.Nodes {
			times[n.Id] = n.Counts
		}
		if times["trigger"].Times != 1 || times["0"] != (automation.NodeCounts{Times: 1, Waiting: 1}) {
			t.Errorf("%+v", times)
		}
		var unseen automation.Graph
		r.api.As(caller(access.Agent, "other@example.com", access.ScopeOwn, "other@example.com")).Get("/api/v1/rules/asking/graph?version=0&since=2020-01-01T00:00:00Z").JSON(200, &unseen)
		for _, n := range unseen.Nodes {
			if n.Counts.Times != 0 {
				t.Errorf("an agent sees how often others' mail came by: %+v", n)
			}
		}
		r.admin.Post(path+"/retry", nil).Problem(409, "not_failed")
		r.admin.Post(path+"/cancel", map[string]any{"reason": "test"}).Is(200)
		r.admin.Post(path+"/cancel", map[string]any{"reason": "test"}).Problem(409, "run_over")
	})
}

func TestOutboxListsAreThere(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		team := r.api.As(caller(access.Manager, "m@example.com", access.ScopeTeam, "li@example.com"))
		for _, c := range []string{"/api/v1/outbox", "/api/v1/outbox?automated=true&copy=failed&recipient=a%25&state=failed&held=true&rule=x&run=y", "/api/v1/bounces?permanent=true&rule=x&recipient=a"} {
			r.admin.Get(c).Is(200)
			team.Get(c).Is(200)
		}
		r.admin.Get("/api/v1/outbox/00000000000000000000000000").Problem(404, "no_message")
		for i := range 3 {
			r.admin.Post("/api/v1/suppressions", map[string]any{"address": fmt.Sprintf("A%d@customer.example", i)}).Is(201)
		}
		var page automation.SuppressionList
		r.admin.Get("/api/v1/suppressions?limit=2").JSON(200, &page)
		if len(page.Items) != 2 || page.Next == "" {
			t.Fatalf("%+v", page)
		}
		next := page.Next
		page = automation.SuppressionList{}
		r.admin.Get("/api/v1/suppressions?limit=2&cursor="+next).JSON(200, &page)
		if len(page.Items) != 1 || page.Next != "" {
			t.Fatalf("%+v", page)
		}
		r.admin.Delete("/api/v1/suppressions/a1@customer.example").Is(204)
		r.admin.Delete("/api/v1/suppressions/a1@customer.example").Problem(404, "not_suppressed")
	})
}

func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t))
	agent := r.api.As(caller(access.Agent, "li@example.com", access.ScopeOwn, "li@example.com"))
	auditor := r.api.As(caller(access.Auditor, "audit@example.com", access.ScopeAll))
	for _, op := range []string{
		"POST /api/v1/rules", "PUT /api/v1/rules/x", "DELETE /api/v1/rules/x", "POST /api/v1/rules/x/publish", "POST /api/v1/rules/x/state", "POST /api/v1/rules/x/rollback",
		"POST /api/v1/rules/x/hold", "POST /api/v1/rules/x/release", "POST /api/v1/rules/x/duplicate", "POST /api/v1/rules/import", "POST /api/v1/rules/x/replay",
		"POST /api/v1/rules/x/start", "POST /api/v1/runs/x/retry", "POST /api/v1/runs/x/cancel", "POST /api/v1/holds", "POST /api/v1/holds/release",
		"POST /api/v1/outbox/x/send", "POST /api/v1/outbox/x/cancel", "POST /api/v1/suppressions", "DELETE /api/v1/suppressions/x", "DELETE /api/v1/rules/x/draft",
	} {
		method, path, _ := strings.Cut(op, " ")
		agent.Do(method, path, map[string]any{}).Problem(403, "forbidden")
		auditor.Do(method, path, map[string]any{}).Problem(403, "forbidden")
		r.api.As(nil).Do(method, path, map[string]any{}).Problem(401, "sign_in")
	}
	agent.Get("/api/v1/rules").Is(200)
	agent.Get("/api/v1/outbox").Problem(403, "forbidden")
	auditor.Get("/api/v1/outbox").Is(200)
	auditor.Get("/api/v1/approvals").Problem(403, "forbidden")
}
