package deploy_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// selector is one metric in an expression, with its matchers.
type selector struct {
	metric   string
	matchers []matcher
}

type matcher struct{ label, op, value string }

// expression is what of PromQL the tests look at.
type expression struct {
	selectors []selector
	grouping  []string // labels of by, without, on, ignoring, group_left and group_right
}

var (
	lexeme      = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\[[^\]]*\]|[a-zA-Z_:][a-zA-Z0-9_:]*|[0-9][0-9a-zA-Z.]*|=~|!~|!=|==|>=|<=|\S`)
	groupWords  = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	otherWords  = []string{"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"}
	beginsName  = regexp.MustCompile(`^[a-zA-Z_:]`)
	endsMatcher = []string{",", "}"}
)

// parse finds the metrics and labels of an expression. promtool has the last word on
// its syntax; this only has to be right for what promtool takes.
func parse(text string) (e expression, err error) {
	tokens := lexeme.FindAllString(text, -1)
	at := func(i int) string {
		if i < len(tokens) {
			return tokens[i]
		}
		return ""
	}
	for i := 0; i < len(tokens); i++ {
		word := tokens[i]
		switch {
		case slices.Contains(groupWords, word) && at(i+1) == "(":
			for i += 2; at(i) != ")" && at(i) != ""; i++ {
				if at(i) != "," {
					e.grouping = append(e.grouping, at(i))
				}
			}
		case !beginsName.MatchString(word) || slices.Contains(otherWords, word) || at(i+1) == "(", at(i+1) == "by", at(i+1) == "without":
			if word == "{" {
				return e, fmt.Errorf("%q selects without a metric", text)
			}
		default:
			s := selector{metric: word}
			if at(i+1) == "{" {
				for i += 2; at(i) != "}" && at(i) != ""; i++ {
					if at(i) == "," {
						continue
					}
					if !slices.Contains(endsMatcher, at(i+3)) {
						return e, fmt.Errorf("%q has a matcher that is not understood at %q", text, at(i))
					}
					s.matchers = append(s.matchers, matcher{at(i), at(i + 1), strings.Trim(at(i+2), `"'`)})
					i += 2
				}
			}
			e.selectors = append(e.selectors, s)
		}
	}
	return e, nil
}

func TestParse(t *testing.T) {
	t.Parallel()
	e, err := parse(`histogram_quantile(0.9, sum by (le, x) (rate(a_bucket{p="q",r!~"s|t"}[5m]))) > 4 * 3600 and on(y) b unless b offset 15m or rec:c:p99 == 1e3`)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{a_bucket [{p = q} {r !~ s|t}]} {b []} {b []} {rec:c:p99 []}] [le x y]`
	if got := fmt.Sprint(e.selectors, e.grouping); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := parse(`{job="x"}`); err == nil {
		t.Error("a selector without a metric passes")
	}
}
