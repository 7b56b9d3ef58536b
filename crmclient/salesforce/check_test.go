package salesforce_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/salesforce"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil  func(f *fake, c *salesforce.Config)
		class  crmclient.Class // empty: good
		remedy string
	}{
		"good":         {func(*fake, *salesforce.Config) {}, "", ""},
		"good, task":   {func(_ *fake, c *salesforce.Config) { c.LogAs = salesforce.LogAsTask }, "", ""},
		"wrong secret": {func(_ *fake, c *salesforce.Config) { c.ClientSecret = config.NewSecret("another secret") }, crmclient.ClassAuth, "secret"},
		"wrong host":   {func(f *fake, _ *salesforce.Config) { f.refusal = "invalid_client_id" }, crmclient.ClassAuth, "data centre"},
		"not approved": {func(f *fake, _ *salesforce.Config) { f.refusal = "invalid_grant" }, crmclient.ClassAuth, ""},
		"session refused": {func(f *fake, _ *salesforce.Config) {
			f.fail = func(*http.Request) (int, string) { return 401, `[{"errorCode":"INVALID_SESSION_ID","message":"x"}]` }
		}, crmclient.ClassAuth, "IP ranges"},
		"old version":     {func(_ *fake, c *salesforce.Config) { c.APIVersion = "99.0" }, crmclient.ClassConfiguration, "api_version"},
		"no EmailMessage": {func(f *fake, _ *salesforce.Config) { delete(f.tables, "EmailMessage") }, crmclient.ClassConfiguration, "Enhanced Email"},
		"no permission":   {func(f *fake, _ *salesforce.Config) { f.tables["EmailMessage"].closed = true }, crmclient.ClassAuth, "Permission Sets"},
		"no relations":    {func(f *fake, _ *salesforce.Config) { f.tables["EmailMessageRelation"].closed = true }, crmclient.ClassAuth, "EmailMessageRelation"},
		"no key field": {func(f *fake, _ *salesforce.Config) {
			delete(f.tables["EmailMessage"].fields, "Heliograph_Key__c")
		}, crmclient.ClassConfiguration, "External ID"},
		"key field not unique": {func(f *fake, _ *salesforce.Config) {
			f.tables["EmailMessage"].fields["Heliograph_Key__c"] = ffield{kind: "string", length: 64, external: true}
		}, crmclient.ClassConfiguration, "Unique"},
		"key field of one's own": {func(f *fake, c *salesforce.Config) {
			name := "Mine__c"
			c.KeyField = &name
			f.tables["EmailMessage"].fields["Mine__c"] = ffield{kind: "string", length: 64, unique: true}
		}, crmclient.ClassConfiguration, "External ID"},
		"mapped field missing": {func(_ *fake, c *salesforce.Config) {
			c.Fields["Nothing__c"] = fieldmap.From("subject", fieldmap.Cut(10))
		}, crmclient.ClassConfiguration, "Nothing__c"},
		"case field missing": {func(_ *fake, c *salesforce.Config) {
			c.TicketFields = fieldmap.Fields{"Nothing__c": fieldmap.From("subject", fieldmap.Cut(10))}
		}, crmclient.ClassConfiguration, "Nothing__c"},
		"search field missing": {func(_ *fake, c *salesforce.Config) { c.ContactEmailFields = []string{"Email", "Email2__c"} }, crmclient.ClassConfiguration, "Field-Level Security"},
		"leads hidden":         {func(f *fake, _ *salesforce.Config) { delete(f.tables, "Lead") }, crmclient.ClassConfiguration, "object"},
		"bodies too long":      {func(_ *fake, c *salesforce.Config) { c.MaxText = 100_000 }, crmclient.ClassConfiguration, "max_text to 32000"},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			server := httptest.NewServer(f)
			t.Cleanup(server.Close)
			cfg := section(f, server.URL)
			k.spoil(f, &cfg)
			c := open(t, cfg, crmclient.Deps{})
			line, err := c.Check(t.Context())
			if k.class == "" {
				if err != nil || !strings.Contains(line, "organisation "+orgID) || !strings.Contains(line, "requests of 24 hours left") {
					t.Errorf("got %q, %v", line, err)
				}
			} else if e := wantClass(t, err, k.class); e.Remedy == "" || !strings.Contains(e.Remedy, k.remedy) {
				t.Errorf("got %v, remedy %q, want %q in it", e, e.Remedy, k.remedy)
			}
			for _, call := range f.calls {
				if !strings.HasPrefix(call, "GET ") {
					t.Errorf("the check made the request %s", call)
				}
			}
		})
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := salesforce.Config{Settings: crmclient.Settings{URL: "https://example.my.salesforce.com"}, ClientID: "x", ClientSecret: config.NewSecret("secret")}
	none := ""
	cases := map[string]struct {
		change func(*salesforce.Config)
		want   string
	}{
		"good":                   {func(*salesforce.Config) {}, ""},
		"nothing":                {func(c *salesforce.Config) { *c = salesforce.Config{} }, "credentials are missing"},
		"login host with secret": {func(c *salesforce.Config) { c.URL = "" }, "My Domain"},
		"both":                   {func(c *salesforce.Config) { c.Username = "x" }, "exclude each other"},
		"no key":                 {func(c *salesforce.Config) { c.ClientSecret, c.Username = config.Secret{}, "x" }, "private_key is missing"},
		"broken key": {func(c *salesforce.Config) {
			c.ClientSecret, c.Username, c.PrivateKey = config.Secret{}, "x", config.NewSecret("no key")
		}, "RSA key"},
		"version":             {func(c *salesforce.Config) { c.APIVersion = "62" }, "api_version"},
		"log_as":              {func(c *salesforce.Config) { c.LogAs = "event" }, "log_as"},
		"task without key":    {func(c *salesforce.Config) { c.LogAs, c.KeyField = "task", &none }, "needs a key_field"},
		"field that is none":  {func(c *salesforce.Config) { c.ContactEmailFields = []string{"Email' OR"} }, "API name"},
		"path in key field":   {func(c *salesforce.Config) { c.KeyFields = map[string]string{"Case": "a/b"} }, "API name"},
		"files too large":     {func(c *salesforce.Config) { b := config.Bytes(1 << 40); c.MaxAttachment = &b }, "max_attachment"},
		"record type alone":   {func(c *salesforce.Config) { c.PersonRecordType = "012000000000001AAA" }, "without person_accounts"},
		"reserve":             {func(c *salesforce.Config) { n := 100; c.APIReserve = &n }, "api_reserve"},
		"unknown source":      {func(c *salesforce.Config) { c.Fields = fieldmap.Fields{"X": fieldmap.From("nothing")} }, "fields: "},
		"domain with a path":  {func(c *salesforce.Config) { c.InstanceDomains = []string{"a.example/x"} }, "instance_domains"},
		"text length":         {func(c *salesforce.Config) { c.MaxText = 10 }, "max_text"},
		"unknown company way": {func(c *salesforce.Config) { c.CompanyBy = "name" }, "company_by"},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good
			k.change(&c)
			err := c.Validate()
			if k.want == "" && err != nil || k.want != "" && (err == nil || !strings.Contains(err.Error(), k.want)) {
				t.Errorf("got %v, want %q", err, k.want)
			}
		})
	}
}
