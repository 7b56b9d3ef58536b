package operations_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/hooks/mirror"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api/operations"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
	"heliograph/proxy/backfill"
)

// people makes somebody whom no target knows, and two contacts, of whom wang has mail.
func (r *rig) people() {
	r.t.Helper()
	r.submit(wang, "a@customer.test")
	r.submit(li, "b@customer.test")
	var keys [2]string
	r.eventually("both are known", func() bool {
		for i, who := range []string{wang, li} {
			_ = r.db.Reader().QueryRowContext(r.t.Context(), `SELECT message_key FROM sightings WHERE account = $1`, who).Scan(&keys[i])
		}
		return keys[0] != "" && keys[1] != ""
	})
	r.eventually("both are delivered", func() bool {
		n := 0
		_ = r.db.Reader().QueryRowContext(r.t.Context(), `SELECT COUNT(*) FROM deliveries WHERE state = 'mirrored'`).Scan(&n)
		return n == 2
	})
	now := store.Micros(time.Now())
	r.exec(`DELETE FROM review_messages`)
	r.exec(`DELETE FROM reviews`)
	for i, s := range []string{"a@customer.test", "b@customer.test"} {
		r.exec(`INSERT INTO reviews (subject, domain, name, first_seen, last_seen, state, decision, link, target, decided_at, suggestions)
			VALUES ($1, 'customer.test', $2, $3, $4, 'open', '', '', '', 0, '[{"target":"crm","kind":"contact","id":"7","name":"A","percent":90}]')`, s, "Name "+s, now, now+int64(i))
		r.exec(`INSERT INTO review_messages (subject, message_key, target, state, decision, at) VALUES ($1, $2, 'crm', 'waiting', '', $3)`, s, keys[i], now)
	}
	for _, c := range [][2]string{{"c1", "a@customer.test"}, {"c2", "a2@customer.test"}, {"c3", "b@customer.test"}, {"c4", "b2@customer.test"}} {
		r.exec(`INSERT INTO contact_records (target, id, record, times, remote_at, seen_at, generation, deleted, merged_into, joined_into, unchecked, search)
			VALUES ('crm', $1, $2, '{}', 0, $3, 1, 0, '', '', 0, '')`, c[0], `{"id":"`+c[0]+`","kind":"contact","name":"N `+c[0]+`","addresses":["`+c[1]+`"],"phones":["+8613800138000"],"fields":{"title":"Boss"}}`, now)
		r.exec(`INSERT INTO contact_keys (target, kind, key, contact) VALUES ('crm', 'address', $1, $2)`, c[1], c[0])
	}
	for i, p := range [][2]string{{"c1", "c2"}, {"c3", "c4"}} {
		r.exec(`INSERT INTO contact_duplicates (target, a, b, score, reason, state, found_at) VALUES ('crm', $1, $2, $3, 'same name', 'proposed', $4)`, p[0], p[1], 90-i, now)
		r.exec(`INSERT INTO contact_values (target, contact, field, origin, value, at, push, base, refused) VALUES ('crm', $1, 'title', 'signature', 'Buyer', $2, 0, '', '')`, p[0], now)
		r.exec(`INSERT INTO contact_conflicts (target, contact, field, origin, value, at, crm_value, crm_at, state, decided_at) VALUES ('crm', $1, 'title', 'signature', 'Buyer', $2, 'Boss', $2, 'open', 0)`, p[0], now)
	}
}

// named checks how the last of each operation's objects is called on record, whatever came of it.
func (r *rig) named(want map[string]string) {
	r.t.Helper()
	for operation, name := range want {
		acts := r.api.Acts(operation)
		if len(acts) == 0 || acts[len(acts)-1].Notes["name"] != name {
			r.t.Errorf("%s is on record as %+v, want the name %q", operation, acts, name)
		}
	}
}

func TestReviews(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.people()
		admin, agent := r.as(access.Admin), r.as(access.Agent, wang)
		var o operations.Overview
		r.exec(`UPDATE deliveries SET state = 'pending'`)
		r.exec(`UPDATE review_messages SET state = 'done' WHERE subject = 'b@customer.test'`)
		if admin.Get("/api/v1/overview").JSON(http.StatusOK, &o); o.Totals.Pending != 2 || o.Totals.ForPeople != 1 {
			t.Errorf("of two that wait, one for people: %+v", o.Totals)
		}
		r.exec(`UPDATE review_messages SET state = 'waiting'`)
		r.exec(`UPDATE deliveries SET state = 'mirrored'`)
		r.as(access.Auditor).Get("/api/v1/reviews").Problem(http.StatusForbidden, "forbidden")
		var page operations.ReviewPage
		admin.Get("/api/v1/reviews?limit=1").JSON(http.StatusOK, &page)
		if len(page.Items) != 1 || page.Items[0].Subject != "b@customer.test" || page.Items[0].Waiting != 1 || len(page.Items[0].Suggestions) != 1 || page.Next == "" {
			t.Fatalf("reviews %+v", page)
		}
		next := page.Next
		page = operations.ReviewPage{}
		admin.Get("/api/v1/reviews?limit=1&cursor="+next).JSON(http.StatusOK, &page)
		if len(page.Items) != 1 || page.Items[0].Subject != "a@customer.test" || page.Next != "" {
			t.Errorf("second page %+v", page)
		}
		agent.Get("/api/v1/reviews").JSON(http.StatusOK, &page)
		if len(page.Items) != 1 || page.Items[0].Subject != "a@customer.test" {
			t.Errorf("wang sees %+v", page.Items)
		}
		agent.Get("/api/v1/reviews/b@customer.test").Problem(http.StatusNotFound, "no_review")
		var one operations.ReviewDetail
		agent.Get("/api/v1/reviews/a@customer.test").JSON(http.StatusOK, &one)
		if len(one.Messages) != 1 || !one.Messages[0].Waits {
			t.Errorf("review %+v", one)
		}
		decide := func(subject, as string) map[string]any {
			return map[string]any{"decisions": []map[string]any{{"subject": subject, "decision": as}}}
		}
		for _, c := range []struct{ subject, as string }{{"b@customer.test", "ignore"}, {"@customer.test", "ignore"}, {"a@customer.test", "link"}, {"nobody", "skip"}} {
			agent.Post("/api/v1/reviews/decide", decide(c.subject, c.as)).Problem(http.StatusUnprocessableEntity, "bad_decisions")
		}
		var done operations.ReviewsDecided
		agent.Post("/api/v1/reviews/decide", decide("a@customer.test", "ignore")).JSON(http.StatusOK, &done)
		if done.Decided != 1 || done.Messages != 1 {
			t.Errorf("decided %+v", done)
		}
		admin.Post("/api/v1/reviews/decide", decide("a@customer.test", "ask")).Is(http.StatusOK)
		if left, _, err := mirror.Reviews(t.Context(), db.Reader(), mirror.ReviewFilter{Subject: "a@customer.test"}); err != nil || len(left) != 0 {
			t.Errorf("after it was taken back: %+v %v", left, err)
		}
	})
}

func TestDuplicatesAndConflicts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.people()
		admin, agent := r.as(access.Admin), r.as(access.Agent, wang)
		var pairs operations.DuplicatePage
		admin.Get("/api/v1/duplicates?limit=1").JSON(http.StatusOK, &pairs)
		if len(pairs.Items) != 1 || pairs.Items[0].Score != 90 || pairs.Items[0].A.Title != "Boss" || len(pairs.Items[0].B.Phones) != 1 || pairs.Next == "" {
			t.Fatalf("pairs %+v", pairs)
		}
		admin.Get("/api/v1/duplicates?cursor="+pairs.Next).JSON(http.StatusOK, &pairs)
		if len(pairs.Items) != 1 || pairs.Items[0].A.Id != "c3" {
			t.Errorf("second page %+v", pairs)
		}
		agent.Get("/api/v1/duplicates").JSON(http.StatusOK, &pairs)
		if len(pairs.Items) != 1 || pairs.Items[0].A.Id != "c1" {
			t.Errorf("wang sees %+v", pairs.Items)
		}
		mine, others := map[string]any{"target": "crm", "a": "c1", "b": "c2"}, map[string]any{"target": "crm", "a": "c3", "b": "c4"}
		agent.Post("/api/v1/duplicates/dismiss", others).Problem(http.StatusNotFound, "no_contact")
		agent.Post("/api/v1/duplicates/dismiss", mine).Is(http.StatusNoContent)
		agent.Post("/api/v1/duplicates/dismiss", mine).Problem(http.StatusConflict, "no_pair")
		agent.Get("/api/v1/duplicates?state=dismissed").JSON(http.StatusOK, &pairs)
		if len(pairs.Items) != 1 {
			t.Errorf("dismissed %+v", pairs.Items)
		}
		agent.Post("/api/v1/duplicates/restore", mine).Is(http.StatusNoContent)
		var merge operations.Merge
		agent.Post("/api/v1/duplicates/merge", map[string]any{"target": "crm", "survivor": "c1", "other": "c2"}).JSON(http.StatusCreated, &merge)
		if merge.Survivor != "c1" || len(merge.Before) != 2 {
			t.Errorf("merge %+v", merge)
		}
		var merges operations.MergePage
		r.as(access.Agent, li).Get("/api/v1/merges").JSON(http.StatusOK, &merges)
		if len(merges.Items) != 0 {
			t.Errorf("li sees %+v", merges.Items)
		}
		r.as(access.Agent, li).Post("/api/v1/merges/1/undo", nil).Problem(http.StatusNotFound, "no_merge")
		agent.Post("/api/v1/merges/1/undo", nil).JSON(http.StatusOK, &merge)
		if merge.UndoneAt.IsZero() {
			t.Errorf("undone %+v", merge)
		}

		var list operations.ConflictPage
		agent.Get("/api/v1/conflicts").JSON(http.StatusOK, &list)
		if len(list.Items) != 1 || list.Items[0].Contact != "c1" || list.Items[0].Name != "N c1" || list.Items[0].CrmValue != "Boss" || list.Items[0].Value != "Buyer" {
			t.Fatalf("wang sees %+v", list.Items)
		}
		admin.Get("/api/v1/conflicts").JSON(http.StatusOK, &list)
		if len(list.Items) != 2 {
			t.Errorf("all: %+v", list.Items)
		}
		decide := map[string]any{"decisions": []map[string]any{{"id": 1, "take": "other"}, {"id": 2, "take": "crm"}}}
		var done operations.ConflictsDecided
		agent.Post("/api/v1/conflicts/decide", decide).JSON(http.StatusOK, &done)
		if done.Decided != 1 || len(done.Failed) != 1 || done.Failed[0].Id != 2 {
			t.Errorf("decided %+v", done)
		}
		agent.Post("/api/v1/conflicts/2/undo", nil).Problem(http.StatusNotFound, "no_conflict")
		var back operations.Conflict
		agent.Post("/api/v1/conflicts/1/undo", nil).JSON(http.StatusOK, &back)
		if back.State != operations.ConflictStateOpen {
			t.Errorf("undone %+v", back)
		}
		agent.Post("/api/v1/conflicts/1/undo", nil).Problem(http.StatusConflict, "not_decided")
		r.named(map[string]string{
			"dismissDuplicate": "N c1, N c2", "restoreDuplicate": "N c1, N c2", "mergeContacts": "N c1, N c2", "undoMerge": "N c1, N c2",
			"decideConflicts": "N c1", "undoConflict": "N c1",
		})
	})
}

func TestAccountsAndRuns(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.submit(wang, "a@customer.test")
		admin, auditor, team := r.as(access.Admin), r.as(access.Auditor), r.as(access.Manager, li)
		var page operations.AccountPage
		r.eventually("wang is known", func() bool {
			auditor.Get("/api/v1/accounts").JSON(http.StatusOK, &page)
			return len(page.Items) == 2
		})
		if got := []string{page.Items[0].Address, page.Items[1].Address}; !slices.Equal(got, []string{"support@example.com", wang}) || page.Items[1].Entries != 1 || !page.Items[0].Watched {
			t.Errorf("accounts %+v", page.Items)
		}
		page = operations.AccountPage{}
		team.Get("/api/v1/accounts").JSON(http.StatusOK, &page)
		if len(page.Items) != 0 {
			t.Errorf("the team of li sees %+v", page.Items)
		}
		team.Get("/api/v1/accounts/"+wang).Problem(http.StatusNotFound, "no_account")
		var one operations.AccountDetail
		admin.Get("/api/v1/accounts/nobody@example.com").JSON(http.StatusOK, &one)
		if one.Capturing || one.Capture.WhyCode != operations.CapturePolicyWhyCodeAccount {
			t.Errorf("by the configuration: %+v", one.Capture)
		}
		var watched operations.WatchedList
		auditor.Get("/api/v1/watched").JSON(http.StatusOK, &watched)
		if len(watched.Items) != 1 || watched.Items[0].State != operations.WatchedStateUnknown {
			t.Errorf("watched %+v", watched.Items)
		}

		runs := "/api/v1/accounts/" + wang + "/runs"
		admin.Post(runs, map[string]any{"kind": "backfill", "rate": "fast", "password": "x"}).Problem(http.StatusUnprocessableEntity, "bad_run")
		var run operations.Run
		started := admin.Post(runs, map[string]any{"kind": "backfill", "since": "2026-01-31", "password": "secret"})
		started.JSON(http.StatusAccepted, &run)
		if req := <-r.runner.began; string(req.Secret) != "secret" || req.Account != wang || req.Since.Format(time.DateOnly) != "2026-01-31" {
			t.Errorf("request %+v", req)
		}
		where := started.Header.Get("Location")
		team.Get(where).Problem(http.StatusNotFound, "no_run")
		admin.Post(where+"/cancel", nil).Is(http.StatusAccepted)
		state := func(want operations.RunState) {
			t.Helper()
			r.eventually("the run is "+string(want), func() bool {
				run = operations.Run{}
				admin.Get(where).JSON(http.StatusOK, &run)
				return run.State == want
			})
		}
		state(operations.RunStateCancelled)
		admin.Post(where+"/cancel", nil).Problem(http.StatusConflict, "run_ended")
		where = admin.Post(runs, map[string]any{"kind": "backfill", "password": "x"}).Is(http.StatusAccepted).Header.Get("Location")
		<-r.runner.began
		r.runner.end <- nil
		state(operations.RunStateDone)
		if run.Captured != 3 || run.Total != 3 || len(run.Rows) != 1 || run.StartedBy != "admin@example.com" {
			t.Errorf("done: %+v", run)
		}
		where = admin.Post(runs, map[string]any{"kind": "reconcile", "fix": true, "password": "x"}).Is(http.StatusAccepted).Header.Get("Location")
		<-r.runner.began
		r.runner.end <- errors.Join(backfill.ErrBusy)
		state(operations.RunStateFailed)
		if run.Error != backfill.ErrBusy.Error() {
			t.Errorf("failed: %+v", run)
		}
		var list operations.RunPage
		auditor.Get(runs+"?limit=2").JSON(http.StatusOK, &list)
		if len(list.Items) != 2 || list.Next == "" || list.Items[0].Kind != operations.Reconcile {
			t.Errorf("runs %+v", list)
		}
		admin.Post("/api/v1/accounts/"+wang+"/revoke", nil).Problem(http.StatusConflict, "not_enrolled")
	})
}

// An employee follows a link: by an authorization code, and by the browser.
func TestEnrolmentByLink(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		admin, employee := r.as(access.Admin), r.api.As(nil)
		r.as(access.Manager, wang).Post("/api/v1/accounts/"+wang+"/enrolment-link", nil).Problem(http.StatusForbidden, "forbidden")
		page := func(address string) string {
			t.Helper()
			var l operations.EnrolmentLink
			admin.Post("/api/v1/accounts/"+address+"/enrolment-link", map[string]any{"valid_hours": 1}).JSON(http.StatusCreated, &l)
			token, ok := strings.CutPrefix(l.Url, "https://gw.example.com/enrol/")
			if !ok || len(l.Ways) != 2 {
				t.Fatalf("link %+v", l)
			}
			return "/api/v1/enrol/" + token
		}
		old := page(wang)
		link := page(wang)
		employee.Get(old).Problem(http.StatusNotFound, "no_link") // a new one ends it
		var e operations.Enrolment
		employee.Get(link).JSON(http.StatusOK, &e)
		if e.State != operations.EnrolmentStateOpen || e.Address != wang || !e.Programs {
			t.Errorf("page %+v", e)
		}
		employee.Post(link+"/device", nil).Problem(http.StatusConflict, "no_way")
		employee.Post(link+"/password", map[string]any{"password": "code"}).JSON(http.StatusOK, &e)
		if e.State != operations.EnrolmentStateEnrolled || e.GatewayPassword == "" {
			t.Errorf("enrolled %+v", e)
		}
		if a, err := r.accounts.Open(t.Context(), "main", wang, []byte(e.GatewayPassword)); err != nil || a.Address != wang {
			t.Errorf("gateway password: %+v %v", a, err)
		}
		employee.Post(link+"/password", map[string]any{"password": "code"}).Problem(http.StatusConflict, "link_used")

		link = page(li)
		back := func(code string) string {
			t.Helper()
			var to operations.BrowserConsent
			employee.Post(link+"/browser", nil).JSON(http.StatusOK, &to)
			u, err := url.Parse(to.Url)
			if err != nil || u.Query().Get("redirect_uri") != "https://gw.example.com/api/v1/enrol/callback" {
				t.Fatal(to.Url, err)
			}
			q := url.Values{"state": {u.Query().Get("state")}, "code": {code}}
			return employee.Get("/api/v1/enrol/callback?" + q.Encode()).Is(http.StatusSeeOther).Header.Get("Location")
		}
		employee.Get("/api/v1/enrol/callback?state=foreign&code=good").Problem(http.StatusNotFound, "no_flow")
		if to := back("bad"); !strings.HasPrefix(to, "https://gw.example.com/enrol/") {
			t.Errorf("sent to %s", to)
		}
		e = operations.Enrolment{}
		employee.Get(link).JSON(http.StatusOK, &e)
		if e.State != operations.EnrolmentStateFailed || e.Problem == "" {
			t.Errorf("after a refusal: %+v", e)
		}
		back("good")
		employee.Get(link).JSON(http.StatusOK, &e)
		if e.State != operations.EnrolmentStateEnrolled || e.GatewayPassword == "" {
			t.Errorf("after the consent: %+v", e)
		}
		var one operations.AccountDetail
		admin.Get("/api/v1/accounts/"+li).JSON(http.StatusOK, &one)
		if one.Enrolment.State != operations.AccountEnrolmentStateEnrolled || one.Enrolment.Kind != "consent" {
			t.Errorf("account %+v", one.Enrolment)
		}
		var gone operations.Revoked
		admin.Post("/api/v1/accounts/"+li+"/revoke", nil).JSON(http.StatusOK, &gone)
		admin.Post("/api/v1/accounts/"+li+"/revoke", nil).Problem(http.StatusConflict, "not_enrolled")
	})
}
