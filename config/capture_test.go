package config_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"heliograph/config"
)

func TestFoldersTakes(t *testing.T) {
	t.Parallel()
	standard := config.Folders{Exclude: []string{`\Drafts`, `\Junk`, `\Trash`}}
	for _, c := range []struct {
		folders          config.Folders
		mailbox, special string
		want             bool
	}{
		{standard, "INBOX", "", true},
		{standard, "Sent", `\Sent`, true},
		{standard, "Whatever", `\HasNoChildren \junk`, false},
		{standard, "Kladde", `\Drafts`, false},
		{standard, "Trash", `\Trash`, false},

		// Servers that mark nothing: names tell.
		{standard, "Drafts", "", false},
		{standard, "INBOX.Drafts", "", false},
		{standard, "[Gmail]/Trash", "", false},
		{standard, "草稿箱", "", false},
		{standard, "其他/垃圾邮件", "", false},
		{standard, "Deleted Messages", "", false},
		{standard, "Draftsmen", "", true},
		// Where the server does mark, the mark counts and not the name.
		{standard, "Junk", `\Archive`, true},

		// Drafts are no mail yet, whatever the configuration says.
		{config.Folders{}, "Drafts", "", false},
		{config.Folders{}, "x", `\Drafts`, false},
		{config.Folders{Include: []string{"*"}}, "Drafts", "", false},
		{config.Folders{}, "Junk", `\Junk`, true},

		{config.Folders{Include: []string{"INBOX", `\Sent`}}, "INBOX", "", true},
		{config.Folders{Include: []string{"INBOX", `\Sent`}}, "Gesendet", `\Sent`, true},
		{config.Folders{Include: []string{"INBOX", `\Sent`}}, "Sent Items", "", true},
		{config.Folders{Include: []string{"INBOX", `\Sent`}}, "INBOX/a", "", false},
		{config.Folders{Include: []string{"Customers/*"}}, "customers/a/b", "", true},
		{config.Folders{Include: []string{"Customers/%"}}, "Customers/a", "", true},
		{config.Folders{Include: []string{"Customers/%"}}, "Customers/a/b", "", false},
		{config.Folders{Include: []string{"Customers.%"}}, "Customers.a.b", "", false},
		{config.Folders{Include: []string{"%/x"}}, "a/x", "", true},
		{config.Folders{Include: []string{"%/x"}}, "a/b/x", "", false},
		{config.Folders{Include: []string{"*/x"}}, "a/b/x", "", true},
		{config.Folders{Include: []string{"a*b*c"}}, "aXbXbc", "", true},
		{config.Folders{Include: []string{"a*b*c"}}, "aXbXb", "", false},
		{config.Folders{Include: []string{"%name"}}, `\name`, "", true},
		{config.Folders{Include: []string{"*"}, Exclude: []string{"private*"}}, "Private/Family", "", false},
		{config.Folders{Include: []string{"客户*"}}, "客户/北京", "", true},
		{config.Folders{Include: []string{"**%%"}}, "", "", true},
	} {
		if got := c.folders.Takes(c.mailbox, c.special); got != c.want {
			t.Errorf("%+v takes %q with %q: got %v", c.folders, c.mailbox, c.special, got)
		}
	}
}

// TestFoldersTakesBadCase has a pattern and a name on which going back for each
// wildcard would take longer than anybody lives.
func TestFoldersTakesBadCase(t *testing.T) {
	t.Parallel()
	f := config.Folders{Include: []string{strings.Repeat("a*", 50) + "b"}}
	if f.Takes(strings.Repeat("a", 10_000), "") {
		t.Error("takes what does not match")
	}
}

func TestCaptureFor(t *testing.T) {
	t.Parallel()
	c := config.Capture{
		Policy:  config.CaptureSeen,
		Folders: config.Folders{Include: []string{"INBOX"}, Exclude: []string{`\Junk`}},
		Accounts: []config.CaptureRule{
			{Match: []string{"boss@example.com", "*@board.example.com"}, Policy: config.CaptureNone},
			{Match: []string{"li@example.com"}, Folders: config.Folders{Exclude: []string{}}},
			{Match: []string{"*@example.org"}, Policy: config.CaptureAll, Folders: config.Folders{Include: []string{}, Exclude: []string{"x"}}},
		},
	}
	for account, want := range map[string]config.CaptureRule{
		"wang@example.com":      {Policy: config.CaptureSeen, Folders: c.Folders},
		"":                      {Policy: config.CaptureSeen, Folders: c.Folders},
		"board.example.com":     {Policy: config.CaptureSeen, Folders: c.Folders},
		"x@sub.example.org":     {Policy: config.CaptureSeen, Folders: c.Folders},
		"boss@example.com":      {Match: c.Accounts[0].Match, Policy: config.CaptureNone, Folders: c.Folders},
		"Boss@EXAMPLE.com":      {Match: c.Accounts[0].Match, Policy: config.CaptureNone, Folders: c.Folders},
		"any@board.example.com": {Match: c.Accounts[0].Match, Policy: config.CaptureNone, Folders: c.Folders},
		"li@example.com":        {Match: c.Accounts[1].Match, Policy: config.CaptureSeen, Folders: config.Folders{Include: []string{"INBOX"}, Exclude: []string{}}},
		"a@b@example.org":       {Match: c.Accounts[2].Match, Policy: config.CaptureAll, Folders: config.Folders{Include: []string{}, Exclude: []string{"x"}}},
	} {
		if got := c.For(account); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, want %+v", account, got, want)
		}
	}
	c.Accounts = append(c.Accounts, config.CaptureRule{Match: []string{"*"}, Policy: config.CaptureNew})
	if got := c.For("wang@example.com").Policy; got != config.CaptureNew {
		t.Errorf("the rule for all: got %s", got)
	}
}

// FuzzFoldersTakes compares the patterns with the regular expressions that say the same.
func FuzzFoldersTakes(f *testing.F) {
	for _, seed := range [][2]string{{"a*b%c", "aXb.c"}, {"%/x", "a/x"}, {"**", ""}, {"%", "a.b"}, {"客户*", "客户/北京"}, {"INBOX", "inbox"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(name) || strings.HasPrefix(pattern, `\`) {
			return
		}
		folders := config.Folders{Include: []string{pattern}}
		if !(config.Folders{}).Takes(name, "") {
			return // drafts
		}
		text := regexp.QuoteMeta(strings.ToLower(pattern))
		text = strings.NewReplacer(`\*`, `(?s:.*)`, `%`, `[^/.]*`).Replace(text)
		want := regexp.MustCompile(`\A(?:` + text + `)\z`).MatchString(strings.ToLower(name))
		if got := folders.Takes(name, ""); got != want {
			t.Errorf("%q takes %q: got %v, want %v", pattern, name, got, want)
		}
	})
}
