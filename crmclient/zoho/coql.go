package zoho

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
)

const (
	coqlPath = "/coql"

	quotesRefuse    = "refuse"
	quotesBackslash = "backslash"
	quotesDouble    = "double"
)

// info is how Zoho tells whether there is more.
type info struct {
	More      bool   `json:"more_records"`
	NextToken string `json:"next_page_token"`
}

// listing is a page of records.
type listing struct {
	Data []map[string]any `json:"data"`
	Info info             `json:"info"`
}

// UnmarshalJSON keeps numbers exact.
func (l *listing) UnmarshalJSON(b []byte) error {
	var raw struct {
		Data json.RawMessage `json:"data"`
		Info info            `json:"info"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	l.Info, l.Data = raw.Info, nil
	if len(raw.Data) == 0 {
		return nil
	}
	return crmclient.ExactJSON(raw.Data, &l.Data)
}

// coql asks a question and returns its rows; none is an answer with 204.
func (c *Client) coql(ctx context.Context, query string) ([]map[string]any, error) {
	var out listing
	_, err := c.call(ctx, request{method: http.MethodPost, path: coqlPath, body: map[string]any{"select_query": query}}, &out)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return out.Data, nil
}

// coqlAll reads the rows for which all conditions hold, page by page in the order of their ids, most of them at most.
func (c *Client) coqlAll(ctx context.Context, module string, fields, where []string, most int) ([]map[string]any, error) {
	var all []map[string]any
	last := ""
	for len(all) < most {
		conditions := slices.Clone(where)
		if last != "" {
			conditions = append(conditions, "id > "+last)
		}
		rows, err := c.coql(ctx, fmt.Sprintf("select %s from %s where %s order by id asc limit %d", strings.Join(fields, ", "), module, both(conditions), perPage))
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
		if len(rows) < perPage {
			break
		}
		if last = textOf(rows[len(rows)-1]["id"]); !recordID.MatchString(last) {
			return nil, unclear()
		}
	}
	return all, nil
}

// both joins conditions in pairs, as COQL wants its brackets.
func both(conditions []string) string {
	if len(conditions) == 0 {
		return "id is not null"
	}
	text := conditions[0]
	for _, c := range conditions[1:] {
		text = "(" + text + " and " + c + ")"
	}
	return text
}

// quote writes a COQL text. What could end it is refused, unless the section says how to escape it.
func (c *Client) quote(s string) (string, error) {
	if strings.ContainsAny(s, "'\"\\\r\n") {
		switch c.cfg.Quotes {
		case quotesBackslash:
			s = strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s)
		case quotesDouble:
			if strings.Contains(s, `\`) {
				return "", refuseQuotes()
			}
			s = strings.ReplaceAll(s, "'", "''")
		default:
			return "", refuseQuotes()
		}
		if strings.ContainsAny(s, "\r\n") {
			return "", refuseQuotes()
		}
	}
	return "'" + s + "'", nil
}

func refuseQuotes() error {
	return misconfigured("leave quotation marks out of the condition, or try out in Zoho's COQL explorer how they are written and set coql_quotes",
		"a text with quotation marks, backslashes or line breaks cannot be asked for")
}

var operators = map[crmclient.Comparison]string{
	crmclient.Equal: "=", crmclient.Less: "<", crmclient.LessEqual: "<=", crmclient.Greater: ">", crmclient.GreaterEqual: ">=",
}

// condition writes one condition in COQL.
func (c *Client) condition(w crmclient.Condition) (string, error) {
	field := w.Field
	if !coqlName(field) {
		return "", misconfigured(remedyField, "a condition names a field that cannot be one")
	}
	switch w.Is {
	case crmclient.Empty:
		return field + " is null", nil
	case crmclient.In:
		list, ok := w.Value.([]any)
		if !ok || len(list) == 0 || len(list) > coqlValues {
			return "", misconfigured("", "a condition with a list takes 1 to %d values", coqlValues)
		}
		values := make([]string, len(list))
		for i, v := range list {
			var err error
			if values[i], err = c.literal(v); err != nil {
				return "", err
			}
		}
		return field + " in (" + strings.Join(values, ",") + ")", nil
	case crmclient.Contains:
		s, ok := w.Value.(string)
		if !ok || strings.ContainsAny(s, "%_") {
			return "", misconfigured("", "Zoho cannot look for this part of a text")
		}
		quoted, err := c.quote("%" + s + "%")
		return field + " like " + quoted, err
	}
	value, err := c.literal(w.Value)
	if err != nil {
		return "", err
	}
	if w.Is == crmclient.NotEqual { // what is empty is not equal either
		return fmt.Sprintf("(%s != %s or %s is null)", field, value, field), nil
	}
	op, ok := operators[w.Is]
	if !ok {
		return "", misconfigured("", "Zoho does not know the comparison %q", w.Is)
	}
	return field + " " + op + " " + value, nil
}

// coqlName allows what is behind a lookup too: Account_Name.Industry.
func coqlName(name string) bool {
	parts := strings.Split(name, ".")
	for _, p := range parts {
		if !apiName.MatchString(p) {
			return false
		}
	}
	return len(parts) <= 3
}

func (c *Client) literal(v any) (string, error) {
	switch x := v.(type) {
	case string:
		return c.quote(x)
	case bool:
		return fmt.Sprint(x), nil
	case time.Time:
		return "'" + x.Format(time.RFC3339) + "'", nil
	case json.Number:
		if b, err := json.Marshal(x); err == nil {
			return string(b), nil
		}
	case int, int64:
		return fmt.Sprint(x), nil
	case float64:
		if b, err := json.Marshal(x); err == nil {
			return string(b), nil
		}
	}
	return "", misconfigured("", "a condition has a value that cannot be compared")
}

// textOf returns a text or number as text.
func textOf(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	}
	return ""
}
