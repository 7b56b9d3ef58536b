package bench

import (
	"fmt"
	"slices"
	"strings"
)

// Path is the way that the traffic of a load takes.
type Path string

// The paths, in the order of the report.
const (
	Direct     Path = "direct"     // no proxy
	Splice     Path = "splice"     // a program that only copies: the reference of most ratios
	Durable    Path = "durable"    // Heliograph, each message on disk before the upstream has its end
	Background Path = "background" // Heliograph, synced after the reply
	Postfix    Path = "postfix"    // Postfix as a relay with a queue on disk
	Capture    Path = "gateway"    // Heliograph with IMAP, whose journal never makes a client wait
)

var (
	allPaths  = []Path{Direct, Splice, Durable, Background, Capture, Postfix}
	smtpPaths = []Path{Direct, Splice, Durable, Background, Postfix}
	imapPaths = []Path{Direct, Splice, Capture}
	idlePaths = []Path{Splice, Capture} // it is the memory of a proxy that is measured
)

func (p Path) isGateway() bool { return p == Durable || p == Background || p == Capture }

// Load is one kind of traffic.
type Load struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"`       // smtp or imap
	Kind     Kind   `json:"kind,omitempty"` // of an IMAP load
	Unit     string `json:"unit"`           // what is counted
	Clients  int    `json:"clients"`        // connections, each does one thing after another
	Size     int    `json:"size,omitempty"` // bytes of a message that is sent or appended
	TLS      bool   `json:"tls,omitempty"`  // between client and proxy
}

const (
	smtp = "smtp"
	imap = "imap"
)

var allLoads = []Load{
	{Name: "5kb-1", Protocol: smtp, Unit: "messages", Clients: 1, Size: 5000},
	{Name: "5kb-16", Protocol: smtp, Unit: "messages", Clients: 16, Size: 5000},
	{Name: "5kb-64", Protocol: smtp, Unit: "messages", Clients: 64, Size: 5000},
	{Name: "10mb-4", Protocol: smtp, Unit: "messages", Clients: 4, Size: 10_000_000},
	{Name: "fetch", Protocol: imap, Kind: kindFetch, Unit: "messages", Clients: 4},
	{Name: "fresh", Protocol: imap, Kind: kindFresh, Unit: "messages", Clients: 4},
	{Name: "commands-1", Protocol: imap, Kind: kindCommands, Unit: "commands", Clients: 1},
	{Name: "commands-16", Protocol: imap, Kind: kindCommands, Unit: "commands", Clients: 16},
	{Name: "mix", Protocol: imap, Kind: kindMix, Unit: "commands", Clients: 8, Size: 5000},
	{Name: "login", Protocol: imap, Kind: kindLogin, Unit: "logins", Clients: 8},
	{Name: "tls-fetch", Protocol: imap, Kind: kindFetch, Unit: "messages", Clients: 4, TLS: true},
	{Name: "tls-login", Protocol: imap, Kind: kindLogin, Unit: "logins", Clients: 8, TLS: true},
	{Name: "idle", Protocol: imap, Kind: kindIdle, Unit: "sessions"},
	{Name: "tls-idle", Protocol: imap, Kind: kindIdle, Unit: "sessions", TLS: true},
}

func (l Load) paths() []Path {
	switch {
	case l.Kind == kindIdle:
		return idlePaths
	case l.Protocol == imap:
		return imapPaths
	}
	return smtpPaths
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
	{Load: "fetch", Path: Capture, Versus: Splice, Floor: 0.85, Aim: 1},
	{Load: "fresh", Path: Capture, Versus: Splice, Floor: 0.22, Aim: 0.32},
	{Load: "commands-1", Path: Capture, Versus: Splice, Floor: 0.95, Aim: 1.2},
	{Load: "commands-16", Path: Capture, Versus: Splice, Floor: 0.95, Aim: 1.15},
	{Load: "mix", Path: Capture, Versus: Splice, Floor: 0.85, Aim: 1.1},
	{Load: "login", Path: Capture, Versus: Splice, Floor: 0.75, Aim: 0.95},
	{Load: "tls-fetch", Path: Capture, Versus: Splice, Floor: 0.9, Aim: 1},
	{Load: "tls-login", Path: Capture, Versus: Splice, Floor: 0.85, Aim: 1},
}

// Limit is what the gateway may use up under a load, at most: less is better. Above
// Floor something is wrong; Aim is where we want to be (0: no aim).
type Limit struct {
	Load  string  `json:"load"`
	What  string  `json:"what"`
	Floor float64 `json:"floor"`
	Aim   float64 `json:"aim,omitempty"`
}

// What a Limit is about.
const (
	cpuPerGB      = "CPU s/GB"
	kibPerSession = "KiB per session"
)

var limits = []Limit{
	{Load: "fetch", What: cpuPerGB, Floor: 0.6},
	{Load: "idle", What: kibPerSession, Floor: 12, Aim: 5},
	{Load: "tls-idle", What: kibPerSession, Floor: 24, Aim: 15},
}

// The peak memory that the gateway may need under any load but that of many sessions, whatever the size of a message.
// Pages of the program's file do not count: they are not taken from other programs, since the kernel drops them when it
// needs the room, and they measure how much the program can do, not how it does it.
const (
	memoryFloor = 64 << 20
	memoryAim   = 32 << 20
)

// choose returns the loads and paths that the words name; no word names all. A word is
// a protocol, the name of a load or path, or a part of a name when nothing is called exactly
// so. The reference of the ratios is always there.
func choose(words []string) ([]Load, []Path, error) {
	var loads []Load
	var paths []Path
	for _, w := range words {
		w = strings.ToLower(w)
		l := filter(allLoads, func(l Load) bool { return l.Protocol == w })
		if len(l) == 0 {
			l = matching(allLoads, w, func(l Load) string { return l.Name })
		}
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
	all := []string{smtp, imap}
	for _, l := range allLoads {
		all = append(all, l.Name)
	}
	for _, p := range allPaths {
		all = append(all, string(p))
	}
	return strings.Join(all, ", ")
}
