package mirror

import (
	"testing"
	"time"

	"heliograph/config"
)

func TestSchedulesOverClockChangesAndMonthEnds(t *testing.T) {
	t.Parallel()
	berlin := func(when config.DeliverWhen, at string) config.Delivery {
		return config.Delivery{When: when, At: at, TimeZone: "Europe/Berlin"}
	}
	friday := berlin(config.DeliverWeekly, "18:30")
	friday.Day = "friday"
	for _, c := range []struct {
		name     string
		delivery config.Delivery
		at, want string // RFC 3339
	}{
		{"at once", config.Delivery{}, "2026-03-04T05:06:07Z", "2026-03-04T05:06:07Z"},
		{"later today", berlin(config.DeliverDaily, "18:30"), "2026-01-15T10:00:00+01:00", "2026-01-15T18:30:00+01:00"},
		{"this very moment", berlin(config.DeliverDaily, "18:30"), "2026-01-15T18:30:00+01:00", "2026-01-15T18:30:00+01:00"},
		{"tomorrow", berlin(config.DeliverDaily, "18:30"), "2026-01-15T18:30:01+01:00", "2026-01-16T18:30:00+01:00"},
		{"over the end of a month", berlin(config.DeliverDaily, "08:00"), "2026-02-28T12:00:00+01:00", "2026-03-01T08:00:00+01:00"},
		{"leap day", berlin(config.DeliverDaily, "08:00"), "2028-02-28T12:00:00+01:00", "2028-02-29T08:00:00+01:00"},
		{"over the end of a year", berlin(config.DeliverDaily, "08:00"), "2026-12-31T12:00:00+01:00", "2027-01-01T08:00:00+01:00"},
		// Clocks go from 02:00 to 03:00 on 29 March and from 03:00 to 02:00 on 25 October.
		{"the night before summer time", berlin(config.DeliverDaily, "18:30"), "2026-03-28T19:00:00+01:00", "2026-03-29T18:30:00+02:00"},
		{"in the gap", berlin(config.DeliverDaily, "02:30"), "2026-03-29T00:00:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"after the gap", berlin(config.DeliverDaily, "02:30"), "2026-03-29T03:00:01+02:00", "2026-03-30T02:30:00+02:00"},
		{"the first of two", berlin(config.DeliverDaily, "02:30"), "2026-10-25T00:00:00+02:00", "2026-10-25T02:30:00+02:00"},
		{"not the second of two", berlin(config.DeliverDaily, "02:30"), "2026-10-25T02:30:01+02:00", "2026-10-26T02:30:00+01:00"},
		{"this week", friday, "2026-03-23T10:00:00+01:00", "2026-03-27T18:30:00+01:00"},
		{"next week, in summer time", friday, "2026-03-27T18:31:00+01:00", "2026-04-03T18:30:00+02:00"},
		{"on the hour", berlin(config.DeliverHourly, ""), "2026-01-15T10:00:01+01:00", "2026-01-15T11:00:00+01:00"},
		{"the hour itself", berlin(config.DeliverHourly, ""), "2026-01-15T10:00:00+01:00", "2026-01-15T10:00:00+01:00"},
		{"a zone of half an hour", config.Delivery{When: config.DeliverHourly, TimeZone: "Asia/Kolkata"}, "2026-01-15T10:10:00+05:30", "2026-01-15T11:00:00+05:30"},
		{"clocks go forward by half an hour", config.Delivery{When: config.DeliverHourly, TimeZone: "Australia/Lord_Howe"}, "2026-10-04T01:45:00+10:30", "2026-10-04T03:00:00+11:00"},
		{"midnight in the gap", config.Delivery{When: config.DeliverDaily, At: "00:00", TimeZone: "America/Asuncion"}, "2023-09-30T12:00:00-04:00", "2023-10-01T01:00:00-03:00"},
		{"a day that was skipped", config.Delivery{When: config.DeliverDaily, At: "18:30", TimeZone: "Pacific/Apia"}, "2011-12-29T19:00:00-10:00", "2011-12-31T18:30:00+14:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			at, err := time.Parse(time.RFC3339, c.at)
			if err != nil {
				t.Fatal(err)
			}
			want, err := time.Parse(time.RFC3339, c.want)
			if err != nil {
				t.Fatal(err)
			}
			if got := next(c.delivery, at); !got.Equal(want) {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// A year of a fake clock in zones of all kinds: no moment is before its time, none is left out for a day, none comes twice.
func TestSchedulesNeverStandStill(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Asuncion"} {
		for _, clock := range []string{"00:00", "00:30", "01:59", "02:00", "02:30", "03:00", "23:59"} {
			d := config.Delivery{When: config.DeliverDaily, At: clock, TimeZone: zone}
			now := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
			for range 365 {
				got := next(d, now)
				if got.Before(now) || got.Sub(now) > 26*time.Hour {
					t.Fatalf("%s in %s: after %s comes %s", clock, zone, now, got)
				}
				if again := next(d, got); !again.Equal(got) {
					t.Fatalf("%s in %s: %s is not its own moment but %s", clock, zone, got, again)
				}
				now = got.Add(time.Nanosecond)
			}
		}
	}
}
