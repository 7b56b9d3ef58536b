package condition

import (
	"strings"
	"time"
	"unicode/utf8"
)

// span is a time as people give it: an instant (start equals end) or a whole day (end is the start of the next one).
// An instant on a day is neither before nor after that day.
type span struct{ start, end time.Time }

// order is negative where s lies before o, positive where it lies after o, and zero where they meet.
func (s span) order(o span) int {
	switch {
	case s.start.Before(o.start) && !s.end.After(o.start):
		return -1
	case o.start.Before(s.start) && !o.end.After(s.start):
		return 1
	}
	return 0
}

func instant(t time.Time) span { return span{t, t} }

func dayOf(t time.Time, zone *time.Location) span {
	y, m, d := t.In(zone).Date()
	return span{time.Date(y, m, d, 0, 0, 0, 0, zone), time.Date(y, m, d+1, 0, 0, 0, 0, zone)}
}

// dayForms are days; momentForms are instants. Those without a zone are in the zone of the evaluation.
var (
	dayForms    = []string{"2006-1-2", "2006/1/2", "2006.1.2", "2006年1月2日"}
	momentForms = []string{
		time.RFC3339Nano, "2006-1-2 15:04:05Z07:00", "2006-1-2 15:04:05", "2006-1-2 15:04", "2006-1-2T15:04:05", "2006-1-2T15:04",
		"2006/1/2 15:04:05", "2006/1/2 15:04", "2006年1月2日 15:04", "2006年1月2日15:04", "2006年1月2日 15:04:05", "2006年1月2日 15时4分", "2006年1月2日15时4分",
		time.RFC1123Z, time.RFC1123, "Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700",
	}
)

const maxMoment = 48 // bytes of a time as text

// moment reads a time.
func moment(text string, zone *time.Location) (span, bool) {
	if len(text) > maxMoment || len(text) < len("2006-1-2") {
		return span{}, false
	}
	text = strings.TrimSpace(text)
	if c, _ := utf8.DecodeRuneInString(text); c >= utf8.RuneSelf {
		text = plainText(text) // full-width digits
	}
	if c := text + " "; (c[0] < '0' || c[0] > '9') && (c[0] < 'A' || c[0] > 'Z') {
		return span{}, false
	}
	for _, form := range dayForms {
		if t, err := time.ParseInLocation(form, text, zone); err == nil {
			return dayOf(t, zone), true
		}
	}
	for _, form := range momentForms {
		if t, err := time.ParseInLocation(form, text, zone); err == nil {
			return instant(t), true
		}
	}
	return span{}, false
}

// The words that stand for a time in a condition.
const (
	wordNow       = "now"
	wordToday     = "today"
	wordYesterday = "yesterday"
	wordTomorrow  = "tomorrow"
)

// namedMoment returns the time that a word stands for.
func namedMoment(word string, now time.Time, zone *time.Location) (span, bool) {
	days := 0
	switch word {
	case wordNow:
		return instant(now), true
	case wordToday:
	case wordYesterday:
		days = -1
	case wordTomorrow:
		days = 1
	default:
		return span{}, false
	}
	y, m, d := now.In(zone).Date()
	return dayOf(time.Date(y, m, d+days, 12, 0, 0, 0, zone), zone), true
}
