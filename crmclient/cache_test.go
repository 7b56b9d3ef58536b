package crmclient

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestCache(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	c := Cache[int]{Now: func() time.Time { return now }, For: time.Minute}
	reads := 0
	read := func() (int, error) { reads++; return reads, nil }
	for range 2 {
		if v, err := c.Read("a", read); v != 1 || err != nil {
			t.Errorf("got %d, %v; want what was read first", v, err)
		}
	}
	now = now.Add(time.Minute)
	if v, err := c.Read("a", read); v != 2 || err != nil {
		t.Errorf("later: got %d, %v; want it read again", v, err)
	}
	if _, err := c.Read("b", func() (int, error) { return 9, errors.New("the CRM is away") }); err == nil {
		t.Error("an error is lost")
	}
	if v, err := c.Read("b", read); v != 3 || err != nil {
		t.Errorf("after an error: got %d, %v; want it read", v, err)
	}
}

func TestCacheReadAll(t *testing.T) {
	t.Parallel()
	c := Cache[string]{Now: time.Now}
	c.Put("kept", "0")
	var asked [][]string
	read := func(names []string) (map[string]string, error) {
		asked = append(asked, slices.Clone(names))
		return map[string]string{"a": "1", "unasked": "9"}, nil
	}
	for range 2 {
		got, err := c.ReadAll([]string{"kept", "none", "a", "a"}, read)
		if want := map[string]string{"kept": "0", "a": "1"}; err != nil || !maps.Equal(got, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
	if len(asked) != 1 || !slices.Equal(asked[0], []string{"a", "none"}) {
		t.Errorf("asked for %v, want each name that was not known once", asked)
	}
	if v, ok := c.Get("none"); ok {
		t.Errorf("what is not there is %q", v)
	}
	if _, err := c.ReadAll([]string{"new"}, func([]string) (map[string]string, error) { return nil, errors.New("the CRM is away") }); err == nil {
		t.Error("an error is lost")
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := Cache[int]{Now: time.Now}
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			for i := range maxCached / 2 {
				c.Put(time.Duration(w*maxCached+i).String(), i)
			}
		})
	}
	group.Wait()
	if len(c.kept) > maxCached {
		t.Errorf("%d values are kept", len(c.kept))
	}
}
