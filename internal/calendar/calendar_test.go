package calendar_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"heliograph/internal/calendar"
)

func builtin(t testing.TB, name string) *calendar.Calendar {
	t.Helper()
	c, ok := calendar.Builtin(name)
	if !ok {
		t.Fatalf("no calendar %q", name)
	}
	return c
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func at(t testing.TB, text, in string) time.Time {
	t.Helper()
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if v, err := time.ParseInLocation(layout, text, zone(t, in)); err == nil {
			return v
		}
	}
	t.Fatalf("no time %q", text)
	return time.Time{}
}

// TestChina holds the calendar against the days off and the days on that the notices name.
func TestChina(t *testing.T) {
	t.Parallel()
	cn := builtin(t, calendar.China)
	for day, want := range map[string]bool{
		"2024-01-01": false, "2024-02-04": true, "2024-02-09": true, "2024-02-10": false, "2024-02-17": false, "2024-02-18": true,
		"2024-04-04": false, "2024-04-07": true, "2024-04-28": true, "2024-05-01": false, "2024-05-05": false, "2024-05-11": true,
		"2024-06-10": false, "2024-09-14": true, "2024-09-17": false, "2024-09-29": true, "2024-10-07": false, "2024-10-12": true,
		"2025-01-01": false, "2025-01-02": true, "2025-01-26": true, "2025-01-28": false, "2025-02-04": false, "2025-02-05": true,
		"2025-02-08": true, "2025-04-04": false, "2025-04-27": true, "2025-05-05": false, "2025-06-02": false, "2025-09-28": true,
		"2025-10-08": false, "2025-10-09": true, "2025-10-11": true,
		"2026-01-02": false, "2026-01-04": true, "2026-02-14": true, "2026-02-15": false, "2026-02-23": false, "2026-02-24": true,
		"2026-02-28": true, "2026-04-06": false, "2026-05-05": false, "2026-05-09": true, "2026-06-19": false, "2026-09-20": true,
		"2026-09-25": false, "2026-10-07": false, "2026-10-08": true, "2026-10-10": true, "2026-10-11": false,
	} {
		if got := cn.IsWorkday(at(t, day+" 12:00", "Asia/Shanghai")); got != want {
			t.Errorf("%s: workday %v, want %v", day, got, want)
		}
	}
	if got := cn.DayName(at(t, "2026-02-16", "Asia/Shanghai")); got != "春节" {
		t.Errorf("name of 2026-02-16: %q", got)
	}
	for year, want := range map[int]bool{2023: false, 2024: true, 2025: true, 2026: true, 2027: false} {
		if got := cn.Known(year); got != want {
			t.Errorf("known %d: %v, want %v", year, got, want)
		}
	}
	for now, want := range map[string]int{"2024-06-01": 0, "2026-11-30 23:59": 0, "2026-12-02": 2027, "2027-05-01": 2027, "2023-12-31": 2023} {
		if got := cn.Missing(at(t, now, "Asia/Shanghai")); got != want {
			t.Errorf("missing on %s: %d, want %d", now, got, want)
		}
	}
	// What is not known is a plain week: the National Day of 2027 is a Friday.
	if day := at(t, "2027-10-01 12:00", "Asia/Shanghai"); !cn.IsWorkday(day) || !cn.InHours(day.Add(2*time.Hour)) || cn.IsWorkday(day.AddDate(0, 0, 1)) {
		t.Error("a year that is not known has no plain weeks")
	}
	if !builtin(t, calendar.Plain).Known(2050) || builtin(t, calendar.Plain).Missing(at(t, "2050-06-01", "UTC")) != 0 {
		t.Error("a calendar without yearly data knows every year")
	}
}

// TestWorkdaysAYear: the workdays of a year are 250, 248 and 248 by the notices (13 days off by law since 2025, 11 before).
func TestWorkdaysAYear(t *testing.T) {
	t.Parallel()
	cn := builtin(t, calendar.China)
	for year, want := range map[int]int{2024: 366 - 104 - 11, 2025: 365 - 104 - 13, 2026: 365 - 104 - 13} {
		got := 0
		for d := time.Date(year, 1, 1, 12, 0, 0, 0, cn.Location()); d.Year() == year; d = d.AddDate(0, 0, 1) {
			if cn.IsWorkday(d) {
				got++
			}
		}
		if got != want {
			t.Errorf("%d has %d workdays, want %d", year, got, want)
		}
	}
}

func TestArithmetic(t *testing.T) {
	t.Parallel()
	const sh = "Asia/Shanghai"
	cn := builtin(t, calendar.China)
	for _, c := range []struct {
		from string
		d    time.Duration
		want string
	}{
		{"2026-11-20 16:00", 4 * time.Hour, "2026-11-23 11:00"}, // Friday to Monday
		{"2026-11-20 11:30", time.Hour, "2026-11-20 13:30"},     // over lunch
		{"2026-11-20 11:00", time.Hour, "2026-11-20 12:00"},     // the end of a span, not the next beginning
		{"2026-02-13 17:00", 2 * time.Hour, "2026-02-14 10:00"}, // a make-up Saturday before the Spring Festival
		{"2026-02-14 17:00", 2 * time.Hour, "2026-02-24 10:00"}, // over it
		{"2026-11-22 03:00", time.Minute, "2026-11-23 09:01"},
		{"2026-11-23 10:00", -2 * time.Hour, "2026-11-20 17:00"},
		{"2026-11-23 09:00", -8 * time.Hour, "2026-11-20 09:00"},
	} {
		if got := cn.Add(at(t, c.from, sh), c.d); !got.Equal(at(t, c.want, sh)) {
			t.Errorf("%s + %v = %v, want %s", c.from, c.d, got, c.want)
		}
	}
	for _, c := range []struct {
		from string
		n    int
		want string
	}{
		{"2026-11-20 16:00", 1, "2026-11-23 16:00"},
		{"2026-11-21 16:00", 1, "2026-11-23 16:00"},
		{"2026-11-23 16:00", -1, "2026-11-20 16:00"},
		{"2026-02-13 09:30", 2, "2026-02-24 09:30"},
		{"2026-11-21 16:00", 0, "2026-11-21 16:00"},
	} {
		if got := cn.AddDays(at(t, c.from, sh), c.n); !got.Equal(at(t, c.want, sh)) {
			t.Errorf("%s + %d workdays = %v, want %s", c.from, c.n, got, c.want)
		}
	}
	for from, want := range map[string]string{
		"2026-11-20 09:00": "2026-11-20 09:00", "2026-11-20 12:00": "2026-11-20 13:00", "2026-11-20 18:00": "2026-11-23 09:00", "2026-10-01 10:00": "2026-10-08 09:00",
	} {
		if got := cn.NextStart(at(t, from, sh)); !got.Equal(at(t, want, sh)) {
			t.Errorf("next start after %s: %v, want %s", from, got, want)
		}
	}
	if d := cn.Between(at(t, "2026-11-20 17:00", sh), at(t, "2026-11-23 10:00", sh)); d != 2*time.Hour {
		t.Errorf("between: %v", d)
	}
	if d := cn.Between(at(t, "2026-11-23 10:00", sh), at(t, "2026-11-20 17:00", sh)); d != -2*time.Hour {
		t.Errorf("between, backwards: %v", d)
	}
	if !cn.InHours(at(t, "2026-11-20 09:00", sh)) || cn.InHours(at(t, "2026-11-20 12:00", sh)) {
		t.Error("spans hold their beginning and not their end")
	}
}

// nights work around the change of the clock in many zones.
const nights = `
name: nights
zone: Europe/Berlin
hours:
  mon-sun: ["00:00-04:00", "23:00-24:00"]
holidays: [{from: 2026-12-25, to: 2026-12-26, name: Christmas}]
workdays: [{from: 2026-03-08, hours: ["01:30-02:30"]}]
years: [2026]
`

func TestClockChanges(t *testing.T) {
	t.Parallel()
	c, err := calendar.Parse([]byte(nights))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		zone, from, to string
		want           time.Duration
	}{
		{"Europe/Berlin", "2026-03-29 00:00", "2026-03-30 00:00", 4 * time.Hour},       // 02:00 to 03:00 is missing
		{"Europe/Berlin", "2026-10-25 00:00", "2026-10-26 00:00", 6 * time.Hour},       // 02:00 to 03:00 comes twice
		{"America/New_York", "2026-03-08 00:00", "2026-03-09 00:00", 30 * time.Minute}, // 01:30 to 02:30, which is 03:00
		{"Australia/Lord_Howe", "2026-10-04 00:00", "2026-10-05 00:00", 4*time.Hour + 30*time.Minute},
		{"America/Santiago", "2026-09-06 01:00", "2026-09-06 12:00", 3 * time.Hour}, // midnight is missing
	} {
		if got := c.In(zone(t, one.zone)).Between(at(t, one.from, one.zone), at(t, one.to, one.zone)); got != one.want {
			t.Errorf("%s %s: %v, want %v", one.zone, one.from, got, one.want)
		}
	}
}

var zones = []string{"Asia/Shanghai", "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "UTC"}

// TestProperties: what is added can be measured, time never goes back, and working time is never found outside the hours.
func TestProperties(t *testing.T) {
	t.Parallel()
	night, err := calendar.Parse([]byte(nights))
	if err != nil {
		t.Fatal(err)
	}
	bases := []*calendar.Calendar{builtin(t, calendar.China), builtin(t, calendar.Plain), night}
	first := time.Date(2011, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	rapid.Check(t, func(r *rapid.T) {
		c := rapid.SampledFrom(bases).Draw(r, "calendar").In(zone(t, rapid.SampledFrom(zones).Draw(r, "zone")))
		a := time.Unix(first+rapid.Int64Range(0, 18*366*86400).Draw(r, "at"), 0)
		d := time.Duration(rapid.Int64Range(0, 400*3600).Draw(r, "d")) * time.Second
		b := c.Add(a, d)
		if got := c.Between(a, b); got != d {
			r.Fatalf("%v + %v = %v, between them %v", a, d, b, got)
		}
		if got := c.Between(c.Sub(a, d), a); got != d {
			r.Fatalf("%v - %v = %v, between them %v", a, d, c.Sub(a, d), got)
		}
		more := time.Duration(rapid.Int64Range(0, 100*3600).Draw(r, "more")) * time.Second
		if c.Add(a, d+more).Before(b) || c.Add(a.Add(more), d).Before(b) {
			r.Fatalf("adding goes back from %v", b)
		}
		if !c.Add(b, more).Equal(c.Add(a, d+more)) && d > 0 && more > 0 {
			r.Fatalf("adding twice from %v", a)
		}
		start := c.NextStart(a)
		if start.Before(a) || !c.InHours(start) || c.Between(a, start) != 0 {
			r.Fatalf("next start of %v is %v", a, start)
		}
		n := rapid.IntRange(1, 40).Draw(r, "days")
		if later := c.AddDays(a, n); !later.After(a) || !c.IsWorkday(later) {
			r.Fatalf("%v + %d workdays = %v", a, n, later)
		}
		if earlier := c.AddDays(a, -n); !earlier.Before(a) {
			r.Fatalf("%v - %d workdays = %v", a, n, earlier)
		}
	})
}

func TestDefinitions(t *testing.T) {
	t.Parallel()
	c, err := calendar.Parse([]byte(`{"name": "sh", "base": "cn", "hours": {"周一-周五": ["08:30-17:30"], "sat": ["09:00-12:00"]},
		"holidays": [{"from": "2027-01-01", "name": "元旦"}, {"from": "2026-02-14"}], "workdays": [{"from": "2026-10-07", "hours": ["10:00-11:00"]}], "years": [2027]}`))
	if err != nil {
		t.Fatal(err)
	}
	const sh = "Asia/Shanghai"
	for day, want := range map[string]time.Duration{
		"2026-11-23": 9 * time.Hour, "2026-11-21": 3 * time.Hour, "2026-11-22": 0, "2026-10-07": time.Hour, "2026-10-06": 0,
		"2026-09-20": 9 * time.Hour, // a make-up Sunday of the base, with the hours of this calendar
		"2026-02-14": 0, "2027-01-01": 0,
	} {
		if got := c.Between(at(t, day, sh), at(t, day, sh).Add(24*time.Hour)); got != want {
			t.Errorf("%s: %v of work, want %v", day, got, want)
		}
	}
	if !c.Known(2026) || !c.Known(2027) || c.Known(2028) {
		t.Error("known years are those of the base and its own")
	}
	if builtin(t, calendar.China).Known(2027) {
		t.Error("a calendar changed its base")
	}
	set, err := calendar.NewSet([]calendar.Definition{{Name: "a", Base: "cn"}, {Name: "b", Base: "a", Zone: "Asia/Tokyo"}})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := set.Find("b"); err != nil || b.Location().String() != "Asia/Tokyo" {
		t.Errorf("b: %v, %v", b, err)
	}
	if _, err := set.Find("c"); err == nil || !strings.Contains(err.Error(), "[a b cn plain]") {
		t.Errorf("an unknown calendar: %v", err)
	}
}

func TestWrongDefinitions(t *testing.T) {
	t.Parallel()
	const good = "name: x\nzone: UTC\nhours: {mon-fri: ['09:00-17:00']}\n"
	for name, c := range map[string]struct{ text, want string }{
		"no name":         {"zone: UTC\nhours: {mon: ['09:00-10:00']}", "name: missing"},
		"no zone":         {"name: x\nhours: {mon: ['09:00-10:00']}", "zone: missing"},
		"wrong zone":      {"name: x\nzone: Mars/Base\nhours: {mon: ['09:00-10:00']}", "Mars/Base"},
		"zone of machine": {"name: x\nzone: Local\nhours: {mon: ['09:00-10:00']}", "no time zone"},
		"unknown key":     {good + "holliday: []", "holliday"},
		"unknown base":    {good + "base: de", `no calendar "de"; there are [cn plain]`},
		"no hours":        {"name: x\nzone: UTC", "without working hours"},
		"weekday":         {"name: x\nzone: UTC\nhours: {mun: ['09:00-10:00']}", `"mun" is no weekday`},
		"weekday twice":   {"name: x\nzone: UTC\nhours: {mon-wed: ['09:00-10:00'], tue: ['09:00-10:00']}", "Tuesday is named twice"},
		"span":            {"name: x\nzone: UTC\nhours: {mon: ['9 to 5']}", "no span"},
		"clock":           {"name: x\nzone: UTC\nhours: {mon: ['09:00-25:00']}", `"25:00" is no time of day`},
		"night":           {"name: x\nzone: UTC\nhours: {mon: ['22:00-06:00']}", "two spans"},
		"overlap":         {"name: x\nzone: UTC\nhours: {mon: ['09:00-12:00', '11:00-13:00']}", "begins within another"},
		"date":            {good + "holidays: [{from: 2026-02-30}]", `"2026-02-30" is no date`},
		"backwards":       {good + "holidays: [{from: 2026-02-10, to: 2026-02-01}]", "is before"},
		"too long":        {good + "holidays: [{from: 2026-01-01, to: 2026-12-31}]", "more than 92 days"},
		"twice":           {good + "holidays: [{from: 2026-01-01}]\nworkdays: [{from: 2026-01-01}]", "2026-01-01 is named twice"},
		"hours off":       {good + "holidays: [{from: 2026-01-01, hours: ['09:00-10:00']}]", "under workdays"},
		"year":            {good + "years: [26]", "out of 1970"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := calendar.Parse([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func FuzzDefinition(f *testing.F) {
	f.Add([]byte(nights))
	f.Add([]byte("name: x\nbase: cn\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := calendar.Parse(text)
		if err != nil {
			return
		}
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		if end := c.Add(start, time.Hour); c.Between(start, end) != time.Hour {
			t.Fatalf("an hour after %v is %v", start, end)
		}
	})
}
