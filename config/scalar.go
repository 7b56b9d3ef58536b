package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time. In YAML it is a number with a unit: "90s",
// "15m", "2h", "1h30m", "7d".
type Duration time.Duration

// D returns the duration as the standard library's type.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String returns the duration as it would be written in the file.
func (d Duration) String() string {
	const day = 24 * time.Hour
	if t := d.D(); t != 0 && t%day == 0 {
		return strconv.FormatInt(int64(t/day), 10) + "d"
	}
	text := d.D().String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

var (
	errDuration = errors.New("not a length of time")
	errBytes    = errors.New("not a size")

	daysFirst = regexp.MustCompile(`^([0-9]{1,6})d(.*)$`)
	sizeForm  = regexp.MustCompile(`^([0-9]+) *([A-Za-z]*)$`)
)

// ParseDuration reads a Duration. Days may come first, the rest is as in
// time.ParseDuration; there are no negative ones.
func ParseDuration(text string) (Duration, error) {
	var days time.Duration
	rest := text
	if m := daysFirst.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || int64(n) > math.MaxInt64/int64(24*time.Hour) {
			return 0, errDuration
		}
		days, rest = time.Duration(n)*24*time.Hour, m[2]
		if rest == "" {
			return Duration(days), nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || days+d < 0 || strings.HasPrefix(rest, "+") {
		return 0, errDuration
	}
	return Duration(days + d), nil
}

// Bytes is a size in bytes. In YAML it is a number of bytes or a number with a
// unit: 52428800, "50MB" (powers of 1000) or "50MiB" (powers of 1024).
type Bytes int64

var byteUnits = map[string]int64{
	"": 1, "b": 1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// ParseBytes reads a size.
func ParseBytes(text string) (Bytes, error) {
	m := sizeForm.FindStringSubmatch(text)
	if m == nil {
		return 0, errBytes
	}
	unit, known := byteUnits[strings.ToLower(m[2])]
	n, err := strconv.ParseInt(m[1], 10, 64)
	if !known || err != nil || n > math.MaxInt64/unit {
		return 0, errBytes
	}
	return Bytes(n * unit), nil
}

// String returns the size with the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if size := byteUnits[strings.ToLower(unit)]; b != 0 && int64(b)%size == 0 {
			return fmt.Sprintf("%d%s", int64(b)/size, unit)
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText is String.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }
