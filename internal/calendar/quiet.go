package calendar

import (
	"errors"
	"fmt"
	"time"
)

// QuietHours are the times of day in which nothing is sent, as data.
//
//	quiet_hours: {from: "22:00", to: "08:00", zone: Asia/Shanghai, workdays_only: true}
type QuietHours struct {
	From string `json:"from" yaml:"from"` // 22:00; after To: over midnight
	To   string `json:"to" yaml:"to"`     // 08:00
	Zone string `json:"zone,omitempty" yaml:"zone,omitempty"`
	// WorkdaysOnly makes days that are no workdays quiet from midnight to midnight.
	WorkdaysOnly bool `json:"workdays_only,omitempty" yaml:"workdays_only,omitempty"`
}

// Quiet is QuietHours, checked. The nil Quiet allows everything. It may be used concurrently.
type Quiet struct {
	from, to int // minutes after midnight
	loc      *time.Location
	workdays *Calendar // nil: every day
}

// Compile checks the hours. The calendar tells workdays and, where no zone is named, the zone. From and To may both be empty where only
// the days matter.
func (q QuietHours) Compile(c *Calendar) (*Quiet, error) {
	out := &Quiet{loc: c.loc}
	if q.WorkdaysOnly {
		out.workdays = c
	}
	var err error
	if q.Zone != "" {
		if out.loc, err = loadZone(q.Zone); err != nil {
			return nil, fmt.Errorf("quiet hours: zone: %w", err)
		}
	}
	if q.From == "" && q.To == "" && q.WorkdaysOnly {
		return out, nil
	}
	if out.from, err = parseClock(q.From); err != nil {
		return nil, fmt.Errorf("quiet hours: from: %w", err)
	}
	if out.to, err = parseClock(q.To); err != nil {
		return nil, fmt.Errorf("quiet hours: to: %w", err)
	}
	if out.from%1440 == out.to%1440 {
		return nil, errors.New("quiet hours: from and to are the same time: either nothing or everything would be quiet")
	}
	out.from, out.to = out.from%1440, out.to%1440
	return out, nil
}

// Allowed tells whether something may be sent at t. The hours hold their beginning and not their end.
func (q *Quiet) Allowed(t time.Time) bool {
	return q == nil || !q.quietDay(t) && !q.quietHour(t)
}

// NextAllowed returns t where something may be sent then, and otherwise the first time after it when it may.
func (q *Quiet) NextAllowed(t time.Time) time.Time {
	if q == nil {
		return t
	}
	start := t
	for {
		switch {
		case q.quietDay(t):
			day := dayOf(t, q.loc) + 1
			for !q.workdays.workday(day) {
				day++
			}
			t = instant(day, 0, q.loc)
		case q.quietHour(t):
			t = q.endOfHours(t)
		default:
			return t.In(start.Location())
		}
	}
}

func (q *Quiet) quietDay(t time.Time) bool {
	return q.workdays != nil && !q.workdays.workday(dayOf(t, q.loc))
}

func (q *Quiet) quietHour(t time.Time) bool {
	h, m, _ := t.In(q.loc).Clock()
	now := h*60 + m
	if q.from < q.to {
		return q.from <= now && now < q.to
	}
	return q.from != q.to && (now >= q.from || now < q.to)
}

// endOfHours is when the quiet hours that t is in are over.
func (q *Quiet) endOfHours(t time.Time) time.Time {
	h, m, s := t.In(q.loc).Clock()
	day, left := dayOf(t, q.loc), q.to-(h*60+m)
	if left <= 0 {
		day, left = day+1, left+1440
	}
	if end := instant(day, q.to*60, q.loc); end.After(t) {
		return end
	}
	// The clock shows the end a second time today, and t is in between.
	return t.Add(time.Duration(left)*time.Minute - time.Duration(s)*time.Second).Truncate(time.Second)
}
