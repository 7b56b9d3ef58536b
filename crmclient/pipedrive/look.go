package pipedrive

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/lookback"
)

const (
	usualPage = 100 // activities of one answer, if their notes are short
	// maxPages bounds what is looked through: nobody has so many activities.
	maxPages = 2000
)

// pageSizes are those of a listing; the vendor takes 500 at most.
var pageSizes = []int{500, 250, usualPage, 50, 25, 10, 5, 2, 1}

var errUnknown = errors.New("whether it was written is not known")

// oldest is how far back a mail is looked for at most.
func (c *Client) oldest() time.Time { return c.d.Clock().Add(-c.cfg.lookBack()) }

// look looks for the activity with the key among those of a place, or among all, from the newest back to the time of its intent. It goes on
// where it was cut off.
func (c *Client) look(ctx context.Context, where place, key string, known crmclient.Intent) (string, error) {
	if oldest := c.oldest(); known.Began.Before(oldest) {
		known.Began = oldest
	}
	id, all, err := c.list(where).Find(ctx, c.intents, key, known)
	if err != nil || all {
		return id, err
	}
	return "", &crmclient.Error{
		Class: crmclient.ClassPermanent, Err: errUnknown, Message: "whether Pipedrive has the mail is not known: there are too many activities since",
		Remedy: "look at the activities of the person: if the mail is there, drop it from the queue, else send it again",
	}
}

// list is the activities of a place.
func (c *Client) list(where place) lookback.List {
	return lookback.List{
		Sizes: pageSizes, Usual: usualPage, Newest: true, Pages: maxPages, Now: c.d.Clock, Wait: c.d.Wait,
		Read: func(ctx context.Context, at string, size int) (lookback.Page, *crmclient.Answer, error) {
			q := url.Values{"sort_by": {"add_time"}, "sort_direction": {"desc"}, "limit": {strconv.Itoa(size)}}
			switch {
			case where.person != 0:
				q.Set("person_id", strconv.FormatInt(where.person, 10))
			case where.org != 0:
				q.Set("org_id", strconv.FormatInt(where.org, 10))
			}
			if at != "" {
				q.Set("cursor", at)
			}
			var out struct {
				Data       []activity `json:"data"`
				Additional struct {
					Cursor string `json:"next_cursor"`
				} `json:"additional_data"`
			}
			answer, err := c.call(ctx, request{method: http.MethodGet, version: v2, path: "/activities", query: q}, &out)
			page := lookback.Page{}
			if len(out.Data) > 0 {
				page.Next = out.Additional.Cursor
			}
			for _, one := range out.Data {
				page.Rows = append(page.Rows, lookback.Row{ID: one.ID.String(), Made: madeAt(one.Added), Text: one.Note})
			}
			return page, answer, err
		},
	}
}

// madeAt reads a time of Pipedrive, in either of its forms. What it cannot read is the zero time.
func madeAt(s string) time.Time {
	for _, layout := range []string{time.RFC3339, time.DateTime} {
		if at, err := time.Parse(layout, s); err == nil {
			return at
		}
	}
	return time.Time{}
}
