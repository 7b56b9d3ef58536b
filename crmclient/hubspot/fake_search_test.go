package hubspot_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// filter and query are the bodies that the search knows.
type filter struct {
	PropertyName string   `json:"propertyName"`
	Operator     string   `json:"operator"`
	Value        string   `json:"value"`
	Values       []string `json:"values"`
}

type query struct {
	FilterGroups []struct {
		Filters []filter `json:"filters"`
	} `json:"filterGroups"`
	Properties []string `json:"properties"`
	Sorts      []struct {
		PropertyName string `json:"propertyName"`
		Direction    string `json:"direction"`
	} `json:"sorts"`
	Limit int    `json:"limit"`
	After string `json:"after"`
}

func (f *hubFake) serveSearch(w http.ResponseWriter, r *http.Request, body []byte, object string) {
	var in query
	f.decode(r, body, &in)
	after, _ := strconv.Atoi(in.After)
	if in.Limit < 1 || in.Limit > 200 || after+in.Limit > 10_000 || len(in.FilterGroups) > 5 || len(in.Sorts) != 1 || object == "emails" && !f.searchable {
		f.t.Errorf("search in %s: %+v", object, in)
	}
	for _, g := range in.FilterGroups {
		for _, test := range g.Filters {
			if !slices.ContainsFunc(f.properties[object], func(p property) bool { return p.name == test.PropertyName }) {
				fail(w, http.StatusBadRequest, "VALIDATION_ERROR", "There was a problem with the request: property does not exist "+test.PropertyName)
				return
			}
		}
	}
	var found []*row
	for _, one := range f.rows[object] {
		if one.deleted || f.lag > 0 && time.Since(one.at) < f.lag {
			continue
		}
		for _, g := range in.FilterGroups {
			ok := len(g.Filters) <= 6
			for _, test := range g.Filters {
				ok = ok && test.holds(one)
			}
			if ok {
				found = append(found, one)
				break
			}
		}
	}
	by := in.Sorts[0].PropertyName
	slices.SortFunc(found, func(a, b *row) int {
		if by == "hs_object_id" {
			return number(a.id) - number(b.id)
		}
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return number(a.id) - number(b.id)
	})
	from, to := min(after, len(found)), min(after+in.Limit, len(found))
	var results []any
	for _, one := range found[from:to] {
		results = append(results, f.shown(object, one, in.Properties))
	}
	out := map[string]any{"total": len(found), "results": results}
	if to < len(found) {
		out["paging"] = map[string]any{"next": map[string]any{"after": strconv.Itoa(to)}}
	}
	answer(w, http.StatusOK, out)
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func (t filter) holds(r *row) bool {
	v, there := r.value(t.PropertyName)
	switch t.Operator {
	case "NOT_HAS_PROPERTY":
		return !there
	case "IN":
		return there && slices.ContainsFunc(t.Values, func(x string) bool { return strings.EqualFold(x, v) })
	case "NEQ":
		return there && !strings.EqualFold(v, t.Value)
	case "EQ":
		return there && (strings.EqualFold(v, t.Value) || compare(v, t.Value) == 0)
	case "CONTAINS_TOKEN":
		return slices.Contains(strings.Split(v, ";"), t.Value)
	case "LT":
		return there && compare(v, t.Value) < 0
	case "LTE":
		return there && compare(v, t.Value) <= 0
	case "GT":
		return there && compare(v, t.Value) > 0
	case "GTE":
		return there && compare(v, t.Value) >= 0
	}
	panic("unknown operator " + t.Operator)
}

func compare(a, b string) int {
	if b == "" || b[0] != '-' && (b[0] < '0' || b[0] > '9') { // no number and no time: a search looks at each record
		return strings.Compare(a, b)
	}
	if at, err := time.Parse(time.RFC3339, a); err == nil {
		a = strconv.FormatInt(at.UnixMilli(), 10)
	}
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 != nil || err2 != nil {
		return strings.Compare(a, b)
	}
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}
