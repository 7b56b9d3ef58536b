package calendar

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"
)

// Adjust says what becomes of a run that falls on a day without work.
type Adjust string

// The adjustments. Runs that come to stand on the same time are one run.
const (
	AdjustNone     Adjust = "none"     // it runs all the same; also the empty Adjust
	AdjustNext     Adjust = "next"     // on the next workday at the same time
	AdjustPrevious Adjust = "previous" // on the workday before at the same time
	AdjustSkip     Adjust = "skip"     // not at all
)

// ScheduleOptions say where and when a schedule's words are meant.
type ScheduleOptions struct {
	Calendar *Calendar      // tells workdays; nil: Plain
	Zone     *time.Location // nil: that of the calendar
	Adjust   Adjust
}

// Schedule is a repeating time. It never changes and may be used concurrently.
//
// Days go by the civil days of its zone. On days when the clock changes, a run whose time the clock skips is once, at the first
// instant after the gap; a run whose time comes twice is once, the first time. Only schedules that run in every hour ("*/15 * * * *",
// "every 15m") go by the time that passes: they run in both hours of an overlap and have no runs in a gap.
type Schedule struct {
	text   string
	loc    *time.Location
	cal    *Calendar
	adjust Adjust

	days    func(day int) bool // the days on which it runs, before the adjustment
	minutes []int              // the times of day, sorted; nil where hourly is set
	hourly  uint64             // minutes of every hour, as bits
	every   time.Duration      // a fixed distance instead of all of the above
}

const (
	maxScheduleText = 200
	// maxSearch is the longest wait between two runs in days: 29 February may be eight years away, and be more than once on a free day.
	maxSearch = 41 * 366
	// maxShift bounds the search for a workday around a run.
	maxShift = 400
	minEvery = time.Minute
	maxEvery = 366 * 24 * time.Hour
)

// everyAnchor is where fixed distances are counted from, on the clock of the zone: a Monday.
var everyAnchor = dayNumber(2001, 1, 1)

// ParseSchedule reads a cron expression of five fields (with L, W, # and an optional TZ=zone before it), @daily and its kin, or words:
//
//	every 15m, every 2 hours, 每15分钟
//	every day 09:00, 每天 8:30 和 18:00
//	every workday 09:00, 每个工作日 09:00 (by the calendar); every weekday 9am (Monday to Friday)
//	every monday and thursday 08:30, mon-fri 17:00, 每周一、三 下午3点
//	first day of month 09:00, 15th of each month 09:00, last workday of month 17:00, 2nd tuesday of month 10:00
//	每月1日 09:00, 每月最后一个工作日 17:00, 每月第二个周二 10:00, 每月倒数第2天 10:00
//	first workday of quarter 09:00, 每季度第一天 09:00
//	every year on 1 March 09:00, 每年3月1日 09:00
func ParseSchedule(text string, o ScheduleOptions) (*Schedule, error) {
	s, err := parseSchedule(text, o)
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w", clip(text), err)
	}
	return s, nil
}

func parseSchedule(text string, o ScheduleOptions) (*Schedule, error) {
	s := &Schedule{text: strings.TrimSpace(text), cal: o.Calendar, loc: o.Zone, adjust: o.Adjust}
	if s.cal == nil {
		s.cal, _ = Builtin(Plain)
	}
	if s.loc == nil {
		s.loc = s.cal.loc
	}
	switch s.adjust {
	case "", AdjustNone, AdjustNext, AdjustPrevious, AdjustSkip:
	default:
		return nil, fmt.Errorf("no adjustment %q; there are none, next, previous and skip", clip(string(s.adjust)))
	}
	if s.text == "" || len(s.text) > maxScheduleText {
		return nil, fmt.Errorf("between 1 and %d bytes", maxScheduleText)
	}
	parse := s.parsePhrase
	if looksLikeCron(s.text) {
		parse = s.parseCron
	}
	if err := parse(s.text); err != nil {
		return nil, err
	}
	if s.every == 0 && !s.runsAtAll() {
		return nil, errors.New("no year has such a day")
	}
	if s.every != 0 && (s.adjust == AdjustNext || s.adjust == AdjustPrevious) {
		return nil, errors.New("a run every so often cannot move to another day; adjust it by skip")
	}
	return s, nil
}

// runsAtAll looks for a day in all kinds of years.
func (s *Schedule) runsAtAll() bool {
	first := dayNumber(2000, 1, 1)
	for day := first; day < first+28*366; day++ {
		if s.days(day) {
			return true
		}
	}
	return false
}

// String is the text that the schedule was made of.
func (s *Schedule) String() string { return s.text }

// Location is the zone of the schedule.
func (s *Schedule) Location() *time.Location { return s.loc }

// NeedsCalendar tells whether workdays matter to the schedule, so that unknown years do.
func (s *Schedule) NeedsCalendar() bool {
	return s.adjust != "" && s.adjust != AdjustNone || strings.Contains(s.text, "工作日") || phraseWorkday.MatchString(strings.ToLower(s.text))
}

// Next returns the first run after t, in the schedule's zone. ok is false where there is none within forty years.
func (s *Schedule) Next(t time.Time) (next time.Time, ok bool) {
	if s.every != 0 {
		return s.nextEvery(t)
	}
	today := dayOf(t, s.loc)
	first := today - 1 // a run of a day that the zone left out may be today
	if s.adjust == AdjustNext {
		for i := 0; i < maxShift && !s.cal.workday(first-1); i++ {
			first--
		}
	}
	for day := first; day < today+maxSearch; day++ {
		if !s.days(day) {
			continue
		}
		actual, ok := s.adjusted(day)
		if !ok {
			continue
		}
		if run, ok := s.nextOnDay(actual, t); ok {
			return run, true
		}
	}
	return time.Time{}, false
}

// adjusted is the day on which the run of a day really is. It never changes the order of days.
func (s *Schedule) adjusted(day int) (int, bool) {
	if s.adjust == "" || s.adjust == AdjustNone || s.cal.workday(day) {
		return day, true
	}
	step := map[Adjust]int{AdjustNext: 1, AdjustPrevious: -1}[s.adjust]
	if step == 0 {
		return 0, false
	}
	for range maxShift {
		if day += step; s.cal.workday(day) {
			return day, true
		}
	}
	return 0, false
}

// nextOnDay returns the first run of a day after t.
func (s *Schedule) nextOnDay(day int, t time.Time) (time.Time, bool) {
	if s.hourly != 0 {
		return s.nextHourly(day, t)
	}
	// The instants are in the order of the times on the clock, but for equal ones in a gap.
	i := sort.Search(len(s.minutes), func(i int) bool { return instant(day, s.minutes[i]*60, s.loc).After(t) })
	if i == len(s.minutes) {
		return time.Time{}, false
	}
	return instant(day, s.minutes[i]*60, s.loc), true
}

// nextHourly walks the minutes that really pass on a day.
func (s *Schedule) nextHourly(day int, t time.Time) (time.Time, bool) {
	start, end := instant(day, 0, s.loc), instant(day+1, 0, s.loc)
	next := start
	if !t.Before(start) {
		next = t.In(s.loc).Truncate(time.Second)
		next = next.Add(time.Duration(60-next.Second()) * time.Second)
	}
	for ; next.Before(end); next = next.Add(time.Minute) {
		if s.hourly&(1<<next.Minute()) != 0 {
			return next, true
		}
	}
	return time.Time{}, false
}

func (s *Schedule) nextEvery(t time.Time) (time.Time, bool) {
	anchor := instant(everyAnchor, 0, s.loc)
	for range 2 * maxShift {
		n := t.Sub(anchor) / s.every
		if t.Before(anchor) && t.Sub(anchor)%s.every != 0 {
			n--
		}
		next := anchor.Add((n + 1) * s.every)
		if s.adjust != AdjustSkip {
			return next, true
		}
		day := dayOf(next, s.loc)
		if s.cal.workday(day) {
			return next, true
		}
		for i := 0; i < maxShift && !s.cal.workday(day); i++ {
			day++
		}
		t = instant(day, 0, s.loc).Add(-time.Nanosecond)
	}
	return time.Time{}, false
}

// Last returns the latest run at or before t.
func (s *Schedule) Last(t time.Time) (last time.Time, ok bool) {
	isDue := func(from time.Time) bool {
		next, ok := s.Next(from)
		return ok && !next.After(t)
	}
	back := time.Minute
	for ; !isDue(t.Add(-back)); back *= 2 {
		if back > maxSearch*24*time.Hour {
			return time.Time{}, false
		}
	}
	// The run is after `low` and none that is due is after `high`: halve what is between.
	low, high := t.Add(-back), t
	for high.Sub(low) > time.Second {
		middle := low.Add(high.Sub(low) / 2)
		if isDue(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return s.Next(low)
}

// Between returns the runs after `from` until `to`, at most limit.
func (s *Schedule) Between(from, to time.Time, limit int) []time.Time {
	var runs []time.Time
	for t := from; len(runs) < limit; {
		next, ok := s.Next(t)
		if !ok || next.After(to) {
			break
		}
		runs = append(runs, next)
		t = next
	}
	return runs
}
