package twenty

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"heliograph/crmclient"
)

const (
	maxPage = 60 // records of one answer
	// timeLayout is how Twenty writes times, in UTC. They sort as text.
	timeLayout = "2006-01-02T15:04:05.000Z"
)

// call sends a request, with a JSON body where there is one, and decodes the answer where into is not nil. Numbers stay exact.
func (c *Client) call(ctx context.Context, method, path string, q url.Values, body, into any) error {
	var content io.Reader = http.NoBody
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the request cannot be written as JSON", Err: err}
		}
		content = bytes.NewReader(b)
	}
	u := c.base.JoinPath(path)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the request cannot be built"}
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	a, err := c.transport.Do(req)
	if err != nil {
		return explain(err)
	}
	if into == nil {
		return nil
	}
	if a.Truncated {
		return &tooLongError{a.JSON(into)}
	}
	return a.Exact(into)
}

// tooLongError says that an answer was longer than what is read of one.
type tooLongError struct{ err error }

// Error returns the text for the operator.
func (e *tooLongError) Error() string { return e.err.Error() }

// Unwrap returns the classified error.
func (e *tooLongError) Unwrap() error { return e.err }

// explain adds what a person can do.
func explain(err error) error {
	var e *crmclient.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Status {
	case http.StatusUnauthorized:
		e.Remedy = "make a new key in Settings > APIs & Webhooks and write it into api_key: this one is wrong, was revoked or has run out"
	case http.StatusForbidden:
		e.Remedy = "give the key a role (Settings > Roles) that may read and edit People, Companies, Notes and note targets"
	case http.StatusNotFound:
		e.Remedy = "check url (https://api.twenty.com, or the address of your own server), and that the object is named by its plural, such as people"
	}
	return err
}

func statusOf(err error) int {
	var e *crmclient.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// quotable says whether a text can be written into a filter without doubt about where it ends.
func quotable(s string) bool {
	return !strings.ContainsAny(s, `"\`) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// compare writes one comparison of a filter.
func compare(field, is string, value any) (string, error) {
	refused := func() (string, error) {
		return "", &crmclient.Error{
			Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("Twenty cannot compare %q by %q with this value", field, is),
			Remedy: "use a field of the object, and a value without quotation marks and backslashes",
		}
	}
	if !fieldName.MatchString(field) {
		return refused()
	}
	text := ""
	switch v := value.(type) {
	case string:
		if !quotable(v) {
			return refused()
		}
		text = `"` + v + `"`
	case time.Time:
		text = `"` + v.UTC().Format(timeLayout) + `"`
	case bool:
		text = strconv.FormatBool(v)
	case json.Number, int, int64:
		text = fmt.Sprint(v)
	default:
		return refused()
	}
	return field + "[" + is + "]:" + text, nil
}

// compose joins filters by and, or.
func compose(word string, filters []string) string {
	if len(filters) == 1 {
		return filters[0]
	}
	return word + "(" + strings.Join(filters, ",") + ")"
}

// listQuery is what one page is asked for with.
type listQuery struct {
	filter, order, after string
	size                 int // zero means the most
}

// list reads a page, and the cursor of the next. A page that is too long for one answer is asked for in halves.
func (c *Client) list(ctx context.Context, object string, l listQuery) (page []map[string]any, next string, err error) {
	size := l.size
	if size <= 0 || size > maxPage {
		size = maxPage
	}
	for {
		q := url.Values{"limit": {strconv.Itoa(size)}, "depth": {"0"}}
		for name, value := range map[string]string{"filter": l.filter, "order_by": l.order, "starting_after": l.after} {
			if value != "" {
				q.Set(name, value)
			}
		}
		var answer struct {
			Data map[string][]map[string]any `json:"data"`
			Page struct {
				End  string `json:"endCursor"`
				More bool   `json:"hasNextPage"`
			} `json:"pageInfo"`
		}
		err := c.call(ctx, http.MethodGet, object, q, nil, &answer)
		var long *tooLongError
		if errors.As(err, &long) && size > 1 {
			size /= 2
			continue
		}
		if err != nil {
			return nil, "", err
		}
		page, ok := answer.Data[object]
		if !ok {
			return nil, "", &crmclient.Error{Class: crmclient.ClassRetry, Message: "Twenty's answer has no list of " + object}
		}
		if answer.Page.More && len(page) > 0 {
			next = answer.Page.End
		}
		return page, next, nil
	}
}

// create makes a record and returns it as the answer has it. The answer names it by the object's singular, which is not known
// for all objects: it is the only thing in there.
func (c *Client) create(ctx context.Context, object string, fields map[string]any) (map[string]any, error) {
	var answer struct {
		Data map[string]map[string]any `json:"data"`
	}
	if err := c.call(ctx, http.MethodPost, object, nil, fields, &answer); err != nil {
		return nil, err
	}
	for _, made := range answer.Data {
		if text(made, "id") != "" {
			return made, nil
		}
	}
	return nil, &crmclient.Error{Class: crmclient.ClassRetry, Message: "Twenty told no id of the new record of " + object}
}

// first returns the first record for which the comparison holds, or nil.
func (c *Client) first(ctx context.Context, object, field, value string) (map[string]any, error) {
	where, err := compare(field, "eq", value)
	if err != nil {
		return nil, err
	}
	page, _, err := c.list(ctx, object, listQuery{filter: where, size: 1})
	if err != nil || len(page) == 0 {
		return nil, err
	}
	return page[0], nil
}

// once makes a record unless one with the value is there already. Where the server refuses it because somebody made it meanwhile,
// which it tells by 400, that one is found.
func (c *Client) once(ctx context.Context, object, field, value string, fields map[string]any) (record map[string]any, there bool, err error) {
	if record, err = c.first(ctx, object, field, value); err != nil || record != nil {
		return record, record != nil, err
	}
	record, err = c.create(ctx, object, fields)
	if statusOf(err) != http.StatusBadRequest {
		return record, false, err
	}
	found, lookErr := c.first(ctx, object, field, value)
	if lookErr != nil {
		return nil, false, lookErr
	}
	if found != nil {
		return found, true, nil
	}
	var e *crmclient.Error
	if errors.As(err, &e) && strings.Contains(strings.ToLower(e.Message), "duplicate") {
		e.Remedy = "a deleted record has the same value: restore or destroy it in Twenty's list of deleted records"
	}
	return nil, false, err
}

func text(record map[string]any, field string) string {
	s, _ := record[field].(string)
	return s
}

func timeOf(record map[string]any, field string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text(record, field))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
