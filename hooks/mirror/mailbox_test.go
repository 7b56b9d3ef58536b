package mirror_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/hooks/mirror"
	"heliograph/internal/journal"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// copyOf is a message in a mailbox.
type copyOf struct {
	kind    journal.Kind // empty means fetch
	account string
	mailbox string // empty means INBOX
	uid     uint32
	date    time.Time // INTERNALDATE
	raw     string
}

const uidValidity = 1700000000

// seen puts a message of a mailbox into the journal as the proxy does.
func (w *office) seen(c copyOf) journal.ID {
	w.t.Helper()
	env := &journal.Envelope{
		Kind: c.kind, Upstream: "main", Listener: ":993", Account: c.account, Mailbox: c.mailbox, InternalDate: c.date,
		UIDValidity: uidValidity, UID: c.uid,
	}
	if env.Kind == "" {
		env.Kind = journal.KindFetch
	}
	if env.Mailbox == "" {
		env.Mailbox = "INBOX"
	}
	if env.Kind == journal.KindAppend {
		env.UIDValidity, env.UID = 0, 0
	}
	p := w.journal.BeginTee(env)
	if _, err := p.Write([]byte(strings.ReplaceAll(c.raw, "\n", "\r\n"))); err != nil {
		w.t.Fatal(err)
	}
	if err := p.Seal(w.t.Context(), env); err != nil {
		w.t.Fatal(err)
	}
	if env.Kind == journal.KindAppend {
		v := journal.Verdict{Text: "APPEND completed"}
		if c.uid != 0 {
			v.UIDValidity, v.UID = uidValidity, c.uid
		}
		p.Commit(v)
	}
	return env.ID
}

// delivered is what servers put in front of a message on its way.
func delivered(to, raw string) string {
	return "Return-Path: <wang@example.com>\nDelivered-To: " + to + "\nX-Original-To: " + to + "\n" +
		"Received: from mx.example.com (mx.example.com [192.0.2.1])\n\tby mail.example.com (Postfix) with ESMTPS id 4F2\n\tfor <" + to + ">; Mon, 4 Mar 2024 09:15:03 +0800 (CST)\n" +
		"X-Spam-Score: -1\nAuthentication-Results: mail.example.com; dkim=pass\nDKIM-Signature: v=1; a=rsa-sha256; d=example.com; b=" + to + "\n" + raw
}

func addresses(list []crmclient.Person) []string {
	out := []string{}
	for _, p := range list {
		out = append(out, p.Address)
	}
	slices.Sort(out)
	return out
}

// places returns kind, account, mailbox and UID of the sightings, sorted.
func places(list []crmclient.Sighting) []string {
	var out []string
	for _, s := range list {
		place := s.Kind + " " + s.Account
		if s.Mailbox != "" {
			place += " " + s.Mailbox
		}
		if s.UID != 0 && s.UIDValidity == uidValidity {
			place += " #" + strings.Repeat("i", int(s.UID))
		}
		out = append(out, place)
	}
	slices.Sort(out)
	return out
}

func TestSeenByAllWays(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM("li@customer.test")
		w := open(t, db, oneTarget(c))
		w.startHooks()
		raw := strings.Replace(offer(1), "Subject:", "Cc: zhao@example.com, sun@example.com, zhou@example.com\nSubject:", 1)
		w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test", "zhao@example.com", "sun@example.com", "zhou@example.com", "boss@example.com"), raw: raw})
		w.seen(copyOf{kind: journal.KindAppend, account: "wang@example.com", mailbox: "Sent", uid: 3, raw: "Bcc: boss@example.com, li@customer.test\nX-Mozilla-Status: 0001\n" + raw})
		for i, account := range []string{"zhao@example.com", "sun@example.com", "zhou@example.com"} {
			w.seen(copyOf{account: account, uid: uint32(i + 1), raw: delivered(account, raw)})
		}
		w.awaitStates("crm", "pending", "pending", "pending", "pending", "pending")
		w.run(w.mirror.Run)
		w.awaitStates("crm", "mirrored", "mirrored", "mirrored", "mirrored", "mirrored")
		if c.called() != 1 {
			t.Fatalf("%d calls, want one", c.called())
		}
		a := c.logged()[0]
		want := []string{
			"append wang@example.com Sent #iii", "fetch sun@example.com INBOX #ii", "fetch zhao@example.com INBOX #i",
			"fetch zhou@example.com INBOX #iii", "submission wang@example.com",
		}
		if got := places(a.Sightings); !slices.Equal(got, want) {
			t.Errorf("sightings %q, want %q", got, want)
		}
		if got := addresses(a.BCC); !slices.Equal(got, []string{"boss@example.com"}) {
			t.Errorf("bcc %v", got)
		}
		if len(a.Accounts) != 4 || a.Direction != crmclient.Outbound || a.Automated || a.Unconfirmed {
			t.Errorf("activity %+v", a)
		}
	})
}

func TestSamePlaceIsOneSighting(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		w := open(t, db, oneTarget(c))
		w.startHooks()
		const copies = 8 // at once, for all workers
		for range copies {
			w.seen(copyOf{account: "wang@example.com", uid: 7, raw: delivered("wang@example.com", offer(1))})
		}
		w.eventually("the others are dropped", func() bool {
			n := 0
			for _, s := range w.states("") {
				if strings.HasPrefix(s, "excluded: already captured at this place, as entry 0") {
					n++
				}
			}
			return n == copies-1
		})
		// Not the same place: another UID, another mailbox, an unknown UID.
		w.seen(copyOf{account: "wang@example.com", uid: 8, raw: offer(1)})
		w.seen(copyOf{account: "wang@example.com", mailbox: "Archive", uid: 7, raw: offer(1)})
		w.seen(copyOf{kind: journal.KindAppend, account: "wang@example.com", mailbox: "Sent", raw: offer(1)})
		w.seen(copyOf{kind: journal.KindAppend, account: "wang@example.com", mailbox: "Sent", raw: offer(1)})
		// The same place: appended, then read.
		w.seen(copyOf{kind: journal.KindAppend, account: "wang@example.com", mailbox: "Sent", uid: 9, raw: offer(1)})
		w.awaitStates("crm", "pending", "pending", "pending", "pending", "pending", "pending")
		w.seen(copyOf{account: "wang@example.com", mailbox: "Sent", uid: 9, raw: offer(1)})
		w.run(w.mirror.Run)
		w.awaitStates("crm", "mirrored", "mirrored", "mirrored", "mirrored", "mirrored", "mirrored")
		if n := len(c.logged()[0].Sightings); n != 6 || len(c.logged()) != 1 {
			t.Errorf("%d sightings, %d activities", n, len(c.logged()))
		}
	})
}

func TestBlindCopiesOfAMailbox(t *testing.T) {
	t.Parallel()
	sent := "Bcc: Boss <boss@example.com>, secret@customer.test\n" + offer(1)
	for name, see := range map[string]func(w *office){
		"appended": func(w *office) {
			w.seen(copyOf{kind: journal.KindAppend, account: "wang@example.com", mailbox: "Sent", raw: sent})
		},
		"read by the sender": func(w *office) {
			w.seen(copyOf{account: "wang@example.com", mailbox: "Sent", uid: 1, raw: sent})
		},
		"a colleague came first": func(w *office) {
			w.seen(copyOf{account: "zhao@example.com", uid: 1, raw: delivered("zhao@example.com", offer(1))})
			w.seen(copyOf{account: "wang@example.com", mailbox: "Sent", uid: 1, raw: sent})
		},
		"half in the envelope": func(w *office) {
			w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test", "boss@example.com"), raw: offer(1)})
			w.seen(copyOf{kind: journal.KindAppend, account: "wang@example.com", mailbox: "Sent", raw: sent})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCRM()
			w := open(t, storetest.SQLite(t), oneTarget(c))
			w.startHooks()
			see(w)
			n := 1
			if name == "a colleague came first" || name == "half in the envelope" {
				n = 2
			}
			w.awaitStates("crm", slices.Repeat([]string{"pending"}, n)...)
			w.run(w.mirror.Run)
			w.awaitStates("crm", slices.Repeat([]string{"mirrored"}, n)...)
			if got := addresses(c.logged()[0].BCC); !slices.Equal(got, []string{"boss@example.com", "secret@customer.test"}) {
				t.Errorf("bcc %v", got)
			}
		})
	}
}

func TestDirectionOfWhatIsInAMailbox(t *testing.T) {
	t.Parallel()
	from := func(from, to string) string {
		return "Message-ID: <d@x.test>\nDate: Mon, 4 Mar 2024 09:15:00 +0800\nFrom: " + from + "\nTo: " + to + "\nSubject: a\n\nx\n"
	}
	for _, tt := range []struct {
		name     string
		copy     copyOf
		excluded bool
		want     crmclient.Direction
		external []string // who is looked for in the CRM
	}{
		{"a customer's mail", copyOf{account: "wang@example.com", raw: from("li@customer.test", "wang@example.com")}, false, crmclient.Inbound, []string{"li@customer.test"}},
		{"the sent folder", copyOf{account: "wang@example.com", mailbox: "Sent", raw: from("wang@example.com", "li@customer.test")}, false, crmclient.Outbound, []string{"li@customer.test"}},
		{"appended", copyOf{kind: journal.KindAppend, account: "wang@example.com", mailbox: "Sent", raw: from("wang@example.com", "li@customer.test")}, false, crmclient.Outbound, []string{"li@customer.test"}},
		{"a colleague's, in a shared mailbox", copyOf{account: "sales@example.com", raw: from("zhao@example.com", "li@customer.test")}, false, crmclient.Outbound, []string{"li@customer.test"}},
		{"among colleagues", copyOf{account: "wang@example.com", raw: from("zhao@example.com", "wang@example.com")}, true, "", nil},
		{"to a private account", copyOf{account: "Wang@private.test", raw: from("li@customer.test", "wang@private.test")}, false, crmclient.Inbound, []string{"li@customer.test"}},
		{"from a private account", copyOf{kind: journal.KindBackfill, account: "wang@private.test", raw: from("wang@private.test", "li@customer.test")}, false, crmclient.Outbound, []string{"li@customer.test"}},
		{"to oneself, privately", copyOf{account: "wang@private.test", raw: from("wang@private.test", "wang@private.test")}, true, "", nil},
		{"forwarded to a login without a domain", copyOf{account: "wang", raw: from("li@customer.test", "anybody@list.test")}, false, crmclient.Inbound, []string{"anybody@list.test", "li@customer.test"}},
		{"without a sender", copyOf{account: "wang@example.com", raw: from("", "wang@example.com")}, false, crmclient.Inbound, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCRM(append([]string{"wang@private.test", "wang@example.com"}, tt.external...)...)
			w := open(t, storetest.SQLite(t), oneTarget(c))
			w.start()
			tt.copy.uid = 1
			w.seen(tt.copy)
			if tt.excluded {
				w.eventually("excluded", func() bool {
					return slices.Contains(w.states(""), "excluded: rule internal: everybody who took part is an employee")
				})
				w.awaitStates("crm")
				return
			}
			w.awaitStates("crm", "mirrored")
			a := c.logged()[0]
			var found []string
			for _, k := range a.Contacts {
				found = append(found, k.Address)
			}
			if slices.Sort(found); a.Direction != tt.want || !slices.Equal(found, tt.external) {
				t.Errorf("direction %q, contacts %v, want %q, %v", a.Direction, found, tt.want, tt.external)
			}
		})
	}
}

func TestWhatAMailboxTells(t *testing.T) {
	t.Parallel()
	day := time.Date(2019, 5, 6, 7, 8, 9, 0, time.UTC)
	for _, tt := range []struct {
		name      string
		copy      copyOf
		automated bool
		date      time.Time
	}{
		{"no envelope is no null path", copyOf{raw: "From: li@customer.test\nDate: Mon, 6 May 2019 15:08:09 +0800\n\nx\n"}, false, day},
		{"a bounce", copyOf{raw: "Return-Path: <>\nFrom: li@customer.test\nDate: Mon, 6 May 2019 15:08:09 +0800\n\nx\n"}, true, day},
		{"a message without a date", copyOf{kind: journal.KindBackfill, date: day, raw: "Return-Path: <li@customer.test>\nFrom: li@customer.test\n\nx\n"}, false, day},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCRM()
			w := open(t, storetest.SQLite(t), oneTarget(c))
			w.start()
			tt.copy.account, tt.copy.uid = "wang@example.com", 1
			w.seen(tt.copy)
			w.awaitStates("crm", "mirrored")
			a := c.logged()[0]
			kind := string(tt.copy.kind)
			if kind == "" {
				kind = "fetch"
			}
			if a.Automated != tt.automated || !a.Date.Equal(tt.date) || a.Sightings[0].Kind != kind {
				t.Errorf("activity %+v", a)
			}
		})
	}
}

// TestOldMailKeepsThreadsApart reads a mailbox in which the same people wrote under the same subject years apart.
func TestOldMailKeepsThreadsApart(t *testing.T) {
	t.Parallel()
	c := newCRM()
	w := open(t, storetest.SQLite(t), mirror.Options{Targets: oneTarget(c).Targets})
	w.start()
	reply := func(uid uint32, when time.Time) {
		w.seen(copyOf{kind: journal.KindBackfill, account: "wang@example.com", uid: uid, date: when, raw: "Date: " + when.Format(time.RFC1123Z) +
			"\nFrom: li@customer.test\nTo: wang@example.com\nSubject: Re: Offer\n\nx\n"})
		w.awaitStates("crm", slices.Repeat([]string{"mirrored"}, int(uid))...)
	}
	now := time.Date(2024, 3, 4, 5, 6, 7, 0, time.UTC)
	for i, days := range []int{0, -5, -1000, -995, 3} { // the newest first, as often
		reply(uint32(i+1), now.AddDate(0, 0, days))
	}
	var threads []string
	for _, a := range c.logged() {
		threads = append(threads, a.Thread)
	}
	if threads[0] != threads[1] || threads[0] == threads[2] || threads[0] != threads[4] {
		t.Errorf("threads %v", threads)
	}
}

func TestACopyInAMailboxConfirms(t *testing.T) {
	t.Parallel()
	own := copyOf{kind: journal.KindAppend, account: "wang@example.com", mailbox: "Sent", raw: offer(1)}
	colleague := copyOf{account: "zhao@example.com", uid: 1, raw: delivered("zhao@example.com", offer(1))}
	read := copyOf{account: "wang@example.com", mailbox: "Drafts", uid: 1, raw: offer(1)}
	for _, tt := range []struct {
		name  string
		copy  copyOf
		first bool // the copy comes before the verdict is given up
		want  journal.State
	}{
		{"appended later", own, false, journal.StateConfirmed},
		{"appended before", own, true, journal.StateConfirmed},
		{"a colleague's, later", colleague, false, journal.StateConfirmed},
		{"a colleague's, before", colleague, true, journal.StateConfirmed},
		{"only read by the sender, later", read, false, journal.StateUnconfirmed},
		{"only read by the sender, before", read, true, journal.StateUnconfirmed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				c := newCRM()
				w := open(t, db, oneTarget(c))
				w.startHooks()
				id := w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test", "zhao@example.com"), raw: offer(1), unsure: true})
				if tt.first {
					w.seen(tt.copy)
					w.awaitStates("crm", "pending")
				}
				w.reopen() // a crash ends the session that waits for the verdict
				w.startHooks()
				if !tt.first {
					w.awaitStates("crm", "pending")
					w.seen(tt.copy)
				}
				w.awaitStates("crm", "pending", "pending")
				if e, err := w.journal.Entry(t.Context(), id); err != nil || e.State != tt.want {
					t.Errorf("entry is %s, %v, want %s", e.State, err, tt.want)
				}
				confirmed := slices.ContainsFunc(w.states(""), func(s string) bool {
					return strings.HasPrefix(s, "captured: the upstream's verdict was lost, but the message was sent: entry 0")
				})
				if confirmed != (tt.want == journal.StateConfirmed) {
					t.Errorf("ledger %q", w.states(""))
				}
			})
		})
	}
}
