package fieldmap

import (
	"maps"
	"slices"
)

// late are the sources of a mail's fields whose values may change after it was logged.
var late = []string{"accounts", "bcc", "bcc_addresses", "thread", "unconfirmed"}

// Late returns the names of the fields that an update of a mail sets anew, in order: those with a source that may change.
func (f Fields) Late() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if slices.ContainsFunc(append([]string{f[name].From}, f[name].Or...), func(s string) bool { return slices.Contains(late, s) }) {
			out = append(out, name)
		}
	}
	return out
}
