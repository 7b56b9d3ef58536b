package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
	"heliograph/internal/uidset"
)

var inbox = journal.MailboxKey{Upstream: "main", Account: "user1@example.com", Mailbox: "INBOX", UIDValidity: 7}

// seen makes the envelope one of a message in a mailbox.
func seen(kind journal.Kind, key journal.MailboxKey, uid uint32) func(*journal.Envelope) {
	return func(e *journal.Envelope) {
		*e = journal.Envelope{
			Kind: kind, Upstream: key.Upstream, Account: key.Account, Mailbox: key.Mailbox, UIDValidity: key.UIDValidity, UID: uid,
			InternalDate: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 8*3600)),
		}
	}
}

// stored appends to a mailbox whose UIDVALIDITY the session does not know.
func stored(key journal.MailboxKey) func(*journal.Envelope) {
	key.UIDValidity = 0
	return seen(journal.KindAppend, key, 0)
}

func (b *bench) open(key journal.MailboxKey, uidNext uint32) *journal.Mailbox {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	m, err := b.j.OpenMailbox(ctx, key, uidNext)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(m.Close)
	return m
}

// untilSets waits until the database has these sets of a mailbox.
func (b *bench) untilSets(key journal.MailboxKey, want map[journal.UIDState]string) (state journal.MailboxState) {
	b.t.Helper()
	until(b.t, func() string {
		found, err := b.j.Mailboxes(b.t.Context(), journal.MailboxFilter{
			Upstream: key.Upstream, Account: key.Account, Mailbox: key.Mailbox, UIDValidity: key.UIDValidity,
		})
		if err != nil || len(found) != 1 {
			return fmt.Sprintf("%d mailboxes, %v", len(found), err)
		}
		got := map[journal.UIDState]string{}
		for s, set := range found[0].Sets {
			got[s] = set.String()
		}
		if state = found[0]; !maps.Equal(got, want) {
			return fmt.Sprintf("sets %v, want %v", got, want)
		}
		return ""
	})
	return state
}

func TestFetchedNeedsNoVerdict(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := start(t, db, journal.Options{UnconfirmedAfter: time.Hour})
		var jobs []string
		for i, kind := range []journal.Kind{journal.KindFetch, journal.KindBackfill} {
			uid := uint32(10 + i)
			p, id := b.seal(1, seen(kind, inbox, uid))
			p.Discard("means nothing any more")
			p.Close()
			e := b.untilState(id, journal.StateConfirmed)
			if e.Kind != kind || e.Place() != inbox || e.UID != uid || e.InternalDate.Unix() != 1767294245 || !e.Verdict.At.Equal(e.SealedAt) {
				t.Errorf("entry %+v", e)
			}
			b.wantBody(e, wire(1)) // dots are as they came
			rows, err := b.j.Ledger(t.Context(), journal.LedgerFilter{Entry: id})
			if err != nil || len(rows) != 1 || rows[0].State != journal.LedgerCaptured || rows[0].Reason != "" {
				t.Errorf("ledger %+v, %v", rows, err)
			}
			jobs = append(jobs, consumers(id)...)
		}
		b.wantJobs(jobs...)
		b.untilSets(inbox, map[journal.UIDState]string{journal.UIDCaptured: "10:11"})
	})
}

func TestAppendedIsKnownByItsVerdict(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := start(t, db, journal.Options{UnconfirmedAfter: time.Hour})
		sent := inbox
		sent.Mailbox = "Sent"
		m := b.open(sent, 5)
		in := func(uid uint32) journal.Verdict {
			return journal.Verdict{Text: "APPEND completed", UIDValidity: sent.UIDValidity, UID: uid}
		}
		same, id1 := b.seal(1, stored(sent))
		same.Commit(in(5)) // in one batch with its entry
		if !m.Final(5) {
			t.Error("an appended message is looked for again")
		}
		later, id2 := b.seal(2, stored(sent))
		b.untilState(id2, journal.StateSealed)
		later.Commit(in(6))
		e := b.untilState(id2, journal.StateConfirmed)
		silent, id3 := b.seal(3, stored(sent))
		silent.Commit(journal.Verdict{Text: "APPEND completed"})
		refused, id4 := b.seal(4, stored(sent))
		refused.Discard("NO quota exceeded")
		b.untilRefused(id4)
		if e.Place() != sent || e.UID != 6 {
			t.Errorf("entry %+v", e)
		}
		if e := b.untilState(id1, journal.StateConfirmed); e.Place() != sent || e.UID != 5 || e.Mailbox != "Sent" {
			t.Errorf("entry %+v", e)
		}
		if e := b.untilState(id3, journal.StateConfirmed); e.UID != 0 || e.Mailbox != "Sent" {
			t.Errorf("entry %+v", e)
		}
		b.untilSets(sent, map[journal.UIDState]string{journal.UIDCaptured: "5:6"})
		o := b.o
		b.close()
		b = start(t, storetest.SQLite(t), o) // built again from the log
		if e := b.untilState(id2, journal.StateConfirmed); e.Place() != sent || e.UID != 6 {
			t.Errorf("entry from the log: %+v", e)
		}
		if state := b.untilSets(sent, map[journal.UIDState]string{journal.UIDCaptured: "5:6"}); state.Since != 5 {
			t.Errorf("since %d, want 5", state.Since)
		}
	})
}

func TestLedgerOfAMailbox(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := start(t, db, journal.Options{})
		m, other := b.open(inbox, 100), b.open(inbox, 150)
		if m.Since() != 100 || other.Since() != 100 || m.Key() != inbox {
			t.Errorf("since %d and %d, want 100", m.Since(), other.Since())
		}
		// A claim is one session's.
		if !m.Claim(100) || other.Claim(100) {
			t.Error("claims")
		}
		other.Release(100) // not its own
		if other.Claim(100) {
			t.Error("released by a stranger")
		}
		m.Release(100)
		if !other.Claim(100) || m.Final(100) {
			t.Error("not released")
		}
		other.Close()
		other.Close()
		if !m.Claim(100) {
			t.Error("a session that is gone has a claim")
		}
		if !m.Claim(100) {
			t.Error("its own claim is in the way of a session")
		}
		// An entry settles its UID for all, before the database knows.
		b.seal(1, seen(journal.KindFetch, inbox, 100))
		third := b.open(inbox, 0)
		if !m.Final(100) || !third.Final(100) || third.Claim(100) {
			t.Error("a captured UID is looked for again")
		}
		third.Claim(101)
		m.Settle(journal.UIDExcluded, "draft", uidset.Of(100, 101, 102))
		m.Settle(journal.UIDGone, "expunged", uidset.Of(103, 104))
		m.Settle(journal.UIDFailed, "no such message", uidset.Of(104, 105))
		m.Settle(journal.UIDCaptured, "", uidset.Of(110)) // only an entry says so
		m.Reopen(journal.UIDExcluded, uidset.Of(100, 102, 103))
		m.Reopen(journal.UIDCaptured, uidset.Of(100))
		if got := m.Missing(rangeOf(98, 112)).String(); got != "98:99,102,106:112" {
			t.Errorf("missing %s", got)
		}
		b.seal(2, seen(journal.KindFetch, inbox, 105)) // after all
		want := map[journal.UIDState]string{
			journal.UIDCaptured: "100,105", journal.UIDExcluded: "101", journal.UIDGone: "103", journal.UIDFailed: "104",
		}
		state := b.untilSets(inbox, want)
		reason := state.Reasons["no such message"]
		if state.MailboxKey != inbox || state.Since != 100 || state.Enrolled.IsZero() || state.Changed.IsZero() || !reason.Equal(uidset.Of(104)) {
			t.Errorf("state %+v", state)
		}

		// A restart changes nothing; another UIDVALIDITY begins anew.
		b.close()
		b = start(t, db, b.o)
		m = b.open(inbox, 200)
		if got := m.Missing(rangeOf(98, 107)).String(); got != "98:99,102,106:107" || m.Since() != 100 {
			t.Errorf("after a restart: missing %s, since %d", got, m.Since())
		}
		anew := inbox
		anew.UIDValidity++
		if n := b.open(anew, 3); n.Since() != 3 || n.Final(100) {
			t.Error("UIDs of another UIDVALIDITY are mixed up")
		}
		b.untilSets(anew, map[journal.UIDState]string{})
		b.untilSets(inbox, want)
		o := b.o
		b.close()

		// What is captured, and since when, is in the log.
		b = start(t, storetest.SQLite(t), o)
		if m := b.open(inbox, 300); m.Since() != 100 || !m.Final(100) || !m.Final(105) || m.Final(101) {
			t.Errorf("from the log: since %d, missing %s", m.Since(), m.Missing(rangeOf(98, 107)))
		}
	})
}

func rangeOf(first, last uint32) (s uidset.Set) {
	s.Add(first, last)
	return s
}

func TestWhatIsSettledIsWrittenAtTheEnd(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	b := start(t, db, journal.Options{})
	m := b.open(inbox, 1)
	var every2nd uidset.Set
	for uid := uint32(1); uid < 6000; uid += 2 { // more than one transaction takes
		every2nd.Add(uid, uid)
	}
	m.Settle(journal.UIDGone, "", every2nd)
	b.close()
	b = start(t, db, b.o)
	b.untilSets(inbox, map[journal.UIDState]string{journal.UIDGone: every2nd.String()})
}

func TestLedgerWaitsForTheStore(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	b := start(t, db, journal.Options{})
	m := b.open(inbox, 1)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	m.Settle(journal.UIDGone, "", uidset.Of(9))
	b.seal(1, seen(journal.KindFetch, inbox, 8))
	again := b.open(inbox, 1) // it is in memory
	if !again.Final(8) || !again.Final(9) {
		t.Error("forgotten with the store")
	}
	other := inbox
	other.Mailbox = "Other"
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if m, err := b.j.OpenMailbox(ctx, other, 1); err == nil {
		m.Close()
		t.Error("opened without a store")
	}
	long := inbox
	long.Mailbox = strings.Repeat("x", 20_000)
	if m, err := b.j.OpenMailbox(ctx, long, 1); err == nil {
		m.Close()
		t.Error("a name that no mark can hold")
	}
	b.close()
	if m, err := b.j.OpenMailbox(ctx, other, 1); err == nil {
		m.Close()
		t.Error("opened when closed")
	}
}

func TestStrangeNames(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := start(t, db, journal.Options{})
		key := journal.MailboxKey{Upstream: "main", Account: "a\x00b", Mailbox: "\xff\xfe 已发送\x00" + strings.Repeat("long ", 1500), UIDValidity: 4294967295}
		m := b.open(key, 4294967295)
		b.seal(1, seen(journal.KindFetch, key, 4294967295))
		if !m.Final(4294967295) {
			t.Error("not final")
		}
		b.untilSets(m.Key(), map[journal.UIDState]string{journal.UIDCaptured: "4294967295"})
	})
}

// TestSessionsShareAMailbox has many sessions capture the same messages: each is captured once.
func TestSessionsShareAMailbox(t *testing.T) {
	t.Parallel()
	b := start(t, storetest.SQLite(t), journal.Options{})
	const sessions, messages = 8, 60
	var captures atomic.Int64
	var wg sync.WaitGroup
	for range sessions {
		m := b.open(inbox, 1)
		wg.Go(func() {
			defer m.Close()
			for uid := uint32(1); uid <= messages; uid++ {
				if !m.Claim(uid) {
					continue
				}
				if uid%7 == 0 {
					m.Settle(journal.UIDFailed, "no", uidset.Of(uid))
					continue
				}
				env := envelope(1)
				seen(journal.KindFetch, inbox, uid)(env)
				p := b.j.BeginTee(env)
				_, err := p.Write(wire(1))
				if err := errors.Join(err, p.Seal(t.Context(), env)); err != nil {
					t.Error(err)
				}
				captures.Add(1)
			}
		})
	}
	wg.Wait()
	if n := captures.Load(); n != messages-messages/7 {
		t.Errorf("%d captures, want %d", n, messages-messages/7)
	}
	m := b.open(inbox, 1)
	if left := m.Missing(rangeOf(1, messages)); !left.Empty() {
		t.Errorf("missing %v", left)
	}
	var captured, failed uidset.Set
	for uid := uint32(1); uid <= messages; uid++ {
		if uid%7 == 0 {
			failed.Add(uid, uid)
		} else {
			captured.Add(uid, uid)
		}
	}
	b.untilSets(inbox, map[journal.UIDState]string{journal.UIDCaptured: captured.String(), journal.UIDFailed: failed.String()})
}

func TestMailboxesAreFiltered(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := start(t, db, journal.Options{})
		for _, account := range []string{"b@example.com", "a@example.com"} {
			for _, name := range []string{"Sent", "INBOX"} {
				b.open(journal.MailboxKey{Upstream: "main", Account: account, Mailbox: name, UIDValidity: 1}, 9)
			}
		}
		list := func(f journal.MailboxFilter) (names []string) {
			found, err := b.j.Mailboxes(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range found {
				names = append(names, s.Account[:1]+" "+s.Mailbox)
			}
			return names
		}
		all := []string{"a INBOX", "a Sent", "b INBOX", "b Sent"}
		until(t, func() string {
			if got := list(journal.MailboxFilter{}); !slices.Equal(got, all) {
				return fmt.Sprint(got)
			}
			return ""
		})
		for _, c := range []struct {
			filter journal.MailboxFilter
			want   []string
		}{
			{journal.MailboxFilter{Limit: 3}, all[:3]},
			{journal.MailboxFilter{Account: "b@example.com"}, all[2:]},
			{journal.MailboxFilter{Upstream: "main", Mailbox: "Sent", UIDValidity: 1}, []string{"a Sent", "b Sent"}},
			{journal.MailboxFilter{UIDValidity: 2}, nil},
			{journal.MailboxFilter{Upstream: "x"}, nil},
		} {
			if got := list(c.filter); !slices.Equal(got, c.want) {
				t.Errorf("%+v: %v, want %v", c.filter, got, c.want)
			}
		}
	})
}

func TestTeeIsAnOrdinaryEntry(t *testing.T) {
	t.Parallel()
	b := start(t, storetest.SQLite(t), journal.Options{})
	env := envelope(1)
	seen(journal.KindFetch, inbox, 1)(env)
	body := bytes.Repeat(wire(9), 300)
	p := b.j.BeginTee(env)
	if _, err := p.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := p.Seal(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	b.wantBody(b.untilState(env.ID, journal.StateConfirmed), body)
	if got := journal.GapReason(fmt.Errorf("x: %w", journal.ErrBehind)); got != journal.GapTimeout {
		t.Errorf("reason %q", got)
	}
}
