package crmclient

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestReread(t *testing.T) {
	t.Parallel()
	passing := &Error{Class: ClassRetry, Message: "the page broke off"}
	tests := map[string]struct {
		answers []error // the last one is repeated
		reads   int
		want    error
	}{
		"at once":               {[]error{nil}, 1, nil},
		"the third time":        {[]error{passing, passing, nil}, 3, nil},
		"never":                 {[]error{passing}, rereads, passing},
		"wrong credentials":     {[]error{&Error{Class: ClassAuth}}, 1, &Error{Class: ClassAuth}},
		"the CRM wants a pause": {[]error{&Error{Class: ClassRate}}, 1, &Error{Class: ClassRate}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reads := 0
			var waited []time.Duration
			wait := func(_ context.Context, d time.Duration) error {
				waited = append(waited, d)
				return nil
			}
			err := Reread(t.Context(), wait, func() error {
				answer := test.answers[min(reads, len(test.answers)-1)]
				reads++
				return answer
			})
			if reads != test.reads || ClassOf(err) != ClassOf(test.want) {
				t.Errorf("%d reads and %v, want %d and %v", reads, err, test.reads, test.want)
			}
			if want := []time.Duration{20 * time.Millisecond, 40 * time.Millisecond}[:test.reads-1]; !slices.Equal(waited, want) {
				t.Errorf("waited %v, want %v", waited, want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	reads := 0
	if err := Reread(ctx, nil, func() error { reads++; return passing }); !errors.Is(err, passing) || reads != 1 {
		t.Errorf("after the end of ctx there were %d reads and %v", reads, err)
	}
	reads = 0
	if err := Reread(t.Context(), nil, func() error { reads++; return passing }); !errors.Is(err, passing) || reads != rereads {
		t.Errorf("by the clock there were %d reads and %v", reads, err)
	}
}
