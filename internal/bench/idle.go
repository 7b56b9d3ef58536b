package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// IdleReport is what sessions cost that only wait.
type IdleReport struct {
	Sessions    int     `json:"sessions"`
	Memory      int64   `json:"bytes_per_session"` // growth of the resident set of a fresh process
	CPU         float64 `json:"cpu_share"`         // of one processor, while all wait
	Descriptors float64 `json:"descriptors_per_session"`
	Opened      float64 `json:"opened_per_second"`
}

const (
	// calmTimeout is how long we wait for the memory of a proxy to stay the same.
	calmTimeout = 90 * time.Second
	// sameMemory is by how much it may still change.
	sameMemory = 0.01
	// idleTime is how long the processor time of waiting is taken, unless to be calm takes less.
	idleTime = 5 * time.Second
	// spare is how many descriptors a process needs for itself.
	spare = 100
)

// hold opens sessions through a path and measures what they cost.
func (b *bench) hold(ctx context.Context, t *track) (err error) {
	if need, have := 2*b.load.Clients+spare, maxDescriptors(); have > 0 && need > have {
		return fmt.Errorf("%d sessions need %d descriptors, this process may have %d: raise it with ulimit -n", b.load.Clients, need, have)
	}
	if _, err := steady(ctx, t.proxy.PID, min(b.o.Calm, time.Second)); err != nil {
		return err
	}
	memory0, files0 := residentMemory(t.proxy.PID), descriptors(t.proxy.PID)
	tr := b.traffic(t, 0)
	tr.Duration = time.Duration(b.load.Clients) * time.Second / 50 // of opening them, at the slowest
	m, load, err := runLoad(ctx, b.o.Program, tr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, load.stop()) }()
	memory1, err := steady(ctx, t.proxy.PID, b.o.Calm)
	if err != nil {
		return err
	}
	files1, cpu0, start := descriptors(t.proxy.PID), cpuTime(t.proxy.PID), time.Now()
	if err := pause(ctx, min(b.o.Calm, idleTime)); err != nil {
		return err
	}
	n := float64(m.Messages)
	t.idle = &IdleReport{
		Sessions:    int(m.Messages),
		Memory:      (memory1 - memory0) / m.Messages,
		CPU:         (cpuTime(t.proxy.PID) - cpu0).Seconds() / time.Since(start).Seconds(),
		Descriptors: float64(files1-files0) / n,
		Opened:      n / m.Elapsed.Seconds(),
	}
	return nil
}

// steady waits until the memory of a process has been about the same for a while.
func steady(ctx context.Context, pid int, long time.Duration) (now int64, err error) {
	end := time.Now().Add(calmTimeout)
	for since, was := time.Now(), int64(0); time.Since(since) < long; {
		now = residentMemory(pid)
		if diff := float64(now - was); diff > sameMemory*float64(was) || -diff > sameMemory*float64(was) {
			since, was = time.Now(), now
		}
		if time.Now().After(end) {
			break // it is what it is
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return now, err
		}
	}
	return now, nil
}

// residentMemory is what a process holds in memory now, in bytes.
func residentMemory(pid int) int64 { return procKiB(pid, "status", "VmRSS") }

func descriptors(pid int) int {
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0
	}
	return len(all)
}
