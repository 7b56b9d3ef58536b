package kingdee_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/kingdee"
)

func jsonNumber(s string) json.Number { return json.Number(s) }

func TestSample(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var cfg kingdee.Config
	if err := config.NewSection(string(raw)).Decode(&cfg); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*kingdee.Config)
		want   string
	}{
		"no url":             {func(c *kingdee.Config) { c.URL = "" }, "url is missing"},
		"no account":         {func(c *kingdee.Config) { c.AccountID = "" }, "account_id is missing"},
		"no user":            {func(c *kingdee.Config) { c.User = "" }, "user is missing"},
		"no app":             {func(c *kingdee.Config) { c.AppID = "" }, "app_id is missing"},
		"no secret":          {func(c *kingdee.Config) { c.AppSecret = config.Secret{} }, "app_secret is missing"},
		"login":              {func(c *kingdee.Config) { c.Login = "password" }, "login must be one of sign"},
		"headers":            {func(c *kingdee.Config) { c.Login, c.AppID = "headers", "230001" }, "app_id is not of the form"},
		"body":               {func(c *kingdee.Config) { c.Body = "xml" }, "body must be one of"},
		"zone":               {func(c *kingdee.Config) { c.Zone = "Beijing" }, `"Beijing" is not a time zone`},
		"session":            {func(c *kingdee.Config) { c.Session = config.Duration(time.Second) }, "session must be between"},
		"page":               {func(c *kingdee.Config) { c.PageSize = 5000 }, "page_size must be between 1 and 2000"},
		"overlap":            {func(c *kingdee.Config) { c.Overlap = config.Duration(-time.Second) }, "overlap must be"},
		"no form":            {func(c *kingdee.Config) { c.Mail.Form = "" }, "mail: form is missing"},
		"form":               {func(c *kingdee.Config) { c.Mail.Form = "a'b" }, `form "a'b" is not the id of a form`},
		"key":                {func(c *kingdee.Config) { c.Mail.Key = "F x" }, `mail: key: "F x" is not the name of a field`},
		"finish":             {func(c *kingdee.Config) { c.Mail.Finish = "print" }, "mail: finish must be one of"},
		"lengths":            {func(c *kingdee.Config) { c.Mail.TextUnits = -1 }, "text_length must be positive"},
		"attachments":        {func(c *kingdee.Config) { c.Mail.AttachmentBytes = 1 << 40 }, "attachment_bytes must be"},
		"mapping":            {func(c *kingdee.Config) { c.Mail.Fields["X"] = fieldmap.From("subjekt") }, `mail.fields: "X"`},
		"contact field":      {func(c *kingdee.Config) { c.Contacts[0].Company = "1=1 OR x" }, "contacts[0]: company:"},
		"contact mapping":    {func(c *kingdee.Config) { c.Contacts[0].Fields = fieldmap.Fields{"X": {}} }, "contacts[0].fields"},
		"contact id":         {func(c *kingdee.Config) { c.Contacts[0].Form = "BD_Other" }, "contacts[0]: id:"},
		"owner address":      {func(c *kingdee.Config) { c.Owners.Form = "BD_Empinfo" }, "owners: address:"},
		"company domain":     {func(c *kingdee.Config) { c.Companies.Domain = "a b" }, "companies: domain:"},
		"object":             {func(c *kingdee.Config) { c.Objects["x y"] = kingdee.Object{} }, "objects.x y"},
		"field of an object": {func(c *kingdee.Config) { c.Objects["X"] = kingdee.Object{Fields: []string{"a;b"}} }, "objects.X: fields:"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := sectionFor("https://erp.example.com")
			c.change(&cfg)
			err := cfg.Validate()
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), appSecret) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if _, err := kingdee.New(cfg, crmclient.Deps{}); err == nil {
				t.Error("New: no error")
			}
		})
	}
}
