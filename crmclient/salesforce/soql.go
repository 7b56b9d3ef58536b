package salesforce

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"heliograph/crmclient"
)

const (
	// maxQuery bounds the text of a query: the URL must stay below 16 kB, and escaping may treble it.
	maxQuery = 4000
	// maxPages bounds how many pages of one query are followed: more is a loop.
	maxPages = 200
	// maxIn is how many values one IN takes.
	maxIn = 50
)

// text writes a SOQL string literal.
func text(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		switch {
		case r == '\\' || r == '\'':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ' || r == 0x7f: // has no place in any value that we look for
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// like writes a pattern for LIKE of a text that is itself no pattern, between before and after.
func like(before, s, after string) string {
	literal := text(s)
	literal = strings.NewReplacer(`%`, `\%`, `_`, `\_`).Replace(literal[1 : len(literal)-1])
	return "'" + before + literal + after + "'"
}

// texts writes the inside of IN (…).
func texts(values []string) string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = text(v)
	}
	return strings.Join(out, ", ")
}

const stampForm = "2006-01-02T15:04:05.000Z"

// moment writes a SOQL dateTime literal.
func moment(t time.Time) string { return t.UTC().Format(stampForm) }

// row is a record as a query returns it.
type row map[string]any

func (r row) text(name string) string {
	switch v := r.value(name).(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func (r row) truth(name string) bool {
	b, _ := r.value(name).(bool)
	return b
}

func (r row) time(name string) time.Time {
	s := r.text(name)
	for _, form := range []string{"2006-01-02T15:04:05.999-0700", time.RFC3339Nano} {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// value follows relationships: Owner.Email.
func (r row) value(name string) any {
	first, rest, deep := strings.Cut(name, ".")
	v := r[first]
	if !deep {
		return v
	}
	if inner, ok := v.(map[string]any); ok {
		return row(inner).value(rest)
	}
	return nil
}

// page is an answer to a query.
type page struct {
	Done    bool   `json:"done"`
	Next    string `json:"nextRecordsUrl"`
	Records []row  `json:"records"`
}

// query runs a query and follows its pages. Deleted records are in it if all is true.
func (c *Client) query(ctx context.Context, soql string, all bool) ([]row, error) {
	path := "/query"
	if all {
		path = "/queryAll"
	}
	var p page
	if err := c.get(ctx, path, url.Values{"q": {soql}}, &p); err != nil {
		return nil, err
	}
	rows := p.Records
	for range maxPages {
		if p.Done || p.Next == "" {
			return rows, nil
		}
		if !strings.HasPrefix(p.Next, root+"data/") {
			break
		}
		next := p.Next
		p = page{}
		if err := c.get(ctx, next, nil, &p); err != nil {
			return nil, err
		}
		rows = append(rows, p.Records...)
	}
	return nil, &crmclient.Error{Class: crmclient.ClassRetry, Message: "the pages of a query do not end"}
}

// one runs a query and returns its first record, or nil.
func (c *Client) one(ctx context.Context, soql string) (row, error) {
	rows, err := c.query(ctx, soql+" LIMIT 1", false)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

// batches splits values so that each query stays short.
func batches(values []string) [][]string {
	var out [][]string
	var batch []string
	size := 0
	for _, v := range values {
		if n := len(text(v)) + 2; len(batch) == maxIn || len(batch) > 0 && size+n > maxQuery {
			out, batch, size = append(out, batch), nil, 0
		}
		batch, size = append(batch, v), size+len(text(v))+2
	}
	if len(batch) > 0 {
		out = append(out, batch)
	}
	return out
}
