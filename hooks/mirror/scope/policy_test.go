package scope_test

import (
	"testing"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/message"
)

func decide(t *testing.T, p config.Privacy, f scope.Facts) scope.Decision {
	t.Helper()
	s, err := scope.New(scope.Options{Privacy: p})
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Decide(t.Context(), &f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSubjectMarks(t *testing.T) {
	t.Parallel()
	p := config.Privacy{SubjectMarks: []string{"[private]", "#private", "【私人】", "^home:"}}
	for subject, want := range map[string]bool{
		"［PRIVATE］ results": true, "Re: [Private] results": true, "[ private ]": false, "results #private": true, "#privateer": false, "a#private": true,
		"回复：【私人】体检": true, "Home: keys": true, "Re: home: keys": true, "at home: keys": false, "[pri\u200bvate]": true, "": false, "private": false,
	} {
		if d := decide(t, p, scope.Facts{Subject: subject}); d.Include == want || want && !d.Message {
			t.Errorf("%q: got %+v", subject, d)
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	yes := true
	facts := scope.Facts{
		Account: "wang@example.com", Mailbox: "INBOX/家人", Direction: crmclient.Outbound, From: []string{"wang@example.com"},
		To: []string{"li+home@acme.test", "x@deep.sub.例子.公司"}, Protection: message.SMIMEEncrypted, ListID: "dev.github.com", Size: 5000,
		Attachments: []message.Attachment{{Name: "报告.ZIP", Type: "application/zip"}},
	}
	for name, tt := range map[string]struct {
		rule    config.PrivacyRule
		matches bool
		message bool
	}{
		"account":              {config.PrivacyRule{Accounts: []string{"wang@example.com"}}, true, false},
		"domain of accounts":   {config.PrivacyRule{Accounts: []string{"*@example.com"}}, true, false},
		"group":                {config.PrivacyRule{Groups: []string{"hr"}}, false, false},
		"folder":               {config.PrivacyRule{Folders: []string{"*家人*"}}, true, false},
		"direction":            {config.PrivacyRule{Directions: []string{"inbound"}}, false, false},
		"from":                 {config.PrivacyRule{From: []string{"example.com"}}, true, true},
		"to, without its tag":  {config.PrivacyRule{To: []string{"li@acme.test"}}, true, true},
		"not from":             {config.PrivacyRule{From: []string{"li@acme.test"}}, false, true},
		"subdomains":           {config.PrivacyRule{Participants: []string{"*.例子.公司"}}, true, true},
		"not the domain":       {config.PrivacyRule{Participants: []string{"*.acme.test"}}, false, true},
		"listed":               {config.PrivacyRule{ListFile: "list", Listed: []string{"acme.test"}}, true, true},
		"encrypted":            {config.PrivacyRule{Protection: []string{"encrypted"}}, true, true},
		"signed":               {config.PrivacyRule{Protection: []string{"signed"}}, false, true},
		"bulk":                 {config.PrivacyRule{Bulk: &yes}, true, false},
		"automated":            {config.PrivacyRule{Automated: &yes}, false, false},
		"list":                 {config.PrivacyRule{Lists: []string{"*.GitHub.com"}}, true, false},
		"size":                 {config.PrivacyRule{LargerThan: 4999}, true, false},
		"ending":               {config.PrivacyRule{Attachments: []string{".zip"}}, true, true},
		"type":                 {config.PrivacyRule{Attachments: []string{"image/*"}}, false, true},
		"two that hold":        {config.PrivacyRule{From: []string{"example.com"}, To: []string{"acme.test"}}, true, true},
		"one that does not":    {config.PrivacyRule{From: []string{"example.com"}, To: []string{"b.test"}}, false, true},
		"people of an account": {config.PrivacyRule{Accounts: []string{"wang@example.com"}, To: []string{"acme.test"}}, true, false},
		"covers":               {config.PrivacyRule{Accounts: []string{"wang@example.com"}, Covers: config.CoverMessage}, true, true},
	} {
		tt.rule.Name, tt.rule.Action = name, config.PrivacyExclude
		d := decide(t, config.Privacy{Rules: []config.PrivacyRule{tt.rule}, Groups: map[string][]string{"hr": {"zhao@example.com"}}}, facts)
		if d.Include == tt.matches || tt.matches && (d.Message != tt.message || d.Rule != name || d.Kind != scope.KindRule) {
			t.Errorf("%s: got %+v", name, d)
		}
	}
}
