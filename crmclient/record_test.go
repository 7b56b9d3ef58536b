package crmclient_test

import (
	"cmp"
	"maps"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient"
)

func TestConditionHolds(t *testing.T) {
	t.Parallel()
	compare := func(a, b any) int {
		x, ok := a.(int)
		y, ok2 := b.(int)
		if !ok || !ok2 {
			return 2
		}
		return cmp.Compare(x, y)
	}
	for is, want := range map[crmclient.Comparison][4]bool{ // of 1, 2, 3 and what has no order, against 2
		crmclient.Equal: {false, true, false, false}, crmclient.NotEqual: {true, false, true, true},
		crmclient.Less: {true, false, false, false}, crmclient.LessEqual: {true, true, false, false},
		crmclient.Greater: {false, false, true, false}, crmclient.GreaterEqual: {false, true, true, false},
		crmclient.Empty: {false, false, false, false},
	} {
		c := crmclient.Condition{Is: is, Value: 2}
		if got := [4]bool{c.Holds(1, compare), c.Holds(2, compare), c.Holds(3, compare), c.Holds("x", compare)}; got != want {
			t.Errorf("%s: got %v, want %v", is, got, want)
		}
	}
	in := crmclient.Condition{Is: crmclient.In, Value: []any{1, 2}}
	if !in.Holds(2, compare) || in.Holds(3, compare) {
		t.Error("in")
	}
	part := crmclient.Condition{Is: crmclient.Contains, Value: "Lei"}
	if !part.Holds("li lei", compare) || part.Holds("han", compare) {
		t.Error("contains")
	}
}

func TestCompareTexts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b    string
		numbers bool
		want    int
	}{
		{"10.0", "10", true, 0},
		{"9", "10", true, -1},
		{"9007199254740993", "9007199254740992", true, 1},
		{"9", "10", false, crmclient.Unordered},
		{"10", "10", false, 0},
		{"ten", "10", true, crmclient.Unordered},
		{"1e999999999", "2", true, crmclient.Unordered}, // would be long
		{"1/3", "2", true, crmclient.Unordered},
		{strings.Repeat("9", 100), "2", true, crmclient.Unordered},
	} {
		if got := crmclient.CompareTexts(c.a, c.b, c.numbers); got != c.want {
			t.Errorf("%.20s and %s: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestWithTimes(t *testing.T) {
	t.Parallel()
	fields := map[string]any{"due": time.Date(2026, 3, 4, 13, 6, 7, 0, time.FixedZone("", 8*3600)), "name": "报价", "none": nil}
	got := crmclient.WithTimes(fields, time.DateTime)
	if want := map[string]any{"due": "2026-03-04 05:06:07", "name": "报价", "none": nil}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, still := fields["due"].(time.Time); !still {
		t.Error("the caller's fields were changed")
	}
	if got := crmclient.WithTimes(nil, time.DateTime); got == nil || len(got) != 0 {
		t.Errorf("of nothing: got %v", got)
	}
}
