package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient/builtin"
	"heliograph/crmclient/catalog"
	"heliograph/internal/gateway"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// Four gateways, each with its own data, share the rounds: most of a round is spent waiting.
const (
	crashLanes   = 4
	crashRounds  = 50 // each
	crashClients = 4
)

// crashSent is what a client knows of a message. The last of its round is the one whose
// verdict may be lost: any later one of the same client took the verdict's mark to the disk.
type crashSent struct {
	code int // of the reply to the message; 0: there was none
	last bool
}

// crashLoad is what all clients of all rounds sent.
type crashLoad struct {
	mu   sync.Mutex // guards sent
	sent map[string]*crashSent
}

func (l *crashLoad) note(id string, s *crashSent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[id] = s
}

// crashFateOf lets the provider accept two thirds, and say nothing now and then.
func crashFateOf(id string) crashFate {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	n := h.Sum32()
	f := crashFate{refuse: n%3 == 0, drop: n/3%12 == 0}
	if n/36%5 == 0 {
		f.after = time.Duration(n/180%15) * time.Millisecond
	}
	return f
}

// send sends messages until the gateway is gone. begun is called before the first.
func (l *crashLoad) send(addr, name string, seed uint64, begun func()) {
	r := rand.New(rand.NewPCG(seed, 1))
	var before *crashSent
	for n := 0; ; {
		c, err := crashDial(addr)
		if err != nil {
			return
		}
		for err == nil {
			size := r.IntN(8 << 10)
			if r.IntN(8) == 0 {
				size = 130<<10 + r.IntN(300<<10) // of several chunks in the journal
			}
			id := fmt.Sprintf("%s-%d.%d", name, n, size)
			n++
			to := fmt.Sprintf("customer%d@elsewhere.example", r.IntN(20))
			if r.IntN(10) == 0 {
				to = "nobody@elsewhere.example"
			}
			s := &crashSent{last: true}
			l.note(id, s)
			begun()
			if r.IntN(2) == 0 {
				s.code, err = c.data(id, to)
			} else {
				s.code, err = c.bdat(id, to, 1+r.IntN(3))
			}
			if before != nil && s.code != 0 && s.code != 421 && to != "nobody@elsewhere.example" {
				before.last = false
			}
			before = s
			if s.code == 421 {
				err = io.EOF
			}
		}
		c.close()
	}
}

// crashRound runs the gateway under load and kills it.
func crashRound(t *testing.T, file string, l *crashLoad, round int) (startup time.Duration) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(round), 2))
	if round%10 == 5 { // kill it while it starts, too
		p := crashSpawn(t, file)
		<-time.After(time.Duration(r.IntN(300)) * time.Millisecond)
		if err := p.kill(); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	began := time.Now()
	p := crashSpawn(t, file)
	addr, err := p.addr()
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	startup = time.Since(began)
	begun := make(chan struct{})
	first := sync.OnceFunc(func() { close(begun) })
	var wg sync.WaitGroup
	for i := range crashClients {
		wg.Go(func() { l.send(addr, fmt.Sprintf("r%d-c%d", round, i), uint64(round*crashClients+i), first) })
	}
	select {
	case <-begun:
	case <-time.After(crashPatience):
		t.Errorf("round %d: no client got in", round)
	}
	<-time.After(time.Duration(5+r.IntN(116)) * time.Millisecond)
	if err := p.kill(); err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	wg.Wait()
	return startup
}

// TestKills kills the gateway at random moments under load. Afterwards the journal must hold every message that
// the provider accepted exactly once, and none of which a client knows that the provider refused it.
func TestKills(t *testing.T) {
	t.Parallel()
	for lane := range crashLanes {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			crashLane(t, lane)
		})
	}
}

func crashLane(t *testing.T, lane int) {
	p := newCrashProvider(t, crashFateOf)
	dir := t.TempDir()
	file := crashConfig(t, dir, p.addr, "journal: {segment_bytes: 8MiB}\n")
	l := &crashLoad{sent: map[string]*crashSent{}}
	var startups []time.Duration
	began := time.Now()
	for i := range crashRounds {
		startups = append(startups, crashRound(t, file, l, lane*crashRounds+i))
		if t.Failed() {
			return
		}
	}
	p.quiet(t)
	slices.Sort(startups)
	t.Logf("%d rounds in %v, %d messages, median time to start %v, longest %v",
		crashRounds, time.Since(began).Round(time.Second), len(l.sent), startups[len(startups)/2], startups[len(startups)-1])

	began = time.Now()
	crashExpireLeases(t, filepath.Join(dir, "data"))
	g := crashGateway(t, file, nil, func(c *config.Config) {
		c.Journal.UnconfirmedAfter = config.Duration(time.Second)
	})
	crashSettled(t, g, 0)
	entries := crashEntries(t, g)
	t.Logf("the rest was mirrored in %v", time.Since(began).Round(time.Second))
	crashCheckJournal(t, p, l, entries)
	crashCheckCRM(t, g, entries)
	crashCheckLedger(t, g, p, l)
}

// crashExpireLeases ends the leases of the killed processes, which would last for another minute.
func crashExpireLeases(t *testing.T, dir string) {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite", store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, "UPDATE jobs SET lease_until = $1 WHERE state = 'running'", store.Micros(time.Now()))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// crashSettled waits until the index is up to date and has at least that many entries, no entry waits for a verdict
// and no job is left.
func crashSettled(t *testing.T, g *gateway.Gateway, entries int64) {
	t.Helper()
	next := time.NewTicker(200 * time.Millisecond) // asking costs the database more than answering mail
	defer next.Stop()
	mailtest.Eventually(t, 2*time.Minute, func() error {
		<-next.C
		s, err := g.Journal().Stats(t.Context())
		if err != nil {
			return err
		}
		settled := s.Entries[journal.StateConfirmed] + s.Entries[journal.StateUnconfirmed]
		if s.Lag > 0 || s.Entries[journal.StateSealed] > 0 || settled < entries {
			return fmt.Errorf("the index is %v behind, entries by state: %v, want %d that are settled", s.Lag, s.Entries, entries)
		}
		jobs, err := g.Queue().Stats(t.Context())
		if err == nil && len(jobs) > 0 {
			err = fmt.Errorf("jobs are left: %+v", jobs)
			if slices.ContainsFunc(jobs, func(s queue.Stat) bool { return s.State == queue.StateDiscarded }) {
				t.Fatal(err)
			}
		}
		return err
	})
}

// crashEntries reads the whole journal: the id of each message and its entry. It fails the test over an entry
// that is not, byte for byte, a message that was sent, or that is there twice.
func crashEntries(t *testing.T, g *gateway.Gateway) map[string]journal.Entry {
	t.Helper()
	byID := map[string]journal.Entry{}
	for f := (journal.Filter{Limit: 500}); ; {
		page, err := g.Journal().Entries(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			body, err := crashBody(t.Context(), g, e)
			if err != nil {
				t.Errorf("entry %s: %v", e.ID, err)
				continue
			}
			id := crashID(body)
			if id == "" || !bytes.Equal(body, crashMail(id)) {
				t.Errorf("entry %s is not as it was sent: %.200q", e.ID, body)
				continue
			}
			if other, ok := byID[id]; ok {
				t.Errorf("message %s is there twice: %s and %s", id, other.ID, e.ID)
			}
			byID[id] = e
			f.Before = e.ID
		}
		if len(page) == 0 {
			return byID
		}
	}
}

func crashBody(ctx context.Context, g *gateway.Gateway, e journal.Entry) ([]byte, error) {
	r, err := g.Journal().Body(ctx, e)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r)
	return body, errors.Join(err, r.Close())
}

// crashCheckJournal compares what provider, clients and journal know of each message.
func crashCheckJournal(t *testing.T, p *crashProvider, l *crashLoad, entries map[string]journal.Entry) {
	t.Helper()
	if len(p.bad) > 0 {
		t.Errorf("the provider got messages that were not as they were sent: %v", p.bad)
	}
	var accepted, refused, unsent, open int
	for id, s := range l.sent {
		e, there := entries[id]
		fates := p.got[id]
		switch {
		case len(fates) > 1:
			t.Errorf("the provider got %s %d times", id, len(fates))
		case len(fates) == 0:
			// The kill came between the sync and the final dot, and the client does not know either.
			if there && (e.State != journal.StateUnconfirmed || s.code != 0) {
				t.Errorf("%s did not reach the provider, the client was told %d, and it is %s", id, s.code, e.State)
			}
			if there {
				unsent++
			}
		case !there && !fates[0].refuse:
			t.Errorf("%s was accepted and is not in the journal; the client was told %d", id, s.code)
		case fates[0].drop:
			open++
			if there && e.State != journal.StateUnconfirmed {
				t.Errorf("%s had no verdict and is %s", id, e.State)
			}
		case fates[0].refuse:
			refused++
			if there && (e.State != journal.StateUnconfirmed || s.code != 0) {
				t.Errorf("%s was refused, the client was told %d, and it is %s", id, s.code, e.State)
			}
		default:
			accepted++
			if e.State != journal.StateConfirmed && (e.State != journal.StateUnconfirmed || !s.last) {
				t.Errorf("%s was accepted, the client was told %d, and it is %s", id, s.code, e.State)
			}
		}
	}
	states := map[journal.State]int{}
	for id, e := range entries {
		states[e.State]++
		if l.sent[id] == nil {
			t.Errorf("nobody sent %s, which is in the journal", id)
		}
	}
	t.Logf("accepted %d, refused %d, no verdict %d, sealed but not sent %d; entries by state %v", accepted, refused, open, unsent, states)
	if accepted < crashRounds/2 || refused < crashRounds/10 || states[journal.StateUnconfirmed] == 0 {
		t.Error("the load was too small to show anything")
	}
}

// crashCheckCRM wants exactly one activity for each entry, with a mark where the verdict is not known.
func crashCheckCRM(t *testing.T, g *gateway.Gateway, entries map[string]journal.Entry) {
	t.Helper()
	times := map[string]int{}
	for id, a := range crashActivities(t, g) {
		times[id] = len(a)
		if e, ok := entries[id]; !ok {
			t.Errorf("the CRM has %s, the journal has not", id)
		} else if a[0].Unconfirmed != (e.State == journal.StateUnconfirmed) {
			t.Errorf("%s is %s, in the CRM its mark is %v", id, e.State, a[0].Unconfirmed)
		}
	}
	for id, e := range entries {
		if times[id] != 1 {
			t.Errorf("%s, which is %s, is in the CRM %d times", id, e.State, times[id])
		}
	}
}

// crashActivities returns what the built-in CRM has, by the id of the message.
func crashActivities(t *testing.T, g *gateway.Gateway) map[string][]builtin.Activity {
	t.Helper()
	crm, err := builtin.New(g.Store(), builtin.Config{})
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string][]builtin.Activity{}
	for f := (builtin.ActivityFilter{Paging: builtin.Paging{Limit: 500}}); ; {
		page, err := crm.Activities(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Items {
			byID[a.Subject] = append(byID[a.Subject], a)
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return byID
		}
	}
}

// crashCheckLedger wants one row for each message that a client knows to be refused, and no more than were refused.
func crashCheckLedger(t *testing.T, g *gateway.Gateway, p *crashProvider, l *crashLoad) {
	t.Helper()
	known, possible := 0, 0
	for id, s := range l.sent {
		told := s.code >= 500
		if told && len(p.got[id]) > 0 {
			known++
		}
		if told || s.code == 0 || len(p.got[id]) > 0 && p.got[id][0].refuse {
			possible++
		}
	}
	rows, err := g.Journal().Ledger(t.Context(), journal.LedgerFilter{State: journal.LedgerRefused, Limit: len(l.sent) + 1})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(rows); n < known || n > possible {
		t.Errorf("the ledger has %d refused messages, want %d to %d", n, known, possible)
	}
}

// TestFailedStartLeavesNothing lets a part fail after others were opened. Those must be closed again, so that a
// second try on the same directory works.
func TestFailedStartLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := crashConfig(t, dir, newCrashProvider(t, nil).addr, "")
	cfg, err := config.Load(file, catalog.Validate)
	if err != nil {
		t.Fatal(err)
	}
	inTheWay := filepath.Join(dir, "data", "master.key")
	if err := os.MkdirAll(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	if g, err := gateway.New(t.Context(), cfg, gateway.Options{}); err == nil || g != nil {
		t.Fatalf("a directory in the place of the key gave %v, %v", g, err)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	crashGateway(t, file, nil, nil)
}
