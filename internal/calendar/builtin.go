package calendar

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"sync"
	_ "time/tzdata" // zones must work in a container that has no zone files
)

//go:embed data/cn.yaml
var cnData []byte

// The calendars that come with the program.
const (
	China = "cn"    // public holidays and make-up workdays as data/cn.yaml has them, Asia/Shanghai
	Plain = "plain" // Monday to Friday, 09:00 to 17:00 UTC, no holidays; see Calendar.In for other zones
)

var builtin = sync.OnceValue(func() map[string]*Calendar {
	cn, err := parse(cnData, nil)
	if err != nil {
		panic(err) // the data are part of the program
	}
	plain, err := build(Definition{Name: Plain, Zone: "UTC", Hours: map[string][]string{"mon-fri": {"09:00-17:00"}}}, nil)
	if err != nil {
		panic(err)
	}
	return map[string]*Calendar{China: cn, Plain: plain}
})

// Builtin returns a calendar that comes with the program: China or Plain.
func Builtin(name string) (*Calendar, bool) {
	c, ok := builtin()[name]
	return c, ok
}

// Set holds calendars by name: those that come with the program and a company's own.
type Set map[string]*Calendar

// NewSet builds a company's calendars, each of which may be based on one before it. A calendar may take the name of one that
// comes with the program.
func NewSet(definitions []Definition) (Set, error) {
	set := Set(maps.Clone(builtin()))
	own := map[string]bool{}
	for i, d := range definitions {
		c, err := build(d, set)
		if err != nil {
			return nil, fmt.Errorf("calendars[%d]: %w", i, err)
		}
		if own[c.name] {
			return nil, fmt.Errorf("calendars[%d]: there is another calendar %q", i, clip(c.name))
		}
		own[c.name] = true
		set[c.name] = c
	}
	return set, nil
}

// Find returns a calendar by name.
func (s Set) Find(name string) (*Calendar, error) {
	if c, ok := s[name]; ok {
		return c, nil
	}
	return nil, fmt.Errorf("no calendar %q; there are %v", clip(name), slices.Sorted(maps.Keys(s)))
}
