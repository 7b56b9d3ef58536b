package actions

import (
	"context"
	"io"
	"strings"
	"testing"

	"heliograph/hooks"
	"heliograph/hooks/mirror"
	"heliograph/internal/journal"
)

// TestWhatMayAnswerAQuestion: only what the provider took from an account, through us, of a person, under the account's own name.
func TestWhatMayAnswerAQuestion(t *testing.T) {
	t.Parallel()
	const header = "From: CFO <CFO@example.com>\r\nTo: service@example.com\r\nSubject: Re: x\r\nMessage-ID: <a@example.com>\r\nIn-Reply-To: <hg.1@example.com>\r\n"
	set := func(f func(e *journal.Entry)) func(e *journal.Entry) { return f }
	with := func(old, new string) string { return strings.Replace(header, old, new, 1) }
	cases := map[string]struct {
		header string
		change func(e *journal.Entry)
		want   bool
	}{
		"the account's own":           {header, nil, true},
		"References only":             {with("In-Reply-To: ", "References: <other@example.com> "), nil, true},
		"Sender is the account":       {header + "Sender: cfo@example.com\r\n", nil, true},
		"a new mail":                  {with("In-Reply-To: <hg.1@example.com>\r\n", ""), nil, false},
		"from outside":                {header, set(func(e *journal.Entry) { e.Kind, e.Account = journal.KindFetch, "service@example.com" }), false},
		"in the approver's mailbox":   {header, set(func(e *journal.Entry) { e.Kind = journal.KindFetch }), false},
		"put into a mailbox":          {header, set(func(e *journal.Entry) { e.Kind = journal.KindAppend }), false},
		"by a machine's relay":        {header, set(func(e *journal.Entry) { e.Kind = journal.KindRelay }), false},
		"by the outbox":               {header, set(func(e *journal.Entry) { e.Kind = journal.KindQueue }), false},
		"of a rule":                   {header, set(func(e *journal.Entry) { e.Automation.Effect = "1" }), false},
		"not known to be taken":       {header, set(func(e *journal.Entry) { e.State = journal.StateUnconfirmed }), false},
		"another's account":           {header, set(func(e *journal.Entry) { e.Account = "mallory@example.com" }), false},
		"another's account and path":  {header, set(func(e *journal.Entry) { e.Account, e.ReversePath = "mallory@example.com", "mallory@example.com" }), false},
		"no account":                  {header, set(func(e *journal.Entry) { e.Account = "" }), false},
		"an account without a domain": {header, set(func(e *journal.Entry) { e.Account = "cfo" }), false},
		"the null path":               {header, set(func(e *journal.Entry) { e.ReversePath = "" }), false},
		"another From":                {with("CFO@example.com", "boss@example.com"), nil, false},
		"two people":                  {with("<CFO@example.com>", "<cfo@example.com>, boss@example.com"), nil, false},
		"two From":                    {header + "From: boss@example.com\r\n", nil, false},
		"for somebody else":           {header + "Sender: assistant@example.com\r\n", nil, false},
		"out of office":               {header + "Auto-Submitted: auto-replied\r\n", nil, false},
		"out of office by its words":  {with("Re: x", "=?utf-8?b?6Ieq5Yqo5Zue5aSN?=: x"), nil, false},
		"of Exchange":                 {header + "X-Auto-Response-Suppress: All\r\n", nil, false},
		"of a list":                   {header + "List-Id: <all.example.com>\r\n", nil, false},
	}
	for name, c := range cases {
		a := New(Options{})
		e := journal.Entry{
			State: journal.StateConfirmed,
			Envelope: journal.Envelope{
				ID: journal.NewID(then), Kind: journal.KindSubmission, Account: "cfo@example.com", ReversePath: "CFO@example.com", Received: then,
				Recipients: []journal.Recipient{{Address: "Service@example.com", Code: 250}, {Address: "refused@example.com", Code: 550}},
			},
		}
		if c.change != nil {
			c.change(&e)
		}
		body := c.header + "\r\n同意\r\n"
		m, err := a.mailFacts(t.Context(), hooks.Event{Entry: e, Body: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(body)), nil
		}}, mirror.Identity{Message: "k"})
		if err != nil {
			t.Fatal(err)
		}
		r := replyIn(e, mirror.Identity{Message: "k"}, m)
		if (r != nil) != c.want {
			t.Errorf("%s: an answer is %+v, want one: %t", name, r, c.want)
		}
		if r != nil && (r.Account != "cfo@example.com" || r.Answers != "hg.1@example.com" || strings.Join(r.To, " ") != "service@example.com" || strings.TrimSpace(r.Unquoted) != "同意") {
			t.Errorf("%s: the answer is %+v", name, r)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}
