package calendar_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"heliograph/internal/calendar"
)

func schedule(t testing.TB, text, in string, adjust calendar.Adjust) *calendar.Schedule {
	t.Helper()
	o := calendar.ScheduleOptions{Calendar: builtin(t, calendar.China), Adjust: adjust}
	if in != "" {
		o.Zone = zone(t, in)
	}
	s, err := calendar.ParseSchedule(text, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const minuteLayout = "2006-01-02 15:04"

func TestNext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, after string
		want        string // up to three runs
	}{
		{"0 9 1 * *", "2026-11-22 10:00", "2026-12-01 09:00|2027-01-01 09:00"},
		{"*/15 9-10 * * MON", "2026-11-22 10:00", "2026-11-23 09:00|2026-11-23 09:15"},
		{"0 9 L * *", "2026-11-22 10:00", "2026-11-30 09:00|2026-12-31 09:00"},
		{"0 9 LW * *", "2026-10-22 10:00", "2026-10-30 09:00"},
		{"0 9 15W * *", "2026-11-01 10:00", "2026-11-16 09:00|2026-12-15 09:00"},
		{"0 9 * * MON#1", "2026-11-22 10:00", "2026-12-07 09:00"},
		{"0 9 * * FRI#L", "2026-11-22 10:00", "2026-11-27 09:00"},
		{"0 9 * * 7", "2026-11-22 10:00", "2026-11-29 09:00"},
		{"0 0 29 2 *", "2026-11-22 10:00", "2028-02-29 00:00|2032-02-29 00:00"},
		{"@daily", "2026-11-22 10:00", "2026-11-23 00:00"},
		{"@every 90m", "2026-11-22 10:00", "2026-11-22 10:30|2026-11-22 12:00"},
		{"TZ=UTC 0 9 * * *", "2026-11-22 10:00", "2026-11-22 17:00"}, // shown in Shanghai
		{"every 15m", "2026-11-22 10:01", "2026-11-22 10:15|2026-11-22 10:30"},
		{"每2小时", "2026-11-22 10:01", "2026-11-22 12:00"},
		{"every hour", "2026-11-22 10:01", "2026-11-22 11:00"},
		{"first day of month 09:00", "2026-11-22 10:00", "2026-12-01 09:00|2027-01-01 09:00"},
		{"First day of the month at 9am", "2026-11-22 10:00", "2026-12-01 09:00"},
		{"每月1日 09:00", "2026-11-22 10:00", "2026-12-01 09:00"},
		{"每月1号、15号 上午9点半", "2026-11-22 10:00", "2026-12-01 09:30|2026-12-15 09:30"},
		{"15th of each month 09:00", "2026-11-22 10:00", "2026-12-15 09:00"},
		{"31st of each month 09:00", "2026-11-22 10:00", "2026-12-31 09:00|2027-01-31 09:00|2027-03-31 09:00"},
		{"monthly on the 15th 09:00", "2026-11-22 10:00", "2026-12-15 09:00"},
		{"last workday of month 17:00", "2026-09-22 10:00", "2026-09-30 17:00|2026-10-30 17:00"},
		{"每月最后一个工作日 17:00", "2026-01-22 10:00", "2026-01-30 17:00|2026-02-28 17:00"}, // a make-up Saturday
		{"每月第一个工作日 9点", "2026-09-22 10:00", "2026-10-08 09:00"},
		{"每月底 17:00", "2026-11-22 10:00", "2026-11-30 17:00"},
		{"每月倒数第二天 17:00", "2026-11-22 10:00", "2026-11-29 17:00"},
		{"second to last day of month 17:00", "2026-11-22 10:00", "2026-11-29 17:00"},
		{"2nd tuesday of month 10:00", "2026-11-22 10:00", "2026-12-08 10:00"},
		{"每月第二个周二 10:00", "2026-11-22 10:00", "2026-12-08 10:00"},
		{"first workday of quarter 09:00", "2026-11-22 10:00", "2027-01-01 09:00"}, // 2027 is not known: a plain Friday
		{"每季度第一天 09:00", "2026-11-22 10:00", "2027-01-01 09:00|2027-04-01 09:00"},
		{"every year on 1 March 09:00", "2026-11-22 10:00", "2027-03-01 09:00"},
		{"每年3月1日 09:00", "2026-11-22 10:00", "2027-03-01 09:00"},
		{"every monday 08:30", "2026-11-22 10:00", "2026-11-23 08:30|2026-11-30 08:30"},
		{"monday, wednesday and friday 08:30", "2026-11-22 10:00", "2026-11-23 08:30|2026-11-25 08:30|2026-11-27 08:30"},
		{"mon-fri 8:30", "2026-10-09 10:00", "2026-10-12 08:30"},
		{"每周一、三 下午3点", "2026-11-22 10:00", "2026-11-23 15:00|2026-11-25 15:00"},
		{"每周一至周五 18:00", "2026-11-20 19:00", "2026-11-23 18:00"},
		{"每个工作日 09:00", "2026-10-09 10:00", "2026-10-10 09:00|2026-10-12 09:00"},
		{"every workday 09:00 and 14:00", "2026-09-30 10:00", "2026-09-30 14:00|2026-10-08 09:00"},
		{"every weekday 9 am", "2026-10-09 10:00", "2026-10-12 09:00"},
		{"每天 8:30 和 18：00", "2026-11-22 10:00", "2026-11-22 18:00|2026-11-23 08:30"},
		{"every day at 12pm", "2026-11-22 10:00", "2026-11-22 12:00"},
	} {
		t.Run(c.text, func(t *testing.T) {
			t.Parallel()
			s := schedule(t, c.text, "", "")
			next := at(t, c.after, "Asia/Shanghai")
			for _, want := range strings.Split(c.want, "|") {
				var ok bool
				if next, ok = s.Next(next); !ok || next.In(zone(t, "Asia/Shanghai")).Format(minuteLayout) != want {
					t.Fatalf("next: %v %v, want %s", next, ok, want)
				}
			}
		})
	}
}

func TestAdjust(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text   string
		adjust calendar.Adjust
		after  string
		want   string
	}{
		{"0 9 1 * *", calendar.AdjustNone, "2026-09-22 10:00", "2026-10-01 09:00|2026-11-01 09:00"},
		{"0 9 1 * *", calendar.AdjustNext, "2026-09-22 10:00", "2026-10-08 09:00|2026-11-02 09:00"},
		{"0 9 1 * *", calendar.AdjustPrevious, "2026-09-22 10:00", "2026-09-30 09:00|2026-10-30 09:00"},
		{"0 9 1 * *", calendar.AdjustSkip, "2026-09-22 10:00", "2026-12-01 09:00"},
		{"0 9 1 * *", calendar.AdjustNext, "2026-10-05 10:00", "2026-10-08 09:00"}, // in the middle of the holiday
		{"0 9 * * *", calendar.AdjustNext, "2026-09-30 10:00", "2026-10-08 09:00|2026-10-09 09:00"},
		{"0 9 1 * *", calendar.AdjustPrevious, "2026-09-30 10:00", "2026-10-30 09:00"},
		{"every 6h", calendar.AdjustSkip, "2026-09-30 20:00", "2026-10-08 00:00|2026-10-08 06:00"},
	} {
		s := schedule(t, c.text, "Asia/Shanghai", c.adjust)
		next := at(t, c.after, "Asia/Shanghai")
		for _, want := range strings.Split(c.want, "|") {
			var ok bool
			if next, ok = s.Next(next); !ok || next.Format(minuteLayout) != want {
				t.Errorf("%s %s after %s: %v, want %s", c.text, c.adjust, c.after, next, want)
				break
			}
		}
	}
}

// TestSchedulesOverClockChanges: once in a gap, once in an overlap, and hourly ones by the time that passes.
func TestSchedulesOverClockChanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, zone, from, to string
		want                 string // UTC
	}{
		{"30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", "2026-03-30 12:00", "2026-03-29 01:00|2026-03-30 00:30"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", "2026-10-26 12:00", "2026-10-25 00:30|2026-10-26 01:30"},
		{"15,30 2,3 * * *", "Europe/Berlin", "2026-03-29 00:00", "2026-03-29 12:00", "2026-03-29 01:00|2026-03-29 01:15|2026-03-29 01:30"},
		{"0 * * * *", "Europe/Berlin", "2026-10-25 01:30", "2026-10-25 03:30", "2026-10-25 00:00|2026-10-25 01:00|2026-10-25 02:00"},
		{"0 * * * *", "Europe/Berlin", "2026-03-29 00:30", "2026-03-29 04:30", "2026-03-29 00:00|2026-03-29 01:00|2026-03-29 02:00"},
		{"every day 00:30", "America/Santiago", "2026-09-05 12:00", "2026-09-07 12:00", "2026-09-06 04:00|2026-09-07 03:30"},
		{"every day 12:00", "Pacific/Apia", "2011-12-28 13:00", "2012-01-01 00:00", "2011-12-29 22:00|2011-12-30 10:00|2011-12-30 22:00"}, // 30 December was left out
		{"every 30m", "Europe/Berlin", "2026-10-25 02:45", "2026-10-25 03:15", "2026-10-25 01:00|2026-10-25 01:30|2026-10-25 02:00"},
	} {
		s := schedule(t, c.text, c.zone, "")
		from := at(t, c.from, c.zone)
		if c.text == "every 30m" { // the first time that the clock shows it
			from = time.Date(2026, 10, 25, 0, 45, 0, 0, time.UTC)
		}
		var got []string
		for _, run := range s.Between(from, at(t, c.to, c.zone), 10) {
			got = append(got, run.UTC().Format(minuteLayout))
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%s in %s: %v, want %s", c.text, c.zone, got, c.want)
		}
	}
}

// TestRandomSchedules: two thousand schedules never go back, never stand still, and Last is the inverse of Next.
func TestRandomSchedules(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	cn := builtin(t, calendar.China)
	for i := range 2000 {
		text, o := randomSchedule(t, rnd)
		o.Calendar = cn
		s, err := calendar.ParseSchedule(text, o)
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		from := time.Date(2011+rnd.IntN(17), time.Month(1+rnd.IntN(12)), 1+rnd.IntN(28), rnd.IntN(24), rnd.IntN(60), rnd.IntN(60), 0, time.UTC)
		runs := 8
		if rnd.IntN(4) == 0 { // begin right before a change of the clock
			_, end := from.In(o.Zone).ZoneBounds()
			if !end.IsZero() {
				from = end.Add(-time.Duration(rnd.IntN(180)) * time.Minute)
			}
		}
		last := from
		for range runs {
			next, ok := s.Next(last)
			if !ok {
				break
			}
			if !next.After(last) {
				t.Fatalf("%q in %v: after %v comes %v", text, o.Zone, last, next)
			}
			if between, _ := s.Next(last.Add(next.Sub(last) / 2)); !between.Equal(next) && next.Sub(last) > time.Second {
				t.Fatalf("%q in %v: after %v comes %v, from the middle %v", text, o.Zone, last, next, between)
			}
			if back, ok := s.Last(next.Add(time.Second)); i%4 == 0 && (!ok || !back.Equal(next)) {
				t.Fatalf("%q in %v: the last run at %v is %v", text, o.Zone, next, back)
			}
			last = next
		}
	}
}

func randomSchedule(t testing.TB, rnd *rand.Rand) (string, calendar.ScheduleOptions) {
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	o := calendar.ScheduleOptions{Zone: zone(t, zones[rnd.IntN(len(zones))])}
	clock := fmt.Sprintf("%02d:%02d", rnd.IntN(24), rnd.IntN(60))
	kind := rnd.IntN(4)
	if kind != 0 {
		o.Adjust = []calendar.Adjust{"", calendar.AdjustNext, calendar.AdjustPrevious, calendar.AdjustSkip}[rnd.IntN(4)]
	}
	switch kind {
	case 0:
		return fmt.Sprintf("every %d%s", 1+rnd.IntN(300), pick("m", "h")), o
	case 1:
		return pick("every day ", "every workday ", "last workday of month ", "first day of month ", "每月15日 ", "3rd friday of month ", "every tue and sat ", "last day of quarter ") + clock, o
	}
	fields := pick("*", "*/7", fmt.Sprint(rnd.IntN(60)), "5,35", "50-10") + " " + pick("*", "*/5", fmt.Sprint(rnd.IntN(24)), "1-3", "22-2") + " "
	if rnd.IntN(2) == 0 {
		return fields + pick("*", fmt.Sprint(1+rnd.IntN(28)), "L", "LW", "15W", "*/10") + " " + pick("*", "*/3", fmt.Sprint(1+rnd.IntN(12))) + " *", o
	}
	return fields + "* * " + pick("*", "MON-FRI", "0", "6", "7", "TUE#2", "SUN#L"), o
}

func TestWrongSchedules(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                            "between 1 and",
		"0 9 31 2 *":                  "no year has such a day",
		"0 9 30 2 *":                  "no year has such a day",
		"0 9 1 * MON":                 "MON#1",
		"61 9 * * *":                  "cron expression",
		"0 9 * *":                     "cannot be read",
		"TZ=Mars 0 9 * * *":           "no time zone",
		"every 10s":                   "cannot be read",
		"@every 10s":                  "every minute",
		"every 0m":                    "every minute",
		"first day of month":          "no time of day",
		"every day 25:00":             "25:00 is no time of day",
		"every day 13pm":              "no time of day",
		"every blue moon 09:00":       "cannot be read",
		"umpteenth day of month 9:00": "no number such as first",
		"6th monday of month 09:00":   "there is no 6th monday",
		"32nd of each month 09:00":    "no month has a day 32",
		"每年2月30日 09:00":               "has no day 30",
		strings.Repeat("every ", 90):  "between 1 and",
	} {
		if s, err := calendar.ParseSchedule(text, calendar.ScheduleOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v %v, want %q", text, s, err, want)
		}
	}
	if _, err := calendar.ParseSchedule("every 15m", calendar.ScheduleOptions{Adjust: calendar.AdjustNext}); err == nil {
		t.Error("a fixed distance cannot move")
	}
	if _, err := calendar.ParseSchedule("@daily", calendar.ScheduleOptions{Adjust: "nearest"}); err == nil {
		t.Error("no such adjustment")
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	const sh = "Asia/Shanghai"
	daily, often := schedule(t, "every day 09:00", sh, ""), schedule(t, "every 1m", sh, "")
	for _, c := range []struct {
		name      string
		s         *calendar.Schedule
		last, now string
		m         calendar.Missed
		want      string
		left      bool
	}{
		{"nothing yet", daily, "2026-11-20 09:00", "2026-11-21 08:59", calendar.Missed{}, "", false},
		{"on time", daily, "2026-11-20 09:00", "2026-11-21 09:00", calendar.Missed{}, "2026-11-21 09:00", false},
		{"once", daily, "2026-11-17 09:00", "2026-11-20 12:00", calendar.Missed{}, "2026-11-20 09:00", true},
		{"once, one", daily, "2026-11-19 09:00", "2026-11-20 12:00", calendar.Missed{Policy: calendar.MissedOnce}, "2026-11-20 09:00", false},
		{"all", daily, "2026-11-17 09:00", "2026-11-20 12:00", calendar.Missed{Policy: calendar.MissedAll}, "2026-11-18 09:00|2026-11-19 09:00|2026-11-20 09:00", false},
		{"all, bounded", daily, "2026-01-17 09:00", "2026-11-20 12:00", calendar.Missed{Policy: calendar.MissedAll, Max: 2}, "2026-11-19 09:00|2026-11-20 09:00", true},
		{"skip, late", daily, "2026-11-17 09:00", "2026-11-20 12:00", calendar.Missed{Policy: calendar.MissedSkip}, "", true},
		{"skip, in time", daily, "2026-11-17 09:00", "2026-11-20 09:05", calendar.Missed{Policy: calendar.MissedSkip}, "2026-11-20 09:00", true},
		{"skip, own grace", daily, "2026-11-17 09:00", "2026-11-20 12:00", calendar.Missed{Policy: calendar.MissedSkip, Grace: 3 * time.Hour}, "2026-11-20 09:00", true},
		{"clock went back", daily, "2026-11-21 09:00", "2026-11-20 12:00", calendar.Missed{Policy: calendar.MissedAll}, "", false},
		{"every minute for a year", often, "2025-11-20 09:00", "2026-11-20 12:00", calendar.Missed{}, "2026-11-20 12:00", true},
	} {
		runs, left := c.s.Due(at(t, c.last, sh), at(t, c.now, sh), c.m)
		var got []string
		for _, r := range runs {
			got = append(got, r.Format(minuteLayout))
		}
		if strings.Join(got, "|") != c.want || left != c.left {
			t.Errorf("%s: %v left %v, want %s left %v", c.name, got, left, c.want, c.left)
		}
	}
	if runs, _ := often.Due(at(t, "2016-11-20 09:00", sh), at(t, "2026-11-20 12:00", sh), calendar.Missed{Policy: calendar.MissedAll}); len(runs) != calendar.MaxMissed {
		t.Errorf("%d runs, want %d", len(runs), calendar.MaxMissed)
	}
	if runs, left := daily.Due(time.Time{}, at(t, "2026-11-20 12:00", sh), calendar.Missed{Policy: calendar.MissedAll}); len(runs) != 0 || left {
		t.Error("a schedule that was never turned on has missed something")
	}
	if err := (calendar.Missed{Policy: "most"}).Check(); err == nil {
		t.Error("no such policy")
	}
}

func FuzzSchedule(f *testing.F) {
	for _, s := range []string{"0 9 1 * *", "every 15m", "每月最后一个工作日 17:00", "TZ=UTC */5 * * * *", "@weekly", "2nd tuesday of month 10:00", "* * L-3 * *", "0 0 * * SUN#5"} {
		f.Add(s, int64(1790000000))
	}
	cn := builtin(f, calendar.China)
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		s, err := calendar.ParseSchedule(text, calendar.ScheduleOptions{Calendar: cn, Adjust: calendar.AdjustSkip})
		if err != nil {
			return
		}
		from := time.Unix(unix%4e9, 0)
		if next, ok := s.Next(from); ok && !next.After(from) {
			t.Fatalf("%q: after %v comes %v", text, from, next)
		}
	})
}
