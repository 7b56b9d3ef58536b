package administration_test

import (
	"net/http"
	"strings"
	"testing"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/console/api/administration"
	"heliograph/internal/console/api/apitest"
	"heliograph/internal/console/audit"
	"heliograph/internal/journal/segment"
	"heliograph/internal/store/storetest"
)

// What is done through the API is on record, and the record can be read, exported and verified.
func TestAuditOperations(t *testing.T) {
	t.Parallel()
	log, err := audit.New(audit.Options{Store: storetest.SQLite(t), Keys: segment.NewKeyring().Derive(audit.Purpose), Keep: audit.MinKeep})
	if err != nil {
		t.Fatal(err)
	}
	part := administration.New(administration.Options{Audit: log}).API()
	doc, err := api.Read([]api.Part{part}, "test")
	if err != nil {
		t.Fatal(err)
	}
	recorder := log.Recorder(doc.Operations())
	person := access.Person{ID: "a", Email: "admin@example.com", Role: access.Admin}
	caller := access.NewCaller(person, access.ScopeAll, nil, nil)
	for _, a := range []api.Act{
		{Operation: "createTeam", Change: true, Caller: caller, Outcome: api.OutcomeAllowed},
		{Operation: "updatePerson", Change: true, Object: "p1", Caller: caller, Outcome: api.OutcomeRefused},
		{Operation: "listAudit", Caller: caller, Outcome: api.OutcomeDone},
		{Operation: "listAudit", Caller: caller, Outcome: api.OutcomeDone},
		{Operation: "updatePerson", Change: true, Object: "p1", Caller: caller, Outcome: api.OutcomeDone, Notes: map[string]any{"role": "agent"}},
	} {
		if err := recorder.Record(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	c := apitest.New(t, part).As(caller)
	var page administration.AuditPage
	c.Get("/api/v1/audit?limit=2").JSON(http.StatusOK, &page)
	if len(page.Items) != 2 || page.Items[0].Seq != 3 || page.Items[0].Details["role"] != "agent" || page.Next == "" || len(page.Open) != 1 || page.Open[0].Count != 2 {
		t.Errorf("got %+v", page)
	}
	if page.Items[0].Kind != "people" && page.Items[0].Kind != "" {
		t.Errorf("got %+v", page.Items[0])
	}
	next := page.Next
	page = administration.AuditPage{}
	c.Get("/api/v1/audit?limit=2&cursor="+next).JSON(http.StatusOK, &page)
	if len(page.Items) != 1 || page.Items[0].Action != "createTeam" || page.Next != "" || len(page.Open) != 0 {
		t.Errorf("got %+v", page)
	}
	page = administration.AuditPage{}
	c.Get("/api/v1/audit?outcome=refused&person=ADMIN@example.com").JSON(http.StatusOK, &page)
	if len(page.Items) != 1 || page.Items[0].Seq != 2 {
		t.Errorf("got %+v", page)
	}
	var verdict administration.AuditVerdict
	c.Post("/api/v1/audit/verify", nil).JSON(http.StatusOK, &verdict)
	if !verdict.Whole || verdict.Rows != 3 {
		t.Errorf("got %+v", verdict)
	}
	if lines := string(c.Get("/api/v1/audit/export").Is(http.StatusOK).Body); strings.Count(lines, "\n") != 3 {
		t.Errorf("got %s", lines)
	}
	if text := string(c.Get("/api/v1/audit/export?format=csv&object=p1").Is(http.StatusOK).Body); strings.Count(text, "\r\n") != 3 {
		t.Errorf("got %s", text)
	}
	change := api.Act{Operation: "removeTeam", Change: true, Object: "t1", Caller: caller, Outcome: api.OutcomeAllowed, Request: "r1"}
	for _, outcome := range []api.Outcome{api.OutcomeAllowed, api.OutcomeDone} { // as the API does
		page = administration.AuditPage{}
		c.Get("/api/v1/audit?object=t1").JSON(http.StatusOK, &page)
		if len(page.Items) != 0 {
			t.Errorf("before it is done: %+v", page)
		}
		change.Outcome = outcome
		if outcome == api.OutcomeDone {
			if len(page.Open) != 1 || !page.Open[0].UnderWay {
				t.Errorf("under way: %+v", page)
			}
			change.Notes = map[string]any{"name": "销售"}
		}
		if err := recorder.Record(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	page = administration.AuditPage{}
	c.Get("/api/v1/audit?object=t1").JSON(http.StatusOK, &page)
	if len(page.Items) != 1 || len(page.Open) != 0 || page.Items[0].Outcome != administration.AuditDone || page.Items[0].Details["name"] != "销售" {
		t.Errorf("one row of a change: %+v", page)
	}
	agent := access.NewCaller(access.Person{ID: "b", Role: access.Agent}, access.ScopeOwn, nil, nil)
	apitest.New(t, part).As(agent).Get("/api/v1/audit").Is(http.StatusForbidden)
}
