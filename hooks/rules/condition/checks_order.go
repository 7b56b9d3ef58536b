package condition

import (
	"errors"
	"time"
)

// checkOrder compares numbers or times.
func checkOrder(wanted func(sign int) bool) check {
	return func(e *evaluation, l *leaf, fact *operand) (verdict, error) {
		value, why, err := e.argument(&l.args.values[0])
		if err != nil || why != nil {
			return verdict{why: why}, err
		}
		return e.inOrder(l.fact.Type, fact, value, wanted), nil
	}
}

// checkTimes compares times.
func checkTimes(wanted func(sign int) bool) check {
	return func(e *evaluation, l *leaf, fact *operand) (verdict, error) {
		value, why, err := e.argument(&l.args.values[0])
		if err != nil || why != nil {
			return verdict{why: why}, err
		}
		return e.inOrder(TypeTime, fact, value, wanted), nil
	}
}

func (e *evaluation) inOrder(t Type, a, b *operand, wanted func(sign int) bool) verdict {
	sign, bad := e.order(t, a, b)
	if bad.truth != True {
		return bad
	}
	return decided(wanted(sign))
}

// checkBetween includes both ends.
func checkBetween(e *evaluation, l *leaf, fact *operand) (verdict, error) {
	out := verdict{truth: True}
	for i, wanted := range []func(sign int) bool{func(sign int) bool { return sign >= 0 }, func(sign int) bool { return sign <= 0 }} {
		value, why, err := e.argument(&l.args.values[i])
		if err != nil {
			return verdict{}, err
		}
		v := verdict{why: why}
		if why == nil {
			v = e.inOrder(l.fact.Type, fact, value, wanted)
		}
		out = out.and(v)
	}
	return out, nil
}

// Calendar knows workdays and business hours. In years whose holidays it does not know, its weeks are plain ones.
type Calendar interface {
	// IsWorkday reports whether the day of t is worked.
	IsWorkday(t time.Time) bool
	// InHours reports whether t lies in business hours.
	InHours(t time.Time) bool
	// Between returns the business time from one instant to a later one.
	Between(from, to time.Time) time.Duration
}

// errNoClock is a mistake of who calls: without it every age would be wrong.
var errNoClock = errors.New("evaluate a condition about time: no current time is given")

// time reads the fact as a time for a check that needs the clock or the calendar.
func (e *evaluation) time(fact *operand) (span, verdict) {
	if empty(fact.raw) {
		return span{}, badValue(fact, "为空，没有时间", "is empty and no time")
	}
	s, ok := e.span(fact)
	if !ok {
		return span{}, badValue(fact, "不是时间", "is not a time")
	}
	return s, verdict{truth: True}
}

// checkWithin takes the instant of the fact, or the start of its day, against a window round now.
func checkWithin(e *evaluation, l *leaf, fact *operand) (verdict, error) {
	if e.options.Now.IsZero() {
		return verdict{}, errNoClock
	}
	s, bad := e.time(fact)
	if bad.truth != True {
		return bad, nil
	}
	w, now := &l.args.window, e.options.Now
	before := s.start.Before(now)
	switch {
	case before && w.last == 0 && s.end.After(now): // today, and only what comes is asked for
		return decided(true), nil
	case before && w.last == 0, !before && w.next == 0 && s.start.After(now):
		return decided(false), nil
	case before:
		return e.shorter(s.start, now, w.last, w.business), nil
	}
	return e.shorter(now, s.start, w.next, w.business), nil
}

// checkOlder asks whether at least the age has passed since the instant, or the start of the day.
func checkOlder(e *evaluation, l *leaf, fact *operand) (verdict, error) {
	if e.options.Now.IsZero() {
		return verdict{}, errNoClock
	}
	s, bad := e.time(fact)
	if bad.truth != True {
		return bad, nil
	}
	if s.start.After(e.options.Now) {
		return decided(false), nil
	}
	passed, bad := e.elapsed(s.start, e.options.Now, l.args.window.business)
	if bad.truth != True {
		return bad, nil
	}
	return decided(passed >= l.args.window.last), nil
}

// shorter reports whether from one time to a later one passes at most a limit.
func (e *evaluation) shorter(from, to time.Time, limit time.Duration, business bool) verdict {
	passed, bad := e.elapsed(from, to, business)
	if bad.truth != True {
		return bad
	}
	return decided(passed <= limit)
}

func (e *evaluation) elapsed(from, to time.Time, business bool) (time.Duration, verdict) {
	if !business {
		return to.Sub(from), verdict{truth: True}
	}
	if v := e.hasCalendar(); v.truth != True {
		return 0, v
	}
	return e.options.Calendar.Between(from, to), verdict{truth: True}
}

// hasCalendar is True where there is one. In a year whose holidays it does not have, it goes by weekends.
func (e *evaluation) hasCalendar() verdict {
	if e.options.Calendar == nil {
		return verdict{why: &UnknownFact{Path: "time.workday", ZH: "没有工作日历", EN: "there is no business calendar"}}
	}
	return verdict{truth: True}
}

func checkWorkday(e *evaluation, l *leaf, fact *operand) (verdict, error) {
	return e.calendarSays(l, fact, Calendar.IsWorkday), nil
}

func checkBusinessHours(e *evaluation, l *leaf, fact *operand) (verdict, error) {
	return e.calendarSays(l, fact, Calendar.InHours), nil
}

// calendarSays asks about the instant of the fact, or the start of its day.
func (e *evaluation) calendarSays(l *leaf, fact *operand, question func(Calendar, time.Time) bool) verdict {
	s, bad := e.time(fact)
	if bad.truth != True {
		return bad
	}
	if v := e.hasCalendar(); v.truth != True {
		return v
	}
	return decided(question(e.options.Calendar, s.start) == l.args.flag)
}
