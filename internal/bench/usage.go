package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc: USER_HZ is 100 on every Linux that Go runs on.
const tick = time.Second / 100

// cpuTime returns the time that a process, the children that it reaped, and its living
// descendants have used. Where there is no /proc, it is zero.
func cpuTime(pid int) time.Duration {
	var sum time.Duration
	for _, p := range tree(pid) {
		sum += ownTime(p)
	}
	return sum
}

func ownTime(pid int) (sum time.Duration) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// proc(5): the name in brackets may hold anything; utime, stime, cutime and cstime
	// are fields 14 to 17, the first behind the name is 3.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 15 {
		return 0
	}
	for _, v := range f[11:15] {
		n, _ := strconv.ParseInt(v, 10, 64) // the kernel writes numbers
		sum += time.Duration(n) * tick
	}
	return sum
}

// tree returns a process and its living descendants.
func tree(pid int) []int {
	all := []int{pid}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is well-formed
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // that thread has gone
		}
		for f := range strings.FieldsSeq(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				all = append(all, tree(child)...)
			}
		}
	}
	return all
}

// peakMemory is the most that a process ever held in memory, in bytes.
func peakMemory(pid int) int64 { return procKiB(pid, "status", "VmHWM") }

// treeMemory is what a process and its descendants hold now, pages that they share
// counted once, in bytes.
func treeMemory(pid int) (sum int64) {
	for _, p := range tree(pid) {
		sum += procKiB(p, "smaps_rollup", "Pss")
	}
	return sum
}

// ownMemory is what a process holds now but for pages of files, which are in the machine's cache anyway: its program's
// file, above all. In bytes.
func ownMemory(pid int) int64 {
	return procKiB(pid, "status", "RssAnon") + procKiB(pid, "status", "RssShmem")
}

// watchEvery is how often ownMemory is looked at, since no kernel keeps the most of it: what lasts shorter is missed.
const watchEvery = 10 * time.Millisecond

// watchMemory looks at a process until the function that it returns is called, which tells the most that ownMemory was.
func watchMemory(pid int) func() int64 {
	stop, most := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		peak := ownMemory(pid)
		for {
			select {
			case <-tick.C:
				peak = max(peak, ownMemory(pid))
			case <-stop:
				most <- peak
				return
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-most
	}
}

func procKiB(pid int, file, key string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64) // the kernel writes numbers
			return n << 10
		}
	}
	return 0
}

// hostTime returns the time that all processors worked for programs, and all time.
// Soft interrupts are not in the first: on the loopback interface they are the load's own.
func hostTime() (busy, all time.Duration) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	for i, v := range strings.Fields(line) {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || i > 8 { // the name; guest times, which are in the others
			continue
		}
		all += time.Duration(n) * tick
		switch i {
		case 1, 2, 3, 6, 8: // user, nice, system, irq, steal
			busy += time.Duration(n) * tick
		}
	}
	return busy, all
}
