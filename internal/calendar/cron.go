package calendar

import (
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"strings"
	"time"

	"github.com/netresearch/go-cron"
)

// The library only parses. Its own search for the next run goes by other rules for changes of the clock than ours.
var cronParser = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.Extended)

var cronForm = regexp.MustCompile(`^((CRON_)?TZ=\S+\s+)?(@|[\d*?][\d*/,?-]*\s+\S+\s+\S+\s+\S+\s+\S+$)`)

// looksLikeCron tells a cron expression from words.
func looksLikeCron(text string) bool {
	return cronForm.MatchString(text) && !strings.ContainsFunc(text, func(r rune) bool { return r > 0x7f })
}

const (
	allHours = 1<<24 - 1
	allDays  = 1<<32 - 2 // bits 1 to 31
	allDow   = 1<<7 - 1
)

func (s *Schedule) parseCron(text string) error {
	if zone, rest, ok := strings.Cut(text, " "); ok && strings.Contains(zone, "TZ=") {
		loc, err := loadZone(zone[strings.IndexByte(zone, '=')+1:])
		if err != nil {
			return err
		}
		s.loc, text = loc, strings.TrimSpace(rest)
	}
	parsed, err := cronParser.Parse(text)
	if err != nil {
		return fmt.Errorf("cron expression: %w", err)
	}
	switch spec := parsed.(type) {
	case cron.ConstantDelaySchedule:
		return s.setEvery(spec.Delay)
	case *cron.SpecSchedule:
		return s.setSpec(spec)
	}
	return fmt.Errorf("cron expression: unknown kind %T", parsed)
}

func (s *Schedule) setEvery(d time.Duration) error {
	if d < minEvery || d > maxEvery || d%time.Second != 0 {
		return errors.New("between every minute and every year, in whole seconds")
	}
	s.every = d
	return nil
}

func (s *Schedule) setSpec(spec *cron.SpecSchedule) error {
	dom, dow := spec.Dom&allDays, cron.NormalizeDOW(spec.Dow)&allDow
	anyDom := dom == allDays && len(spec.DomConstraints) == 0
	anyDow := dow == allDow && len(spec.DowConstraints) == 0
	if !anyDom && !anyDow {
		return errors.New("both a day of the month and a weekday: cron programs disagree whether either or both must fit; " +
			"write the nth weekday as MON#1 or FRI#L, or use two rules")
	}
	minutes := spec.Minute & (1<<60 - 1)
	if spec.Hour&allHours == allHours {
		s.hourly = minutes
	} else {
		for h := range 24 {
			for m := range 60 {
				if spec.Hour&(1<<h) != 0 && minutes&(1<<m) != 0 {
					s.minutes = append(s.minutes, h*60+m)
				}
			}
		}
	}
	if bits.OnesCount64(minutes) == 0 || spec.Hour&allHours == 0 {
		return errors.New("cron expression: no time of day")
	}
	months, doms, dows := spec.Month, spec.DomConstraints, spec.DowConstraints
	s.days = func(day int) bool {
		y, m, d := date(day)
		if months&(1<<m) == 0 {
			return false
		}
		w := weekday(day)
		return (dom&(1<<d) != 0 || matchDom(doms, y, m, d)) && (dow&(1<<w) != 0 || matchDow(dows, y, m, d, w))
	}
	return nil
}

func matchDom(list []cron.DomConstraint, y int, m time.Month, d int) bool {
	last := daysInMonth(y, m)
	for _, c := range list {
		want := 0
		switch c.Type {
		case cron.DomLast:
			want = last
		case cron.DomLastOffset:
			want = last - c.N
		case cron.DomLastWeekday:
			want = nearestWeekday(y, m, last)
		case cron.DomNearestWeekday:
			if c.N <= last {
				want = nearestWeekday(y, m, c.N)
			}
		}
		if d == want {
			return true
		}
	}
	return false
}

// nearestWeekday is the day from Monday to Friday that is nearest to d without leaving the month, as Quartz has it.
func nearestWeekday(y int, m time.Month, d int) int {
	last := daysInMonth(y, m)
	switch weekday(dayNumber(y, m, d)) {
	case time.Saturday:
		if d == 1 {
			return 3
		}
		return d - 1
	case time.Sunday:
		if d == last {
			return d - 2
		}
		return d + 1
	}
	return d
}

func matchDow(list []cron.DowConstraint, y int, m time.Month, d int, w time.Weekday) bool {
	for _, c := range list {
		if int(w) != c.Weekday {
			continue
		}
		if c.N == (d-1)/7+1 || c.N == -1 && d+7 > daysInMonth(y, m) {
			return true
		}
	}
	return false
}
