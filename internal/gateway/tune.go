package gateway

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// smallHeap is the memory below which the collector is not asked to hurry. Large
// messages leave garbage in bursts; without a limit the heap grows to several times of
// what is in use before the collector thinks it worth its while.
const smallHeap = 24 << 20

// syncing is how many threads wait for the disk at a busy moment: the journal's and the
// database's. Each holds a processor of Go's scheduler until that notices, so there are as
// many more of these than processors. On two cores that is worth a sixth of the messages.
const syncing = 2

// Tune sets the runtime up for a gateway: a program calls it once, at its start. What the
// environment sets (GOMAXPROCS, GOMEMLIMIT, GOGC) is left alone.
func Tune() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + syncing)
	}
	keepSmall()
}

// keepSmall bounds the garbage of the process: after each collection the soft limit is set
// to twice what is in use, and never below smallHeap, so that many sessions cannot make the
// collector run all the time.
func keepSmall() {
	if os.Getenv("GOMEMLIMIT") != "" || os.Getenv("GOGC") != "" {
		return
	}
	debug.SetMemoryLimit(smallHeap)
	afterEachGC(func() { debug.SetMemoryLimit(memoryLimit(memoryInUse())) })
}

// memoryLimit is the limit for a heap that holds live bytes, beside other bytes of the runtime.
func memoryLimit(live, other uint64) int64 {
	return int64(min(max(smallHeap, 2*live+other), math.MaxInt64))
}

// memoryInUse reads what the last collection left, and what the runtime holds that is no heap.
func memoryInUse() (live, other uint64) {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/memory/classes/metadata/mcache/inuse:bytes"},
		{Name: "/memory/classes/metadata/mspan/inuse:bytes"},
		{Name: "/memory/classes/metadata/other:bytes"},
		{Name: "/memory/classes/other:bytes"},
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
