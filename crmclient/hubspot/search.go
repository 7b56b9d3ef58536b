package hubspot

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
)

const (
	maxPage    = 200 // records of one answer of the search
	maxGroups  = 5   // of filters
	maxFilters = 6   // of a group
)

// filter is one test of the search.
type filter struct {
	Property string   `json:"propertyName"`
	Operator string   `json:"operator"`
	Value    string   `json:"value,omitempty"`
	Values   []string `json:"values,omitempty"`
}

// searchFor is a search for records that pass all filters, the oldest first.
func searchFor(path string, filters []filter, properties []string, limit int) request {
	return searchGroups(path, [][]filter{filters}, properties, limit, "hs_object_id", "")
}

func searchGroups(path string, groups [][]filter, properties []string, limit int, sort, after string) request {
	body := map[string]any{
		"properties": properties, "limit": limit, "sorts": []any{map[string]string{"propertyName": sort, "direction": "ASCENDING"}},
	}
	var list []any
	for _, g := range groups {
		list = append(list, map[string]any{"filters": g})
	}
	body["filterGroups"] = list
	if after != "" {
		body["after"] = after
	}
	return request{method: http.MethodPost, path: path + "/search", body: body, search: true}
}

var operators = map[crmclient.Comparison]string{
	crmclient.Equal: "EQ", crmclient.Less: "LT", crmclient.LessEqual: "LTE", crmclient.Greater: "GT", crmclient.GreaterEqual: "GTE", crmclient.In: "IN",
}

// groupsOf writes conditions as groups of filters, of which one must pass. "Not equal" is true of what is empty too, which HubSpot
// does not say of its own NEQ: each makes two groups of one.
func groupsOf(where []crmclient.Condition) ([][]filter, error) {
	groups := [][]filter{{}}
	add := func(f filter) {
		for i := range groups {
			groups[i] = append(groups[i], f)
		}
	}
	for _, w := range where {
		if !propertyName.MatchString(w.Field) {
			return nil, misconfigured(remedyField, "a condition names a property that cannot be one")
		}
		switch w.Is {
		case crmclient.Empty:
			add(filter{Property: w.Field, Operator: "NOT_HAS_PROPERTY"})
		case crmclient.NotEqual:
			twice := slices.Clone(groups)
			for i := range twice {
				twice[i] = append(slices.Clone(twice[i]), filter{Property: w.Field, Operator: "NOT_HAS_PROPERTY"})
			}
			add(filter{Property: w.Field, Operator: "NEQ", Value: valueText(w.Value)})
			groups = append(groups, twice...)
		case crmclient.In:
			list, ok := w.Value.([]any)
			if !ok || len(list) == 0 || len(list) > batch {
				return nil, misconfigured("", "a condition with a list takes 1 to %d values", batch)
			}
			f := filter{Property: w.Field, Operator: "IN"}
			for _, v := range list {
				f.Values = append(f.Values, valueText(v))
			}
			add(f)
		default:
			op, ok := operators[w.Is]
			if !ok {
				return nil, misconfigured("", "HubSpot does not know the comparison %q: its search looks for whole words", w.Is)
			}
			add(filter{Property: w.Field, Operator: op, Value: valueText(w.Value)})
		}
	}
	if len(groups) > maxGroups || len(groups[0]) >= maxFilters {
		return nil, misconfigured("use fewer conditions", "HubSpot takes %d groups of %d conditions", maxGroups, maxFilters)
	}
	return groups, nil
}

// passes compares texts once more: HubSpot's search does not tell small letters from large ones.
func passes(o object, where []crmclient.Condition) bool {
	for _, w := range where {
		have := o.Properties[w.Field]
		switch w.Is {
		case crmclient.Equal:
			if s, ok := w.Value.(string); ok && have != s {
				return false
			}
		case crmclient.In:
			if list, ok := w.Value.([]any); ok && allTexts(list) && !slices.Contains(list, any(have)) {
				return false
			}
		}
	}
	return true
}

func allTexts(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool { _, ok := v.(string); return !ok })
}

// valueText writes a value as HubSpot wants it: always a text. Times are milliseconds.
func valueText(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case json.Number:
		return x.String()
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	case time.Time:
		return strconv.FormatInt(x.UnixMilli(), 10)
	case []any: // a choice of several
		parts := make([]string, len(x))
		for i, e := range x {
			parts[i] = valueText(e)
		}
		return strings.Join(parts, ";")
	}
	return fmt.Sprint(v)
}
