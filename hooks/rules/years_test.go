package rules

import (
	"testing"
	"time"
)

// TestRulesGoOnInYearsWithoutHolidays: rules do not stop at the end of a year because nobody has said which days are off in the next one.
func TestRulesGoOnInYearsWithoutHolidays(t *testing.T) {
	t.Parallel()
	const text = `
id: office
name: 工作日
owner: lead@example.com
trigger: {type: mail}
when: {all: [{field: mail.date, op: on_workday}, {field: mail.date, op: within, value: {last: 8h, business: true}}]}
steps: [{id: tell, do: notify, with: {channel: sales, title: x}}]
`
	friday := time.Date(2093, 10, 2, 3, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]int{friday: 1, friday.AddDate(0, 0, 1): 0} {
		ev := mailAt("m", "x", at)
		mail, ok := ev.Data["mail"].(map[string]any)
		if !ok {
			t.Fatal("the event has no mail")
		}
		mail["date"] = at
		trial := newTrial(t, trialOptions(t, testWorld{}), text)
		feed(t, trial, ev)
		if r := trial.Result(); r.Results["fires"] != want || r.Results["unknown"] != 0 {
			t.Errorf("on %s decisions are %v, want %d that fire", at, r.Results, want)
		}
	}
}
