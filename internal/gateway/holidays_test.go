package gateway_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api/apitest"
	"heliograph/internal/console/api/operations"
)

// TestMissingHolidaysAreTold: who has rules is told that business hours go by weekends only.
func TestMissingHolidaysAreTold(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "old.yaml")
	if err := os.WriteFile(file, []byte("name: old\nzone: Asia/Shanghai\nyears: [2020]\nhours: {mon-fri: ['09:00-18:00']}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := start(t, "upstreams: [{name: main, default: true, smtp: {address: '127.0.0.1:9', tls: none}}]\n"+listeners+"targets: []\nrules: {calendar: old, calendar_files: ["+file+"]}\n")
	part, err := g.Operations()
	if err != nil {
		t.Fatal(err)
	}
	admin := apitest.New(t, part.API()).As(access.NewCaller(access.Person{ID: "1", Email: "it@example.com", Role: access.Admin}, access.ScopeAll, nil, nil))
	calendar := func() (found operations.Check) {
		t.Helper()
		var o operations.Overview
		admin.Get("/api/v1/overview").JSON(http.StatusOK, &o)
		for _, c := range o.Checks {
			if c.Name == "calendar" {
				found = c
			}
		}
		return found
	}
	if c := calendar(); c.Name != "" {
		t.Errorf("without a rule it says %+v", c)
	}
	rule, err := rules.Parse([]byte("id: a\nname: a\nowner: it@example.com\ntrigger: {type: manual}\nsteps: [{id: end, do: stop}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := rules.NewBook(g.Store(), nil).Publish(t.Context(), rule, rules.StateLive, -1, "", "test", rules.Surroundings{}); err != nil {
		t.Fatal(err)
	}
	year := time.Now().Format("2006")
	if c := calendar(); c.Level != operations.LevelWarning || !c.Optional || !strings.Contains(c.Detail, "calendar old") || !strings.Contains(c.Detail, year[:3]) || c.Remedy == "" {
		t.Errorf("it says %+v", c)
	}
}
