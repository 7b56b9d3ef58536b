package calendar

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

var weekdayNames = map[string]time.Weekday{
	"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6,
	"sunday": 0, "monday": 1, "tuesday": 2, "wednesday": 3, "thursday": 4, "friday": 5, "saturday": 6,
	"sundays": 0, "mondays": 1, "tuesdays": 2, "wednesdays": 3, "thursdays": 4, "fridays": 5, "saturdays": 6,
	"tues": 2, "weds": 3, "thur": 4, "thurs": 4,
	"日": 0, "天": 0, "一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6,
}

var (
	weekdayRanges = regexp.MustCompile(`\s*(?:-|–|—|~|至|到|\bto\b|\bthrough\b)\s*`)
	weekdayCommas = regexp.MustCompile(`\s*(?:,|、|和|及|&|\band\b)\s*`)
)

// parseWeekday reads mon, Monday, 周一, 星期一 or 礼拜一.
func parseWeekday(s string) (time.Weekday, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	for _, p := range []string{"周", "星期", "礼拜"} {
		s = strings.TrimPrefix(s, p)
	}
	w, ok := weekdayNames[s]
	return w, ok
}

// parseWeekdays reads "mon", "mon-fri", "mon, wed and fri", "周一至周五" or "周一、三、五".
func parseWeekdays(s string) ([]time.Weekday, error) {
	var days []time.Weekday
	seen := [7]bool{}
	add := func(w time.Weekday) {
		if !seen[w] {
			seen[w] = true
			days = append(days, w)
		}
	}
	for _, part := range weekdayCommas.Split(s, -1) {
		ends := weekdayRanges.Split(strings.TrimSpace(part), -1)
		from, ok := parseWeekday(ends[0])
		to, ok2 := parseWeekday(ends[len(ends)-1])
		if !ok || !ok2 || len(ends) > 2 {
			return nil, fmt.Errorf("%q is no weekday such as mon, mon-fri or 周一", clip(part))
		}
		for w := from; ; w = (w + 1) % 7 {
			add(w)
			if w == to {
				break
			}
		}
	}
	return days, nil
}
