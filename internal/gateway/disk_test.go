//go:build linux

package gateway_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"heliograph/internal/gateway"
	"heliograph/internal/journal"
	"heliograph/internal/journal/journaltest"
	"heliograph/internal/mailtest"
)

const (
	diskSize   = 24 << 20
	diskPolicy = "journal: {segment_bytes: 2MiB, on_failure: %s}\n"
)

// diskMount returns a directory on a small disk of its own.
func diskMount(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", diskSize)); err != nil {
		t.Fatalf("mounting a small disk: %v\nOnly root may: run the tests as root, or in a container with CAP_SYS_ADMIN.", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting the small disk: %v", err)
			_ = syscall.Unmount(dir, syscall.MNT_DETACH) // leaves when its last file is closed
		}
	})
	return dir
}

// diskFill uses the disk up to the last byte. free gives it back.
func diskFill(t *testing.T, dir string) (free func()) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(f.Name()); err != nil {
			t.Fatal(err)
		}
	}
}

// diskWorld is a gateway whose journal is in trouble, and what it should have made of each message.
type diskWorld struct {
	t      *testing.T
	g      *gateway.Gateway
	p      *crashProvider
	policy string
	kept   map[string]bool // ids of messages with a copy
	gaps   int             // messages that were delivered without one
	sent   int
}

// send sends one message of that size. It reports whether it was kept, and fails the test when it was neither kept
// nor treated as the policy says.
func (w *diskWorld) send(size int) (kept bool) {
	w.t.Helper()
	before := crashMetric(w.t, w.g, crashGaps)
	w.sent++
	id := fmt.Sprintf("d%d.%d", w.sent, size)
	code, err := crashSend(w.g.Addr(0).String(), id)
	if err != nil {
		w.t.Fatalf("sending %s: %v", id, err)
	}
	delivered, gaps := w.p.has(id), int(crashMetric(w.t, w.g, crashGaps)-before)
	switch {
	case code == 250 && delivered == 1 && gaps == 0:
		w.kept[id] = true
		return true
	case w.policy == "deliver" && code == 250 && delivered == 1 && gaps == 1:
		w.gaps++
	case w.policy == "defer" && code == 451 && delivered == 0 && gaps == 0:
	default:
		w.t.Fatalf("%s: policy %s, code %d, the provider has it %d times, %d gaps", id, w.policy, code, delivered, gaps)
	}
	return false
}

// sendUntil sends messages until kept is as wanted, at most n.
func (w *diskWorld) sendUntil(kept bool, n, size int) {
	w.t.Helper()
	for range n {
		if w.send(size) == kept {
			return
		}
	}
	w.t.Fatalf("none of %d messages was kept=%v", n, kept)
}

// heals waits until messages are kept again.
func (w *diskWorld) heals() {
	w.t.Helper()
	mailtest.Eventually(w.t, 30*time.Second, func() error {
		if !w.send(1000) {
			return fmt.Errorf("the journal does not heal: %w", w.g.Journal().Err())
		}
		return nil
	})
}

// check wants exactly the messages with a copy in the journal, confirmed, and in the CRM, once.
func (w *diskWorld) check() {
	w.t.Helper()
	w.p.quiet(w.t)
	crashSettled(w.t, w.g, int64(len(w.kept)))
	entries := crashEntries(w.t, w.g)
	activities := crashActivities(w.t, w.g)
	for id := range w.kept {
		if entries[id].State != journal.StateConfirmed {
			w.t.Errorf("%s was kept and is %q", id, entries[id].State)
		}
		if n := len(activities[id]); n != 1 {
			w.t.Errorf("%s is in the CRM %d times", id, n)
		}
	}
	for id, e := range entries {
		if !w.kept[id] {
			w.t.Errorf("%s was not kept and is %s", id, e.State)
		}
	}
	if len(activities) != len(w.kept) {
		w.t.Errorf("the CRM has %d messages, want %d", len(activities), len(w.kept))
	}
	if n := int(crashMetric(w.t, w.g, crashGaps)); n != w.gaps {
		w.t.Errorf("%d gaps were counted, want %d", n, w.gaps)
	}
	if len(w.p.bad) > 0 {
		w.t.Errorf("changed on the way: %v", w.p.bad)
	}
	w.t.Logf("%d sent, %d kept, %d delivered without a copy", w.sent, len(w.kept), w.gaps)
}

// eachPolicy runs body with each policy for failures.
func eachPolicy(t *testing.T, body func(t *testing.T, policy string)) {
	t.Parallel()
	for _, policy := range []string{"deliver", "defer"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			body(t, policy)
		})
	}
}

// TestDiskFull fills the disk under a running gateway. While the journal's segment has room, mail flows and is kept
// although the database is stuck; then the policy decides; and when there is space again, everything catches up.
func TestDiskFull(t *testing.T) {
	eachPolicy(t, func(t *testing.T, policy string) {
		p := newCrashProvider(t, nil)
		dir := diskMount(t)
		g := crashGateway(t, crashConfig(t, dir, p.addr, fmt.Sprintf(diskPolicy, policy)), nil, nil)
		w := &diskWorld{t: t, g: g, p: p, policy: policy, kept: map[string]bool{}}
		if !w.send(1000) {
			t.Fatal("the journal keeps nothing")
		}
		crashSettled(t, g, int64(len(w.kept)))

		free := diskFill(t, dir)
		for range 30 {
			if !w.send(1000) {
				t.Fatal("a message was not kept although the segment has room for it")
			}
		}
		mailtest.Eventually(t, 30*time.Second, func() error {
			if !w.send(1000) {
				t.Fatal("a message was not kept although the segment has room for it")
			}
			if crashMetric(t, g, crashIndex) == 0 {
				return errors.New("the database does not notice that the disk is full")
			}
			return nil
		})
		w.sendUntil(false, 40, 300_000)
		for range 3 {
			if w.send(2000) {
				t.Error("a message was kept on a full disk")
			}
		}
		if err := g.Journal().Err(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("the journal says %v", err)
		}
		if n := int(crashMetric(t, g, crashGaps, journal.GapDiskFull)); n != w.gaps {
			t.Errorf("%d of %d gaps say that the disk is full", n, w.gaps)
		}

		free()
		w.heals()
		for range 5 {
			if !w.send(200_000) {
				t.Error("the journal healed only for a moment")
			}
		}
		w.check()
	})
}

// TestDiskErrors lets single operations and then all operations of the journal's disk fail.
func TestDiskErrors(t *testing.T) {
	for _, kind := range []journaltest.Kind{journaltest.Sync, journaltest.Write} {
		t.Run(string(kind), func(t *testing.T) {
			eachPolicy(t, func(t *testing.T, policy string) { diskErrors(t, policy, kind) })
		})
	}
}

func diskErrors(t *testing.T, policy string, kind journaltest.Kind) {
	const (
		works int32 = iota
		failsOnce
		fails
	)
	var mode atomic.Int32
	disk := journaltest.NewDisk()
	disk.Fail(func(op journaltest.Op) error {
		if op.Kind == kind && (mode.CompareAndSwap(failsOnce, works) || mode.Load() == fails) {
			return syscall.EIO
		}
		return nil
	})
	p := newCrashProvider(t, nil)
	g := crashGateway(t, crashConfig(t, t.TempDir(), p.addr, fmt.Sprintf(diskPolicy, policy)), disk, nil)
	w := &diskWorld{t: t, g: g, p: p, policy: policy, kept: map[string]bool{}}
	segments := func() (n int) {
		for _, name := range disk.Names() {
			if strings.HasSuffix(name, ".seg") {
				n++
			}
		}
		return n
	}
	for _, size := range []int{2000, 300_000} { // the larger one reaches the disk in parts, before its end
		if !w.send(1000) {
			t.Fatal("the journal keeps nothing")
		}
		crashSettled(t, g, int64(len(w.kept))) // so that no mark is on its way, which would meet the failure in the message's place
		before := segments()
		mode.Store(failsOnce)
		if w.send(size) {
			t.Errorf("a message of %d bytes was kept although a %s failed", size, kind)
		}
		if !w.send(size) {
			t.Error("no new segment took over")
		}
		if n := segments(); n != before+1 {
			t.Errorf("%d segments, want %d", n, before+1)
		}
	}
	mode.Store(fails)
	for range 3 {
		if w.send(2000) || w.send(300_000) {
			t.Errorf("a message was kept although each %s fails", kind)
		}
	}
	if err := g.Journal().Err(); !errors.Is(err, syscall.EIO) {
		t.Errorf("the journal says %v", err)
	}
	mode.Store(works)
	w.heals()
	if n := int(crashMetric(t, g, crashGaps, journal.GapIO)); n != w.gaps {
		t.Errorf("%d of %d gaps are due to input and output", n, w.gaps)
	}
	w.check()
}
