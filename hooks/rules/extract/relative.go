package extract

import (
	"regexp"
	"strings"
	"time"
)

var (
	chineseDays   = regexp.MustCompile(`大后天|后天|明天|明日|明早|明晚|今天|今日|今晚|昨天|昨日|前天`)
	chineseWeek   = regexp.MustCompile(`(下下|下|本|这|上)?个?(?:周|星期|礼拜)([一二三四五六日天])`)
	chineseEnd    = regexp.MustCompile(`(下下|下|本|这|上)?(?:个)?(月|年|季度?)(底|末|初)`)
	chineseMonth  = regexp.MustCompile(`(下下|下|本|这|上)个?月(\d{1,2})[日号]`)
	chineseSpan   = regexp.MustCompile(`(\d{1,3}|[一二两三四五六七八九十]{1,3})\s*个?(天|日|周|星期|月)(?:之后|以后|之内|以内|后|内)`)
	englishDays   = regexp.MustCompile(`(?i)\b(day after tomorrow|tomorrow|today|tonight|yesterday)\b`)
	englishWeek   = regexp.MustCompile(`(?i)\b(?:(next|this|coming|last|by|on|before|until)\s+)?(monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b`)
	englishEnd    = regexp.MustCompile(`(?i)\b(?:(?:the\s+)?end of|by month[- ]end|(end-of-month|eom))\s*(?:(this|the|next)\s+)?(month|week|year|quarter)?\b`)
	englishSpan   = regexp.MustCompile(`(?i)\b(?:in|within)\s+(\d{1,3}|a|one|two|three|four|five|six|seven|ten)\s+(day|week|month)s?\b`)
	englishNumber = map[string]int{"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10}
	chineseShift  = map[string]int{"下下": 2, "下": 1, "本": 0, "这": 0, "": 0, "上": -1}
	dayShift      = map[string]int{
		"大后天": 3, "后天": 2, "明天": 1, "明日": 1, "明早": 1, "明晚": 1, "今天": 0, "今日": 0, "今晚": 0, "昨天": -1, "昨日": -1, "前天": -2,
		"day after tomorrow": 2, "tomorrow": 1, "today": 0, "tonight": 0, "yesterday": -1,
	}
)

// relativeDates reads tomorrow, 下周五, 月底 and the like, counted from the date of the mail. Weeks begin on Monday.
func (r *reader) relativeDates(s string, labelled bool) []moment {
	var list []moment
	add := func(from, to int, day time.Time, why string, ambiguous bool) {
		list = append(list, moment{
			start: from, end: to, year: day.Year(), month: day.Month(), day: day.Day(), ambiguous: ambiguous, likely: !labelled,
			why: join("counted from the date of the mail", why),
		})
	}
	if !isASCII(s) {
		r.chineseRelative(s, add)
	}
	for _, m := range r.matches(englishDays, s, windows(s, around(s, "tomorrow", "today", "tonight", "yesterday"), 12, 2)) {
		add(m[0], m[1], r.day(dayShift[strings.ToLower(s[m[0]:m[1]])]), "", false)
	}
	for _, m := range r.matches(englishWeek, s, windows(s, around(s, "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), 10, 2)) {
		day, why, ambiguous := r.englishWeekday(submatch(s, m, 1), submatch(s, m, 2))
		add(m[4]-lead(s, m, "next", "this", "last", "coming"), m[1], day, why, ambiguous)
	}
	for _, m := range r.matches(englishEnd, s, windows(s, around(s, "end of", "month-end", "month end", "end-of-month", "eom"), 5, 20)) {
		unit, shift := strings.ToLower(submatch(s, m, 3)), 0
		if strings.EqualFold(submatch(s, m, 2), "next") {
			shift = 1
		}
		if unit == "" && !strings.Contains(strings.ToLower(s[m[0]:m[1]]), "month") && submatch(s, m, 1) == "" {
			continue
		}
		add(m[0], trimEnd(s, m[0], m[1]), r.endOf(unit, shift), "", false)
	}
	for _, m := range r.matches(englishSpan, s, windows(s, around(s, "in ", "within "), 1, 16)) {
		word := strings.ToLower(submatch(s, m, 1))
		n, ok := englishNumber[word]
		if !ok {
			n = atoi(word)
		}
		add(m[0], m[1], r.later(n, strings.ToLower(submatch(s, m, 2))), "", false)
	}
	return list
}

// lead is the length of a word that belongs to the date, with its space.
func lead(s string, m []int, words ...string) int {
	for _, w := range words {
		if strings.EqualFold(submatch(s, m, 1), w) {
			return m[4] - m[2]
		}
	}
	return 0
}

func submatch(s string, m []int, i int) string {
	if m[2*i] < 0 {
		return ""
	}
	return s[m[2*i]:m[2*i+1]]
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func (r *reader) chineseRelative(s string, add func(from, to int, day time.Time, why string, ambiguous bool)) {
	for _, m := range r.matches(chineseDays, s, windows(s, around(s, "天", "日", "明早", "明晚", "今晚"), 8, 0)) {
		word, end := s[m[0]:m[1]], m[1]
		if strings.HasSuffix(word, "晚") || strings.HasSuffix(word, "早") { // the time of day may follow
			end -= len("晚")
		}
		add(m[0], end, r.day(dayShift[word]), "", false)
	}
	for _, m := range r.matches(chineseWeek, s, windows(s, around(s, "周", "星期", "礼拜"), 12, 4)) {
		w := weekdayOf(submatch(s, m, 2))
		word := submatch(s, m, 1)
		if word == "" {
			add(m[0], m[1], r.day(ahead(r.date.Weekday(), w)), "the next such day", false)
			continue
		}
		add(m[0], m[1], r.day(sinceMonday(w)-sinceMonday(r.date.Weekday())+7*chineseShift[word]), "", false)
	}
	for _, m := range r.matches(chineseEnd, s, windows(s, around(s, "底", "末", "初"), 18, 0)) {
		shift := chineseShift[submatch(s, m, 1)]
		unit := map[string]string{"月": "month", "年": "year", "季": "quarter", "季度": "quarter"}[submatch(s, m, 2)]
		if before := runeBefore(s, m[0]); before >= '0' && before <= '9' || before == '个' { // 11月底
			if day, from, ok := r.namedMonthEnd(s, m); ok {
				add(from, m[1], day, "", false)
			}
			continue
		}
		day := r.endOf(unit, shift)
		if submatch(s, m, 3) == "初" {
			day = r.endOf(unit, shift-1).AddDate(0, 0, 1)
		}
		add(m[0], m[1], day, "", false)
	}
	for _, m := range r.matches(chineseMonth, s, windows(s, around(s, "月"), 12, 8)) {
		first := time.Date(r.date.Year(), r.date.Month()+time.Month(chineseShift[submatch(s, m, 1)]), 1, 0, 0, 0, 0, time.UTC)
		if d := atoi(submatch(s, m, 2)); d >= 1 && d <= first.AddDate(0, 1, -1).Day() {
			add(m[0], m[1], first.AddDate(0, 0, d-1), "", false)
		}
	}
	for _, m := range r.matches(chineseSpan, s, windows(s, around(s, "后", "内"), 30, 0)) {
		unit := map[string]string{"天": "day", "日": "day", "周": "week", "星期": "week", "月": "month"}[submatch(s, m, 2)]
		add(m[0], m[1], r.later(anyNumber(submatch(s, m, 1)), unit), "", false)
	}
}

// namedMonthEnd reads 11月底.
func (r *reader) namedMonthEnd(s string, m []int) (day time.Time, from int, ok bool) {
	from = m[0]
	for from > 0 && s[from-1] >= '0' && s[from-1] <= '9' {
		from--
	}
	month := time.Month(atoi(s[from:m[0]]))
	if submatch(s, m, 2) != "月" || month < 1 || month > 12 {
		return day, 0, false
	}
	first := time.Date(r.nearestYear(month, 28), month, 1, 0, 0, 0, 0, time.UTC)
	if submatch(s, m, 3) == "初" {
		return first, from, true
	}
	return first.AddDate(0, 1, -1), from, true
}

// day is the date of the mail plus some days.
func (r *reader) day(n int) time.Time {
	y, m, d := r.date.Date()
	return time.Date(y, m, d+n, 0, 0, 0, 0, time.UTC)
}

func (r *reader) later(n int, unit string) time.Time {
	switch unit {
	case "week":
		return r.day(7 * n)
	case "month":
		first := time.Date(r.date.Year(), r.date.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
		return first.AddDate(0, 0, min(r.date.Day(), first.AddDate(0, 1, -1).Day())-1)
	}
	return r.day(n)
}

// endOf is the last day of this week, month, quarter or year, or of a later one. A week ends on Friday, as business does.
func (r *reader) endOf(unit string, shift int) time.Time {
	y, m, _ := r.date.Date()
	switch unit {
	case "week":
		return r.day(sinceMonday(time.Friday) - sinceMonday(r.date.Weekday()) + 7*shift)
	case "year":
		return time.Date(y+shift, 12, 31, 0, 0, 0, 0, time.UTC)
	case "quarter":
		return time.Date(y, m-(m-1)%3+time.Month(3+3*shift), 0, 0, 0, 0, 0, time.UTC)
	}
	return time.Date(y, m+time.Month(1+shift), 0, 0, 0, 0, 0, time.UTC)
}

// englishWeekday: "next Friday", said before this week's, is the coming one for some and the one after for others; it is read as
// that of the next week.
func (r *reader) englishWeekday(word, name string) (day time.Time, why string, ambiguous bool) {
	w := weekdayOf(name)
	inWeek := sinceMonday(w) - sinceMonday(r.date.Weekday())
	switch strings.ToLower(word) {
	case "next":
		if inWeek > 0 {
			return r.day(inWeek + 7), "it may be that of this week", true
		}
		return r.day(inWeek + 7), "", false
	case "this":
		return r.day(inWeek), "", false
	case "last":
		if inWeek < 0 {
			return r.day(inWeek), "", false
		}
		return r.day(inWeek - 7), "", false
	}
	return r.day(ahead(r.date.Weekday(), w)), "the next such day", false
}

// sinceMonday counts the days of a week that begins on Monday.
func sinceMonday(w time.Weekday) int { return (int(w) + 6) % 7 }

// ahead is the number of days from one weekday to the next such day, which may be today.
func ahead(from, to time.Weekday) int { return (int(to) - int(from) + 7) % 7 }

func weekdayOf(name string) time.Weekday {
	if i := strings.Index("日一二三四五六", name); i >= 0 {
		return time.Weekday(i / len("日"))
	}
	for w := time.Sunday; w <= time.Saturday; w++ {
		if strings.EqualFold(w.String(), name) {
			return w
		}
	}
	return time.Sunday // 天
}
