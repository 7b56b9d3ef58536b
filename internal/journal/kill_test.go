package journal_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// childVariable names the directory that a child process writes its journal to.
const childVariable = "HELIOGRAPH_TEST_JOURNAL"

// child stores messages as fast as it can until it is killed, and prints the id of each
// that was sealed, before its verdict; then, what the verdict was.
func child() {
	dir := os.Getenv(childVariable)
	if os.Getenv(childRound) != "" {
		captureChild(dir)
		return
	}
	fail := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	ctx := context.Background()
	db, err := store.Open(ctx, "sqlite", store.Options{Dir: dir})
	fail(err)
	j, err := journal.Open(ctx, journal.Options{
		Dir: filepath.Join(dir, "journal"), Store: db, Queue: queue.Open(db, queue.Options{}),
		Consumers: []string{"mirror"}, SegmentBytes: 1 << 20, UnconfirmedAfter: time.Hour,
	})
	fail(err)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := w; ; n += 4 {
				env := envelope(n)
				env.Session = fmt.Sprint(n % 50)
				p := j.Begin(env)
				_, err := p.Write(wire(n % 50))
				fail(err)
				fail(p.Seal(ctx, env))
				if n%5 == 4 {
					fmt.Println("refused", env.ID)
					p.Discard("550 no")
				} else {
					fmt.Println("accepted", env.ID)
					p.Commit(accepted)
				}
			}
		})
	}
	wg.Wait()
}

// TestKilled kills a real process again and again and requires that each message that it
// had acknowledged is there exactly once afterwards.
func TestKilled(t *testing.T) {
	t.Parallel()
	const rounds = 12
	dir := t.TempDir()
	verdicts := map[string]string{}
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVariable+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			verdict, id, _ := strings.Cut(lines.Text(), " ")
			if verdict == "error" {
				t.Errorf("round %d: %s", round, lines.Text())
			}
			if verdict == "accepted" || verdict == "refused" {
				verdicts[id] = verdict
			}
			if n == 3+round*37%101 { // somewhere in the middle of its work
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed
	}
	if len(verdicts) < rounds*4 {
		t.Fatalf("only %d messages in %d rounds", len(verdicts), rounds)
	}

	b := start(t, storetest.Open(t, "sqlite", dir), journal.Options{
		Dir: filepath.Join(dir, "journal"), KeyFile: filepath.Join(dir, "master.key"),
		Consumers: []string{"mirror"}, UnconfirmedAfter: time.Hour,
	})
	last, id := b.seal(1, nil)
	last.Commit(accepted)
	b.untilState(id, journal.StateConfirmed)
	jobs := map[string]int{}
	for _, job := range b.jobs() {
		jobs[strings.TrimPrefix(job, "hook:mirror ")]++
	}
	entries, err := b.j.Entries(t.Context(), journal.Filter{Limit: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]journal.Entry{}
	for _, e := range entries {
		there[e.ID.String()] = e
		want := 0
		if e.State == journal.StateConfirmed {
			want = 1
		}
		if got := jobs[e.ID.String()]; got != want {
			t.Errorf("%s entry has %d jobs", e.State, got)
		}
		if e.ID != id {
			var n int
			if _, err := fmt.Sscan(e.Session, &n); err != nil {
				t.Fatal(err)
			}
			b.wantBody(e, plain(n))
		}
	}
	for id, verdict := range verdicts {
		// The kill may have come between the seal and the mark.
		e, ok := there[id]
		if verdict == "accepted" && (!ok || e.State != journal.StateConfirmed && e.State != journal.StateSealed) {
			t.Errorf("accepted message %s: there %v, %s", id, ok, e.State)
		}
		if verdict == "refused" && ok && e.State != journal.StateSealed {
			t.Errorf("refused message %s is %s", id, e.State)
		}
	}
	t.Logf("%d messages in %d rounds", len(verdicts), rounds)
}
