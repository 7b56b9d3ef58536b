package operations_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api/operations"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestPausedAccounts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.submit(wang, "a@customer.test")
		admin, path := r.as(access.Admin), "/api/v1/accounts/"+wang
		because := map[string]any{"reason": " left the company "}
		for _, verb := range []string{"/pause", "/resume"} {
			r.as(access.Manager, wang).Post(path+verb, because).Problem(http.StatusForbidden, "forbidden")
			admin.Post("/api/v1/accounts/nobody@elsewhere.test"+verb, because).Problem(http.StatusNotFound, "no_account")
		}
		admin.Post(path+"/pause", map[string]any{"reason": " "}).Problem(http.StatusUnprocessableEntity, "no_reason")
		if r.pauses.Account(wang) {
			t.Error("it is paused by a refusal")
		}
		var a operations.AccountDetail
		admin.Post(path+"/pause", because).JSON(http.StatusOK, &a)
		if a.Capturing || a.Paused == nil || a.Paused.Reason != "left the company" || a.Paused.By != "admin@example.com" || a.Paused.At.IsZero() || !r.pauses.Account(wang) || r.pauses.Account(li) {
			t.Errorf("paused: %+v, %+v", a, a.Paused)
		}
		var page operations.AccountPage
		admin.Get("/api/v1/accounts").JSON(http.StatusOK, &page)
		if i := slices.IndexFunc(page.Items, func(a operations.Account) bool { return a.Address == wang }); i < 0 || page.Items[i].Paused == nil {
			t.Errorf("listed: %+v", page.Items)
		}
		a = operations.AccountDetail{}
		admin.Post(path+"/resume", nil).JSON(http.StatusOK, &a)
		if !a.Capturing || a.Paused != nil || r.pauses.Account(wang) {
			t.Errorf("resumed: %+v", a)
		}
		if acts := r.api.Acts("pauseAccount"); len(acts) == 0 || acts[len(acts)-1].Object != wang || acts[len(acts)-1].Notes["reason"] != "left the company" {
			t.Errorf("on record: %+v", acts)
		}
	})
}

// An enrolled account signs in at the provider, or it is told why not.
func TestAccountSignIn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newSite(t, db)
		admin, path := s.as(access.Admin), "/api/v1/accounts/"+wang+"/test"
		s.as(access.Auditor).Post(path, nil).Problem(http.StatusForbidden, "forbidden")
		admin.Post(path, nil).Problem(http.StatusConflict, "not_enrolled")
		s.enroll(wang, "another's")
		var result operations.TestResult
		admin.Post(path, nil).JSON(http.StatusOK, &result)
		if result.Level != operations.LevelFailed || !slices.Equal(parts(result, operations.LevelFailed), []string{"imap", "smtp"}) || result.Steps[0].Remedy == "" {
			t.Errorf("with a wrong password: %+v", result)
		}
		s.enroll(wang, "wang's")
		result = operations.TestResult{}
		admin.Post(path, nil).JSON(http.StatusOK, &result)
		if result.Level != operations.LevelOk || !slices.Equal(parts(result, operations.LevelOk), []string{"imap", "smtp"}) || !strings.Contains(result.Steps[0].Detail, wang) {
			t.Errorf("with the right one: %+v", result)
		}
	})
}

func (s *site) link(address string) (page string) {
	s.t.Helper()
	var l operations.EnrolmentLink
	s.as(access.Admin).Post("/api/v1/accounts/"+address+"/enrolment-link", nil).JSON(http.StatusCreated, &l)
	_, token, _ := strings.Cut(l.Url, "/enrol/")
	return "/api/v1/enrol/" + token
}

// A link that was taken back is good for nothing.
func TestEnrolmentLinkIsTakenBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newSite(t, db)
		admin, employee := s.as(access.Admin), s.api.As(nil)
		page, path := s.link(wang), "/api/v1/accounts/"+wang+"/enrolment-link"
		employee.Get(page).Is(http.StatusOK)
		s.as(access.Manager, wang).Delete(path).Problem(http.StatusForbidden, "forbidden")
		admin.Delete(path).Is(http.StatusNoContent)
		employee.Get(page).Problem(http.StatusNotFound, "no_link")
		employee.Post(page+"/password", map[string]any{"password": "wang's"}).Problem(http.StatusNotFound, "no_link")
		if list, err := s.accounts.List(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("enrolled: %+v, %v", list, err)
		}
		admin.Delete(path).Is(http.StatusNoContent) // there is none any more
		var e operations.Enrolment
		employee.Post(s.link(wang)+"/password", map[string]any{"password": "wang's"}).JSON(http.StatusOK, &e)
		if e.State != operations.EnrolmentStateEnrolled {
			t.Errorf("by another link: %+v", e)
		}
	})
}

// An employee types a code at the provider, or refuses to.
func TestEnrolmentByDevice(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newSite(t, db)
		employee := s.api.As(nil)
		employee.Post(s.link(wang)+"/device", nil).Problem(http.StatusConflict, "no_way")
		employee.Post("/api/v1/enrol/nonsense/device", nil).Problem(http.StatusNotFound, "no_link")
		good, refused := s.link("good@cloud.example"), s.link("refused@cloud.example")
		s.consent.do(func() { s.consent.down = true })
		employee.Post(good+"/device", nil).Problem(http.StatusServiceUnavailable, "provider")
		s.consent.do(func() { s.consent.down = false })
		for i, page := range []string{good, refused} {
			var d, again operations.DeviceConsent
			employee.Post(page+"/device", nil).JSON(http.StatusOK, &d)
			if d.Code != fmt.Sprintf("CODE-%d", i+1) || d.Url != "https://provider.example/device" || d.ExpiresAt.IsZero() {
				t.Fatalf("to type: %+v", d)
			}
			employee.Post(page+"/device", nil).JSON(http.StatusOK, &again)
			if again.Code != d.Code {
				t.Errorf("asked again it is %+v", again)
			}
			var e operations.Enrolment
			employee.Get(page).JSON(http.StatusOK, &e)
			if e.State != operations.EnrolmentStateWaiting || e.Device == nil || e.Device.Code != d.Code {
				t.Errorf("meanwhile: %+v", e)
			}
		}
		s.consent.do(func() { s.consent.answer["device-1"], s.consent.answer["device-2"] = "good", "access_denied" })
		var e operations.Enrolment
		s.eventually("who refuses is not enrolled", func() bool {
			e = operations.Enrolment{}
			employee.Get(refused).JSON(http.StatusOK, &e)
			return e.State == operations.EnrolmentStateFailed
		})
		if e.Problem == "" || e.Remedy == "" {
			t.Errorf("refused: %+v", e)
		}
		s.eventually("who agrees is", func() bool {
			employee.Get(good).JSON(http.StatusOK, &e)
			return e.State == operations.EnrolmentStateEnrolled
		})
		if a, err := s.accounts.Open(t.Context(), "cloud", "good@cloud.example", []byte(e.GatewayPassword)); err != nil || a.Address != "good@cloud.example" {
			t.Errorf("with the gateway password: %+v, %v", a, err)
		}
		if act := <-s.recorded; act.Operation != "enrolAccount" || act.Object != "good@cloud.example" {
			t.Errorf("on record: %+v", act)
		}
		employee.Post(good+"/device", nil).Problem(http.StatusConflict, "link_used")
		var list operations.AccountPage
		s.as(access.Admin).Get("/api/v1/accounts").JSON(http.StatusOK, &list)
		if i := slices.IndexFunc(list.Items, func(a operations.Account) bool { return a.Address == "refused@cloud.example" }); i >= 0 && list.Items[i].Enrolment.State == operations.AccountEnrolmentStateEnrolled {
			t.Errorf("who refused is enrolled: %+v", list.Items[i])
		}
	})
}
