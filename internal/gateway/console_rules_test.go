package gateway_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/hooks/rules"
	rulesapi "heliograph/internal/console/api/automation"
	"heliograph/internal/gateway"
	"heliograph/internal/gateway/actions"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

const triedMail = "From: Chen <chen@customer.example>\r\nTo: service@example.com\r\nSubject: complaint\r\nDate: Wed, 4 Mar 2026 10:00:00 +0800\r\n" +
	"Message-ID: <1@customer.example>\r\n\r\nThe spindle is loud.\r\n"

func TestTheConsoleTriesRulesAsTheCommandLineDoes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		cfg := &config.Config{DataDir: t.TempDir(), Rules: config.Rules{Calendar: "cn", Lists: []config.RuleList{{Name: "vip", Entries: []string{"a", "b"}}}}}
		cfg.Targets = []config.Target{{Name: "crm", Type: "builtin"}}
		b := gateway.RuleBench{Store: db, Config: func() *config.Config { return cfg }}
		names, err := b.Names()
		if err != nil || names.Lists["vip"] != 2 || len(names.Targets) != 1 || len(names.Targets[0].Objects) != 4 || names.Around.Calendar != "cn" {
			t.Fatalf("%+v %v", names, err)
		}
		if _, err := b.Fields(t.Context(), "crm", "deals"); !errors.Is(err, rulesapi.ErrNoFields) {
			t.Error(err)
		}
		bench, err := b.Bench(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := bench.Close(); err != nil {
				t.Error(err)
			}
		}()
		ev, err := bench.File(t.Context(), []byte(triedMail), rulesapi.File{Mailbox: "INBOX"})
		if err != nil {
			t.Fatal(err)
		}
		off, err := gateway.NewOffline(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := off.World().FileEvent(t.Context(), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte(triedMail))), nil }, actions.FileOptions{Mailbox: "INBOX", ID: "uploaded"})
		if err != nil {
			t.Fatal(err)
		}
		got, expected := tryOn(t, bench.Given(map[string]any{}), ev), tryOn(t, off.Trial(rules.Given(map[string]any{})), want)
		if got != expected || got == "" {
			t.Errorf("the console says %s, the command line %s", got, expected)
		}
		if m, err := bench.Find(t.Context(), "nobody@example.com"); m != nil || err != nil {
			t.Errorf("%v %v", m, err)
		}
		if list, err := bench.Why(t.Context(), "nobody@example.com"); list != nil || err != nil {
			t.Errorf("%v %v", list, err)
		}
		past, err := bench.Past(t.Context(), time.Unix(0, 0), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := past.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
}

// tryOn is what a rule would answer.
func tryOn(t *testing.T, o rules.TrialOptions, ev rules.Event) string {
	t.Helper()
	r, err := rules.Parse([]byte(`{"id":"a","name":"a","owner":"a@example.com","trigger":{"type":"mail"},"steps":[{"id":"s","do":"reply","with":{"text":"{{.mail.unquoted}}"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	o.From = ev.At
	trial, err := rules.NewTrial([]rules.Version{{Rule: r.ID, Body: r}}, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := trial.Feed(t.Context(), ev); err != nil {
		t.Fatal(err)
	}
	found := trial.Result()
	if len(found.Fired) != 1 || len(found.Fired[0].Effects) != 1 {
		t.Fatalf("%+v", found)
	}
	return found.Fired[0].Effects[0].Effect.Mail.Text
}
