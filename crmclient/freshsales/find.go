package freshsales

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

// pageSizes are the activities of one answer: fewer if their notes are long. Each is a part of the one before, so that a place of the list begins
// a page of any of them.
var pageSizes = []int{100, 50, 25, 5, 1}

var errUnknown = errors.New("whether it was written is not known")

// look searches for the activity of an intent, and goes on where it was cut off. An empty id says that it is not there; that this cannot be known is an error, or not,
// as on_unknown wants it.
func (c *Client) look(ctx context.Context, where place, key string, known crmclient.Intent) (string, error) {
	if c.cfg.FindActivities != nowhere && (c.cfg.FindActivities == ofAccount || where.object == "Contact" && where.id != 0) {
		id, all, err := c.list(where).Find(ctx, c.intents, key, known)
		if err != nil || id != "" || all {
			return id, err
		}
	}
	if c.cfg.OnUnknown == retry {
		return "", nil
	}
	return "", &crmclient.Error{
		Class: crmclient.ClassPermanent, Err: errUnknown, Message: "whether Freshsales has the mail is not known: an earlier request had no clear answer",
		Remedy: "look at the sales activities of the contact: if the mail is there, drop it from the queue, else send it again",
	}
}

// list is the activities of the account, or of the contact.
func (c *Client) list(where place) lookback.List {
	path := "/sales_activities"
	if c.cfg.FindActivities == ofContact {
		path = where.path() + path
	}
	return lookback.List{
		Sizes: pageSizes, Usual: pageSizes[0], Pages: c.cfg.LookPages, Now: c.d.Clock, Wait: c.d.Wait,
		Fits: func(at string, size int) bool { return offset(at)%size == 0 },
		Back: func(at string, rows int) string { return placeAt(max(0, offset(at)-rows)) },
		Read: func(ctx context.Context, at string, size int) (lookback.Page, *crmclient.Answer, error) {
			var out struct {
				Activities []activity `json:"sales_activities"`
			}
			q := url.Values{
				"sort": {"created_at"}, "sort_type": {"desc"}, "page": {strconv.Itoa(offset(at)/size + 1)}, "per_page": {strconv.Itoa(size)},
			}
			answer, err := c.call(ctx, request{method: http.MethodGet, path: path, query: q}, &out)
			page := lookback.Page{}
			if len(out.Activities) > 0 {
				page.Next = placeAt(offset(at) + size)
			}
			for _, one := range out.Activities {
				made, err := time.Parse(time.RFC3339, one.Created)
				if err != nil {
					made = time.Time{}
				}
				page.Rows = append(page.Rows, lookback.Row{ID: one.ID.String(), Made: made, Text: one.Notes})
			}
			return page, answer, err
		},
	}
}

// offset is the number of rows before a place of the list, which is that number as text; nothing is the beginning.
func offset(at string) int {
	n, err := strconv.Atoi(at)
	if err != nil {
		return 0
	}
	return n
}

func placeAt(offset int) string {
	if offset == 0 {
		return ""
	}
	return strconv.Itoa(offset)
}
