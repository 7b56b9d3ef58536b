package scope_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"heliograph/config"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestChoicesNarrow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		choices := scope.NewChoices(db, func() time.Time { return now })
		s, err := scope.New(scope.Options{Choices: choices})
		if err != nil {
			t.Fatal(err)
		}
		facts := &scope.Facts{Account: "wang@example.com", Mailbox: "家人/信", From: []string{"li@acme.test"}, To: []string{"wang@example.com"}, Subject: "[family] hi"}
		for name, tt := range map[string]struct {
			choice scope.Choice
			rule   string // empty: it stays in scope
		}{
			"opt-out":          {scope.Choice{Kind: scope.ChoiceOptOut}, "opt-out"},
			"pause":            {scope.Choice{Kind: scope.ChoicePause, Until: now.Add(time.Minute)}, "pause"},
			"pause for good":   {scope.Choice{Kind: scope.ChoicePause}, "pause"},
			"pause that ended": {scope.Choice{Kind: scope.ChoicePause, Until: now.Add(-time.Minute)}, ""},
			"address":          {scope.Choice{Kind: scope.ChoiceAddress, Value: "Li@ACME.test"}, "own-list"},
			"domain":           {scope.Choice{Kind: scope.ChoiceDomain, Value: "acme.test"}, "own-list"},
			"subdomains":       {scope.Choice{Kind: scope.ChoiceSubdomains, Value: "test"}, ""},
			"own domain":       {scope.Choice{Kind: scope.ChoiceDomain, Value: "example.com"}, ""},
			"folder":           {scope.Choice{Kind: scope.ChoiceFolder, Value: "家人/*"}, "own-list"},
			"subject":          {scope.Choice{Kind: scope.ChoiceSubject, Value: "[Family]"}, "own-list"},
		} {
			before, err := s.Generation(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			err = choices.Set(t.Context(), "Wang@Example.com", tt.choice)
			if name == "subdomains" { // a top-level domain is too much
				if !errors.Is(err, scope.ErrInvalid) {
					t.Errorf("%s: got %v", name, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			d, err := s.Decide(t.Context(), facts)
			if err != nil || d.Rule != tt.rule || d.Include != (tt.rule == "") || d.Message || d.Generation == before {
				t.Errorf("%s: got %+v, %v", name, d, err)
			}
			other := *facts
			other.Account = "zhao@example.com"
			if d, err := s.Decide(t.Context(), &other); err != nil || !d.Include {
				t.Errorf("%s: a colleague's copy: %+v, %v", name, d, err)
			}
			if err := choices.Unset(t.Context(), "wang@example.com", tt.choice); err != nil {
				t.Fatal(err)
			}
		}
		if list, err := choices.List(t.Context(), ""); err != nil || len(list) != 0 {
			t.Errorf("got %v, %v", list, err)
		}
	})
}

// The first rule that matches decides: the policy does what a list walked from its start does, and what stands behind it is all the same.
func TestFirstRuleThatMatchesDecides(t *testing.T) {
	t.Parallel()
	domains := []string{"a.test", "b.test", "c.test"}
	rapid.Check(t, func(t *rapid.T) {
		var rules []config.PrivacyRule
		for i := range rapid.IntRange(0, 8).Draw(t, "rules") {
			rules = append(rules, config.PrivacyRule{
				Name:         fmt.Sprint("r", i),
				Action:       rapid.SampledFrom([]config.PrivacyAction{config.PrivacyInclude, config.PrivacyExclude}).Draw(t, "action"),
				Participants: rapid.SliceOfNDistinct(rapid.SampledFrom(domains), 1, 2, rapid.ID).Draw(t, "participants"),
			})
		}
		domain := rapid.SampledFrom(domains).Draw(t, "domain")
		want, include := "", true
		for _, r := range rules {
			if r.Participants[0] == domain || len(r.Participants) > 1 && r.Participants[1] == domain {
				want, include = r.Name, r.Action == config.PrivacyInclude
				break
			}
		}
		s, err := scope.New(scope.Options{Privacy: config.Privacy{Rules: rules}})
		if err != nil {
			t.Fatal(err)
		}
		d, steps, err := s.Explain(t.Context(), &scope.Facts{From: []string{"x@" + domain}})
		if err != nil || d.Rule != want || d.Include != include {
			t.Fatalf("got %+v, %v, want %q", d, err, want)
		}
		if want != "" && (len(steps) == 0 || steps[len(steps)-1].Rule != want || !steps[len(steps)-1].Matched) {
			t.Fatalf("got steps %+v", steps)
		}
	})
}

// Ten thousand addresses are looked up as one.
func BenchmarkDecide(b *testing.B) {
	listed := make([]string, 10_000)
	for i := range listed {
		listed[i] = fmt.Sprintf("p%d@d%d.test", i, i%100)
	}
	s, err := scope.New(scope.Options{Privacy: config.Privacy{
		Sensitivity: []string{"private"}, SubjectMarks: []string{"[private]", "【私人】"}, Rules: []config.PrivacyRule{{Name: "list", Action: config.PrivacyExclude, Listed: listed}},
	}})
	if err != nil {
		b.Fatal(err)
	}
	f := &scope.Facts{Subject: "报价单 2026", From: []string{"wang@example.com"}, To: []string{"li@acme.test", "x@y.z.test"}}
	for b.Loop() {
		if d, err := s.Decide(b.Context(), f); err != nil || !d.Include {
			b.Fatal(d, err)
		}
	}
}
