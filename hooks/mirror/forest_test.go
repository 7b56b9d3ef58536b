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

// tree is a mail of a random conversation.
type tree struct {
	id, raw string
	ids     []string // that it has or names
}

// forest makes conversations of the same people under the same subject: who answers what is told by ids alone,
// of which some are left out, some are of mails that never come, and some are told by Thread-Index instead.
func forest(random *rand.Rand, count int) []tree {
	var all []tree
	parents := make([]int, count)
	for n := range count {
		parents[n] = -1
		if n > 0 && random.IntN(6) > 0 {
			parents[n] = random.IntN(n)
		}
		if random.IntN(5) == 0 {
			continue // named perhaps, but never seen
		}
		t := tree{id: fmt.Sprintf("f%d@x", n)}
		t.ids = []string{t.id}
		header, subject := "", "Offer"
		if up := parents[n]; up >= 0 {
			subject = "Re: Offer"
			switch random.IntN(4) {
			case 0:
				t.ids = append(t.ids, fmt.Sprintf("f%d@x", up))
				header = fmt.Sprintf("In-Reply-To: <f%d@x>\n", up)
			case 1: // a conversation of Outlook, which is that of the root
				root := up
				for parents[root] >= 0 {
					root = parents[root]
				}
				index := fmt.Sprintf("%c", 'A'+root%26) + fmt.Sprintf("%c", 'A'+root/26) + "HabcdefghijklmnopqrstuvwxyzA=="
				t.ids = append(t.ids, "index "+index)
				header = "Thread-Index: " + index + "\n"
			default:
				var refs []string
				for depth := 1 + random.IntN(4); up >= 0 && depth > 0; up, depth = parents[up], depth-1 {
					refs = append([]string{fmt.Sprintf("<f%d@x>", up)}, refs...)
					t.ids = append(t.ids, fmt.Sprintf("f%d@x", up))
				}
				header = "References: " + strings.Join(refs, "\n ") + "\n"
			}
		}
		t.raw = fmt.Sprintf("Message-ID: <%s>\r\nDate: %s\r\nFrom: li@customer.test\r\nTo: wang@example.com\r\nSubject: %s\r\n%s\r\nmail %d\r\n",
			t.id, monday, subject, strings.ReplaceAll(header, "\n", "\r\n"), n)
		all = append(all, t)
	}
	random.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	return all
}

// TestThreadsOfForests records random conversations in random order, many at once: the threads are the components that
// ids connect, no more and no less, and each thread has one name.
func TestThreadsOfForests(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const rounds, count, workers = 6, 60, 8
		for round := range rounds {
			seed := uint64(time.Now().UnixNano())
			t.Logf("round %d: seed %d", round, seed)
			mails := forest(rand.New(rand.NewPCG(seed, 0)), count)
			w := open(t, db, oneTarget(newCRM()))
			todo := make(chan tree)
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					for mail := range todo {
						w.handle(mail.raw)
					}
				})
			}
			for _, mail := range mails {
				todo <- mail
			}
			close(todo)
			wg.Wait()
			same := newSets()
			for _, mail := range mails {
				for _, id := range mail.ids[1:] {
					same.join(mail.id, id)
				}
			}
			setOf := map[string]string{}
			threadOf := w.threads()
			names := map[string]string{}
			for _, mail := range mails {
				thread, set := threadOf[mail.id], same.find(mail.id)
				if names[set] == "" {
					names[set] = thread
				}
				if setOf[thread] == "" {
					setOf[thread] = set
				}
				if thread == "" || names[set] != thread || setOf[thread] != set {
					t.Errorf("%s is in thread %q of set %s; its set %s is thread %q", mail.id, thread, setOf[thread], set, names[set])
				}
			}
			w.close()
			w.forget()
		}
	})
}

// handle records one mail, as a worker of the queue does.
func (w *office) handle(raw string) {
	e := journal.Entry{State: journal.StateConfirmed, Envelope: journal.Envelope{
		ID: journal.NewID(time.Now()), Kind: journal.KindRelay, ReversePath: "li@customer.test", Recipients: to("wang@example.com"), Received: time.Now(),
	}}
	out := w.mirror.Handle(context.Background(), hooks.Event{Entry: e, Body: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(raw)), nil
	}})
	if out.Err != nil {
		w.t.Errorf("Handle: %v", out.Err)
	}
}

// threads returns the thread of each message by its Message-ID, as what it has become.
func (w *office) threads() map[string]string {
	w.t.Helper()
	out, joined := w.pairs(`SELECT message_id, thread FROM messages`), w.pairs(`SELECT id, joined FROM threads`)
	for id, thread := range out {
		for joined[thread] != "" {
			thread = joined[thread]
		}
		out[id] = thread
	}
	return out
}

// pairs returns the two columns of a query.
func (w *office) pairs(query string) map[string]string {
	w.t.Helper()
	rows, err := w.db.Reader().QueryContext(w.t.Context(), query)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var a, b string
		if err := rows.Scan(&a, &b); err != nil {
			w.t.Fatal(err)
		}
		out[a] = b
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// indexed waits until the journal knows entries that a test hands to the mirror itself.
func (w *office) indexed(ids ...journal.ID) {
	w.t.Helper()
	w.eventually("all are in the index", func() bool {
		for _, id := range ids {
			if _, err := w.journal.Entry(w.t.Context(), id); err != nil {
				return false
			}
		}
		return true
	})
}

// forget empties the tables of threads and messages.
func (w *office) forget() {
	w.t.Helper()
	err := w.db.Write(w.t.Context(), func(ctx context.Context, tx store.Querier) error {
		for _, table := range []string{"sightings", "deliveries", "thread_refs", "thread_subjects", "messages", "threads", "jobs", "ledger"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table); err != nil {
				return fmt.Errorf("%s: %w", table, err)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
