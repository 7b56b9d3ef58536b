package changes

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestSameValues(t *testing.T) {
	t.Parallel()
	shanghai := time.FixedZone("", 8*3600)
	at := time.Date(2026, 3, 4, 13, 6, 7, 0, shanghai)
	for name, c := range map[string]struct {
		a, b any
		same bool
	}{
		"numbers":        {json.Number("1"), json.Number("1.00"), true},
		"exponent":       {json.Number("1e2"), json.Number("100"), true},
		"decimals":       {json.Number("0.10"), json.Number("0.1"), true},
		"long numbers":   {json.Number("123456789012345678901"), json.Number("123456789012345678902"), false},
		"huge exponent":  {json.Number("1e999999999"), json.Number("1e999999998"), false},
		"times":          {at, at.UTC(), true},
		"zero time":      {time.Time{}, nil, true},
		"text or number": {"1", json.Number("1"), false},
		"nil or empty":   {nil, "", false},
		"lists":          {[]any{json.Number("1.0"), "x"}, []any{json.Number("1"), "x"}, true},
		"order":          {[]any{"x", "y"}, []any{"y", "x"}, false},
		"objects":        {map[string]any{"a": "1", "b": "2"}, map[string]any{"b": "2", "a": "1"}, true},
		"long texts":     {strings.Repeat("x", 9000), strings.Repeat("x", 9001), false},
		"same long":      {strings.Repeat("x", 9000), strings.Repeat("x", 9000), true},
	} {
		if got := string(kept(c.a)) == string(kept(c.b)); got != c.same {
			t.Errorf("%s: got %v: %.60s and %.60s", name, got, kept(c.a), kept(c.b))
		}
	}
	if got := kept(strings.Repeat("x", 9000)); len(got) > 200 || shown(got) != nil {
		t.Errorf("a long value is kept in %d bytes", len(got))
	}
	for _, pair := range [][2]any{{"5", json.Number("5.00")}, {at, "2026-03-04T05:06:07Z"}, {" won ", "won"}, {nil, ""}, {true, "true"}} {
		if echoHash(pair[0]) != echoHash(pair[1]) {
			t.Errorf("%v and %v are the same written value", pair[0], pair[1])
		}
	}
	if echoHash("won") == echoHash("lost") {
		t.Error("two values have one hash")
	}
}

func FuzzPlainNumber(f *testing.F) {
	for _, n := range []string{"1", "-0.50", "1e2", "1E-7", "0.1e99", "-0", "x", "1e100000", "00"} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n string) {
		got := plainNumber(n)
		if !json.Valid([]byte(got)) {
			t.Errorf("%q became %q, which is not JSON", n, got)
		}
		if again := plainNumber(got); again != got && !strings.HasPrefix(got, `"`) {
			t.Errorf("%q became %q, then %q", n, got, again)
		}
	})
}
