package calendar_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"heliograph/internal/calendar"
)

func TestParseOffset(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2 business hours": "2 business hours", "4 工作小时": "4 business hours", "4个工作小时": "4 business hours", "1.5 working hours": "90 business minutes",
		"3 workdays": "3 workdays", "3 个工作日": "3 workdays", "three": "", "三个工作日": "3 workdays", "5 business days": "5 workdays", "1 work-day": "1 workday",
		"-2d": "-2 days", "+2d": "2 days", "90m": "90 minutes", "1h30m": "90 minutes", "45s": "45 seconds", "2h": "2 hours", "0m": "0 minutes",
		"1 week": "1 week", "2 months": "2 months", "2个月": "2 months", "一年": "1 year", "两天": "2 days", "两天前": "-2 days", "3 天后": "3 days", "提前3天": "-3 days",
		"3 days before": "-3 days", "2 hours ago": "-2 hours", "2 weeks later": "2 weeks", "半小时": "30 minutes", "半个小时": "30 minutes", "一个半小时": "90 minutes",
		"half an hour": "30 minutes", "an hour": "1 hour", "a day": "1 day", "十五分钟": "15 minutes", "二十天": "20 days", "一百二十天": "120 days", "３ 个工作日": "3 workdays",
		"半天": "", "半个工作日": "", "": "", "2": "", "days": "", "2 parsecs": "", "1.3 hours": "", "99999 years": "", "-": "", "2 days 3": "", "10000000000h": "", "1e3 days": "",
	} {
		o, err := calendar.ParseOffset(text)
		got := ""
		if err == nil {
			got = o.String()
		}
		if got != want {
			t.Errorf("%q: %q %v, want %q", text, got, err, want)
		}
	}
}

var units = []calendar.Unit{
	calendar.Second, calendar.Minute, calendar.Hour, calendar.Day, calendar.Week, calendar.Month, calendar.Year,
	calendar.BusinessMinute, calendar.BusinessHour, calendar.Workday,
}

// TestOffsetText: both languages and JSON are read back as what they were, and more of a unit is never earlier.
func TestOffsetText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		o := calendar.Offset{N: rapid.IntRange(-20, 20).Draw(r, "n"), Unit: rapid.SampledFrom(units).Draw(r, "unit")}
		for _, language := range []string{"en", "zh-CN"} {
			if back, err := calendar.ParseOffset(o.Text(language)); err != nil || back != o {
				r.Fatalf("%+v is %q is %+v, %v", o, o.Text(language), back, err)
			}
		}
		data, err := json.Marshal(o)
		if err != nil {
			r.Fatal(err)
		}
		var back calendar.Offset
		if err := json.Unmarshal(data, &back); err != nil || back != o {
			r.Fatalf("%s is %+v, %v", data, back, err)
		}
		c := builtin(t, calendar.China).In(zone(t, rapid.SampledFrom(zones).Draw(r, "zone")))
		at := time.Unix(1700000000+rapid.Int64Range(0, 1e8).Draw(r, "at"), 0)
		more := calendar.Offset{N: o.N + 1, Unit: o.Unit}
		if more.Apply(at, c).Before(o.Apply(at, c)) {
			r.Fatalf("%v after %v is before %v", more, at, o)
		}
	})
}

func TestApply(t *testing.T) {
	t.Parallel()
	const sh = "Asia/Shanghai"
	cn := builtin(t, calendar.China)
	for _, c := range []struct{ from, offset, want string }{
		{"2026-01-31 10:00", "1 month", "2026-02-28 10:00"},
		{"2024-02-29 10:00", "1 year", "2025-02-28 10:00"},
		{"2026-03-31 10:00", "-1 month", "2026-02-28 10:00"},
		{"2026-12-15 10:00", "2 months", "2027-02-15 10:00"},
		{"2026-11-20 17:00", "2 business hours", "2026-11-23 10:00"},
		{"2026-11-20 17:00", "3个工作日", "2026-11-25 17:00"},
		{"2026-11-20 17:00", "-2d", "2026-11-18 17:00"},
		{"2026-11-20 17:00", "1 week", "2026-11-27 17:00"},
		{"2026-11-20 17:00", "90m", "2026-11-20 18:30"},
	} {
		o, err := calendar.ParseOffset(c.offset)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Apply(at(t, c.from, sh), cn); !got.Equal(at(t, c.want, sh)) {
			t.Errorf("%s + %s = %v, want %s", c.from, c.offset, got, c.want)
		}
	}
	// A day is a day on the clock, an hour an hour that passes.
	const ny = "America/New_York"
	us := cn.In(zone(t, ny))
	for offset, want := range map[string]string{"1 day": "2026-03-08 12:00", "24h": "2026-03-08 13:00"} {
		o, err := calendar.ParseOffset(offset)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Apply(at(t, "2026-03-07 12:00", ny), us); !got.Equal(at(t, want, ny)) {
			t.Errorf("%s: %v, want %s", offset, got, want)
		}
	}
}

func TestQuietHours(t *testing.T) {
	t.Parallel()
	cn := builtin(t, calendar.China)
	for _, c := range []struct {
		name string
		q    calendar.QuietHours
		in   string
		at   string
		next string // empty: allowed
	}{
		{"evening", calendar.QuietHours{From: "22:00", To: "08:00"}, "Asia/Shanghai", "2026-11-20 23:30", "2026-11-21 08:00"},
		{"early", calendar.QuietHours{From: "22:00", To: "08:00"}, "Asia/Shanghai", "2026-11-20 07:59", "2026-11-20 08:00"},
		{"begins", calendar.QuietHours{From: "22:00", To: "08:00"}, "Asia/Shanghai", "2026-11-20 22:00", "2026-11-21 08:00"},
		{"ends", calendar.QuietHours{From: "22:00", To: "08:00"}, "Asia/Shanghai", "2026-11-20 08:00", ""},
		{"by day", calendar.QuietHours{From: "12:00", To: "13:30"}, "Asia/Shanghai", "2026-11-20 12:15", "2026-11-20 13:30"},
		{"before holiday", calendar.QuietHours{From: "20:00", To: "08:00", WorkdaysOnly: true}, "Asia/Shanghai", "2026-09-30 21:00", "2026-10-08 08:00"},
		{"make-up Saturday", calendar.QuietHours{From: "20:00", To: "08:00", WorkdaysOnly: true}, "Asia/Shanghai", "2026-10-10 10:00", ""},
		{"days only", calendar.QuietHours{WorkdaysOnly: true}, "Asia/Shanghai", "2026-11-21 10:00", "2026-11-23 00:00"},
		{"zone of its own", calendar.QuietHours{From: "22:00", To: "08:00", Zone: "Europe/Berlin"}, "Europe/Berlin", "2026-11-20 23:30", "2026-11-21 08:00"},
		{"end in the gap", calendar.QuietHours{From: "22:00", To: "02:30", Zone: "Europe/Berlin"}, "Europe/Berlin", "2026-03-28 23:30", "2026-03-29 03:00"},
		{"night with a gap", calendar.QuietHours{From: "22:00", To: "08:00", Zone: "Europe/Berlin"}, "Europe/Berlin", "2026-03-28 23:30", "2026-03-29 08:00"},
	} {
		q, err := c.q.Compile(cn)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		now := at(t, c.at, c.in)
		want := now
		if c.next != "" {
			want = at(t, c.next, c.in)
		}
		if got := q.NextAllowed(now); !got.Equal(want) || q.Allowed(now) != (c.next == "") {
			t.Errorf("%s: %v allowed %v, want %v", c.name, got, q.Allowed(now), want)
		}
	}
	for _, q := range []calendar.QuietHours{{}, {From: "22:00"}, {From: "8", To: "9"}, {From: "08:00", To: "08:00"}, {From: "00:00", To: "24:00"}, {From: "22:00", To: "08:00", Zone: "Mars"}} {
		if _, err := q.Compile(cn); err == nil {
			t.Errorf("%+v was taken", q)
		}
	}
	var none *calendar.Quiet
	if now := time.Unix(0, 0); !none.Allowed(now) || !none.NextAllowed(now).Equal(now) {
		t.Error("no quiet hours allow everything")
	}
}

func TestQuietProperties(t *testing.T) {
	t.Parallel()
	cn := builtin(t, calendar.China)
	clocks := []string{"00:00", "01:30", "02:00", "02:30", "03:00", "08:00", "22:00", "24:00"}
	rapid.Check(t, func(r *rapid.T) {
		h := calendar.QuietHours{
			From: rapid.SampledFrom(clocks).Draw(r, "from"), To: rapid.SampledFrom(clocks).Draw(r, "to"),
			Zone: rapid.SampledFrom(zones).Draw(r, "zone"), WorkdaysOnly: rapid.Bool().Draw(r, "workdays"),
		}
		q, err := h.Compile(cn)
		if err != nil {
			r.Skip()
		}
		at := time.Unix(1300000000+rapid.Int64Range(0, 5e8).Draw(r, "at"), 0)
		if _, end := at.In(zone(t, h.Zone)).ZoneBounds(); rapid.Bool().Draw(r, "near a change") && !end.IsZero() {
			at = end.Add(time.Duration(rapid.IntRange(-7200, 7200).Draw(r, "near")) * time.Second)
		}
		next := q.NextAllowed(at)
		if next.Before(at) || !q.Allowed(next) || q.Allowed(at) != next.Equal(at) {
			r.Fatalf("%+v at %v: next %v", h, at, next)
		}
		if next.After(at) && q.Allowed(next.Add(-time.Second)) && !next.Add(-time.Second).Before(at) {
			r.Fatalf("%+v at %v: %v is too late", h, at, next)
		}
	})
}

func FuzzOffset(f *testing.F) {
	for _, s := range []string{"2 business hours", "三个半小时", "-2d", "1h30m", "提前十五天"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := calendar.ParseOffset(s)
		if err != nil {
			return
		}
		if back, err := calendar.ParseOffset(o.String()); err != nil || back != o {
			t.Fatalf("%q is %+v is %q is %+v, %v", s, o, o, back, err)
		}
	})
}
