package bench

import (
	"fmt"
	"slices"
	"strings"
)

// Path is the way that the messages of a load take to the sink.
type Path string

// The paths, in the order of the report.
const (
	Direct     Path = "direct"     // no proxy
	Splice     Path = "splice"     // a program that only copies TCP: the reference of most ratios
	Durable    Path = "durable"    // Heliograph, each message on disk before the upstream has its end
	Background Path = "background" // Heliograph, synced after the reply
	Postfix    Path = "postfix"    // Postfix as a relay with a queue on disk
)

var allPaths = []Path{Direct, Splice, Durable, Background, Postfix}

func (p Path) isGateway() bool { return p == Durable || p == Background }

// Load is one kind of traffic.
type Load struct {
	Name    string `json:"name"`
	Clients int    `json:"clients"` // connections, each sends one message after another
	Size    int    `json:"size"`    // bytes of a message
}

var allLoads = []Load{
	{Name: "5kb-1", Clients: 1, Size: 5000},
	{Name: "5kb-16", Clients: 16, Size: 5000},
	{Name: "5kb-64", Clients: 64, Size: 5000},
	{Name: "10mb-4", Clients: 4, Size: 10_000_000},
}

// Goal is what the rate of a path should be, as a ratio to that of another path in the
// same round. Below Floor something is wrong; Aim is where we want to be (0: no aim).
type Goal struct {
	Load   string  `json:"load"`
	Path   Path    `json:"path"`
	Versus Path    `json:"versus"`
	Floor  float64 `json:"floor"`
	Aim    float64 `json:"aim,omitempty"`
}

var goals = []Goal{
	{Load: "5kb-1", Path: Durable, Versus: Splice, Floor: 0.45, Aim: 0.7},
	{Load: "5kb-16", Path: Durable, Versus: Splice, Floor: 0.5, Aim: 0.6},
	{Load: "5kb-64", Path: Durable, Versus: Splice, Floor: 0.5, Aim: 0.75},
	{Load: "5kb-1", Path: Durable, Versus: Postfix, Floor: 2},
	{Load: "5kb-16", Path: Durable, Versus: Postfix, Floor: 8},
	{Load: "5kb-64", Path: Durable, Versus: Postfix, Floor: 15},
	{Load: "5kb-16", Path: Background, Versus: Splice, Floor: 0.85, Aim: 1},
	{Load: "10mb-4", Path: Durable, Versus: Splice, Floor: 0.18, Aim: 0.35},
}

// The peak memory that the gateway may need under any load, whatever the size of a message.
const (
	memoryFloor = 64 << 20
	memoryAim   = 32 << 20
)

// choose returns the loads and paths that the words name; no word names all. A word is
// the name of a load or path, or a part of it when nothing is called exactly so. The
// reference of the ratios is always there.
func choose(words []string) ([]Load, []Path, error) {
	var loads []Load
	var paths []Path
	for _, w := range words {
		w = strings.ToLower(w)
		l := matching(allLoads, w, func(l Load) string { return l.Name })
		p := matching(allPaths, w, func(p Path) string { return string(p) })
		if len(l)+len(p) == 0 {
			return nil, nil, fmt.Errorf("%q names no load and no path; there are %s", w, names())
		}
		loads, paths = append(loads, l...), append(paths, p...)
	}
	if len(loads) == 0 {
		loads = allLoads
	}
	if len(paths) == 0 {
		paths = allPaths
	}
	pick := func(p Path) bool { return p == Splice || slices.Contains(paths, p) }
	return filter(allLoads, func(l Load) bool { return slices.Contains(loads, l) }), filter(allPaths, pick), nil
}

func matching[T any](all []T, word string, name func(T) string) []T {
	if exact := filter(all, func(v T) bool { return name(v) == word }); len(exact) > 0 {
		return exact
	}
	return filter(all, func(v T) bool { return strings.Contains(name(v), word) })
}

func filter[T any](all []T, keep func(T) bool) (out []T) {
	for _, v := range all {
		if keep(v) {
			out = append(out, v)
		}
	}
	return out
}

func names() string {
	var all []string
	for _, l := range allLoads {
		all = append(all, l.Name)
	}
	for _, p := range allPaths {
		all = append(all, string(p))
	}
	return strings.Join(all, ", ")
}
