package mirror

import (
	"time"

	"heliograph/config"
)

// maxDays is how many days are looked at for the next delivery: a week, and the days round it that a change of the
// zone may skip or repeat.
const maxDays = 9

// next returns the first moment at or after t at which a target is delivered to. Each day of the calendar has one such moment:
// a time that the clocks skip is the end of the gap, one that they show twice is the first of both.
func next(d config.Delivery, t time.Time) time.Time {
	switch d.When {
	case config.DeliverHourly:
		return nextHour(t.In(d.Location()))
	case config.DeliverDaily, config.DeliverWeekly:
	default:
		return t
	}
	local := t.In(d.Location())
	hour, minute := d.Clock()
	for day := range maxDays {
		// At noon there is each day, whatever the clocks do.
		noon := time.Date(local.Year(), local.Month(), local.Day()+day, 12, 0, 0, 0, local.Location())
		if d.When == config.DeliverWeekly && noon.Weekday() != d.Day.Weekday() {
			continue
		}
		if at := moment(noon, hour, minute); !at.Before(t) {
			return at
		}
	}
	return t // a zone that skips more than a week: late is worse than early
}

// moment returns when a day's clocks show a time for the first time.
func moment(day time.Time, hour, minute int) time.Time {
	at := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, day.Location())
	start, end := at.ZoneBounds()
	wanted := time.Date(day.Year(), day.Month(), day.Day(), hour, minute, 0, 0, time.UTC)
	shown := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), 0, 0, time.UTC)
	switch { // in a gap, at is off by its length, to one side or the other
	case shown.Before(wanted):
		return end
	case shown.After(wanted):
		return start
	}
	if start.IsZero() {
		return at
	}
	_, offset := at.Zone()
	_, before := start.Add(-time.Second).Zone()
	if back := time.Duration(before-offset) * time.Second; back > 0 && at.Add(-back).Before(start) {
		return at.Add(-back)
	}
	return at
}

// nextHour returns when the clocks next show a full hour.
func nextHour(t time.Time) time.Time {
	past := time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
	if past == 0 {
		return t
	}
	at := t.Add(time.Hour - past)
	if at.Minute() != 0 { // the clocks were changed by less than an hour meanwhile
		return at.Add(time.Hour - time.Duration(at.Minute())*time.Minute)
	}
	return at
}

// due returns when a target may have what is known at t; the zero time means at once.
func (t *target) due(at time.Time) time.Time {
	if t.Deliver.When == "" || t.Deliver.When == config.DeliverNow {
		return time.Time{}
	}
	return next(t.Deliver, at)
}
