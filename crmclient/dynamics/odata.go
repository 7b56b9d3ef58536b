package dynamics

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"heliograph/crmclient"
)

const (
	// maxPages bounds how many pages of one query are followed: more is a loop.
	maxPages = 200
	// maxOr is how many comparisons one filter has.
	maxOr    = 30
	pageSize = 200 // rows; more may not fit into an answer
)

// text writes an OData string literal: a quote is doubled, nothing else is special.
func text(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f { // has no place in any value that we look for
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// moment writes an OData date.
func moment(t time.Time) string { return t.UTC().Format(momentForm) }

const momentForm = "2006-01-02T15:04:05Z"

// row is a row as the Web API returns it.
type row map[string]any

func (r row) text(name string) string {
	first, rest, deep := strings.Cut(name, "/")
	switch v := r[first].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case map[string]any:
		if deep {
			return row(v).text(rest)
		}
	}
	return ""
}

func (r row) time(name string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, r.text(name))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// page is an answer with rows.
type page struct {
	Value []row  `json:"value"`
	Next  string `json:"@odata.nextLink"`
}

// list asks for rows and follows the pages until it has limit rows; zero means all.
func (c *Client) list(ctx context.Context, path string, query url.Values, limit int) ([]row, error) {
	var rows []row
	r := request{method: http.MethodGet, path: path, query: query, prefer: "odata.maxpagesize=200"}
	for range maxPages {
		answer, err := c.do(ctx, r)
		if err != nil {
			return nil, err
		}
		var p page
		if err := answer.Exact(&p); err != nil {
			return nil, err
		}
		rows = append(rows, p.Value...)
		if p.Next == "" || limit > 0 && len(rows) >= limit {
			return rows, nil
		}
		r.path, r.query = p.Next, nil // verbatim; the transport refuses another host
	}
	return nil, &crmclient.Error{Class: crmclient.ClassRetry, Message: "the pages of a query do not end"}
}

// one returns the first row of a filter, or nil.
func (c *Client) one(ctx context.Context, set, columns, filter string) (row, error) {
	rows, err := c.list(ctx, set, url.Values{"$select": {columns}, "$filter": {filter}, "$top": {"1"}}, 1)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

// anyOf writes "a eq 'x' or b eq 'x' or …".
func anyOf(columns, values []string) string {
	var tests []string
	for _, v := range values {
		for _, column := range columns {
			tests = append(tests, column+" eq "+text(v))
		}
	}
	return "(" + strings.Join(tests, " or ") + ")"
}

// batches splits values so that each filter stays short.
func batches(values []string, columns int) [][]string {
	const maxFilter = 3000 // characters before escaping; URLs may have 32 kB, gateways take less
	var out [][]string
	var batch []string
	size := 0
	for _, v := range values {
		n := (len(v) + 30) * columns
		if len(batch) > 0 && (len(batch)*columns+columns > maxOr || size+n > maxFilter) {
			out, batch, size = append(out, batch), nil, 0
		}
		batch, size = append(batch, v), size+n
	}
	if len(batch) > 0 {
		out = append(out, batch)
	}
	return out
}
