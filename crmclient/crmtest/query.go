package crmtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"heliograph/crmclient"
)

// query returns the ids of all pages; a record twice is an error.
func (o *objects) query(t *testing.T, q crmclient.RecordQuerier, query crmclient.Query) (ids map[string]crmclient.Record, err error) {
	t.Helper()
	ids = map[string]crmclient.Record{}
	cursor := ""
	for range maxPages {
		page, next, err := q.QueryRecords(t.Context(), query, cursor)
		if err != nil {
			return nil, err
		}
		if query.Limit > 0 && len(page) > query.Limit {
			t.Errorf("a page has %d records, want at most %d", len(page), query.Limit)
		}
		for _, r := range page {
			if _, twice := ids[r.ID]; twice || r.ID == "" {
				t.Errorf("record %q is there twice, or has no id", r.ID)
			}
			ids[r.ID] = r
		}
		if cursor = next; cursor == "" {
			return ids, nil
		}
	}
	t.Fatal("the pages do not end")
	return nil, nil
}

func (o *objects) querier(t *testing.T) crmclient.RecordQuerier {
	t.Helper()
	q, ok := crmclient.As[crmclient.RecordQuerier](o.client)
	if !ok {
		t.Skipf("%T searches no records", o.client)
	}
	return q
}

func testQueryPages(t *testing.T, o *objects) {
	const many = 130
	q := o.querier(t)
	want := map[string]string{}
	for i := range many {
		text := fmt.Sprintf("pages %d", i%3)
		want[o.keep.PutObject(t, "", o.fields(text, "1"))] = text
	}
	for _, limit := range []int{0, 20} {
		found, err := o.query(t, q, crmclient.Query{Object: o.Name, Fields: []string{o.Text}, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		for id, text := range want {
			if found[id].Fields[o.Text] != text {
				t.Fatalf("limit %d: record %s: got %v, want the text %q", limit, id, found[id].Fields, text)
			}
		}
		one, err := o.query(t, q, crmclient.Query{
			Object: o.Name, Fields: []string{o.Text}, Limit: limit,
			Where: []crmclient.Condition{{Field: o.Text, Is: crmclient.Equal, Value: "pages 1"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for id, text := range want {
			if _, there := one[id]; there != (text == "pages 1") {
				t.Fatalf("limit %d: record %s with the text %q: found %v", limit, id, text, there)
			}
		}
	}
	if _, err := o.query(t, q, crmclient.Query{Object: o.Name, Where: []crmclient.Condition{{Field: "NoSuchField_x", Is: crmclient.Equal, Value: "1"}}}); err == nil || crmclient.ClassOf(err) == crmclient.ClassRetry {
		t.Errorf("a field that is not there: got %v, want an error that does not ask for another try", err)
	}
}

// row is a record of the comparisons.
type row struct {
	text   string
	number int
}

func testComparisons(t *testing.T, o *objects) {
	q := o.querier(t)
	rows := map[string]row{}
	for i, text := range []string{"cmp apple", "cmp banana", "cmp cherry", "cmp 樱桃"} {
		r := row{text, i * 10}
		rows[o.keep.PutObject(t, "", o.fields(text, fmt.Sprint(r.number)))] = r
	}
	type test struct {
		where []crmclient.Condition
		holds func(row) bool
	}
	cond := func(field string, is crmclient.Comparison, value any) crmclient.Condition {
		return crmclient.Condition{Field: field, Is: is, Value: value}
	}
	tests := map[string]test{
		"eq":       {[]crmclient.Condition{cond(o.Text, crmclient.Equal, "cmp 樱桃")}, func(r row) bool { return r.text == "cmp 樱桃" }},
		"ne":       {[]crmclient.Condition{cond(o.Text, crmclient.NotEqual, "cmp apple")}, func(r row) bool { return r.text != "cmp apple" }},
		"in":       {[]crmclient.Condition{cond(o.Text, crmclient.In, []any{"cmp apple", "cmp cherry"})}, func(r row) bool { return r.text == "cmp apple" || r.text == "cmp cherry" }},
		"contains": {[]crmclient.Condition{cond(o.Text, crmclient.Contains, "p ban")}, func(r row) bool { return strings.Contains(r.text, "p ban") }},
		"empty":    {[]crmclient.Condition{cond(o.Text, crmclient.Empty, nil)}, func(r row) bool { return r.text == "" }},
		"unknown":  {[]crmclient.Condition{cond(o.Text, "sounds like", "cmp")}, nil},
	}
	if o.Number != "" {
		for is, holds := range map[crmclient.Comparison]func(row) bool{
			crmclient.Less: func(r row) bool { return r.number < 10 }, crmclient.LessEqual: func(r row) bool { return r.number <= 10 },
			crmclient.Greater: func(r row) bool { return r.number > 10 }, crmclient.GreaterEqual: func(r row) bool { return r.number >= 10 },
			crmclient.Equal: func(r row) bool { return r.number == 10 },
		} {
			tests["number "+string(is)] = test{[]crmclient.Condition{cond(o.Number, is, json.Number("10"))}, holds}
		}
		tests["two conditions"] = test{
			[]crmclient.Condition{cond(o.Number, crmclient.GreaterEqual, json.Number("10")), cond(o.Text, crmclient.Equal, "cmp cherry")},
			func(r row) bool { return r.text == "cmp cherry" },
		}
	}
	for name, c := range tests {
		found, err := o.query(t, q, crmclient.Query{Object: o.Name, Where: c.where, Fields: []string{o.Text}})
		if err != nil {
			if crmclient.ClassOf(err) != crmclient.ClassConfiguration {
				t.Errorf("%s: got %v, want the records or a configuration error", name, err)
			}
			continue
		}
		if c.holds == nil {
			t.Errorf("%s: got %d records, want a configuration error", name, len(found))
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(rows)) {
			if _, there := found[id]; there != c.holds(rows[id]) {
				t.Errorf("%s: record %+v: found %v", name, rows[id], there)
			}
		}
	}
}

// testQuotesAreData searches for texts that would be something else in a query language.
func testQuotesAreData(t *testing.T, o *objects) {
	q := o.querier(t)
	plain := o.keep.PutObject(t, "", o.fields("quoted nothing", "1"))
	for _, text := range []string{`quoted 'single'`, `quoted "double"`, `quoted \ back`, `x' OR '1'='1`, `x") OR ("1"="1`, "quoted 100%_", "quoted 👋 & + ?=#"} {
		id := o.keep.PutObject(t, "", o.fields(text, "1"))
		found, err := o.query(t, q, crmclient.Query{
			Object: o.Name, Fields: []string{o.Text}, Where: []crmclient.Condition{{Field: o.Text, Is: crmclient.Equal, Value: text}},
		})
		if err != nil && crmclient.ClassOf(err) == crmclient.ClassConfiguration {
			continue // refused, which is not wrong
		}
		_, there := found[id]
		_, other := found[plain]
		if err != nil || !there || other || len(found) != 1 {
			t.Errorf("%q: got %d records, with the right one %v, with another %v, %v", text, len(found), there, other, err)
		}
	}
}
