// Package calendar knows business time: when people work, what "two business hours later" means, when a schedule is due and
// when a customer is left in peace.
//
// The main idea: a Calendar maps civil days to spans of wall-clock time, and nothing else. A span becomes two instants only
// through its zone (clock.go), where days of 23 or 25 hours and times that do not exist are settled once: a wall-clock time
// that the clock skips is the first instant after the gap, one that comes twice is the first of both. All arithmetic is on
// instants, so business time over a change of the clock is the time that people really had.
//
//   - definition.go: calendars as data, strict
//   - builtin.go, data/: the calendars that come with the program, with the Chinese public holidays
//   - calendar.go: working days and hours, and arithmetic with them
//   - offset.go: durations as people write them ("3 workdays", "4 工作小时")
//   - schedule.go, cron.go, phrase.go: schedules, from cron expressions and from words
//   - missed.go: which runs are due after a time of silence
//   - quiet.go: hours in which nothing is sent
//
// Everything is a pure function of its arguments: the package reads no clock and starts nothing. It does not wait, keep
// timers or store anything; that is done by whoever runs the schedules.
package calendar

import (
	"time"
)

// Calendar is the working time of a company or country. It never changes and may be used concurrently.
type Calendar struct {
	name  string
	loc   *time.Location
	week  [7][]span     // by time.Weekday
	days  map[int]daily // days that are not as their weekday says
	years map[int]bool  // for which the holidays are known; nil: a calendar without yearly data
}

// daily is what a definition says of one day.
type daily struct {
	off   bool
	usual bool   // spans are those of the week, whatever it is
	spans []span // of a make-up workday
	name  string
}

// span is working time within a day, in minutes after midnight; to is at most 1440.
type span struct{ from, to int }

// Name is the name in the definition.
func (c *Calendar) Name() string { return c.name }

// Location is the zone in which the calendar's hours are meant.
func (c *Calendar) Location() *time.Location { return c.loc }

// In returns the same days and hours in another zone.
func (c *Calendar) In(loc *time.Location) *Calendar {
	other := *c
	other.loc = loc
	return &other
}

// Known tells whether the holidays of a year are known. Where they are not, the answers of the calendar are those of plain
// weeks. A calendar without yearly data knows every year.
func (c *Calendar) Known(year int) bool { return c.years == nil || c.years[year] }

// Missing is the first year whose holidays are not known although it has begun, or begins within a month; zero: there is none. China's are published
// in November of the year before.
func (c *Calendar) Missing(now time.Time) int {
	now = now.In(c.loc)
	for _, year := range []int{now.Year(), now.AddDate(0, 1, 0).Year()} {
		if !c.Known(year) {
			return year
		}
	}
	return 0
}

// IsWorkday tells whether people work on the day of t.
func (c *Calendar) IsWorkday(t time.Time) bool { return c.workday(dayOf(t, c.loc)) }

// DayName is the name of the holiday or make-up workday that t is on, empty on ordinary days.
func (c *Calendar) DayName(t time.Time) string { return c.days[dayOf(t, c.loc)].name }

// InHours tells whether t is working time. Spans hold their beginning and not their end.
func (c *Calendar) InHours(t time.Time) bool {
	day := dayOf(t, c.loc)
	for _, s := range c.spans(day) {
		if from, to := s.instants(day, c.loc); !t.Before(from) && t.Before(to) {
			return true
		}
	}
	return false
}

// NextStart returns t where that is working time, and otherwise the beginning of the next span.
func (c *Calendar) NextStart(t time.Time) time.Time {
	for day := dayOf(t, c.loc); ; day++ {
		for _, s := range c.spans(day) {
			from, to := s.instants(day, c.loc)
			if t.Before(to) && from.Before(to) {
				return latest(t, from)
			}
		}
	}
}

// Add returns the first instant at which d of working time has passed since t: the end of a span rather than the beginning of
// the next. Add(t, 0) is t. A negative d goes back as Sub does. The cost grows with the number of days.
func (c *Calendar) Add(t time.Time, d time.Duration) time.Time {
	if d < 0 {
		return c.Sub(t, -d)
	}
	for day := dayOf(t, c.loc); d > 0; day++ {
		for _, s := range c.spans(day) {
			from, to := s.instants(day, c.loc)
			from = latest(from, t)
			if !from.Before(to) {
				continue
			}
			if room := to.Sub(from); d > room {
				d -= room
				continue
			}
			return from.Add(d).In(t.Location())
		}
	}
	return t
}

// Sub returns the last instant from which d of working time passes until t. Sub(t, 0) is t. A negative d goes forward as Add does.
func (c *Calendar) Sub(t time.Time, d time.Duration) time.Time {
	if d < 0 {
		return c.Add(t, -d)
	}
	for day := dayOf(t, c.loc); d > 0; day-- {
		spans := c.spans(day)
		for i := len(spans) - 1; i >= 0; i-- {
			from, to := spans[i].instants(day, c.loc)
			to = earliest(to, t)
			if !from.Before(to) {
				continue
			}
			if room := to.Sub(from); d > room {
				d -= room
				continue
			}
			return to.Add(-d).In(t.Location())
		}
	}
	return t
}

// Between returns the working time from a to b, negative where b is before a.
func (c *Calendar) Between(a, b time.Time) time.Duration {
	if b.Before(a) {
		return -c.Between(b, a)
	}
	var sum time.Duration
	for day, last := dayOf(a, c.loc), dayOf(b, c.loc); day <= last; day++ {
		for _, s := range c.spans(day) {
			from, to := s.instants(day, c.loc)
			from, to = latest(from, a), earliest(to, b)
			if from.Before(to) {
				sum += to.Sub(from)
			}
		}
	}
	return sum
}

// AddDays moves by n workdays and keeps the time on the clock: a Friday plus one is the next Monday where that is a workday, and
// so are the Saturday and the Sunday between. n may be negative. AddDays(t, 0) is t.
func (c *Calendar) AddDays(t time.Time, n int) time.Time {
	if n == 0 {
		return t
	}
	day, step := dayOf(t, c.loc), 1
	if n < 0 {
		n, step = -n, -1
	}
	for n > 0 {
		day += step
		if c.workday(day) {
			n--
		}
	}
	return onDay(day, t, c.loc)
}

// workday tells whether a civil day has working time.
func (c *Calendar) workday(day int) bool {
	if d, ok := c.days[day]; ok {
		return !d.off
	}
	return len(c.week[weekday(day)]) > 0
}

// spans returns the working time of a civil day.
func (c *Calendar) spans(day int) []span {
	if d, ok := c.days[day]; ok {
		return d.spans
	}
	return c.week[weekday(day)]
}

func (s span) instants(day int, loc *time.Location) (from, to time.Time) {
	return instant(day, s.from*60, loc), instant(day, s.to*60, loc)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
