package gateway

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// smallHeap is the memory below which nothing is collected.
	smallHeap = 22 << 20
	// leastGarbage is what may be allocated between two collections: with 6 MiB a login costs 15 % more processor time,
	// with 14 MiB as much.
	leastGarbage = 10 << 20
	// headroom is by how much the runtime stays below its limit.
	headroom = 1 << 20
)

// syncing is how many threads more than processors may run Go code, since the journal's and the database's wait for
// the disk at a busy moment: each holds a processor of Go's scheduler until that notices. With two, durable messages
// win a few percent more, and small commands lose as much.
const syncing = 1

// Tune sets the runtime up for a gateway: a program calls it once, at its start. What the
// environment sets (GOMAXPROCS, GOMEMLIMIT, GOGC) is left alone.
func Tune() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + syncing)
	}
	keepSmall()
}

// keepSmall lets a soft limit alone decide when the collector runs: after each collection it is set to one and a half
// times what is in use, at least to leastGarbage more, and never below smallHeap. A small heap may fill up to there,
// which costs a login or a short message a third less than a collection at each doubling; a large one has less garbage
// than by doubling.
func keepSmall() {
	if os.Getenv("GOMEMLIMIT") != "" || os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(smallHeap)
	afterEachGC(func() { debug.SetMemoryLimit(memoryLimit(memoryInUse())) })
}

// memoryLimit is the limit for a heap that holds live bytes, beside other bytes of the runtime.
func memoryLimit(live, other uint64) int64 {
	return int64(min(max(smallHeap, live+max(live/2, leastGarbage)+other+headroom), math.MaxInt64))
}

// memoryInUse reads what the last collection left, and what the runtime holds that no object can be put into.
func memoryInUse() (live, other uint64) {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"}, // holes: the limit counts them, and a collection does not fill them
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/memory/classes/metadata/mcache/inuse:bytes"},
		{Name: "/memory/classes/metadata/mspan/inuse:bytes"},
		{Name: "/memory/classes/metadata/other:bytes"},
		{Name: "/memory/classes/other:bytes"},
		{Name: "/memory/classes/profiling/buckets:bytes"},
	}
	metrics.Read(s)
	for i, x := range s {
		if x.Value.Kind() != metrics.KindUint64 {
			continue // a name that this version of Go does not know
		}
		if i == 0 {
			live = x.Value.Uint64()
		} else {
			other += x.Value.Uint64()
		}
	}
	return live, other
}

// afterEachGC calls f after each collection: a finalizer that arms itself again is the
// only sign of it that the runtime gives.
func afterEachGC(f func()) {
	type sentinel struct{ _ [16]byte }
	var arm func(*sentinel)
	arm = func(*sentinel) {
		f()
		runtime.SetFinalizer(&sentinel{}, arm)
	}
	runtime.SetFinalizer(&sentinel{}, arm)
}
