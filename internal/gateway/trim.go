package gateway

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"syscall"
	"time"
)

const (
	// trimEvery is how often memory that could be given back is looked for.
	trimEvery = 5 * time.Second
	// trimWorth is how much of it is worth a collection.
	trimWorth = 8 << 20
	// trimIdle is the share of one processor that the program may have used meanwhile: a
	// collection of our own making is for quiet times.
	trimIdle = 0.1
)

// startTrim gives memory back that a burst has left behind, until the gateway stops. The runtime does so by itself, but
// takes minutes over it, and a gateway that carried thousands of logins at nine idles for the rest of the day.
func (g *Gateway) startTrim() {
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(trimEvery)
		defer tick.Stop()
		last := usage()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := usage()
			if now.trimmed = last.trimmed; worthTrimming(last, now) {
				debug.FreeOSMemory()
				now = usage()
				now.trimmed = now.spare() + trimWorth // what is left is in use, or cannot be given back
			}
			last = now
		}
	})
	g.onClose("trimmer", func(context.Context) error {
		stop()
		done.Wait()
		return nil
	})
}

// worthTrimming says whether there is much to give back, and nothing else to do.
func worthTrimming(last, now used) bool {
	return now.cpu-last.cpu < trimIdle*trimEvery.Seconds() && now.spare() > max(trimWorth, last.trimmed)
}

// used is what the process uses at a moment.
type used struct {
	cpu           float64 // seconds since its start
	free, garbage uint64  // bytes of the heap
	trimmed       uint64  // bytes that need not be looked at again
}

// spare is what could be given back.
func (u used) spare() uint64 { return u.free + u.garbage }

func usage() used {
	s := []metrics.Sample{
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(s)
	var u used
	var self syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &self); err == nil { // the runtime counts only at collections
		u.cpu = time.Duration(self.Utime.Nano() + self.Stime.Nano()).Seconds()
	}
	bytes := func(i int) uint64 {
		if s[i].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return s[i].Value.Uint64()
	}
	u.free = bytes(0)
	if objects, live := bytes(2), bytes(3); objects > live {
		u.garbage = objects - live
	}
	return u
}
