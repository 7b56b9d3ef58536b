package automation_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api/automation"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// broken are rules with mistakes, and where these are.
var broken = map[string]struct{ rule, pointer, code string }{
	"no owner":         {`{"id":"a","name":"a","trigger":{"type":"mail"},"steps":[{"id":"s","do":"stop"}]}`, "", "missing"},
	"no such step":     {`{"id":"a","name":"a","owner":"a@example.com","trigger":{"type":"mail"},"steps":[{"id":"s","do":"rely"}]}`, "/steps/0", "rule"},
	"unknown key":      {`{"id":"a","name":"a","owner":"a@example.com","triger":{},"trigger":{"type":"mail"},"steps":[]}`, "/triger", "unknown_key"},
	"operator":         {`{"id":"a","name":"a","owner":"a@example.com","trigger":{"type":"mail"},"when":{"field":"mail.subject","op":"contans","value":"x"},"steps":[{"id":"s","do":"stop"}]}`, "/when", "condition_operator"},
	"notifier":         {`{"id":"a","name":"a","owner":"a@example.com","trigger":{"type":"mail"},"steps":[{"id":"s","do":"notify","with":{"channel":"servise","title":"x"}}]}`, "/steps/0/with/channel", "name"},
	"template":         {`{"id":"a","name":"a","owner":"a@example.com","trigger":{"type":"mail"},"steps":[{"id":"s","do":"reply","with":{"text":"{{.mail.subject | uper}}"}}]}`, "/steps/0/with/text", "template"},
	"inside a branch":  {`{"id":"a","name":"a","owner":"a@example.com","trigger":{"type":"mail"},"steps":[{"id":"b","do":"branch","with":{"cases":[{"when":{"field":"mail.sbject","op":"is","value":"x"},"steps":[{"id":"s","do":"stop"}]}]}}]}`, "/steps/0/with/cases/0/when", "condition_path"},
	"unreachable step": {`{"id":"a","name":"a","owner":"a@example.com","trigger":{"type":"mail"},"steps":[{"id":"s","do":"stop"},{"id":"t","do":"stop"}]}`, "/steps/1", "unreachable"},
}

func TestProblemsHavePlaces(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t))
	for name, b := range broken {
		var found automation.CheckResult
		r.admin.Post("/api/v1/rules/check", body(b.rule)).JSON(200, &found)
		if len(found.Problems) == 0 {
			t.Errorf("%s: no problems", name)
		}
		told := false
		for _, p := range found.Problems {
			if !resolves(t, b.rule, p.Pointer) {
				t.Errorf("%s: %q leads nowhere", name, p.Pointer)
			}
			if p.Text.Zh == "" || p.Text.En == "" {
				t.Errorf("%s: no words: %+v", name, p)
			}
			told = told || p.Code == b.code && strings.HasPrefix(p.Pointer, b.pointer)
		}
		if !told {
			t.Errorf("%s: %+v", name, found.Problems)
		}
	}
	started := time.Now()
	r.admin.Post("/api/v1/rules/check", body(answer)).Is(200)
	if took := time.Since(started); took > 5*time.Second { // 50 ms on a machine with nothing else to do
		t.Errorf("a check took %s", took)
	}
}

func resolves(t *testing.T, rule, pointer string) bool {
	t.Helper()
	var at any
	if err := json.Unmarshal([]byte(rule), &at); err != nil {
		t.Fatal(err)
	}
	if pointer == "" {
		return true
	}
	for part := range strings.SplitSeq(pointer[1:], "/") {
		switch x := at.(type) {
		case map[string]any:
			var ok bool
			if at, ok = x[part]; !ok {
				return false
			}
		case []any:
			if len(part) != 1 || int(part[0]-'0') >= len(x) {
				return false
			}
			at = x[part[0]-'0']
		default:
			return false
		}
	}
	return true
}

func TestVocabularyIsWhole(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t))
	a := r.admin.Get("/api/v1/rules/vocabulary")
	var v automation.Vocabulary
	a.JSON(200, &v)
	if len(v.Triggers) != 7 || len(v.Steps) != 22 || len(v.Functions) < 20 || len(v.Facts) < 80 {
		t.Errorf("%d triggers, %d steps, %d functions, %d facts", len(v.Triggers), len(v.Steps), len(v.Functions), len(v.Facts))
	}
	params := 0
	var look func(where string, list []automation.Parameter)
	look = func(where string, list []automation.Parameter) {
		for _, p := range list {
			params++
			if p.Type == "" || !p.Type.Valid() {
				t.Errorf("%s.%s: type %q", where, p.Name, p.Type)
			}
			if p.Label.Zh == "" || p.Label.En == "" {
				t.Errorf("%s.%s: no label", where, p.Name)
			}
			look(where+"."+p.Name, p.Fields)
		}
	}
	for _, s := range v.Steps {
		look(s.Kind, s.Parameters)
	}
	for _, s := range v.Triggers {
		look(string(s.Type), s.Parameters)
	}
	look("rule", v.Rule)
	look("guards", v.Guards)
	groups := map[string]bool{}
	for _, g := range v.FactGroups {
		groups[g.Name] = true
	}
	for _, f := range v.Facts {
		if !groups[f.Group] {
			t.Errorf("%s: nobody named the group %s", f.Path, f.Group)
		}
	}
	for _, f := range v.Functions {
		if f.Label.Zh == "" {
			t.Errorf("function %s has no words", f.Name)
		}
	}
	r.admin.Get("/api/v1/rules/vocabulary", "If-None-Match", a.Header.Get("ETag")).Is(304)
	r.admin.Get("/api/v1/rules/schema").Is(200)
	r.admin.Get("/api/v1/rules/vocabulary/fields?target=crm&object=deals").Is(200)
	r.admin.Get("/api/v1/rules/vocabulary/fields?target=crm&object=x").Problem(404, "no_fields")
}

func TestTrying(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		var tried automation.Tried
		r.admin.Post("/api/v1/rules/try", map[string]any{"rule": json.RawMessage(answer), "message_id": "m1"}).JSON(200, &tried)
		if tried.Verdict.Result != "fires" || tried.Verdict.Explanation.Kind == "" || len(tried.Runs) != 1 || len(tried.Runs[0].Effects) != 1 {
			t.Fatalf("%+v", tried)
		}
		mail := tried.Runs[0].Effects[0].Content.Mail
		if mail.Text != "您好，Chen" || mail.HtmlUrl == "" {
			t.Fatalf("%+v", mail)
		}
		page := r.admin.Get(mail.HtmlUrl).Is(200)
		if !strings.Contains(string(page.Body), "<p>Chen</p>") || !strings.HasPrefix(page.Header.Get("Content-Security-Policy"), "sandbox;") {
			t.Errorf("%s %v", page.Body, page.Header)
		}
		other := r.api.As(caller(access.Manager, "other@example.com", access.ScopeTeam, "other@example.com"))
		other.Get(mail.HtmlUrl).Problem(404, "no_preview")
		other.Post("/api/v1/rules/try", map[string]any{"rule": json.RawMessage(answer), "message_id": "m1"}).Problem(404, "no_message")
		auditor := r.api.As(caller(access.Auditor, "audit@example.com", access.ScopeAll))
		tried = automation.Tried{}
		auditor.Post("/api/v1/rules/try", map[string]any{"rule": json.RawMessage(answer), "message_id": "m1"}).JSON(200, &tried)
		if !tried.Hidden || tried.Event.Title != "" || tried.Runs[0].Effects[0].Title != "" || tried.Verdict.Explanation.Kind != "" {
			t.Errorf("an auditor sees texts: %+v", tried)
		}
		tried = automation.Tried{}
		r.admin.Post("/api/v1/rules/try", map[string]any{"rule": json.RawMessage(answer), "event": map[string]any{"mail": map[string]any{"from": "a@customer.example", "subject": "hello"}}}).JSON(200, &tried)
		if tried.Verdict.Result != "not" || len(tried.Runs) != 0 {
			t.Errorf("%+v", tried)
		}
		var shown automation.TemplateShown
		r.admin.Post("/api/v1/templates/preview", map[string]any{"kind": "text", "template": "{{.mail.subject}}/{{.contact.name}}", "message_id": "m1", "facts": map[string]any{"contact": map[string]any{"name": "Li"}}}).JSON(200, &shown)
		if shown.Output != "投诉：主轴噪音/Li" || len(shown.Fields) != 2 {
			t.Errorf("%+v", shown)
		}
		r.admin.Post("/api/v1/templates/preview", map[string]any{"kind": "text", "template": "{{.mail.subject | uper}}"}).JSON(200, &shown)
		if len(shown.Problems) == 0 || shown.Problems[0].Line != 1 {
			t.Errorf("%+v", shown)
		}
		for _, c := range []struct {
			ask  map[string]any
			want string
		}{
			{map[string]any{"template": "{{.mail.from.address}}, Li <li@example.com>", "message_id": "m1"}, "chen@customer.example, Li <li@example.com>"},
			{map[string]any{"template": "{{.mail.from.address}}", "samples": true, "lang": "zh"}, "‹发件地址›"},
			{map[string]any{"template": "{{.steps.receipt.message_id}}", "samples": true, "lang": "en", "rule": json.RawMessage(answer)}, "‹answer the mail · Message-ID›"},
		} {
			c.ask["kind"] = "addresses"
			shown = automation.TemplateShown{}
			r.admin.Post("/api/v1/templates/preview", c.ask).JSON(200, &shown)
			if shown.Output != c.want || len(shown.Problems) > 0 {
				t.Errorf("addresses %v are shown as %+v", c.ask, shown)
			}
		}
		var chips automation.TemplateChips
		r.admin.Post("/api/v1/templates/chips", map[string]any{"template": "您好 {{.contact.name | default \"客户\"}}"}).JSON(200, &chips)
		if len(chips.Chips) != 2 || chips.Chips[1].Path != "contact.name" {
			t.Errorf("%+v", chips)
		}
	})
}
