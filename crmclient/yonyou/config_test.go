package yonyou_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/yonyou"
)

func TestSample(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var cfg yonyou.Config
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
		change func(*yonyou.Config)
		want   string
	}{
		"url":          {func(c *yonyou.Config) { c.URL = "ftp://x" }, "url:"},
		"tenant":       {func(c *yonyou.Config) { c.TenantID = "" }, "tenant_id is missing"},
		"key":          {func(c *yonyou.Config) { c.AppKey = "" }, "app_key is missing"},
		"secret":       {func(c *yonyou.Config) { c.AppSecret = config.Secret{} }, "app_secret is missing"},
		"organisation": {func(c *yonyou.Config) { c.Mail.Org = "" }, "org_code is missing"},
		"zone":         {func(c *yonyou.Config) { c.Zone = "Beijing" }, `"Beijing" is not a time zone`},
		"mapping":      {func(c *yonyou.Config) { c.Mail.Fields["x"] = fieldmap.From("subjekt") }, "mail.fields"},
		"lead":         {func(c *yonyou.Config) { c.Leads.Fields = fieldmap.Fields{"x": {}} }, "leads.fields"},
		"page":         {func(c *yonyou.Config) { c.PageSize = 9999 }, "page_size must be"},
		"overlap":      {func(c *yonyou.Config) { c.Overlap = config.Duration(48 * time.Hour) }, "overlap must be"},
		"length":       {func(c *yonyou.Config) { c.Mail.Length = 100 }, "text_length must be"},
		"content":      {func(c *yonyou.Config) { c.Mail.Content = "rtf" }, "mail: content must be text or html"},
		"signature":    {func(c *yonyou.Config) { c.Push.Signature = "md5" }, "push: signature must be"},
		"reply":        {func(c *yonyou.Config) { c.Push.Reply = "none" }, "push: reply must be"},
		"hosts":        {func(c *yonyou.Config) { c.Hosts = []string{"com"} }, `hosts: "com"`},
		"token path":   {func(c *yonyou.Config) { c.TokenPath = "/x?y=z" }, "token_path"},
		"empty object": {func(c *yonyou.Config) { c.Objects = map[string]yonyou.Object{"x": {}} }, "objects.x: neither"},
		"path":         {func(c *yonyou.Config) { c.Objects = map[string]yonyou.Object{"x": {List: "/a/../b"}} }, "objects.x"},
		"field of lists": {func(c *yonyou.Config) {
			c.Objects = map[string]yonyou.Object{"x": {List: "/a/b", Times: []string{"a b"}}}
		}, "objects.x"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := sectionFor("https://apigateway.yonyoucloud.com")
			tc.change(&cfg)
			err := cfg.Validate()
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), appSecret) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if _, err := yonyou.New(cfg, crmclient.Deps{}); err == nil {
				t.Error("New: no error")
			}
		})
	}
}
