package config_test

import (
	"testing"
	"time"

	"heliograph/config"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, test := range []struct {
		text  string
		want  time.Duration
		print string
	}{
		{"0", 0, "0s"},
		{"90s", 90 * time.Second, "1m30s"},
		{"15m", 15 * time.Minute, "15m"},
		{"2h", 2 * time.Hour, "2h"},
		{"1h30m", 90 * time.Minute, "1h30m"},
		{"7d", 7 * day, "7d"},
		{"1d12h", 36 * time.Hour, "36h"},
		{"250ms", 250 * time.Millisecond, "250ms"},
		{"1h0m5s", time.Hour + 5*time.Second, "1h0m5s"},
		{"10m", 10 * time.Minute, "10m"},
		{"10h", 10 * time.Hour, "10h"},
	} {
		got, err := config.ParseDuration(test.text)
		if err != nil || got.D() != test.want || got.String() != test.print {
			t.Errorf("%s: got %v (%s), %v, want %v (%s)", test.text, got.D(), got, err, test.want, test.print)
		}
	}
	for _, text := range []string{"", "5", "soon", "-4h", "+4h", "1d-2h", "d", "1.5d", "999999d", "106751d24h", "1w", "7d7d"} {
		if got, err := config.ParseDuration(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestParseBytes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text  string
		want  config.Bytes
		print string
	}{
		{"0", 0, "0"},
		{"52428800", 52428800, "50MiB"},
		{"50MB", 50_000_000, "50000000"},
		{"50 mb", 50_000_000, "50000000"},
		{"50MiB", 50 << 20, "50MiB"},
		{"1kB", 1000, "1000"},
		{"3GiB", 3 << 30, "3GiB"},
		{"2TiB", 2 << 40, "2TiB"},
		{"7B", 7, "7"},
	} {
		got, err := config.ParseBytes(test.text)
		if err != nil || got != test.want || got.String() != test.print {
			t.Errorf("%s: got %d (%s), %v, want %d (%s)", test.text, int64(got), got, err, int64(test.want), test.print)
		}
	}
	for _, text := range []string{"", "MB", "-1", "1.5MB", "50XB", "9223372036854775807KiB", "99999999999999999999"} {
		if got, err := config.ParseBytes(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}
