package salesforce_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
)

func TestSecretsInAnswersAreHidden(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	f.fail = func(r *http.Request) (int, string) {
		return 400, `[{"errorCode":"ODD","message":"header ` + r.Header.Get("Authorization") + `"}]`
	}
	_, err := c.FindContacts(t.Context(), []string{"li@customer.example"})
	if err == nil || strings.Contains(fmt.Sprintf("%+v", err), "s3cr3t") || !strings.Contains(err.Error(), "ODD") {
		t.Errorf("got %v", err)
	}
}

func TestLimitOfTheDayIsNotUsedUp(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	cfg := section(f, server.URL)
	share := 20
	cfg.APIReserve = &share
	now := time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC)
	c := open(t, cfg, crmclient.Deps{Now: func() time.Time { return now }})
	f.used, f.most = 78, 100
	ask := func() error {
		_, err := c.FindContacts(t.Context(), []string{"a@b.example"})
		return err
	}
	if err := ask(); err != nil { // two requests: 80 are used now
		t.Fatal(err)
	}
	e := wantClass(t, ask(), crmclient.ClassRate)
	if e.RetryAfter != 10*time.Minute || f.used != 80 {
		t.Errorf("wait %s, used %d", e.RetryAfter, f.used)
	}
	now = now.Add(11 * time.Minute)
	f.used = 10 // the window went on
	if err := errors.Join(ask(), ask()); err != nil || f.used != 14 {
		t.Errorf("after the pause: %v, used %d", err, f.used)
	}
	f.used = 100
	e = wantClass(t, ask(), crmclient.ClassRate)
	if e.RetryAfter < time.Minute || e.Status != http.StatusForbidden {
		t.Errorf("got %+v", e)
	}
}

func TestUpsertThatSalesforceRefuses(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	f.change(func(tables map[string]*ftable) { delete(tables["EmailMessage"].fields, "Heliograph_Key__c") })
	_, err := c.LogEmail(t.Context(), crmtest.Activity("no key"))
	if e := wantClass(t, err, crmclient.ClassConfiguration); !strings.Contains(e.Message, "Heliograph_Key__c") || !strings.Contains(e.Remedy, "External ID") {
		t.Errorf("got %v, remedy %q", e, e.Remedy)
	}
}

func TestErrorTable(t *testing.T) {
	t.Parallel()
	cases := []struct {
		status int
		code   string
		class  crmclient.Class
		remedy string
	}{
		{403, "REQUEST_LIMIT_EXCEEDED", crmclient.ClassRate, "System Overview"},
		{400, "UNABLE_TO_LOCK_ROW", crmclient.ClassRetry, ""},
		{400, "INVALID_FIELD", crmclient.ClassConfiguration, "Field-Level Security"},
		{400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", crmclient.ClassPermanent, "validation rule"},
		{400, "STRING_TOO_LONG", crmclient.ClassPermanent, "max_text"},
		{400, "STORAGE_LIMIT_EXCEEDED", crmclient.ClassConfiguration, "Storage Usage"},
		{403, "INSUFFICIENT_ACCESS_OR_READONLY", crmclient.ClassAuth, "permission set"},
		{403, "INSUFFICIENT_ACCESS_FOR_SOMETHING_NEW", crmclient.ClassAuth, "permission set"},
		{400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", crmclient.ClassPermanent, "sharing"},
		{403, "API_DISABLED_FOR_ORG", crmclient.ClassConfiguration, "edition"},
		{400, "REQUIRED_FIELD_MISSING", crmclient.ClassConfiguration, "mapping"},
		{400, "SOMETHING_NEW", crmclient.ClassPermanent, ""},
		{503, "SERVER_UNAVAILABLE", crmclient.ClassRetry, ""},
		{500, "UNKNOWN_EXCEPTION", crmclient.ClassRetry, ""},
	}
	for _, k := range cases {
		t.Run(k.code, func(t *testing.T) {
			t.Parallel()
			f, c := start(t, nil)
			f.fail = func(r *http.Request) (int, string) {
				if !f.Writes(r) {
					return 0, ""
				}
				return k.status, `[{"errorCode":"` + k.code + `","message":"Subject: data value too large: Quotation 42","fields":["Subject"]}]`
			}
			_, err := c.LogEmail(t.Context(), crmtest.Activity("refused"))
			e := wantClass(t, err, k.class)
			if e.Status != k.status || !strings.Contains(e.Remedy, k.remedy) || !strings.Contains(e.Message, k.code) {
				t.Errorf("got %+v", e)
			}
			if k.code == "STRING_TOO_LONG" && strings.Contains(err.Error(), "Quotation") {
				t.Errorf("the subject is in %v", err)
			}
		})
	}
}

func TestAmbiguousKey(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	f.fail = func(r *http.Request) (int, string) {
		if f.Writes(r) {
			return 300, `["/services/data/v62.0/sobjects/EmailMessage/02s1","/services/data/v62.0/sobjects/EmailMessage/02s2"]`
		}
		return 0, ""
	}
	_, err := c.LogEmail(t.Context(), crmtest.Activity("twice"))
	if e := wantClass(t, err, crmclient.ClassPermanent); !strings.Contains(e.Remedy, "Unique") {
		t.Errorf("remedy: %q", e.Remedy)
	}
}
