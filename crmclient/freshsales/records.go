package freshsales

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
)

// objectName is a kind of record as in its URL: contacts, sales_accounts, deals, tasks, cm_orders of one's own.
var objectName = regexp.MustCompile(`^[a-z][a-z0-9_]{1,62}$`)

// singular is the name of one, in answers and searches.
func singular(object string) string { return strings.TrimSuffix(object, "s") }

func checkObject(object string) error {
	if objectName.MatchString(object) {
		return nil
	}
	return misconfigured("name the records as in their URL, such as deals", "this is not the name of a kind of record in Freshsales")
}

// ReadRecord reads any record.
func (c *Client) ReadRecord(ctx context.Context, object, id string) (crmclient.Record, error) {
	if err := checkObject(object); err != nil {
		return crmclient.Record{}, err
	}
	none := &crmclient.Error{Class: crmclient.ClassPermanent, Status: http.StatusNotFound, Message: "Freshsales has no such record of " + object, Err: crmclient.ErrNoRecord}
	if _, ok := number(id); !ok {
		return crmclient.Record{}, none
	}
	answer, err := c.call(ctx, request{method: http.MethodGet, path: "/" + object + "/" + id}, nil)
	if isGone(err) {
		return crmclient.Record{}, none
	}
	if err != nil {
		return crmclient.Record{}, fmt.Errorf("read record: %w", err)
	}
	var out map[string]any
	if err := answer.Exact(&out); err != nil {
		return crmclient.Record{}, err
	}
	fields, ok := out[singular(object)].(map[string]any)
	if !ok {
		return crmclient.Record{}, unclear()
	}
	return crmclient.Record{Object: object, ID: id, Fields: fields, UpdatedAt: timeOf(fields["updated_at"])}, nil
}

func timeOf(v any) time.Time {
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

const (
	changesPage    = 100
	maxChangePages = 500
	changesOverlap = 10 * time.Second
	pollLayout     = "2006-01-02T15:04:05Z"
	maxReads       = 100 // records that one poll reads
)

// RecordChanges searches for what was updated since, and reads each: what a search gives is not the whole record.
func (p *Poller) RecordChanges(ctx context.Context, object string, _ []string, cursor string) ([]crmclient.RecordChange, string, error) {
	if err := checkObject(object); err != nil {
		return nil, "", err
	}
	if cursor == "" {
		at := crmclient.NewPollCursor(pollLayout)
		at.Since = p.d.Clock().UTC().Format(pollLayout)
		if _, err := p.updated(ctx, object, at.Since, 1); err != nil { // tells at once that it can be searched, and refuses what cannot
			return nil, "", err
		}
		return nil, at.String(), nil
	}
	at, err := crmclient.ParsePollCursor(cursor, pollLayout)
	if err != nil {
		return nil, "", err
	}
	from := at.From(pollLayout, changesOverlap)
	var (
		out    []crmclient.RecordChange
		last   string
		sorted = true // what is not must be read to its end
	)
	for page := 1; !sorted || len(out) < maxReads; page++ {
		if page > maxChangePages {
			return nil, "", misconfigured("watch fewer objects, or poll more often", "Freshsales tells too many changes of %s, and not in their order", object)
		}
		rows, err := p.updated(ctx, object, from, page)
		if err != nil {
			return nil, "", err
		}
		for _, row := range rows {
			stamp := timeOf(row.Updated).Format(pollLayout)
			sorted, last = sorted && stamp >= last, stamp
			if !at.Tell(row.ID.String(), stamp, map[string]any{"at": row.Updated}) {
				continue
			}
			r, err := p.ReadRecord(ctx, object, row.ID.String())
			if crmclient.ClassOf(err) == crmclient.ClassPermanent {
				continue // deleted meanwhile
			}
			if err != nil {
				return nil, "", err
			}
			out = append(out, crmclient.RecordChange{Record: r})
		}
		if len(rows) < changesPage {
			break
		}
	}
	at.Forget(at.From(pollLayout, changesOverlap))
	return out, at.String(), nil
}

// row is a record in the answer of a search.
type row struct {
	ID      json.Number `json:"id"`
	Updated string      `json:"updated_at"`
}

// updated returns a page of the records that were updated after a time, from the oldest on.
func (p *Poller) updated(ctx context.Context, object, after string, page int) ([]row, error) {
	q := url.Values{"page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(changesPage)}, "sort": {"updated_at"}, "sort_type": {"asc"}}
	body := map[string]any{"filter_rule": []any{map[string]any{"attribute": "updated_at", "operator": "is_after", "value": after}}}
	answer, err := p.call(ctx, request{method: http.MethodPost, path: "/filtered_search/" + singular(object), query: q, body: body}, nil)
	if err != nil {
		return nil, fmt.Errorf("search for changes: %w", err)
	}
	var out map[string]json.RawMessage
	if err := answer.JSON(&out); err != nil {
		return nil, err
	}
	var rows []row
	if json.Unmarshal(out[object], &rows) != nil {
		return nil, unclear()
	}
	return rows, nil
}
