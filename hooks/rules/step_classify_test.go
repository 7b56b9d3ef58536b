package rules

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/hooks/rules/classify"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// oracle is a World that says what mail is about, something else each time.
type oracle struct {
	testWorld
	say   []classify.Suggestion
	asked int
	saw   classify.Mail
}

func (o *oracle) Suggest(_ context.Context, m classify.Mail) ([]classify.Suggestion, error) {
	o.asked++
	o.saw = m
	if o.asked > 1 {
		return nil, errors.New("it was asked twice")
	}
	return o.say, nil
}

func suggestion(dimension, label string, p float64, origin classify.Origin, words ...string) classify.Suggestion {
	s := classify.Suggestion{Dimension: dimension, Label: label, Probability: p, Origin: origin, Model: dimension + "/1"}
	for _, w := range words {
		s.Evidence = append(s.Evidence, classify.Evidence{Text: w, Where: "subject", Origin: origin})
	}
	return s
}

const classified = `
id: c
name: 分类
owner: lead@example.com
trigger: {type: mail}
steps:
  - {id: c, do: classify, with: {dimensions: [intent, urgency, product_line, tag], set_tags: true, min_probability: 0.9}}
  - {id: tell, do: send_mail, with: {to: lead@example.com, subject: '{{.steps.c.intent}} {{.steps.c.urgency}} {{.steps.c.product_line | default "-"}} {{.steps.c.probability.intent}}', text: '{{join "," .steps.c.evidence.intent}}'}}
`

// What is certain becomes a tag, what is not waits for people, and what nothing speaks for is neither. An answer that is not the same twice is kept.
func TestClassify(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		o := &oracle{testWorld: testWorld{}, say: []classify.Suggestion{
			suggestion("intent", "complaint", 0.97321, classify.Corrections, "投诉"), suggestion("urgency", "normal", 0.99, classify.Lexicon),
			suggestion("product_line", "optics", 0, classify.ChatOrigin, "光学平台"), suggestion("tag", "vip", 0.95, classify.Corrections, "from acme.com"),
			suggestion("tag", "return", 0.6, classify.Corrections, "退货"), suggestion("other", "x", 1, classify.Corrections, "x"),
		}}
		died := false
		r.out.forget = func(e *Effect) error {
			if e.Kind == EffectTag && !died {
				died = true
				return errors.New("the process ends here")
			}
			return nil
		}
		restart := func() {
			r.restart()
			r.e.world = o
			r.e.performer = dying{r}
		}
		restart()
		r.publish(classified)
		r.post(mailIn("m1", "投诉"))
		for range 2 {
			restart()
			r.after(time.Hour)
		}
		r.wantEffects("tag intent:complaint, vip, product_line:optics?, return?", "mail complaint normal optics 0.973")
		tagging := r.out.done[r.out.order[0]].Tags
		if want := []string{"intent:complaint", "vip"}; !slices.Equal(tagging.Add, want) {
			t.Errorf("tags are %q, want %q", tagging.Add, want)
		}
		if len(tagging.Suggest) != 2 || tagging.Suggest[0].Probability != "0" || tagging.Suggest[0].Evidence[0] != "光学平台" || tagging.Suggest[1].Probability != "0.6" {
			t.Errorf("suggestions are %+v", tagging.Suggest)
		}
		if text := r.out.done[r.out.order[1]].Mail.Text; text != "投诉" {
			t.Errorf("the evidence is %q", text)
		}
		if o.saw.SenderDomain != "customer.org" || !strings.Contains(o.saw.Text, "SO-1001") || o.saw.Key != "m1" {
			t.Errorf("the classifier saw %+v", o.saw)
		}
		out, _ := json.Marshal(r.runOf("m1").Steps[0].Output)
		if strings.Contains(string(out), "tagging") || !strings.Contains(string(out), `"suggested":["product_line:optics","return"]`) {
			t.Errorf("the output is %s", out)
		}
	})
}

func TestClassifyOnlySuggests(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{"suggest": "intent:complaint?", "true": "intent:complaint", "false": ""} {
		rule := trialRule(t, strings.ReplaceAll(strings.Replace(classified, "set_tags: true", "set_tags: "+mode, 1), ", product_line, tag", ""))
		result := tryOnce(t, rule, testWorld{"labels": map[string]any{"intent": "complaint", "urgency": "urgent"}}, mailIn("m1", "投诉"))
		if result.Fired[0].State != RunDone {
			t.Fatal(result.Fired[0].Reason)
		}
		title := ""
		if e := result.Fired[0].Effects[0]; e.Kind == EffectTag {
			title = e.Title
		}
		if first, _, _ := strings.Cut(title, ","); first != want {
			t.Errorf("set_tags %s: the effect is %q, want %q first", mode, title, want)
		}
	}
	for with, want := range map[string]string{
		"{set_tags: maybe}": "set_tags", "{min_probability: 1.5}": "min_probability", "{dimensions: [tags]}": "dimension", "{dimensions: ['a b']}": "dimension",
	} {
		text := strings.Replace(classified, "{dimensions: [intent, urgency, product_line, tag], set_tags: true, min_probability: 0.9}", with, 1)
		if problems := Check(trialRule(t, text), Surroundings{}); len(problems) == 0 || !strings.Contains(problems[0].En, want) {
			t.Errorf("%s: problems are %v", with, problems)
		}
	}
}

func TestSuggestionsAndDecisions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		write := func(f func(ctx context.Context, tx store.Querier) error) {
			t.Helper()
			if err := db.Write(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		list := []Suggested{{Dimension: "intent", Label: "quote", Probability: "0.6", Evidence: []string{"报价"}, Model: "intent/3"}, {Dimension: "tag", Label: "vip", Probability: "0.5"}}
		for range 2 {
			write(func(ctx context.Context, tx store.Querier) error {
				return Suggest(ctx, tx, "m1", list, "rule c", monday)
			})
		}
		write(func(ctx context.Context, tx store.Querier) error {
			return SetTags(ctx, tx, "m1", []string{"intent:complaint", "intentional", "keep"}, nil, "rule c", monday)
		})
		got, err := Suggestions(t.Context(), db.Reader(), "", 10)
		if err != nil || len(got) != 2 || got[0].Label != "quote" || got[0].Evidence[0] != "报价" || got[0].Probability != "0.6" || !got[0].At.Equal(monday) {
			t.Fatalf("suggestions are %+v, %v", got, err)
		}
		write(func(ctx context.Context, tx store.Querier) error {
			return Decide(ctx, tx, "m1", "intent", []string{"quote"}, "li@example.com", monday)
		})
		write(func(ctx context.Context, tx store.Querier) error {
			return Decide(ctx, tx, "m1", "tag", nil, "li@example.com", monday)
		})
		tags, err := Tags(t.Context(), db.Reader(), "m1")
		if want := []any{"intent:quote", "intentional", "keep"}; err != nil || !slices.Equal(tags, want) {
			t.Errorf("tags are %v (%v), want %v", tags, err, want)
		}
		if got, err = Suggestions(t.Context(), db.Reader(), "m1", 10); err != nil || len(got) != 0 {
			t.Errorf("after the decisions there wait %+v, %v", got, err)
		}
		err = db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
			return Suggest(ctx, tx, "m1", []Suggested{{Dimension: "intent", Label: strings.Repeat("x", 300)}}, "x", monday)
		})
		if err == nil || temporary(err) {
			t.Errorf("a label of 300 bytes: %v", err)
		}
	})
}

// TestOldSuggestionsAreForgotten: what nobody decides on does not stay for ever, nor without number.
func TestOldSuggestionsAreForgotten(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, r *rig) {
		suggest := func(message string, at time.Time) {
			t.Helper()
			err := r.db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
				return Suggest(ctx, tx, message, []Suggested{{Dimension: "intent", Label: "quote", Probability: "0.5"}}, "rule", at)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		want := func(messages ...string) {
			t.Helper()
			list, err := Suggestions(t.Context(), r.db.Reader(), "", 10)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, s := range list {
				got = append(got, s.Message)
			}
			if !slices.Equal(got, messages) {
				t.Errorf("suggestions are of %q, want %q", got, messages)
			}
		}
		suggest("old", r.clock.Now().AddDate(0, -7, 0))
		for i, m := range []string{"a", "b", "c"} {
			suggest(m, r.clock.Now().Add(time.Duration(i)*time.Minute))
		}
		if err := r.e.prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("c", "b", "a")
		err := r.db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error { return forgetSuggestions(ctx, tx, 0, 2) })
		if err != nil {
			t.Fatal(err)
		}
		want("c", "b")
	})
}
