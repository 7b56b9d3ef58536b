package lookback_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/lookback"
)

const key = "wanted"

var (
	now   = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	began = now.Add(-time.Hour)
	cut   = &crmclient.Error{Class: crmclient.ClassRate, Message: "too many requests"}
)

// vendor is a list whose places are numbers of rows. It lets so many pages through before it cuts a search off; zero: all.
type vendor struct {
	rows    []lookback.Row
	allowed int
	left    int
	pages   int
	silent  bool          // tells no clock
	skew    time.Duration // of its clock
	least   int           // rows of a page that fits into an answer; zero: all do
	stale   bool          // refuses the next place but the beginning, once
	meddle  func()        // happens once, before the page after the first cut
}

func (v *vendor) read(_ context.Context, at string, size int) (lookback.Page, *crmclient.Answer, error) {
	v.pages++
	answer := &crmclient.Answer{Status: http.StatusOK, Header: http.Header{}}
	if !v.silent {
		answer.Header.Set("Date", now.Add(v.skew).Format(http.TimeFormat))
	}
	if v.allowed > 0 {
		if v.left == 0 {
			v.left = v.allowed
			return lookback.Page{}, nil, cut
		}
		v.left--
	}
	if v.least > 0 && size > v.least {
		answer.Truncated = true
		return lookback.Page{}, answer, &crmclient.Error{Class: crmclient.ClassRetry, Message: "too long"}
	}
	if at != "" && v.stale {
		v.stale = false
		return lookback.Page{}, answer, &crmclient.Error{Class: crmclient.ClassPermanent, Status: http.StatusBadRequest, Message: "no such cursor"}
	}
	from, _ := strconv.Atoi(at)
	to := min(from+size, len(v.rows))
	page := lookback.Page{Rows: v.rows[min(from, to):to]}
	if to < len(v.rows) {
		page.Next = strconv.Itoa(to)
	}
	return page, answer, nil
}

func (v *vendor) list() lookback.List {
	return lookback.List{Read: v.read, Sizes: []int{8, 4, 2, 1}, Usual: 4, Newest: true, Pages: 500, Now: func() time.Time { return now }}
}

// numbered is the list as one whose places move when rows come and go.
func (v *vendor) numbered() lookback.List {
	l := v.list()
	l.Newest, l.Sizes = false, []int{4, 2, 1}
	l.Fits = func(at string, size int) bool { n, _ := strconv.Atoi(at); return n%size == 0 }
	l.Back = func(at string, rows int) string {
		if n, _ := strconv.Atoi(at); n > rows {
			return strconv.Itoa(n - rows)
		}
		return ""
	}
	return l
}

// rows are so many, from the newest, a second apart; the wanted one is at a place, or nowhere.
func rows(n, wanted int) []lookback.Row {
	var out []lookback.Row
	for i := range n {
		row := lookback.Row{ID: strconv.Itoa(n - i), Made: now.Add(-time.Duration(i) * time.Second), Text: "something else"}
		if i == wanted {
			row.ID, row.Text = "it", "a mail\n"+crmclient.KeyLine(key)
		}
		out = append(out, row)
	}
	return out
}

// search makes attempts until one comes to an end, and counts them.
func search(t *testing.T, v *vendor, l lookback.List) (id string, all bool, attempts int) {
	t.Helper()
	var intents crmclient.MemoryIntents
	if _, err := intents.Begin(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	for attempts < 100 {
		attempts++
		known, err := intents.Find(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		known.Began = began
		id, all, err = l.Find(t.Context(), &intents, key, known)
		if err == nil {
			return id, all, attempts
		}
		if crmclient.ClassOf(err) == crmclient.ClassRate && v.meddle != nil {
			v.meddle()
			v.meddle = nil
		}
	}
	t.Fatal("the attempts ran out")
	return "", false, 0
}

func TestFind(t *testing.T) {
	t.Parallel()
	reversed := rows(60, 50)
	slices.Reverse(reversed)
	old := append(rows(10, -1), lookback.Row{ID: "it", Made: began.Add(-time.Minute), Text: crmclient.KeyLine(key)})
	tests := map[string]struct {
		v        *vendor
		numbered bool
		id       string
		all      bool
		attempts int // at most
	}{
		"at once":                           {&vendor{rows: rows(3, 1)}, false, "it", true, 1},
		"not there":                         {&vendor{rows: rows(3, -1)}, false, "", true, 1},
		"an empty list":                     {&vendor{}, false, "", true, 1},
		"cut off":                           {&vendor{rows: rows(200, 190), allowed: 2}, false, "it", true, 20},
		"cut off at each page":              {&vendor{rows: rows(200, 190), allowed: 1}, false, "it", true, 50},
		"cut off, not there":                {&vendor{rows: rows(200, -1), allowed: 2}, false, "", true, 30},
		"cut off, by numbers":               {&vendor{rows: rows(200, 190), allowed: 3}, true, "it", true, 30},
		"cut off, by numbers, not there":    {&vendor{rows: rows(200, -1), allowed: 3}, true, "", true, 50},
		"long texts":                        {&vendor{rows: rows(40, 35), least: 1, allowed: 9}, false, "it", true, 8},
		"long texts, by numbers":            {&vendor{rows: rows(40, 35), least: 1, allowed: 9}, true, "it", true, 10},
		"a cursor that is no longer one":    {&vendor{rows: rows(200, 190), allowed: 5, stale: true}, false, "it", true, 10},
		"from the oldest":                   {&vendor{rows: reversed, allowed: 3}, true, "it", true, 10},
		"the vendor's clock is behind":      {&vendor{rows: old, skew: -2 * time.Minute}, false, "it", true, 1},
		"the vendor's clock is not known":   {&vendor{rows: old, silent: true}, false, "it", true, 1},
		"more than may be read, by numbers": {&vendor{rows: rows(5000, 4500)}, true, "", false, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := test.v.list()
			if test.numbered {
				l = test.v.numbered()
			}
			id, all, attempts := search(t, test.v, l)
			if id != test.id || all != test.all || attempts > test.attempts {
				t.Errorf("got %q, %v after %d attempts and %d pages, want %q, %v after at most %d", id, all, attempts, test.v.pages, test.id, test.all, test.attempts)
			}
		})
	}
}

// Rows that are deleted while a search waits move the others to places that it has read already.
func TestDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, deleted := range []int{1, 4, 13, 30} {
		v := &vendor{rows: rows(200, 36), allowed: 8}
		v.meddle = func() { v.rows = v.rows[deleted:] }
		if id, _, _ := search(t, v, v.numbered()); id != "it" {
			t.Errorf("%d deleted: got %q", deleted, id)
		}
	}
}

// What appears while a search waits is seen as well.
func TestMadeMeanwhile(t *testing.T) {
	t.Parallel()
	for name, list := range map[string]func(*vendor) lookback.List{"by cursor": (*vendor).list, "by numbers": (*vendor).numbered} {
		v := &vendor{rows: rows(400, -1), allowed: 8}
		v.meddle = func() {
			v.rows = append([]lookback.Row{{ID: "it", Made: now, Text: crmclient.KeyLine(key)}}, v.rows...)
		}
		if id, _, _ := search(t, v, list(v)); id != "it" {
			t.Errorf("%s: got %q", name, id)
		}
	}
}

// A search that came to its end is not repeated for the same key.
func TestNextSearchIsShort(t *testing.T) {
	t.Parallel()
	var intents crmclient.MemoryIntents
	v := &vendor{rows: rows(3000, -1)}
	if _, err := intents.Begin(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	var read []int
	for range 2 {
		known, err := intents.Find(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		known.Began, v.pages = began, 0
		if id, all, err := v.list().Find(t.Context(), &intents, key, known); err != nil || id != "" || !all {
			t.Fatalf("got %q, %v, %v", id, all, err)
		}
		read = append(read, v.pages)
	}
	if read[1]*10 > read[0] {
		t.Errorf("read %d pages, then %d", read[0], read[1])
	}
}

// What is older than the write is not read, nor asked for.
func TestEndsAtTheWrite(t *testing.T) {
	t.Parallel()
	list := rows(12, -1)
	for i := range list[4:] {
		list[4+i].Made = began.Add(-time.Minute)
	}
	for name, test := range map[string]struct {
		v     *vendor
		pages int
	}{
		"by the clock":   {&vendor{rows: list}, 2},
		"clock behind":   {&vendor{rows: append(list, rows(20, -1)[12:]...), skew: -2 * time.Minute}, 3},
		"without clocks": {&vendor{rows: append(list, rows(20, -1)[12:]...), silent: true}, 3},
	} {
		if id, all, _ := search(t, test.v, test.v.list()); id != "" || !all || test.v.pages != test.pages {
			t.Errorf("%s: got %q, %v and %d pages, want %d", name, id, all, test.v.pages, test.pages)
		}
	}
}
