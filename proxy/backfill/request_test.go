package backfill_test

import (
	"math"
	"testing"

	"heliograph/proxy/backfill"
)

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]backfill.Rate{
		"5/s": {Messages: 5}, "0.5/s": {Messages: 0.5}, "90/min": {Messages: 1.5}, "3600/h": {Messages: 1},
		"2MB/s": {Bytes: 2e6}, "512KiB/s": {Bytes: 512 << 10}, "60 MB / min": {Bytes: 1e6},
	} {
		if got, err := backfill.ParseRate(text); err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "/s", "5/", "x/s", "-1/s", "0/s", "5/day", "MB/s", "inf/s", "nan/s", "0MB/s", "1/s/s"} {
		if got, err := backfill.ParseRate(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func FuzzParseRate(f *testing.F) {
	for _, text := range []string{"5/s", "2MB/s", "1e308/s", "9999999TB/s", "0x1p-1074/h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := backfill.ParseRate(text)
		if err != nil {
			return
		}
		for _, n := range []float64{r.Messages, r.Bytes} {
			if n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
				t.Errorf("%q is %+v", text, r)
			}
		}
		if (r.Messages > 0) == (r.Bytes > 0) {
			t.Errorf("%q is %+v, neither or both", text, r)
		}
	})
}
