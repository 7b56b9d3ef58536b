package upstream

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Extensions is what a server said to EHLO (RFC 5321, 4.1.1.1), its lines in
// their order and their own words. The zero value is a server that knows none.
type Extensions struct {
	// Domain is the first word of the first line, the server's own name.
	Domain string
	lines  []extension
}

// extension is one line behind the first.
type extension struct {
	keyword string // upper case; AUTH for the old form "AUTH=LOGIN PLAIN" as well
	param   string // what follows the keyword, blanks trimmed
	text    string // the line as it came
}

// ParseEHLO takes a whole 250 reply to EHLO apart. It is bounded as ReadReply
// is, and tolerant where servers are careless: lower case, repeated lines,
// blanks at the end, "AUTH=" with an equals sign. A line that holds no keyword
// is left out.
func ParseEHLO(reply []byte) (Extensions, error) {
	r, err := ReadReply(bufio.NewReader(bytes.NewReader(reply)))
	if err != nil {
		return Extensions{}, fmt.Errorf("parse EHLO reply: %w", err)
	}
	if r.Code != 250 {
		return Extensions{}, fmt.Errorf("parse EHLO reply: %w: code %d", ErrReply, r.Code)
	}
	return extensionsOf(r), nil
}

func extensionsOf(r Reply) Extensions {
	var x Extensions
	for i, line := range r.Lines() {
		text := strings.TrimRight(string(line), " \t")
		if i == 0 {
			x.Domain, _, _ = strings.Cut(text, " ")
			continue
		}
		if e, ok := parseExtension(text); ok {
			x.lines = append(x.lines, e)
		}
	}
	return x
}

// parseExtension reads one line of RFC 5321's ehlo-line, printable ASCII only:
// the line returns to clients, and nothing else belongs there.
func parseExtension(text string) (extension, bool) {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return extension{}, false
		}
	}
	keyword, param, _ := strings.Cut(text, " ")
	keyword = strings.ToUpper(keyword)
	if rest, old := strings.CutPrefix(keyword, "AUTH="); old {
		keyword, param = "AUTH", rest+" "+param
	}
	if keyword == "" {
		return extension{}, false
	}
	return extension{keyword: keyword, param: strings.TrimSpace(param), text: text}, true
}

// Has reports whether the server offers the extension, in any case of letters.
func (x Extensions) Has(name string) bool {
	_, ok := x.Param(name)
	return ok
}

// Param returns what follows the keyword, of its first line.
func (x Extensions) Param(name string) (string, bool) {
	name = strings.ToUpper(name)
	for _, e := range x.lines {
		if e.keyword == name {
			return e.param, true
		}
	}
	return "", false
}

// Size returns the largest message in bytes that the server takes (RFC 1870),
// 0 if it names no limit.
func (x Extensions) Size() int64 {
	param, _ := x.Param("SIZE")
	n, err := strconv.ParseInt(param, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Mechanisms returns the SASL mechanisms of all AUTH lines, upper case, each
// once, in the server's order.
func (x Extensions) Mechanisms() []string {
	var all []string
	for _, e := range x.lines {
		if e.keyword != "AUTH" {
			continue
		}
		for m := range strings.FieldsSeq(strings.ToUpper(e.param)) {
			if !slices.Contains(all, m) {
				all = append(all, m)
			}
		}
	}
	return all
}

// Keywords returns the keywords in the server's order, each once.
func (x Extensions) Keywords() []string {
	var all []string
	for _, e := range x.lines {
		if !slices.Contains(all, e.keyword) {
			all = append(all, e.keyword)
		}
	}
	return all
}

// Common returns what may be shown to a client of whom it is not yet known
// which of the servers it goes to: the extensions that all offer with the same
// parameters, the smallest limit of SIZE, and the mechanisms that all offer, or
// those that any offers if there is no such one.
func Common(list ...Extensions) Extensions {
	if len(list) == 0 {
		return Extensions{}
	}
	if len(list) == 1 {
		return list[0]
	}
	out := Extensions{Domain: list[0].Domain}
	for _, keyword := range list[0].Keywords() {
		switch {
		case keyword == "AUTH":
		case !slices.ContainsFunc(list, func(x Extensions) bool { return !x.Has(keyword) }):
			out.lines = append(out.lines, commonLine(keyword, list)...)
		}
	}
	if mechanisms := commonMechanisms(list); len(mechanisms) > 0 {
		out.lines = append(out.lines, newExtension("AUTH", strings.Join(mechanisms, " ")))
	}
	return out
}

// commonLine returns the one line for an extension that all have, or none.
func commonLine(keyword string, list []Extensions) []extension {
	first, _ := list[0].Param(keyword)
	if keyword != "SIZE" {
		for _, x := range list[1:] {
			if p, _ := x.Param(keyword); !strings.EqualFold(p, first) {
				return nil
			}
		}
		return []extension{newExtension(keyword, first)}
	}
	var smallest int64
	for _, x := range list {
		if n := x.Size(); n > 0 && (smallest == 0 || n < smallest) {
			smallest = n
		}
	}
	if smallest == 0 {
		return []extension{newExtension(keyword, first)}
	}
	return []extension{newExtension(keyword, strconv.FormatInt(smallest, 10))}
}

func commonMechanisms(list []Extensions) []string {
	var all, union []string
	for _, m := range list[0].Mechanisms() {
		if !slices.ContainsFunc(list, func(x Extensions) bool { return !slices.Contains(x.Mechanisms(), m) }) {
			all = append(all, m)
		}
	}
	if len(all) > 0 {
		return all
	}
	for _, x := range list {
		for _, m := range x.Mechanisms() {
			if !slices.Contains(union, m) {
				union = append(union, m)
			}
		}
	}
	return union
}

func newExtension(keyword, param string) extension {
	return extension{keyword: keyword, param: param, text: strings.TrimRight(keyword+" "+param, " ")}
}
