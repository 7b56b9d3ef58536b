package mirror_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/hooks"
	"heliograph/hooks/mirror"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// words makes a mail. Lines of the header that are empty are left out.
type words struct {
	id, date, from, to, subject, more, body string
}

func (m words) String() string {
	var out strings.Builder
	for _, f := range []struct{ name, value string }{
		{"Message-ID", m.id}, {"Date", m.date}, {"From", m.from}, {"To", m.to}, {"Subject", m.subject},
	} {
		if f.value != "" {
			out.WriteString(f.name + ": " + f.value + "\n")
		}
	}
	return out.String() + m.more + "\n" + m.body
}

// base is what a person wrote; the functions are what becomes of it.
func base() words {
	return words{"<a1@example.com>", clockTime(0), "Wang Fang <wang@example.com>", "li@customer.test, zhao@example.com", "Offer 17", "", "报价见附件。\n\nWang\n"}
}

var noon = time.Date(2024, 3, 4, 12, 0, 0, 0, time.UTC)

func clockTime(after time.Duration) string { return noon.Add(after).Format(time.RFC1123Z) }

// with changes a mail.
func (m words) with(change func(*words)) words {
	change(&m)
	return m
}

// sight is one sighting of a scenario. The name of what it is a copy of is the model's answer.
type sight struct {
	message string
	wire    *mail
	kept    *copyOf
}

func sent(message string, after time.Duration, m words) sight {
	return sight{message, &mail{account: "wang@example.com", recipients: to("li@customer.test", "zhao@example.com"), raw: m.String(), at: noon.Add(after)}, nil}
}

func kept(message, account, mailbox string, uid uint32, after time.Duration, m words) sight {
	c := copyOf{account: account, mailbox: mailbox, uid: uid, date: noon.Add(after), raw: delivered(account, m.String())}
	return sight{message, nil, &c}
}

func appended(message string, after time.Duration, m words) sight {
	return sight{message, nil, &copyOf{kind: journal.KindAppend, account: "wang@example.com", mailbox: "Sent", date: noon.Add(after), raw: m.String()}}
}

// replaced is a mail as a provider sent it on under its own id, and list what a mailing list made of it.
func replaced(id string) func(*words) {
	return func(m *words) { m.id, m.more = "<"+id+"@provider.test>", "X-Provider: yes\n"+m.more }
}

func list(m *words) {
	m.subject = "[sales] " + m.subject
	m.more += "List-Id: Sales <sales.example.com>\nReply-To: sales@example.com\nPrecedence: list\n"
	m.body += "\n_______________\nsales mailing list\nhttps://lists.example.com/sales\n"
}

// scenarios are what was seen; which of it is one message does not depend on the order.
func scenarios() map[string][]sight {
	again := base().with(func(m *words) { m.id, m.date = "<a2@example.com>", clockTime(100*time.Second) })
	const soon = 100 * time.Second
	both := func(id string, after time.Duration) func(*words) {
		return func(m *words) { replaced(id)(m); m.date = clockTime(after) }
	}
	bare := base().with(func(m *words) { m.id, m.date = "", "" })
	forged := base().with(func(m *words) { m.body = "Pay to this account instead.\n" })
	return map[string][]sight{
		"the id is replaced": {
			sent("a", 0, base()),
			kept("a", "wang@example.com", "Sent", 1, time.Second, base().with(replaced("x"))),
			kept("a", "zhao@example.com", "INBOX", 1, time.Second, base().with(replaced("x"))),
		},
		"the date is replaced": {
			sent("a", 0, base()),
			kept("a", "wang@example.com", "Sent", 1, time.Second, base().with(func(m *words) { m.date = clockTime(8 * time.Hour) })),
		},
		"both are replaced": {
			sent("a", 0, base()),
			kept("a", "zhao@example.com", "INBOX", 1, 2*time.Second, base().with(both("x", 2*time.Second))),
			kept("a", "wang@example.com", "Sent", 1, time.Second, base().with(both("x", 2*time.Second))),
		},
		"both are added": {
			sent("a", 0, bare),
			kept("a", "wang@example.com", "Sent", 1, time.Second, base().with(replaced("x"))),
		},
		"the program keeps its copy, the provider sends another": {
			sent("a", 0, base()),
			appended("a", time.Second, base()),
			kept("a", "zhao@example.com", "INBOX", 1, time.Second, base().with(replaced("x"))),
		},
		"sent elsewhere, kept twice": {
			appended("a", 0, base()),
			kept("a", "wang@example.com", "Sent", 2, time.Second, base().with(replaced("x"))),
		},
		"the same words twice": {
			sent("a", 0, base()), sent("b", soon, again),
		},
		"the same words twice, with exact copies": {
			sent("a", 0, base()), sent("b", soon, again),
			kept("a", "wang@example.com", "Sent", 1, time.Second, base()),
			kept("b", "wang@example.com", "Sent", 2, soon+time.Second, again),
		},
		"the same words twice, ids replaced": {
			sent("a", 0, base()), sent("b", soon, again),
			kept("a", "wang@example.com", "Sent", 1, time.Second, base().with(replaced("x"))),
			kept("b", "wang@example.com", "Sent", 2, soon+time.Second, again.with(replaced("y"))),
		},
		"the same words twice, all replaced": {
			sent("a", 0, base()), sent("b", soon, again),
			kept("a", "wang@example.com", "Sent", 1, time.Second, base().with(both("x", time.Second))),
			kept("b", "wang@example.com", "Sent", 2, soon+time.Second, again.with(both("y", soon+time.Second))),
		},
		"the same words twice, without ids and dates": {
			sent("a", 0, bare), sent("b", soon, bare),
			kept("a", "wang@example.com", "Sent", 1, time.Second, base().with(both("x", 0))),
			kept("b", "wang@example.com", "Sent", 2, soon+time.Second, base().with(both("y", soon))),
		},
		"the second from a telephone": {
			sent("a", 0, base()),
			kept("a", "wang@example.com", "Sent", 1, time.Second, base()),
			kept("b", "wang@example.com", "Sent", 2, soon, again),
		},
		"long after": {
			sent("a", 0, base()),
			kept("b", "wang@example.com", "Sent", 1, time.Hour, base().with(both("x", time.Hour))),
		},
		"a list": {
			sent("a", 0, base()),
			kept("a", "zhao@example.com", "INBOX", 1, time.Minute, base().with(list)),
			kept("a", "sun@example.com", "INBOX", 1, time.Minute, base().with(list)),
			kept("a", "wang@example.com", "Sent", 1, time.Second, base()),
		},
		"forged": {
			sent("a", 0, base()),
			kept("b", "zhao@example.com", "INBOX", 1, time.Second, forged),
			kept("b", "sun@example.com", "INBOX", 1, time.Second, forged),
		},
		"forged as a list's": {
			sent("a", 0, base()),
			kept("b", "zhao@example.com", "INBOX", 1, time.Second, forged.with(list)),
		},
		"another sender": {
			sent("a", 0, base()),
			kept("b", "zhao@example.com", "INBOX", 1, time.Second, base().with(func(m *words) { m.from = "wang@evil.test" })),
			kept("b", "sun@example.com", "INBOX", 2, time.Second, base().with(func(m *words) { list(m); m.from = "wang@evil.test" })),
		},
		"draft and final": {
			sent("a", 0, base()),
			kept("b", "wang@example.com", "Drafts", 1, -time.Minute, base().with(func(m *words) { m.body = "报价\n" })),
			kept("a", "wang@example.com", "Sent", 1, time.Second, base()),
		},
		"no id": {
			sent("a", 0, base().with(func(m *words) { m.id = "" })),
			kept("a", "wang@example.com", "Sent", 1, time.Second, base().with(func(m *words) { m.id = "" })),
			kept("a", "zhao@example.com", "INBOX", 1, time.Second, base().with(replaced("x"))),
		},
		"no id, other people": {
			sent("a", 0, base().with(func(m *words) { m.id = "" })),
			sent("b", 0, base().with(func(m *words) { m.id, m.to = "", "sun@customer.test" })),
		},
	}
}

// orders returns all orders of n things, or some that are random but always the same where there are too many.
func orders(n, most int) [][]int {
	var out [][]int
	var walk func(done, left []int)
	walk = func(done, left []int) {
		if len(left) == 0 {
			out = append(out, slices.Clone(done))
		}
		for i := range left {
			rest := slices.Delete(slices.Clone(left), i, i+1)
			walk(append(slices.Clone(done), left[i]), rest)
		}
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	walk(nil, all)
	for len(out) > most {
		kept := out[:0]
		for i := 0; i < len(out); i += 2 {
			kept = append(kept, out[i])
		}
		out = kept
	}
	return out
}

// settled waits until no entry and no delivery is left to be handled.
func (w *office) settled() {
	w.t.Helper()
	w.eventually("all is handled", func() bool {
		for _, kind := range []string{hooks.Kind(mirror.Name), mirror.Kind("crm")} {
			jobs, err := w.queue.List(w.t.Context(), queue.Filter{Kind: kind})
			if err != nil {
				w.t.Fatal(err)
			}
			for _, j := range jobs {
				if j.State != queue.StateCompleted {
					return false
				}
			}
		}
		return true
	})
}

// partition returns for each entry the key of its message.
func (w *office) partition() map[string]string {
	w.t.Helper()
	return w.pairs(`SELECT entry, message_key FROM sightings`)
}

// see brings one sighting about.
func (w *office) see(s sight) string {
	w.t.Helper()
	if s.wire != nil {
		return w.submit(*s.wire).String()
	}
	return w.seen(*s.kept).String()
}

// agrees compares what became of entries with the model.
func (w *office) agrees(c *crm, model map[string]string) {
	w.t.Helper()
	partition := w.partition()
	keyOf, messageOf := map[string]string{}, map[string]string{}
	for entry, message := range model {
		key := partition[entry]
		if key == "" {
			w.t.Errorf("entry of message %s has no sighting", message)
		}
		if k := keyOf[message]; k != "" && k != key {
			w.t.Errorf("message %s is two: %s and %s", message, k, key)
		}
		if m := messageOf[key]; m != "" && m != message {
			w.t.Errorf("messages %s and %s are one", m, message)
		}
		keyOf[message], messageOf[key] = key, message
	}
	if n := len(c.logged()); n != len(keyOf) {
		w.t.Errorf("%d activities for %d messages", n, len(keyOf))
	}
}

func TestKinInEachOrder(t *testing.T) {
	t.Parallel()
	for name, sights := range scenarios() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, order := range orders(len(sights), 12) {
				t.Run(fmt.Sprint(order), func(t *testing.T) {
					t.Parallel()
					c := newCRM()
					w := open(t, storetest.SQLite(t), oneTarget(c))
					w.start()
					model := map[string]string{}
					for _, i := range order { // one after the other, and delivered in between
						model[w.see(sights[i])] = sights[i].message
						w.eventually("it is seen", func() bool { return len(w.partition()) == len(model) })
						w.settled()
					}
					w.agrees(c, model)
				})
			}
		})
	}
}

func TestKinAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		w := open(t, db, oneTarget(c))
		model := map[string]string{}
		n := 0
		for name, sights := range scenarios() {
			n++
			for _, s := range sights {
				// Each scenario is of other words, and in other places.
				own := func(raw string) string {
					for _, id := range []string{"a1@", "a2@", "x@", "y@"} {
						raw = strings.ReplaceAll(raw, "<"+id, fmt.Sprintf("<%d.%s", n, id))
					}
					return strings.ReplaceAll(raw, "Offer 17", "Offer of "+name)
				}
				if s.wire != nil {
					s.wire.raw = own(s.wire.raw)
				} else {
					s.kept.raw = own(s.kept.raw)
					if s.kept.uid != 0 {
						s.kept.uid += uint32(100 * n)
					}
				}
				model[w.see(s)] = name + "/" + s.message
			}
		}
		w.start() // all are there
		w.eventually("all are seen", func() bool { return len(w.partition()) == len(model) })
		w.settled()
		w.agrees(c, model)
	})
}

// Replies to the id that the provider gave and to the one that the program gave are one thread, and the CRM shows the
// sender's own words.
func TestBothIdsThread(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		w := open(t, db, oneTarget(c))
		w.startHooks()
		reply := func(id, to string) mail {
			return mail{
				kind: journal.KindRelay, reverse: "li@customer.test", recipients: []journal.Recipient{{Address: "wang@example.com", Code: 250}},
				raw: words{"<" + id + "@customer.test>", clockTime(time.Hour), "li@customer.test", "wang@example.com", "Offer 17 " + id, "In-Reply-To: " + to + "\n", "ok\n"}.String(),
			}
		}
		for i, s := range []sight{
			{wire: new(reply("r1", "<a1@example.com>"))},
			{wire: new(reply("r2", "<x@provider.test>"))},
			kept("a", "zhao@example.com", "INBOX", 1, time.Minute, base().with(list)),
			kept("a", "wang@example.com", "Sent", 1, time.Second, base().with(replaced("x"))),
			sent("a", 0, base()),
		} {
			w.see(s)
			w.eventually("it is seen", func() bool { return len(w.partition()) == i+1 })
		}
		w.run(w.mirror.Run)
		w.settled()
		threads := map[string]bool{}
		for _, a := range c.logged() {
			threads[a.Thread] = true
			if len(a.Sightings) > 1 && strings.Contains(a.Text, "mailing list") {
				t.Errorf("the text is that of the list: %q", a.Text)
			}
		}
		if len(threads) != 1 {
			t.Errorf("threads %v", threads)
		}
	})
}

// TestMessageTakesFewForms: whoever files the same words with the same Date under ever new ids gets many messages, none
// of which is of so many forms that the next one would cost more than the last.
func TestMessageTakesFewForms(t *testing.T) {
	t.Parallel()
	w := open(t, storetest.SQLite(t), oneTarget(newCRM()))
	const copies, maxForms = 200, 64
	for i := range copies {
		w.see(appended("", 0, base().with(func(m *words) { m.id = fmt.Sprintf("<%d@example.com>", i) })))
	}
	w.start()
	w.eventually("all are seen", func() bool { return len(w.partition()) == copies })
	sizes := map[string]int{}
	for _, key := range w.partition() {
		sizes[key]++
	}
	for key, n := range sizes {
		if n > maxForms {
			t.Errorf("message %s is of %d forms", key, n)
		}
	}
}
