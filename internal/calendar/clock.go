package calendar

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const secondsADay = 24 * 60 * 60

// Civil days are counted from 1 January 1970, whatever the zone.

// dayOf is the civil day of t in a zone.
func dayOf(t time.Time, loc *time.Location) int {
	y, m, d := t.In(loc).Date()
	return dayNumber(y, m, d)
}

func dayNumber(y int, m time.Month, d int) int {
	return floorDiv(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix(), secondsADay)
}

func floorDiv(a, b int64) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return int(q)
}

// date is the civil date of a day.
func date(day int) (int, time.Month, int) {
	return time.Unix(int64(day)*secondsADay, 0).UTC().Date()
}

// weekday: 1 January 1970 was a Thursday.
func weekday(day int) time.Weekday { return time.Weekday(((day+4)%7 + 7) % 7) }

func daysInMonth(y int, m time.Month) int { return time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day() }

// instant is when a clock on the wall shows the given second after midnight of a civil day; 24:00 is the next midnight. A time
// that the clock skips is the first instant after the gap, one that it shows twice is the first of both.
func instant(day, second int, loc *time.Location) time.Time {
	y, m, d := date(day)
	wanted := time.Date(y, m, d, 0, 0, second, 0, time.UTC)
	t := time.Date(y, m, d, 0, 0, second, 0, loc)
	shown := wall(t)
	start, end := t.ZoneBounds()
	switch {
	case shown.After(wanted): // beyond the gap
		return start
	case shown.Before(wanted): // before the gap
		return end
	case start.IsZero():
		return t
	}
	_, before := start.Add(-time.Nanosecond).Zone()
	if first := wanted.Add(-time.Duration(before) * time.Second); first.Before(start) {
		return first.In(loc)
	}
	return t
}

// wall is what the clock shows at t, written as a time in UTC.
func wall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// onDay is the time that the clock shows at t, on another day.
func onDay(day int, t time.Time, loc *time.Location) time.Time {
	local := t.In(loc)
	h, m, s := local.Clock()
	return instant(day, h*3600+m*60+s, loc).Add(time.Duration(local.Nanosecond())).In(t.Location())
}

// parseClock reads 09:00 or 9:00, in minutes after midnight; 24:00 is the end of the day.
func parseClock(s string) (int, error) {
	h, m, ok := strings.Cut(strings.TrimSpace(s), ":")
	hour, err1 := strconv.Atoi(h)
	minute, err2 := strconv.Atoi(m)
	if !ok || err1 != nil || err2 != nil || len(h) > 2 || len(m) != 2 || hour < 0 || minute < 0 || minute > 59 || hour*60+minute > 24*60 {
		return 0, fmt.Errorf("%q is no time of day such as 09:00", clip(s))
	}
	return hour*60 + minute, nil
}

func formatClock(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

// clip keeps what strangers wrote short enough for an error.
func clip(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
