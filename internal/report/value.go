package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"heliograph/internal/decimal"
)

// identity is what makes two values the same when grouping and joining. A number equals a text that writes it the same way,
// because one system sends a code as number and the other as text; "007" stays different from 7.
func identity(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case json.Number:
		if r, ok := decimal.Parse(string(v)); ok {
			return "v" + string(number(r))
		}
		return "v" + string(v)
	case string:
		return "v" + strings.TrimSpace(v)
	case bool:
		return fmt.Sprintf("b%t", v)
	case time.Time:
		return "t" + v.UTC().Format(time.RFC3339Nano)
	}
	return "j" + encoded(v)
}

// identities joins the identities of several values so that no two lists give the same text.
func identities(row []any, at []int) string {
	var b strings.Builder
	for _, j := range at {
		id := identity(row[j])
		fmt.Fprintf(&b, "%d:%s", len(id), id)
	}
	return b.String()
}

// compare orders two values: nothing last, then numbers, times, truths, texts.
func compare(a, b any) int {
	ra, rb := rank(a), rank(b)
	if ra != rb {
		return cmp.Compare(ra, rb)
	}
	switch x := a.(type) {
	case json.Number:
		p, okP := rational(x)
		q, okQ := rational(b)
		if okP && okQ {
			return p.Cmp(q)
		}
		return cmp.Compare(string(x), fmt.Sprint(b))
	case time.Time:
		y, _ := b.(time.Time)
		return x.Compare(y)
	case bool:
		y, _ := b.(bool)
		switch {
		case x == y:
			return 0
		case y:
			return -1
		}
		return 1
	case string:
		y, _ := b.(string)
		return cmp.Compare(x, y)
	case nil:
		return 0
	}
	return cmp.Compare(encoded(a), encoded(b))
}

func rank(v any) int {
	switch v.(type) {
	case json.Number:
		return 0
	case time.Time:
		return 1
	case bool:
		return 2
	case string:
		return 3
	case nil:
		return 5
	}
	return 4
}

// encoded is the JSON of a nested value, for want of something better to show.
func encoded(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSpace(b.String())
}

// shorten cuts a text to a number of runes and says so with an ellipsis.
func shorten(s string, runes int) string {
	if len(s) <= runes || utf8.RuneCountInString(s) <= runes {
		return s
	}
	n := 0
	for i := range s {
		if n == runes-1 {
			return s[:i] + "…"
		}
		n++
	}
	return s
}
