package administration_test

import (
	"fmt"
	"slices"
	"testing"

	"heliograph/internal/console/api"
	"heliograph/internal/console/api/administration"
)

func TestPeople(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		admin := o.setUp()
		agent, id := o.enter(admin, "a@example.com", "agent")
		at := "/api/v1/people/" + id
		admin.refused(409, "address_taken", "POST", "/api/v1/people", m{"email": "A@example.com", "name": "x", "role": "agent"})
		admin.refused(422, "bad_scope", "POST", "/api/v1/people", m{"email": "c@example.com", "name": "x", "role": "agent", "scope": "all"})
		admin.refused(422, "bad_address", "POST", "/api/v1/people", m{"email": "nobody", "name": "x", "role": "agent"})
		admin.refused(404, "not_found", "GET", "/api/v1/people/nobody", nil)

		tag := admin.do(200, "GET", at, nil).Header.Get("ETag")
		admin.refused(428, "if_match", "PATCH", at, m{"name": "B"})
		changed := admin.do(200, "PATCH", at, m{"role": "manager", "accounts": []string{"Sales@example.com"}}, "If-Match", tag)
		if u := read[administration.User](t, changed); u.Role != administration.Manager || u.Scope != administration.ScopeNameTeam || u.Accounts[0] != "sales@example.com" {
			t.Errorf("changed to %+v", u)
		}
		admin.refused(412, "changed_meanwhile", "PATCH", at, m{"name": "B"}, "If-Match", tag)
		if s := read[administration.Session](t, agent.do(200, "GET", "/api/v1/session", nil)); s.Person.Role != administration.Manager {
			t.Errorf("the person's own session says %+v", s)
		}
		agent.refused(403, "forbidden", "PATCH", at, m{"role": "admin"}, "If-Match", "*")

		self := "/api/v1/people/" + read[administration.Me](t, admin.do(200, "GET", "/api/v1/me", nil)).Id
		admin.refused(403, "own_role", "PATCH", self, m{"role": "agent"}, "If-Match", "*")
		admin.refused(403, "own_account", "POST", self+"/disable", nil)
		admin.refused(403, "own_account", "DELETE", self, nil, "If-Match", "*")
		admin.refused(403, "own_account", "DELETE", self+"/factors", nil)

		if list := read[administration.SignIns](t, admin.do(200, "GET", at+"/sessions", nil)); len(list.Items) != 1 || list.Items[0].Current {
			t.Errorf("the person's sessions are %+v", list)
		}
		admin.do(204, "DELETE", at+"/sessions", nil)
		agent.refused(401, "sign_in", "GET", "/api/v1/me", nil)
		agent.do(200, "POST", "/api/v1/session", m{"address": "a@example.com", "password": goodPassword})
		admin.do(200, "POST", at+"/disable", nil)
		agent.refused(401, "sign_in", "GET", "/api/v1/me", nil)
		agent.refused(401, "sign_in_refused", "POST", "/api/v1/session", m{"address": "a@example.com", "password": goodPassword})
		if l := read[administration.UserList](t, admin.do(200, "GET", "/api/v1/people?state=disabled", nil)); len(l.Items) != 1 || l.Items[0].Id != id {
			t.Errorf("disabled are %+v", l)
		}
		admin.do(204, "DELETE", at+"/factors", nil)
		admin.do(200, "POST", at+"/enable", nil)
		admin.do(204, "DELETE", at, nil, "If-Match", "*")
		admin.refused(404, "not_found", "POST", at+"/disable", nil)
		admin.do(200, "GET", "/api/v1/roles", nil)
	})
}

func TestPeoplePage(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		admin := o.setUp()
		for i := range 5 {
			admin.do(201, "POST", "/api/v1/people", m{"email": fmt.Sprintf("p%d@example.com", i), "name": fmt.Sprintf("王_%d", i), "role": "agent"})
		}
		var seen []string
		for next := ""; ; {
			l := read[administration.UserList](t, admin.do(200, "GET", "/api/v1/people?limit=4&cursor="+next, nil))
			for _, u := range l.Items {
				seen = append(seen, u.Email)
			}
			if next = l.Next; next == "" {
				break
			}
		}
		if len(seen) != 6 || seen[0] != "it@example.com" || seen[5] != "p4@example.com" {
			t.Errorf("paging shows %q", seen)
		}
		for search, want := range map[string]int{"%E7%8E%8B_3": 1, "P1@": 1, "%25": 0, "example": 6} {
			if l := read[administration.UserList](t, admin.do(200, "GET", "/api/v1/people?search="+search, nil)); len(l.Items) != want {
				t.Errorf("%s finds %d, want %d", search, len(l.Items), want)
			}
		}
	})
}

func TestTeams(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		admin := o.setUp()
		boss, bossID := o.enter(admin, "boss@example.com", "manager")
		_, id := o.enter(admin, "a@example.com", "agent")
		made := admin.do(201, "POST", "/api/v1/teams", m{"name": "销售", "members": []string{id}, "managers": []string{bossID}})
		at := made.Header.Get("Location")
		if team := read[administration.Team](t, admin.do(200, "GET", at, nil)); len(team.Members) != 1 || team.Managers[0].Email != "boss@example.com" {
			t.Errorf("the team is %+v", team)
		}
		admin.refused(409, "name_taken", "POST", "/api/v1/teams", m{"name": "销售", "members": []string{}, "managers": []string{}})
		admin.refused(422, "unknown_person", "POST", "/api/v1/teams", m{"name": "x", "members": []string{"nobody"}, "managers": []string{}})
		if s := read[administration.Session](t, boss.do(200, "GET", "/api/v1/session", nil)); len(s.Accounts) != 2 {
			t.Errorf("the manager sees %q", s.Accounts)
		}
		tag := made.Header.Get("ETag")
		changed := admin.do(200, "PUT", at, m{"name": "大客户", "members": []string{}, "managers": []string{bossID}}, "If-Match", tag)
		admin.refused(412, "changed_meanwhile", "DELETE", at, nil, "If-Match", tag)
		if l := read[administration.TeamList](t, admin.do(200, "GET", "/api/v1/teams", nil)); len(l.Items) != 1 || l.Items[0].Name != "大客户" {
			t.Errorf("the teams are %+v", l)
		}
		if me := read[administration.Me](t, boss.do(200, "GET", "/api/v1/me", nil)); len(me.Teams) != 1 || !me.Teams[0].Manages {
			t.Errorf("the manager is in %+v", me.Teams)
		}
		admin.do(204, "DELETE", at, nil, "If-Match", changed.Header.Get("ETag"))
		admin.refused(404, "not_found", "GET", at, nil)
		for operation, name := range map[string]string{"createTeam": "销售", "changeTeam": "销售", "removeTeam": "大客户"} {
			acts := slices.DeleteFunc(o.server.Acts(operation), func(a api.Act) bool { return a.Outcome != api.OutcomeDone })
			if len(acts) != 1 || acts[0].Notes["name"] != name {
				t.Errorf("on record of %s: %+v", operation, acts)
			}
		}
	})
}

func TestTokens(t *testing.T) {
	each(t, func(t *testing.T, o *office) {
		admin := o.setUp()
		manager, _ := o.enter(admin, "boss@example.com", "manager")
		manager.refused(422, "not_yours", "POST", "/api/v1/tokens", m{"name": "t", "permissions": []string{"people.write"}})
		manager.refused(422, "bad_expiry", "POST", "/api/v1/tokens", m{"name": "t", "permissions": []string{"mail.read"}, "expires_at": "2020-01-01T00:00:00Z"})
		made := read[administration.NewApiToken](t, manager.do(201, "POST", "/api/v1/tokens", m{"name": "t", "permissions": []string{"mail.read"}}))
		program := o.browser()
		program.token = made.Secret
		if s := read[administration.Session](t, program.do(200, "GET", "/api/v1/session", nil)); !s.SignedIn || s.Token != made.Token.Id || len(s.Permissions) != 1 {
			t.Errorf("the program is told %+v", s)
		}
		program.refused(403, "forbidden", "GET", "/api/v1/tokens", nil)
		program.refused(403, "browser_only", "POST", "/api/v1/me/factors/totp", nil)
		program.refused(403, "browser_only", "PATCH", "/api/v1/me", m{"name": "x"})
		power := o.browser()
		power.token = read[administration.NewApiToken](t, admin.do(201, "POST", "/api/v1/tokens", m{"name": "p", "permissions": []string{"people.write"}})).Secret
		who := read[administration.User](t, power.do(201, "POST", "/api/v1/people", m{"email": "n@example.com", "name": "n", "role": "agent"}))
		power.refused(403, "browser_only", "POST", "/api/v1/people/"+who.Id+"/invitation", nil)

		manager.refused(403, "forbidden", "GET", "/api/v1/tokens?all=true", nil)
		if l := read[administration.ApiTokenList](t, manager.do(200, "GET", "/api/v1/tokens", nil)); len(l.Items) != 1 || l.Items[0].LastUsedAt.IsZero() {
			t.Errorf("the manager's tokens are %+v", l)
		}
		all := read[administration.ApiTokenList](t, admin.do(200, "GET", "/api/v1/tokens?all=true&limit=1", nil))
		rest := read[administration.ApiTokenList](t, admin.do(200, "GET", "/api/v1/tokens?all=true&limit=1&cursor="+all.Next, nil))
		if len(all.Items) != 1 || len(rest.Items) != 1 || all.Items[0].Id == rest.Items[0].Id || rest.Next != "" {
			t.Errorf("all tokens are %+v and %+v", all, rest)
		}
		manager.refused(404, "not_found", "DELETE", "/api/v1/tokens/"+all.Items[0].Id, nil)
		admin.do(204, "DELETE", "/api/v1/tokens/"+made.Token.Id, nil)
		program.refused(401, "sign_in", "GET", "/api/v1/me", nil)
	})
}
