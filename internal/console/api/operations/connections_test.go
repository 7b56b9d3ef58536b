package operations_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api/operations"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// parts are the parts of a test whose steps came to a level.
func parts(r operations.TestResult, level operations.Level) (list []string) {
	for _, s := range r.Steps {
		if s.Level == level && !slices.Contains(list, s.Part) {
			list = append(list, s.Part)
		}
	}
	slices.Sort(list)
	return list
}

func TestUpstreams(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newSite(t, db)
		admin, auditor, agent := s.as(access.Admin), s.as(access.Auditor), s.as(access.Agent, wang)
		var list operations.UpstreamList
		auditor.Get("/api/v1/upstreams").JSON(http.StatusOK, &list)
		if len(list.Items) != 2 || list.Items[0].Name != "main" || list.Items[0].Smtp != s.provider.SMTPAddr || list.Items[0].SignIn != "enrolled" || !slices.Equal(list.Items[0].Domains, []string{"example.com"}) {
			t.Fatalf("upstreams %+v", list.Items)
		}
		if w := list.Items[0].Ways; !slices.Equal(w, []operations.Way{operations.WayPassword}) {
			t.Errorf("ways of main: %v", w)
		}
		if w := list.Items[1].Ways; !slices.Equal(w, []operations.Way{operations.WayDevice, operations.WayPassword}) {
			t.Errorf("ways of cloud: %v", w)
		}
		agent.Get("/api/v1/upstreams").Problem(http.StatusForbidden, "forbidden")

		const test = "/api/v1/upstreams/main/test"
		auditor.Post(test, nil).Problem(http.StatusForbidden, "forbidden")
		admin.Post("/api/v1/upstreams/nowhere/test", nil).Problem(http.StatusNotFound, "no_upstream")
		var result operations.TestResult
		admin.Post(test, nil).JSON(http.StatusOK, &result)
		if bad := parts(result, operations.LevelFailed); len(bad) != 0 || !slices.Equal(parts(result, operations.LevelOk), []string{"imap", "smtp"}) {
			t.Errorf("of a provider that answers: %+v", result)
		}
		if err := s.provider.Close(); err != nil {
			t.Fatal(err)
		}
		result = operations.TestResult{}
		admin.Post(test, nil).JSON(http.StatusOK, &result)
		if result.Level != operations.LevelFailed || !slices.Equal(parts(result, operations.LevelFailed), []string{"imap", "smtp"}) {
			t.Errorf("of one that is away: %+v", result)
		}
		for _, step := range result.Steps {
			if step.Level == operations.LevelFailed && (step.Detail == "" || step.Remedy == "") {
				t.Errorf("nothing is said of %+v", step)
			}
		}
		if acts := s.api.Acts("testUpstream"); len(acts) == 0 || acts[len(acts)-1].Notes["level"] != "failed" {
			t.Errorf("on record: %+v", acts)
		}
	})
}

// A node that has no connection to the provider says so.
func TestNotHere(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t))
	r.as(access.Admin).Post("/api/v1/upstreams/main/test", nil).Problem(http.StatusServiceUnavailable, "not_here")
	r.as(access.Admin).Post("/api/v1/watched/"+support+"/check", nil).Problem(http.StatusServiceUnavailable, "not_here")
}

func TestNotifiers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newSite(t, db)
		admin, auditor := s.as(access.Admin), s.as(access.Auditor)
		var list operations.NotifierList
		auditor.Get("/api/v1/notifiers").JSON(http.StatusOK, &list)
		if !slices.Equal(list.Items, []operations.Notifier{{Name: "ops", Type: "webhook"}}) {
			t.Errorf("notifiers %+v", list.Items)
		}
		s.as(access.Agent, wang).Get("/api/v1/notifiers").Problem(http.StatusForbidden, "forbidden")
		const test = "/api/v1/notifiers/ops/test"
		auditor.Post(test, nil).Problem(http.StatusForbidden, "forbidden")
		admin.Post("/api/v1/notifiers/nobody/test", nil).Problem(http.StatusNotFound, "no_notifier")
		var result operations.TestResult
		admin.Post(test, map[string]any{"send": false}).JSON(http.StatusOK, &result)
		if posts := s.chat.told(http.StatusOK); result.Level != operations.LevelOk || len(result.Steps) != 1 || len(posts) != 0 {
			t.Errorf("looked at only: %+v, posts %q", result, posts)
		}
		result = operations.TestResult{}
		admin.Post(test, map[string]any{"send": true}).JSON(http.StatusOK, &result)
		if posts := s.chat.told(http.StatusForbidden); result.Level != operations.LevelOk || len(result.Steps) != 2 || len(posts) != 1 || !strings.Contains(posts[0], "admin@example.com") {
			t.Errorf("sent: %+v, posts %q", result, posts)
		}
		result = operations.TestResult{}
		admin.Post(test, map[string]any{"send": true}).JSON(http.StatusOK, &result)
		if last := result.Steps[len(result.Steps)-1]; result.Level != operations.LevelFailed || last.Name != "send" || last.Level != operations.LevelFailed || last.Detail == "" {
			t.Errorf("refused: %+v", result)
		}
	})
}

// A watch is tried with what the account was enrolled with.
func TestCheckWatched(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newSite(t, db)
		admin := s.as(access.Admin)
		const check = "/api/v1/watched/" + support + "/check"
		s.as(access.Auditor).Post(check, nil).Problem(http.StatusForbidden, "forbidden")
		admin.Post("/api/v1/watched/"+wang+"/check", nil).Problem(http.StatusNotFound, "not_watched")
		var result operations.TestResult
		admin.Post(check, nil).JSON(http.StatusOK, &result)
		if result.Level != operations.LevelFailed || len(result.Steps) != 1 || result.Steps[0].Remedy == "" {
			t.Errorf("of an account that is not enrolled: %+v", result)
		}
		s.enroll(support, "support's")
		result = operations.TestResult{}
		admin.Post(check, nil).JSON(http.StatusOK, &result)
		if result.Level == operations.LevelFailed || len(result.Steps) != 2 || result.Steps[0].Detail != "signed in" || result.Steps[1].Part != "INBOX" {
			t.Errorf("of one that is: %+v", result)
		}
	})
}

// Contacts are asked for at once where they are followed.
func TestResync(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		admin := r.as(access.Admin)
		const resync = "/api/v1/targets/crm/resync"
		r.as(access.Auditor).Post(resync, nil).Problem(http.StatusForbidden, "forbidden")
		admin.Post("/api/v1/targets/nowhere/resync", nil).Problem(http.StatusNotFound, "no_target")
		admin.Post(resync, nil).Problem(http.StatusConflict, "not_followed")
		r.exec(`INSERT INTO contact_syncs (target, step, phase, generation, list_cursor, change_cursor, started_at, listed_at, polled_at, not_before, failures, reason, next_at)
			VALUES ('crm', 1, 'follow', 1, '', '', 1, 1, 1, 0, 0, '', 9000000000000000)`)
		if asked := r.asked(); asked != 0 {
			t.Fatalf("asked %d times before", asked)
		}
		var target operations.Target
		admin.Post(resync, nil).JSON(http.StatusAccepted, &target)
		if target.Contacts == nil || target.Contacts.Phase != "follow" {
			t.Errorf("target %+v", target)
		}
		if asked := r.asked(); asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// asked is how often somebody wanted the contacts of crm at once, with a job that does it.
func (r *rig) asked() (n int) {
	r.t.Helper()
	err := r.db.Reader().QueryRowContext(r.t.Context(), `
		SELECT COALESCE(SUM(s.asked), 0) FROM contact_syncs s WHERE s.next_at = 0 AND EXISTS (SELECT 1 FROM jobs WHERE kind = 'contacts:crm')`).Scan(&n)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}
