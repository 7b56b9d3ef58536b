package mirror_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/hooks"
	"heliograph/internal/journal"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// letter makes a mail with the given header lines.
func letter(id, date string, lines ...string) string {
	return fmt.Sprintf("Message-ID: <%s@x>\nDate: %s\nFrom: li@customer.test\nTo: wang@example.com\n%s\n\nbody of %s\n", id, date, strings.Join(lines, "\n"), id)
}

const monday = "Mon, 4 Mar 2024 09:15:00 +0800"

func TestThreads(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mails []string // in order of arrival
		want  string   // one letter a mail: the same for the same thread
	}{
		"references":               {[]string{letter("a", monday, "Subject: s"), letter("b", monday, "In-Reply-To: <a@x>"), letter("c", monday, "References: <a@x> <b@x>")}, "AAA"},
		"reply before original":    {[]string{letter("b", monday, "In-Reply-To: <a@x>"), letter("a", monday, "Subject: s")}, "AA"},
		"siblings of an unseen":    {[]string{letter("b", monday, "In-Reply-To: <a@x>"), letter("c", monday, "In-Reply-To: <a@x>")}, "AA"},
		"late link joins":          {[]string{letter("a", monday, "Subject: s"), letter("c", monday, "In-Reply-To: <b@x>"), letter("b", monday, "In-Reply-To: <a@x>"), letter("d", monday, "In-Reply-To: <c@x>")}, "AAAA"},
		"strangers":                {[]string{letter("a", monday, "Subject: s"), letter("b", monday, "Subject: t")}, "AB"},
		"same subject is no reply": {[]string{letter("a", monday, "Subject: Invoice"), letter("b", monday, "Subject: Invoice")}, "AB"},
		"reply by subject":         {[]string{letter("a", monday, "Subject: Invoice"), letter("b", monday, "Subject: 回复：Invoice")}, "AA"},
		"thread index":             {[]string{letter("a", monday, "Thread-Index: AQHabcdefghijklmnopqrstuvwxyzA=="), letter("b", monday, "Thread-Index: AQHabcdefghijklmnopqrstuvwxyzAABCDEF")}, "AA"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				c := newCRM()
				w := open(t, db, oneTarget(c))
				w.startHooks()
				for i, raw := range tt.mails { // one after the other, to fix the order
					w.submit(mail{kind: journal.KindRelay, reverse: "li@customer.test", recipients: to("wang@example.com"), raw: raw})
					want := make([]string, i+1)
					for n := range want {
						want[n] = "pending"
					}
					w.awaitStates("crm", want...)
				}
				w.run(w.mirror.Run)
				w.eventually("all logged", func() bool { return len(c.logged()) == len(tt.mails) })
				threads := map[string]string{} // thread to letter
				byID := map[string]string{}
				for _, a := range c.logged() {
					byID[a.MessageID] = a.Thread
				}
				got := ""
				for _, raw := range tt.mails {
					id, _, _ := strings.Cut(strings.TrimPrefix(raw, "Message-ID: <"), ">")
					if threads[byID[id]] == "" {
						threads[byID[id]] = string(rune('A' + len(threads)))
					}
					got += threads[byID[id]]
				}
				if got != tt.want {
					t.Errorf("threads %s, want %s", got, tt.want)
				}
			})
		})
	}
}

// Many messages name one that nobody has seen, all at once, each by several copies.
func TestRacesMakeOneThreadAndOneDelivery(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCRM()
		w := open(t, db, oneTarget(c))
		const messages, copies = 10, 4
		var wg sync.WaitGroup
		gate := make(chan struct{})
		var ids []journal.ID
		for n := range messages {
			raw := letter(fmt.Sprintf("r%d", n), monday, "References: <root@x>", fmt.Sprintf("In-Reply-To: <r%d@x>", (n+1)%messages))
			for range copies {
				id := w.submit(mail{kind: journal.KindRelay, reverse: "li@customer.test", recipients: to("wang@example.com"), raw: raw})
				ids = append(ids, id)
				wg.Go(func() {
					<-gate
					e := journal.Entry{Envelope: journal.Envelope{ID: id, Kind: journal.KindRelay, ReversePath: "li@customer.test", Recipients: to("wang@example.com")}, State: journal.StateConfirmed}
					out := w.mirror.Handle(context.Background(), hooks.Event{Entry: e, Body: func(context.Context) (io.ReadCloser, error) {
						return io.NopCloser(strings.NewReader(strings.ReplaceAll(raw, "\n", "\r\n"))), nil
					}})
					if out.Err != nil {
						t.Errorf("Handle: %v", out.Err)
					}
				})
			}
		}
		close(gate)
		wg.Wait()
		w.indexed(ids...)
		w.start()
		want := make([]string, messages*copies)
		for n := range want {
			want[n] = "mirrored"
		}
		w.awaitStates("crm", want...)
		threads := map[string]int{}
		for _, a := range c.logged() {
			threads[a.Thread]++
		}
		if c.called() != messages || len(c.logged()) != messages || len(threads) != 1 {
			t.Errorf("%d calls, %d activities, threads %v", c.called(), len(c.logged()), threads)
		}
	})
}

// Conversations with gaps, in any order and at once: messages are one thread exactly
// when ids that they have or name connect them.
func TestThreadsOfRandomConversations(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		const count = 60
		parents := make([]int, count)
		same := newSets()
		var raws []string
		arrived := map[string]bool{}
		for n := range count {
			parents[n] = -1
			if n > 0 && random.IntN(5) > 0 {
				parents[n] = random.IntN(n)
			}
			if random.IntN(4) == 0 {
				continue // never seen, perhaps named
			}
			id := fmt.Sprintf("n%d@x", n)
			var refs string
			for up, depth := parents[n], random.IntN(3); up >= 0 && depth >= 0; up, depth = parents[up], depth-1 {
				refs = fmt.Sprintf("<n%d@x> %s", up, refs)
				same.join(id, fmt.Sprintf("n%d@x", up))
			}
			arrived[id] = true
			raws = append(raws, letter(fmt.Sprintf("n%d", n), monday, "References: "+refs))
		}
		c := newCRM()
		w := open(t, db, oneTarget(c))
		w.startHooks() // eight at once
		random.Shuffle(len(raws), func(i, k int) { raws[i], raws[k] = raws[k], raws[i] })
		for _, raw := range raws {
			w.submit(mail{kind: journal.KindRelay, reverse: "li@customer.test", recipients: to("wang@example.com"), raw: raw})
		}
		w.eventually("all recorded", func() bool { return len(w.states("crm")) == len(raws) })
		w.run(w.mirror.Run)
		w.eventually("all logged", func() bool { return len(c.logged()) == len(arrived) })
		threadOf, setOf := map[string]string{}, map[string]string{}
		for _, a := range c.logged() {
			set := same.find(a.MessageID)
			if threadOf[set] == "" {
				threadOf[set] = a.Thread
			}
			if setOf[a.Thread] == "" {
				setOf[a.Thread] = set
			}
			if threadOf[set] != a.Thread || setOf[a.Thread] != set {
				t.Errorf("%s is in thread %s, its set in %s", a.MessageID, a.Thread, threadOf[set])
			}
		}
	})
}

// sets is a union-find over ids.
type sets map[string]string

func newSets() sets { return sets{} }

func (s sets) find(id string) string {
	for s[id] != "" && s[id] != id {
		id = s[id]
	}
	return id
}

func (s sets) join(a, b string) {
	if ra, rb := s.find(a), s.find(b); ra != rb {
		s[ra] = rb
	}
}
