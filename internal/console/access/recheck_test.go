package access_test

import (
	"testing"
	"time"

	"heliograph/internal/console/access"
)

// TestRecheck asks again for connections that last: they end with the session or token, and have the rights of that moment.
func TestRecheck(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.person("it@example.com", access.Admin)
		u := r.person("a@example.com", access.Manager)
		e := r.in("a@example.com")
		browser := r.caller(request(e))
		token, secret, err := r.AddToken(ctx, browser, "t", []access.Permission{access.MailRead, access.RulesHold}, r.clock.Now().Add(24*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		program := r.caller(bearer(secret))
		again := func(c *access.Caller) *access.Caller {
			t.Helper()
			now, err := r.Recheck(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			return now
		}
		if c := again(browser); c == nil || c.Session != browser.Session || !c.May(access.MailRaw) {
			t.Errorf("a session in force is %+v", c)
		}
		if c := again(program); c == nil || c.Token != token.ID || c.May(access.MailRaw) || !c.May(access.RulesHold) {
			t.Errorf("a token in force is %+v", c)
		}
		if _, err := r.Change(ctx, u.ID, access.Change{Role: access.Agent}); err != nil {
			t.Fatal(err)
		}
		if c := again(program); c == nil || c.May(access.RulesHold) {
			t.Errorf("the token of who became agent is %+v", c)
		}

		r.clock.add(13 * time.Hour)
		if again(browser) != nil {
			t.Error("an idle session is kept alive by being looked at")
		}
		r.clock.add(12 * time.Hour)
		if again(program) != nil {
			t.Error("a token lives longer than it says")
		}
		e = r.in("a@example.com")
		browser = r.caller(request(e))
		if _, err := r.SignOut(ctx, with(e)); err != nil {
			t.Fatal(err)
		}
		if again(browser) != nil {
			t.Error("who signed out is still there")
		}
		e = r.in("a@example.com")
		browser, yes := r.caller(request(e)), true
		if _, err := r.Change(ctx, u.ID, access.Change{Disabled: &yes}); err != nil {
			t.Fatal(err)
		}
		if again(browser) != nil {
			t.Error("who is disabled is still there")
		}
	})
}

func TestNames(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		for email, name := range map[string]string{"li@example.com": "李伟", "wang@example.com": ""} {
			if _, err := r.Add(t.Context(), access.Draft{Email: email, Name: name, Role: access.Agent}); err != nil {
				t.Fatal(err)
			}
		}
		names, err := r.Names(t.Context())
		if err != nil || len(names) != 2 || names["li@example.com"] != "李伟" || names["wang@example.com"] != "wang" {
			t.Errorf("names %v, %v", names, err)
		}
	})
}
