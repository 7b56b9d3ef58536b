package actions

import (
	"context"
	"io"
	"strings"
	"testing"

	"heliograph/hooks"
	"heliograph/hooks/automail/compose"
	"heliograph/hooks/mirror"
	"heliograph/hooks/rules"
	"heliograph/internal/calendar"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// everyMail starts on whatever may start a rule at all.
const everyMail = `
id: every
name: 所有来信
owner: lead@example.com
trigger: {type: mail, automated: true}
steps: [{id: a, do: notify, with: {channel: sales, title: x}}]
`

// hookOn is the hook of a gateway with a rule, and a signer of causes.
func hookOn(t *testing.T, db *store.DB, signer *compose.Signer, rule string) *Hook {
	t.Helper()
	set, err := calendar.NewSet(nil)
	if err != nil {
		t.Fatal(err)
	}
	a := New(Options{Store: db, Signer: signer, Internal: func(a string) bool { return strings.HasSuffix(a, "@example.com") }})
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	e := rules.New(rules.Options{Store: db, Queue: queue.Open(db, queue.Options{}), World: a, Performer: a, Calendars: set, Calendar: "cn"})
	r, err := rules.Parse([]byte(rule))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.Book().Publish(t.Context(), r, rules.StateLive, -1, "", "test", rules.Surroundings{}); err != nil {
		t.Fatal(err)
	}
	return &Hook{Actions: a, Engine: e}
}

func newSigner(t *testing.T, key string, earlier ...[]byte) *compose.Signer {
	t.Helper()
	s, err := compose.NewSigner([]byte(key), earlier...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestMailThatRulesCausedStartsNone: mail with the mark of a rule starts no rule, not even one that takes the mail of machines; that of a machine without
// one does, and so does a person's. Marks that we cannot read count as another gateway's: two gateways without a common key must not answer each other, and
// who forges one keeps only his own mail from being answered.
func TestMailThatRulesCausedStartsNone(t *testing.T) {
	t.Parallel()
	const ours, theirs, old = "the key of this gateway", "the key of another gateway", "the key before this one"
	signer := newSigner(t, ours, []byte(old))
	signed := func(by *compose.Signer, depth int, id string) string {
		return compose.CauseHeader + ": " + by.Sign(compose.Cause{Run: "r1", Rule: "welcome", Depth: depth}, id) + "\r\n"
	}
	cases := map[string]struct {
		header string
		runs   int
	}{
		"a person":                          {"", 1},
		"a machine":                         {"Auto-Submitted: auto-generated\r\n", 1},
		"a rule of ours":                    {signed(signer, 1, "m1@customer.org"), 0},
		"a rule of ours that came far":      {signed(signer, compose.MaxDepth+2, "m1@customer.org"), 0},
		"a rule under an earlier key":       {signed(newSigner(t, old), 2, "m1@customer.org"), 0},
		"a rule of ours by another gateway": {"Auto-Submitted: auto-replied\r\n" + signed(newSigner(t, ours), 1, "m1@customer.org"), 0},
		"a gateway with another key":        {signed(newSigner(t, theirs), 1, "m1@customer.org"), 0},
		"a mark of another mail":            {signed(signer, 1, "other@customer.org"), 0},
		"a mark without a signature":        {compose.CauseHeader + ": v1; run=r; rule=x; depth=0\r\n", 0},
		"a mark that is none":               {compose.CauseHeader + ": no\r\n", 0},
		"the mark in the text only":         {"X-Other: " + compose.CauseHeader + ": v1; run=r\r\n", 1},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := hookOn(t, db, signer, everyMail)
		n := 0
		for name, c := range cases {
			n++
			key := "k" + string(rune('a'+n))
			entry := journal.NewID(then)
			keep(t, db, entry, key, journal.KindFetch, then)
			e := hooks.Event{
				Entry: journal.Entry{Envelope: journal.Envelope{ID: entry, Kind: journal.KindFetch, Account: "sales@example.com", Mailbox: "INBOX", Received: then}},
				Body: func(context.Context) (io.ReadCloser, error) {
					return io.NopCloser(strings.NewReader(c.header + storedMail)), nil
				},
			}
			if out := h.Handle(t.Context(), e); out.Err != nil || out.Action != queue.Complete {
				t.Fatalf("%s: %+v", name, out)
			}
			runs, err := rules.Runs(t.Context(), db.Reader(), rules.RunFilter{})
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for _, r := range runs {
				if r.Event.Key == key {
					got++
				}
			}
			if got != c.runs {
				t.Errorf("%s starts %d runs, want %d", name, got, c.runs)
			}
		}
	})
}

// TestCauseOfMailThatFollows: what a rule sends because of a mail says how many rules came before, and too many end it.
func TestCauseOfMailThatFollows(t *testing.T) {
	t.Parallel()
	for depth, want := range map[int]int{0: 1, 1: 1, 2: 2, compose.MaxDepth: compose.MaxDepth, compose.MaxDepth + 1: 0} {
		var m compose.Message
		err := because(&m, &rules.Effect{ID: "e", Run: "r1", Rule: "welcome", Depth: depth, Message: "k"})
		switch {
		case want == 0:
			if err == nil {
				t.Errorf("a mail of depth %d is made: %+v", depth, m.Cause)
			}
		case err != nil || m.Cause.Depth != want || m.Cause.Rule != "welcome" || len(m.Cause.Chain) != 1 || m.Cause.Chain[0] != compose.HashKey("k"):
			t.Errorf("the cause of a mail of depth %d is %+v, %v", depth, m.Cause, err)
		}
	}
}

// TestMailThatNamesUs: what came by a list, or as a blind copy, is not answered by a machine (RFC 3834, 2); what went to another address of the
// company is.
func TestMailThatNamesUs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		to, account, direction string
		want                   string // part of why it is not answered
	}{
		"to the account":        {"To: Sales@example.com", "sales@example.com", "inbound", ""},
		"to another of ours":    {"To: info@example.com", "sales@example.com", "inbound", ""},
		"in Cc":                 {"To: x@customer.org\r\nCc: sales@example.com", "sales@example.com", "inbound", ""},
		"to others":             {"To: everybody@customer.org", "sales@example.com", "inbound", "none of our addresses"},
		"to nobody":             {"To: undisclosed-recipients:;", "sales@example.com", "inbound", "none of our addresses"},
		"of ours to a customer": {"To: x@customer.org", "sales@example.com", "outbound", ""},
		"no address of ours":    {"To: x@customer.org", "sales", "inbound", ""},
	} {
		a := New(Options{Internal: func(a string) bool { return strings.HasSuffix(a, "@example.com") }})
		e := journal.Entry{Envelope: journal.Envelope{ID: journal.NewID(then), Kind: journal.KindFetch, Account: c.account, Mailbox: "INBOX", Received: then}}
		body := strings.Replace(storedMail, "To: sales@example.com", c.to, 1)
		m, err := a.mailFacts(t.Context(), hooks.Event{Entry: e, Body: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(body)), nil
		}}, mirror.Identity{Message: "k", Direction: c.direction})
		if err != nil {
			t.Fatal(err)
		}
		got, _ := m.facts["not_answerable"].(string)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) || m.answerable != (c.want == "") {
			t.Errorf("%s: it is not answered for %q, want %q", name, got, c.want)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}
