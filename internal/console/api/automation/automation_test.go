package automation_test

import (
	"context"
	"encoding/json"
	"io"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/rules"
	"heliograph/internal/calendar"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api/apitest"
	"heliograph/internal/console/api/automation"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(apitest.Whole(m)) }

// company is a gateway of a company with one message.
type company struct {
	cals   calendar.Set
	mail   *automation.Message
	events []rules.Event
	block  chan struct{} // events wait for it; nil: they do not
	why    func(ctx context.Context, which string) ([]automation.Answer, error)
}

func (c *company) Names() (automation.Names, error) {
	return automation.Names{
		Around: rules.Surroundings{
			Targets: []string{"crm"}, Channels: []string{"service"}, Hooks: []string{}, Senders: []string{"service@example.com"}, Sender: "service@example.com",
			Roles: map[string][]string{"bosses": {"boss@example.com"}}, Calendars: c.cals, Calendar: calendar.Plain,
		},
		Internal: func(a string) bool { return len(a) > 12 && a[len(a)-12:] == "@example.com" },
		Targets:  []automation.Target{{Name: "crm", Type: "builtin", Tickets: true, Objects: []automation.Object{{Name: "deals", Zh: "商机", En: "deals"}}}},
		Target:   "crm", Lists: map[string]int{"vip": 2},
	}, nil
}

func (c *company) RecordNames() *rules.RecordNames {
	deals := rules.RecordName{Word: rules.Word{Value: "deals", Zh: "商机", En: "deals"}, One: "deal", Fields: []rules.FieldName{{Word: rules.Word{Value: "stage", Zh: "阶段", En: "stage"}}}}
	return &rules.RecordNames{Objects: map[rules.RecordType]rules.RecordName{{Target: "crm", Object: "deals"}: deals}}
}

func (c *company) Fields(_ context.Context, _, object string) ([]crmclient.Field, error) {
	if object != "deals" {
		return nil, automation.ErrNoFields
	}
	return []crmclient.Field{{Name: "title", Label: "名称", Required: true}}, nil
}

func (c *company) Bench(context.Context) (automation.Bench, error) { return bench{c}, nil }

type bench struct{ *company }

func (b bench) Stored() rules.TrialOptions { return b.Given(map[string]any{}) }
func (b bench) Given(facts map[string]any) rules.TrialOptions {
	return rules.TrialOptions{World: rules.Given(facts), Calendars: b.cals, Calendar: calendar.Plain}
}

func (b bench) Find(_ context.Context, which string) (*automation.Message, error) {
	if b.mail == nil || which != b.mail.Event.Entry && which != b.mail.Event.Message {
		return nil, nil
	}
	return b.mail, nil
}

func (b bench) File(context.Context, []byte, automation.File) (rules.Event, error) {
	return b.mail.Event, nil
}

func (b bench) Past(context.Context, time.Time, time.Time) (automation.Past, error) {
	return &past{b.company, 0}, nil
}

func (b bench) Why(ctx context.Context, which string) ([]automation.Answer, error) {
	if b.why == nil {
		return nil, nil
	}
	return b.why(ctx, which)
}

func (b bench) Close() error { return nil }

type past struct {
	c  *company
	at int
}

func (p *past) Next(ctx context.Context) (time.Time, rules.Event, error) {
	if p.c.block != nil {
		select {
		case <-p.c.block:
		case <-ctx.Done():
			return time.Time{}, rules.Event{}, ctx.Err()
		}
	}
	if p.at == len(p.c.events) {
		return time.Time{}, rules.Event{}, io.EOF
	}
	p.at++
	return p.c.events[p.at-1].At, p.c.events[p.at-1], nil
}

func (p *past) Skipped() map[string]int { return map[string]int{} }

// expireIn is how long mail is tried.
const expireIn = config.Duration(5 * 24 * time.Hour)

var began = time.Date(2026, 3, 4, 2, 0, 0, 0, time.UTC)

// mailTo is a message that came to an account.
func mailTo(account, key, subject string) rules.Event {
	return rules.Event{
		Type: rules.TypeMail, Key: key, At: began, Entry: "entry-" + key, Message: key, Thread: key, Title: subject, Data: map[string]any{"mail": map[string]any{
			"account": account, "subject": subject, "direction": "in", "from": map[string]any{"address": "chen@customer.example", "name": "Chen"},
			"correspondent": "chen@customer.example", "text": "text", "unquoted": "text", "mailbox": "INBOX",
		}},
	}
}

// rig is the part with a store.
type rig struct {
	t       *testing.T
	db      *store.DB
	queue   *queue.Queue
	company *company
	part    *automation.Part
	api     *apitest.Server
	admin   *apitest.Client
}

func newRig(t *testing.T, db *store.DB) *rig {
	t.Helper()
	cals, err := calendar.NewSet(nil)
	if err != nil {
		t.Fatal(err)
	}
	ev := mailTo("li@example.com", "m1", "投诉：主轴噪音")
	c := &company{cals: cals, mail: &automation.Message{Event: ev, Account: "li@example.com"}, events: []rules.Event{ev}}
	q := queue.Open(db, queue.Options{Poll: 10 * time.Millisecond})
	t.Cleanup(q.Close)
	r := &rig{t: t, db: db, queue: q, company: c}
	r.part = automation.New(automation.Options{Store: db, Queue: q, Gateway: c, ExpireIn: func() time.Duration { return expireIn.D() }})
	r.api = apitest.New(t, r.part.API())
	r.admin = r.api.As(caller(access.Admin, "admin@example.com", access.ScopeAll))
	return r
}

func caller(role access.Role, email string, scope access.Scope, accounts ...string) *access.Caller {
	return access.NewCaller(access.Person{ID: email, Email: email, Role: role}, scope, accounts, nil)
}

// answer is a rule that answers complaints.
const answer = `{"id":"answer","name":"答复","owner":"li@example.com","trigger":{"type":"mail"},
	"when":{"field":"mail.subject","op":"contains","value":"投诉"},
	"steps":[{"id":"receipt","do":"reply","with":{"as":"service@example.com","text":"您好，{{.mail.from.name}}","html":"<p>{{.mail.from.name}}</p>"}}]}`

func body(text string) map[string]any { return map[string]any{"rule": json.RawMessage(text)} }

func TestTheLifeOfARule(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		var examples automation.ExampleList
		r.admin.Get("/api/v1/rule-examples").JSON(200, &examples)
		if len(examples.Items) < 10 {
			t.Fatalf("%d examples", len(examples.Items))
		}
		var example automation.Example
		r.admin.Get("/api/v1/rule-examples/02-complaint").JSON(200, &example)
		r.admin.Post("/api/v1/rules", map[string]any{"rule": example.Rule}).Is(201)
		r.admin.Post("/api/v1/rules", map[string]any{"rule": example.Rule}).Problem(409, "rule_exists")
		created := r.admin.Post("/api/v1/rules", body(answer)).Is(201)
		var rule automation.Rule
		created.JSON(201, &rule)
		if rule.State != automation.RuleStateDraft || rule.Words.Zh == "" || len(rule.Problems) != 0 {
			t.Fatalf("%+v", rule)
		}
		etag := created.Header.Get("ETag")
		changed := r.admin.Put("/api/v1/rules/answer", body(answer), "If-Match", etag).Is(200)
		r.admin.Put("/api/v1/rules/answer", body(answer), "If-Match", etag).Problem(412, "changed_meanwhile")
		r.admin.Put("/api/v1/rules/answer", body(answer)).Problem(428, "if_match")
		published := r.admin.Post("/api/v1/rules/answer/publish", map[string]any{"state": "shadow", "note": "first", "first_need_approval": 2}, "If-Match", changed.Header.Get("ETag")).Is(200)
		r.admin.Post("/api/v1/rules/answer/state", map[string]any{"state": "live"}).JSON(200, &rule)
		if rule.State != automation.RuleStateLive || rule.Version != 1 || rule.Canary.First != 2 {
			t.Fatalf("%+v", rule)
		}
		etag = r.admin.Get("/api/v1/rules/answer").Header.Get("ETag")
		_ = published
		second := `{"id":"answer","name":"答复 2","owner":"li@example.com","trigger":{"type":"mail"},"steps":[{"id":"receipt","do":"reply","with":{"as":"service@example.com","text":"hello"}}]}`
		etag = r.admin.Put("/api/v1/rules/answer", body(second), "If-Match", etag).Is(200).Header.Get("ETag")
		r.admin.Post("/api/v1/rules/answer/publish", map[string]any{"state": "live"}, "If-Match", etag).Is(200)
		var diff automation.Diff
		r.admin.Get("/api/v1/rules/answer/diff?from=1&to=2").JSON(200, &diff)
		if diff.Equal || len(diff.Changes) < 3 || len(diff.Lines) == 0 {
			t.Errorf("%+v", diff)
		}
		r.admin.Post("/api/v1/rules/answer/rollback", map[string]any{}).JSON(200, &rule)
		if rule.Version != 1 || rule.State != automation.RuleStateLive {
			t.Errorf("%+v", rule)
		}
		if rule.Learning {
			t.Error("a rule on mail is said to read the CRM")
		}
		won := `{"id":"won","name":"成交","owner":"li@example.com","trigger":{"type":"record","target":"crm","object":"deals","fields":["stage"]},"steps":[{"id":"receipt","do":"stop"}]}`
		r.admin.Post("/api/v1/rules", body(won)).Is(201)
		etag = r.admin.Get("/api/v1/rules/won").Header.Get("ETag")
		r.admin.Post("/api/v1/rules/won/publish", map[string]any{"state": "live"}, "If-Match", etag).Is(200)
		if r.admin.Get("/api/v1/rules/won").JSON(200, &rule); !rule.Learning { // nobody watches the CRM in this test
			t.Errorf("%+v", rule)
		}
		var versions automation.VersionList
		r.admin.Get("/api/v1/rules/answer/versions?limit=1").JSON(200, &versions)
		if len(versions.Items) != 1 || versions.Next == "" || versions.Items[0].Version != 2 {
			t.Errorf("%+v", versions)
		}
		r.admin.Get("/api/v1/rules/answer/versions?limit=1&cursor="+versions.Next).JSON(200, &versions)
		if len(versions.Items) != 1 || versions.Items[0].Version != 1 || !versions.Items[0].InForce {
			t.Errorf("%+v", versions)
		}
		r.admin.Get("/api/v1/rules/answer/graph").Is(200)
		r.admin.Get("/api/v1/rules/answer/export?version=1").Is(200)
		r.admin.Get("/api/v1/rules/export").Is(200)
		r.admin.Post("/api/v1/rules/answer/duplicate", map[string]any{"id": "copy"}).Is(201)
		r.admin.Post("/api/v1/rules/answer/hold", map[string]any{"reason": "wait"}).Is(200)
		var holds automation.HoldList
		r.admin.Get("/api/v1/holds").JSON(200, &holds)
		if holds.All || len(holds.Items) != 1 || !holds.Items[0].Rules || !holds.Items[0].Mail {
			t.Errorf("%+v", holds)
		}
		r.admin.Post("/api/v1/rules/answer/release", nil).Is(200)
		r.admin.Post("/api/v1/holds", map[string]any{"scope": "all", "reason": "stop"}).JSON(200, &holds)
		if !holds.All {
			t.Errorf("%+v", holds)
		}
		r.admin.Post("/api/v1/holds/release", map[string]any{"scope": "all"}).JSON(200, &holds)
		if holds.All {
			t.Errorf("%+v", holds)
		}
		etag = r.admin.Get("/api/v1/rules/answer").Header.Get("ETag")
		r.admin.Delete("/api/v1/rules/answer", "If-Match", etag).Is(204)
		var list automation.RuleList
		r.admin.Get("/api/v1/rules?state=off").JSON(200, &list)
		if len(list.Items) != 1 || list.Items[0].Id != "answer" {
			t.Errorf("%+v", list)
		}
	})
}
