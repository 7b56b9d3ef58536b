package access_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"heliograph/internal/console/access"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestFirstAdminLinkWorksOnceAndForAnHour(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, v := t.Context(), from("192.0.2.1")
		who := access.Draft{Email: "IT@example.com", Name: "IT", Lang: "zh"}
		late, _, err := r.FirstAdminLink(ctx)
		if err != nil {
			t.Fatal(err)
		}
		r.clock.add(time.Hour)
		_, err = r.SetUp(ctx, v, late, goodPassword, who)
		wantErr(t, "a link after an hour", err, access.ErrLink)

		token, _, err := r.FirstAdminLink(ctx)
		if err != nil {
			t.Fatal(err)
		}
		other, _, err := r.FirstAdminLink(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.SetUp(ctx, v, token, "short", who)
		wantErr(t, "a short password", err, access.ErrWeak)
		e, err := r.SetUp(ctx, v, token, goodPassword, who)
		if err != nil {
			t.Fatal(err)
		}
		if c := r.caller(request(e)); c == nil || c.Person.Role != access.Admin || c.Person.Email != "it@example.com" || c.Scope != access.ScopeAll {
			t.Errorf("the first admin is %+v", c)
		}
		for name, link := range map[string]string{"a used link": token, "another link": other, "nonsense": "abc"} {
			_, err := r.SetUp(ctx, v, link, goodPassword, access.Draft{Email: "other@example.com"})
			wantErr(t, name, err, access.ErrLink)
		}
		_, _, err = r.FirstAdminLink(ctx)
		wantErr(t, "a link where there is an admin", err, access.ErrHasAdmin)
	})
}

func TestPasswordSaysNotWhy(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.person("a@example.com", access.Agent)
		gone := r.person("gone@example.com", access.Agent)
		disabled := true
		if _, err := r.Change(ctx, gone.ID, access.Change{Disabled: &disabled}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Add(ctx, access.Draft{Email: "none@example.com", Role: access.Agent}); err != nil {
			t.Fatal(err)
		}
		for address, password := range map[string]string{
			"a@example.com": "wrong horse battery", "nobody@example.com": goodPassword, "gone@example.com": goodPassword, "none@example.com": "", "": "",
		} {
			_, err := r.Password(ctx, from("192.0.2.77"), address, password)
			if !errors.Is(err, access.ErrRefused) || err.Error() != access.ErrRefused.Error() {
				t.Errorf("%q gives %v, want the plain refusal", address, err)
			}
		}
	})
}

func TestLockOutGrowsForAccountAndAddress(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.person("a@example.com", access.Agent)
		r.clock.add(8 * 24 * time.Hour) // the set-up's address is no known place any more
		guess := func(ip, address string) error {
			_, err := r.Password(ctx, from(ip), address, "wrong horse battery")
			return err
		}
		for range 6 {
			wantErr(t, "a guess", guess("198.51.100.1", "a@example.com"), access.ErrRefused)
		}
		first := limited(t, "a guess too many", guess("198.51.100.2", "a@example.com"))
		limited(t, "other accounts from the address", guess("198.51.100.1", "b@example.com"))
		_, err := r.Password(ctx, from("198.51.100.3"), "a@example.com", goodPassword)
		limited(t, "even the right password", err)
		r.clock.add(first)
		wantErr(t, "a guess after the delay", guess("198.51.100.2", "a@example.com"), access.ErrRefused)
		if second := limited(t, "the next", guess("198.51.100.2", "a@example.com")); second <= first {
			t.Errorf("the delay was %s and is %s: it must grow", first, second)
		}
		r.clock.add(time.Hour)
		if _, err := r.Password(ctx, from("198.51.100.3"), "a@example.com", goodPassword); err != nil {
			t.Errorf("after all delays: %v", err)
		}
	})
}

func TestSessionGetsANewIDWithEachStep(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.person("a@example.com", access.Agent)
		planted := from("192.0.2.1")
		planted.Cookie = "an id that somebody else chose"
		e, err := r.Password(ctx, planted, "a@example.com", goodPassword)
		if err != nil || e.Cookie.Value == planted.Cookie {
			t.Fatalf("the session has the planted id, or %v", err)
		}
		again, err := r.Password(ctx, with(e), "a@example.com", goodPassword)
		if err != nil || again.Cookie.Value == e.Cookie.Value {
			t.Fatalf("the second sign-in keeps the id, or %v", err)
		}
		if c := r.caller(request(e)); c != nil {
			t.Error("the first session outlives the second sign-in of the same browser")
		}
		confirmed, err := r.Confirm(ctx, with(again), goodPassword, "")
		if err != nil || r.caller(request(again)) != nil || r.caller(request(confirmed)) == nil {
			t.Errorf("a confirmed session keeps its id, or %v", err)
		}
		if c := confirmed.Cookie; c.Name != "__Host-heliograph" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("the cookie is %s", c)
		}
	})
}

func TestSessionEnds(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		u := r.person("a@example.com", access.Agent)
		e := r.in("a@example.com")
		for range 13 { // used, so not idle
			r.clock.add(11 * time.Hour)
			if r.caller(request(e)) == nil {
				t.Fatal("a session in use ended")
			}
		}
		_, err := r.Fresh(ctx, with(e))
		wantErr(t, "an old sign-in", err, access.ErrNotFresh)
		r.clock.add(26 * time.Hour)
		if r.caller(request(e)) != nil {
			t.Error("a session lives longer than 7 days")
		}
		e = r.in("a@example.com")
		r.clock.add(12 * time.Hour)
		if r.caller(request(e)) != nil {
			t.Error("an idle session lives on")
		}

		e, other := r.in("a@example.com"), r.in("a@example.com")
		if list, err := r.Sessions(ctx, u.ID); err != nil || len(list) != 2 || list[0].Device != "Firefox, Linux" || list[0].Address != "192.0.2.1" {
			t.Errorf("the sessions are %+v, %v", list, err)
		}
		if err := r.EndOthers(ctx, u.ID, e.ID); err != nil || r.caller(request(other)) != nil || r.caller(request(e)) == nil {
			t.Errorf("the others do not end, or the own does: %v", err)
		}
		gone, err := r.SignOut(ctx, with(e))
		if err != nil || r.caller(request(e)) != nil || gone.MaxAge >= 0 || gone.Value != "" {
			t.Errorf("signing out leaves %s, %v", gone, err)
		}
	})
}

func TestDisabledPersonIsOutAtOnce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		u := r.person("a@example.com", access.Manager)
		e := r.in("a@example.com")
		_, secret, err := r.AddToken(ctx, r.caller(request(e)), "export", []access.Permission{access.DataExport}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		yes, no := true, false
		if _, err := r.Change(ctx, u.ID, access.Change{Disabled: &yes}); err != nil {
			t.Fatal(err)
		}
		if r.caller(request(e)) != nil || r.caller(bearer(secret)) != nil {
			t.Error("a disabled person is still in")
		}
		if _, err := r.Change(ctx, u.ID, access.Change{Disabled: &no}); err != nil {
			t.Fatal(err)
		}
		if r.caller(request(e)) != nil || r.caller(bearer(secret)) == nil {
			t.Error("who is enabled again has the old session, or not the token")
		}
	})
}

func bearer(secret string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/api/v1/session", nil)
	r.Header.Set("Authorization", "Bearer "+secret)
	return r
}

func TestTokenMayNoMoreThanItsOwner(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		r.person("it@example.com", access.Admin)
		u := r.person("a@example.com", access.Manager)
		owner := r.caller(request(r.in("a@example.com")))
		for _, p := range []access.Permission{access.SettingsWrite, access.TokensOwn, "mail.everything"} {
			_, _, err := r.AddToken(ctx, owner, "t", []access.Permission{access.MailRead, p}, time.Time{})
			wantErr(t, string(p), err, access.ErrNotYours)
		}
		_, _, err := r.AddToken(ctx, owner, "t", []access.Permission{access.MailRead}, r.clock.Now())
		wantErr(t, "a token that has ended", err, access.ErrExpiry)
		_, secret, err := r.AddToken(ctx, owner, "t", []access.Permission{access.MailRead, access.RulesPublish}, r.clock.Now().Add(time.Hour))
		if err != nil || secret[:4] != access.TokenPrefix {
			t.Fatalf("%.4s…, %v", secret, err)
		}
		c := r.caller(bearer(secret))
		if !c.May(access.MailRead) || !c.May(access.RulesPublish) || c.May(access.MailRaw) || c.May(access.TokensOwn) || c.Token == "" || c.Session != "" {
			t.Errorf("the token's caller is %+v", c)
		}
		if _, err := r.Change(ctx, u.ID, access.Change{Role: access.Agent}); err != nil {
			t.Fatal(err)
		}
		if c := r.caller(bearer(secret)); !c.May(access.MailRead) || c.May(access.RulesPublish) || c.Scope != access.ScopeOwn {
			t.Errorf("after the owner became agent, the token's caller is %+v", c)
		}
		list, _, err := r.Tokens(ctx, access.TokenFilter{Owner: u.ID, Limit: 10})
		if err != nil || len(list) != 1 || !list[0].Used.Equal(r.clock.Now()) {
			t.Errorf("the list is %+v, %v", list, err)
		}
		r.clock.add(30 * time.Second)
		if r.caller(bearer(secret)) == nil || r.caller(bearer(secret+"x")) != nil || r.caller(bearer("")) != nil {
			t.Error("tokens are mixed up")
		}
		if list, _, _ = r.Tokens(ctx, access.TokenFilter{Owner: u.ID, Limit: 10}); list[0].Used.Equal(r.clock.Now()) {
			t.Error("the last use is written more than once a minute")
		}
		r.clock.add(time.Hour)
		if r.caller(bearer(secret)) != nil {
			t.Error("a token outlives its end")
		}
	})
}

func TestMailboxSignIn(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, v := t.Context(), from("192.0.2.1")
		r.mailbox = func(l access.MailboxLogin) error {
			if !l.Client.IsValid() {
				t.Error("the mail server is told of no client")
			}
			if string(l.Password) != "mailbox secret" {
				return access.ErrRefused
			}
			return nil
		}
		e, err := r.Mailbox(ctx, v, " Li.Na@example.com ", "mailbox secret")
		if err != nil {
			t.Fatal(err)
		}
		c := r.caller(request(e))
		if c.Person.Role != access.Agent || c.Scope != access.ScopeOwn || !c.Sees("li.na@example.com") || c.Sees("boss@example.com") {
			t.Errorf("the employee is %+v", c)
		}
		if u, _ := r.User(ctx, c.Person.ID); u.HasPassword {
			t.Error("the mailbox's password was stored")
		}
		if again, err := r.Mailbox(ctx, v, "li.na@example.com", "mailbox secret"); err != nil || again.User.ID != e.User.ID {
			t.Errorf("the second sign-in is %+v, %v", again, err)
		}
		before := r.forwarded
		_, err = r.Mailbox(ctx, v, "somebody@elsewhere.example", "mailbox secret")
		wantErr(t, "a stranger", err, access.ErrRefused)
		_, err = r.Mailbox(ctx, v, "not an address@example.com", "mailbox secret")
		wantErr(t, "no address", err, access.ErrRefused)
		if r.forwarded != before {
			t.Error("a stranger's password went to the mail server")
		}
		r.person("it@example.com", access.Admin)
		_, err = r.Mailbox(ctx, v, "it@example.com", "mailbox secret")
		wantErr(t, "who has a local password", err, access.ErrUsePassword)

		for range 6 {
			_, err = r.Mailbox(ctx, from("198.51.100.1"), "wang@example.com", "guess")
			wantErr(t, "a guess", err, access.ErrRefused)
		}
		before = r.forwarded
		_, err = r.Mailbox(ctx, from("198.51.100.1"), "wang@example.com", "guess")
		limited(t, "a guess too many", err)
		if r.forwarded != before {
			t.Error("a guess too many went to the mail server")
		}
		if _, err := r.ByEmail(ctx, "wang@example.com"); !errors.Is(err, access.ErrNotFound) {
			t.Error("guesses enter a person")
		}
	})
}

func TestClientBehindProxies(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t), nil)
	for _, test := range []struct{ name, peer, forwarded, want string }{
		{"no proxy", "203.0.113.9:1", "198.51.100.1", "203.0.113.9"},
		{"a trusted proxy", "127.0.0.1:1", "198.51.100.1", "198.51.100.1"},
		{"a trusted proxy behind a client that lies", "127.0.0.1:1", "10.9.9.9, 198.51.100.1", "198.51.100.1"},
		{"two trusted proxies", "127.0.0.1:1", "198.51.100.1, 127.0.0.2", "198.51.100.1"},
		{"a proxy that says nothing", "127.0.0.1:1", "", "127.0.0.1"},
		{"a proxy that says nonsense", "127.0.0.1:1", "198.51.100.1, unknown", "127.0.0.1"},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:1", "2001:db8::1", "2001:db8::1"},
	} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.RemoteAddr = test.peer
		if test.forwarded != "" {
			req.Header.Set("X-Forwarded-For", test.forwarded)
		}
		if got := r.Client(req).String(); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestProtect(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t), nil)
	done := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	deny := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	h := r.Protect(done, deny)
	for _, test := range []struct {
		name, method string
		header       [2]string
		want         int
	}{
		{"the console itself", http.MethodPost, [2]string{"Sec-Fetch-Site", "same-origin"}, 204},
		{"the console by its public address", http.MethodPost, [2]string{"Origin", "https://console.example.com"}, 204},
		{"another site", http.MethodPost, [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another host of the company", http.MethodDelete, [2]string{"Sec-Fetch-Site", "same-site"}, 403},
		{"another site in an old browser", http.MethodPatch, [2]string{"Origin", "https://evil.example"}, 403},
		{"a link from another site", http.MethodGet, [2]string{"Sec-Fetch-Site", "cross-site"}, 204},
		{"a program", http.MethodPost, [2]string{"Authorization", "Bearer hel_x"}, 204},
	} {
		req := httptest.NewRequest(test.method, "http://127.0.0.1:8025/api/v1/session", nil)
		req.Header.Set(test.header[0], test.header[1])
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != test.want || w.Header().Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: got %d, %v, want %d", test.name, w.Code, w.Header(), test.want)
		}
	}
}

func TestTeamScope(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		boss, a, b := r.person("boss@example.com", access.Manager), r.person("a@example.com", access.Agent), r.person("b@example.com", access.Agent)
		if _, err := r.Change(ctx, a.ID, access.Change{Accounts: []string{"a@example.com", "Sales@example.com"}}); err != nil {
			t.Fatal(err)
		}
		team, err := r.AddTeam(ctx, access.TeamDraft{Name: "销售", Members: []string{a.ID, boss.ID}, Managers: []string{boss.ID}})
		if err != nil {
			t.Fatal(err)
		}
		c := r.caller(request(r.in("boss@example.com")))
		if !c.Sees("boss@example.com") || !c.Sees("sales@example.com") || !c.Sees("a@example.com") || c.Sees("b@example.com") {
			t.Errorf("the manager sees %q", c.Accounts)
		}
		if c := r.caller(request(r.in("a@example.com"))); c.Sees("boss@example.com") {
			t.Errorf("a member sees %q", c.Accounts)
		}
		_, err = r.AddTeam(ctx, access.TeamDraft{Name: "销售"})
		wantErr(t, "the name again", err, access.ErrTaken)
		_, err = r.ChangeTeam(ctx, team.ID, team.Version, access.TeamDraft{Name: "销售", Members: []string{"nobody"}})
		wantErr(t, "a stranger in the team", err, access.ErrNoPerson)
		changed, err := r.ChangeTeam(ctx, team.ID, team.Version, access.TeamDraft{Name: "销售", Members: []string{b.ID}, Managers: []string{boss.ID}})
		if err != nil || len(changed.Members) != 1 || changed.Members[0].Email != "b@example.com" {
			t.Fatalf("the team is %+v, %v", changed, err)
		}
		_, err = r.ChangeTeam(ctx, team.ID, team.Version, access.TeamDraft{Name: "x"})
		wantErr(t, "a change of an old version", err, access.ErrChanged)
		if c := r.caller(request(r.in("boss@example.com"))); c.Sees("a@example.com") || !c.Sees("b@example.com") {
			t.Errorf("after the change the manager sees %q", c.Accounts)
		}
	})
}

func TestLastAdminStays(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db, nil)
		ctx := t.Context()
		one, two := r.person("one@example.com", access.Admin), r.person("two@example.com", access.Admin)
		yes := true
		errs := make(chan error, 2)
		for _, id := range []string{one.ID, two.ID} { // each takes the other's away at the same moment
			go func() {
				_, err := r.Change(ctx, id, access.Change{Role: access.Auditor})
				errs <- err
			}()
		}
		first, second := <-errs, <-errs
		if (first == nil) == (second == nil) || !errors.Is(errors.Join(first, second), access.ErrLastAdmin) {
			t.Fatalf("two admins are changed: %v, %v", first, second)
		}
		last := one
		if u, _ := r.User(ctx, one.ID); u.Role != access.Admin {
			last = two
		}
		_, err := r.Change(ctx, last.ID, access.Change{Disabled: &yes})
		wantErr(t, "disabling the last admin", err, access.ErrLastAdmin)
		wantErr(t, "removing the last admin", r.Remove(ctx, last.ID, 0), access.ErrLastAdmin)
		_, err = r.Change(ctx, last.ID, access.Change{Role: access.Admin, Scope: access.ScopeOwn})
		wantErr(t, "an admin with scope own", err, access.ErrScope)
	})
}
