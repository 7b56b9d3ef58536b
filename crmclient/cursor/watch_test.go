package cursor_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/cursor"
)

type record struct {
	id string
	at time.Time
}

// polled is an object whose records are in the order of their last change.
func polled(records *[]record) cursor.Changed[record] {
	const page = 3
	return cursor.Changed[record]{
		Object: "orders", Page: page,
		Read: func(since time.Time, offset int) ([]record, error) {
			var out []record
			for _, r := range *records {
				if !r.at.Before(since) {
					out = append(out, r)
				}
			}
			out = out[min(offset, len(out)):]
			return out[:min(page, len(out))], nil
		},
		Mark: func(r record) (string, time.Time, error) {
			if r.at.IsZero() {
				return "", time.Time{}, errors.New("no time")
			}
			return r.id, r.at, nil
		},
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	records := []record{{"old", now.Add(-time.Hour)}, {"there", now.Add(-time.Minute)}}
	c := polled(&records)
	at := ""
	poll := func(want ...string) {
		t.Helper()
		news, next, err := c.Poll(at, now)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range news {
			got = append(got, r.id)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		at = next
	}
	poll()
	for i := range 5 {
		records = append(records, record{fmt.Sprint(i), now.Add(time.Duration(i) * time.Second)})
	}
	poll("0", "1") // there stands before them in the page
	poll("2", "3", "4")
	poll()
	records = append(records, record{"late", now.Add(time.Second)}) // came to light after others that are newer
	slices.SortStableFunc(records, func(a, b record) int { return a.at.Compare(b.at) })
	poll("late")
	records = append(records, record{"0", now.Add(time.Minute)}) // once more
	poll("0")
	poll()

	records = append(records, record{"broken", time.Time{}})
	c.Read = func(time.Time, int) ([]record, error) { return records[len(records)-1:], nil }
	if _, _, err := c.Poll(at, now); err == nil {
		t.Error("a record without a time: got no error")
	}
	c.Object = "others"
	if _, _, err := c.Poll(at, now); !errors.Is(err, crmclient.ErrCursorExpired) {
		t.Errorf("the cursor of another object: got %v", err)
	}
}
