package kingdee

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
)

// quote writes a text for a filter, which is SQL: a quote is doubled, and nothing else has a meaning inside. A NUL, which
// ends texts in some databases, makes no value.
func quote(s string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(s, "\x00", ""), "'", "''") + "'"
}

// quoteAll writes a list for IN.
func quoteAll(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = quote(v)
	}
	return strings.Join(out, ",")
}

// number is what may stand in a filter without quotes.
var number = regexp.MustCompile(`^-?[0-9]{1,38}(\.[0-9]{1,38})?$`)

func refused(format string, args ...any) error {
	return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: fmt.Sprintf(format, args...)}
}

// literal writes a value for a filter.
func (c *Client) literal(v any) (string, error) {
	switch x := v.(type) {
	case string:
		return quote(x), nil
	case bool:
		if x {
			return "'1'", nil
		}
		return "'0'", nil
	case time.Time:
		return quote(x.In(c.zone).Format(time.DateTime)), nil
	case json.Number:
		if number.MatchString(x.String()) {
			return x.String(), nil
		}
	case int:
		return strconv.Itoa(x), nil
	case int64:
		return strconv.FormatInt(x, 10), nil
	case float64:
		if s := strconv.FormatFloat(x, 'f', -1, 64); number.MatchString(s) {
			return s, nil
		}
	}
	return "", refused("a value of type %T cannot be compared in a query", v)
}

var operators = map[crmclient.Comparison]string{
	crmclient.Equal: "=", crmclient.NotEqual: "<>", crmclient.Less: "<", crmclient.LessEqual: "<=",
	crmclient.Greater: ">", crmclient.GreaterEqual: ">=",
}

// maxValues is how many values a condition may have: the filter is a text of the request.
const maxValues = 500

// filter writes conditions. A comparison that the database may understand in another way than we do is refused.
func (c *Client) filter(where []crmclient.Condition) (string, error) {
	var parts []string
	for _, w := range where {
		if !fieldName.MatchString(w.Field) {
			return "", refused("%q is not the name of a field", w.Field)
		}
		part, err := c.condition(w)
		if err != nil {
			return "", err
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " AND "), nil
}

func (c *Client) condition(w crmclient.Condition) (string, error) {
	if op, ok := operators[w.Is]; ok {
		v, err := c.literal(w.Value)
		return w.Field + op + v, err
	}
	switch w.Is {
	case crmclient.In:
		list, ok := w.Value.([]any)
		if !ok || len(list) > maxValues {
			return "", refused("field %s: in needs a list of at most %d values", w.Field, maxValues)
		}
		if len(list) == 0 {
			return "1=0", nil // in nothing is nobody
		}
		values := make([]string, len(list))
		for i, v := range list {
			var err error
			if values[i], err = c.literal(v); err != nil {
				return "", err
			}
		}
		return w.Field + " IN (" + strings.Join(values, ",") + ")", nil
	case crmclient.Contains:
		s, ok := w.Value.(string)
		if !ok || s == "" || strings.ContainsAny(s, `%_[]\^`) {
			return "", refused("field %s: contains needs a text without the signs %% _ [ ] \\ ^, which databases take in different ways", w.Field)
		}
		return w.Field + " LIKE " + quote("%"+s+"%"), nil
	}
	// What an empty field holds differs: nothing, a blank or zero.
	return "", refused("field %s: a site cannot compare by %q; compare with the value that an empty field has", w.Field, w.Is)
}
