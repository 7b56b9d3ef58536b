package calendar

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

const (
	ordinal = `(?:the )?(last|[a-z]+ to last|[a-z]+|\d{1,2}(?:st|nd|rd|th)?)`
	nth     = `(最后一?|倒数第(?:[一二三四五六七八九十]+|\d{1,2})|第?(?:[一二三四五六七八九十]+|\d{1,2}))`
	aMonth  = `(?:每个?月|每个月)`
	aDay    = `(?:工作日|天|日|周[一二三四五六日天]|星期[一二三四五六日天])`
	english = `(?:day|workday|working day|business day|weekday|mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:rs|rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)`
	months  = `(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)`
)

var (
	phraseTime = regexp.MustCompile(`(?:\bat )?(凌晨|早上|上午|中午|下午|傍晚|晚上)?\s*\b(\d{1,2})(?::(\d{2})|\s*点(半|\d{1,2}分?|钟)?)?\s*(am\b|pm\b|a\.m\.|p\.m\.)?`)
	phraseGlue = regexp.MustCompile(`[\s,、的]+|\band\b|[和及]`)

	phraseWorkday  = regexp.MustCompile(`(?:work|working |business )days?\b`)
	phraseEvery    = regexp.MustCompile(`^(?:every|each|每隔?) ?(\d+|[一二两三四五六七八九十]+)? ?(?:个)?(m|mins?|minutes?|h|hrs?|hours?|分钟|小时|钟头)$`)
	phraseDaily    = regexp.MustCompile(`^(?:every day|each day|daily|每天|每日)$`)
	phraseWorkdays = regexp.MustCompile(`^(?:(?:every |each |on )?(?:workday|working day|business day)s?|每?个?工作日|每个工作日)$`)
	phraseWeekdays = regexp.MustCompile(`^(?:every |each |on )?weekdays?$`)
	phraseWeek     = regexp.MustCompile(`^(?:every |each |on |每个?)?(.+)$`)
	phraseMonth    = regexp.MustCompile(`^(?:every |monthly )?(?:on )?` + ordinal + ` (` + english + `) (?:of|in) (?:the |every |each )?(month|quarter)$`)
	phraseMonthDay = regexp.MustCompile(`^(?:on )?(?:monthly on )?(?:the )?(\d{1,2})(?:st|nd|rd|th)?(?: day)? (?:of )?(?:the |every |each )?month$|^monthly on (?:the )?(\d{1,2})(?:st|nd|rd|th)?$`)
	phraseYear     = regexp.MustCompile(`^(?:every year|yearly|each year)(?: on)? (?:(\d{1,2})(?:st|nd|rd|th)? ` + months + `|` + months + ` (\d{1,2})(?:st|nd|rd|th)?)$`)
	chineseDay     = regexp.MustCompile(`^` + aMonth + `((?:\d{1,2}[日号]?、?)+|[一二三四五六七八九十]+[日号])$`)
	chineseMonth   = regexp.MustCompile(`^(` + aMonth + `|每个?季度?)` + nth + `个?(` + aDay + `)$`)
	chineseEnds    = regexp.MustCompile(`^(` + aMonth + `|每个?季度?)(月初|月底|月末|季初|季末|初|底|末)$`)
	chineseYear    = regexp.MustCompile(`^每年(\d{1,2})月(\d{1,2})[日号]$`)
)

var ordinals = map[string]int{
	"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1, "second to last": -2, "third to last": -3,
}

// parsePhrase reads a schedule in words: times of day at one place, days at the other.
func (s *Schedule) parsePhrase(text string) error {
	text = strings.ToLower(norm.NFKC.String(text))
	text = strings.Join(strings.Fields(text), " ")
	if m := phraseEvery.FindStringSubmatch(text); m != nil {
		return s.parseInterval(m[1], m[2])
	}
	if text == "every hour" || text == "hourly" {
		return s.parseInterval("1", "h")
	}
	rest, minutes, err := cutTimes(text)
	if err != nil {
		return err
	}
	if s.days, err = s.parseDays(rest); err != nil {
		return err
	}
	if len(minutes) == 0 {
		return errors.New("no time of day; add one such as 09:00")
	}
	s.minutes = minutes
	return nil
}

func (s *Schedule) parseInterval(number, unit string) error {
	n := 1
	if number != "" {
		var err error
		if n, err = strconv.Atoi(number); err != nil {
			n, _ = chineseNumber(number)
		}
	}
	step := time.Hour
	if strings.HasPrefix(unit, "m") || strings.HasPrefix(unit, "分") {
		step = time.Minute
	}
	if n < 1 || n > int(maxEvery/step) {
		return errors.New("between every minute and every year")
	}
	return s.setEvery(time.Duration(n) * step)
}

// cutTimes takes the times of day from a phrase and returns the rest and the times, sorted.
func cutTimes(text string) (rest string, minutes []int, err error) {
	var b strings.Builder
	at := 0
	for _, m := range phraseTime.FindAllStringSubmatchIndex(text, -1) {
		group := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return text[m[2*i]:m[2*i+1]]
		}
		isClock := group(3) != "" || strings.Contains(text[m[0]:m[1]], "点") || group(5) != ""
		if !isClock {
			continue // the number of a day
		}
		minute, err := timeOfDay(group(1), group(2), group(3), group(4), group(5))
		if err != nil {
			return "", nil, err
		}
		if !slices.Contains(minutes, minute) {
			minutes = append(minutes, minute)
		}
		b.WriteString(text[at:m[0]] + " ")
		at = m[1]
	}
	b.WriteString(text[at:])
	slices.Sort(minutes)
	rest = strings.TrimSpace(b.String())
	for {
		loc := phraseGlue.FindAllStringIndex(rest, -1)
		switch {
		case len(loc) > 0 && loc[len(loc)-1][1] == len(rest):
			rest = rest[:loc[len(loc)-1][0]]
		case len(loc) > 0 && loc[0][0] == 0:
			rest = rest[loc[0][1]:]
		default:
			return strings.TrimSuffix(rest, " at"), minutes, nil
		}
	}
}

func timeOfDay(part, hour, minute, chinese, half string) (int, error) {
	h, err := strconv.Atoi(hour)
	if err != nil {
		return 0, err
	}
	m := 0
	switch {
	case minute != "":
		m, err = strconv.Atoi(minute)
	case chinese == "半":
		m = 30
	case chinese != "" && chinese != "钟":
		m, err = strconv.Atoi(strings.TrimSuffix(chinese, "分"))
	}
	if err != nil {
		return 0, err
	}
	pm := strings.HasPrefix(half, "p") || part == "下午" || part == "傍晚" || part == "晚上" || part == "中午" && h < 3
	if half != "" && (h < 1 || h > 12) || h > 23 || m > 59 {
		return 0, fmt.Errorf("%s:%02d is no time of day", hour, m)
	}
	switch {
	case pm && h < 12:
		h += 12
	case half != "" && !pm && h == 12 || part == "凌晨" && h == 12:
		h = 0
	}
	return h*60 + m, nil
}

// parseDays reads the days of a phrase.
func (s *Schedule) parseDays(text string) (func(day int) bool, error) {
	switch {
	case phraseDaily.MatchString(text):
		return func(int) bool { return true }, nil
	case phraseWorkdays.MatchString(text):
		return s.cal.workday, nil
	case phraseWeekdays.MatchString(text):
		return func(day int) bool { w := weekday(day); return w != time.Saturday && w != time.Sunday }, nil
	}
	for _, try := range []func(string) (func(int) bool, bool, error){s.monthPhrase, s.monthDayPhrase, yearPhrase, weekPhrase} {
		days, ok, err := try(text)
		if err != nil || ok {
			return days, err
		}
	}
	return nil, errors.New("cannot be read; write a cron expression, or for example: every 15m, every workday 09:00, " +
		"every monday 08:30, first day of month 09:00, last workday of month 17:00, 每月1日 09:00, 每个工作日 09:00")
}

// monthPhrase reads "first day of month", "last workday of quarter", 每月最后一个工作日, 每月底.
func (s *Schedule) monthPhrase(text string) (func(int) bool, bool, error) {
	var number, unit string
	quarter := false
	if m := phraseMonth.FindStringSubmatch(text); m != nil {
		number, unit, quarter = m[1], m[2], m[3] == "quarter"
	} else if m := chineseMonth.FindStringSubmatch(text); m != nil {
		number, unit, quarter = m[2], m[3], strings.Contains(m[1], "季")
	} else if m := chineseEnds.FindStringSubmatch(text); m != nil {
		number, unit, quarter = "最后", "天", strings.Contains(text, "季")
		if strings.HasSuffix(m[2], "初") {
			number = "1"
		}
	} else {
		return nil, false, nil
	}
	n, err := parseOrdinal(number)
	if err != nil {
		return nil, false, err
	}
	counts, most, err := s.counted(unit)
	if err != nil {
		return nil, false, err
	}
	length := 1
	if quarter {
		length, most = 3, most*3
	}
	if n > most || n < -most {
		return nil, false, fmt.Errorf("there is no %s %s", number, unit)
	}
	return nthOfPeriod(n, length, counts), true, nil
}

// counted tells which days a unit counts, and how many there are in a month at most.
func (s *Schedule) counted(unit string) (func(day int) bool, int, error) {
	switch unit {
	case "day", "天", "日":
		return func(int) bool { return true }, 31, nil
	case "workday", "working day", "business day", "工作日":
		return s.cal.workday, 31, nil
	case "weekday":
		return func(day int) bool { w := weekday(day); return w != time.Saturday && w != time.Sunday }, 23, nil
	}
	w, ok := parseWeekday(unit)
	if !ok {
		return nil, 0, fmt.Errorf("%q is no kind of day", clip(unit))
	}
	return func(day int) bool { return weekday(day) == w }, 5, nil
}

// nthOfPeriod is true for the nth (negative: from the end) of the days that count in a month, or in a quarter.
func nthOfPeriod(n, length int, counts func(int) bool) func(int) bool {
	return func(day int) bool {
		if !counts(day) {
			return false
		}
		y, m, _ := date(day)
		first := m - (m-1)%time.Month(length)
		edge, step, left := dayNumber(y, first, 1), 1, n
		if n < 0 {
			edge, step, left = dayNumber(y, first+time.Month(length), 1)-1, -1, -n
		}
		for d := edge; d != day; d += step {
			if counts(d) {
				if left--; left == 0 {
					return false
				}
			}
		}
		return left == 1
	}
}

func parseOrdinal(s string) (int, error) {
	if n, ok := ordinals[s]; ok {
		return n, nil
	}
	sign := 1
	switch {
	case strings.HasPrefix(s, "最后"):
		return -1, nil
	case strings.HasPrefix(s, "倒数"):
		sign = -1
	}
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "倒数"), "第")
	for _, end := range []string{"st", "nd", "rd", "th"} {
		digits = strings.TrimSuffix(digits, end)
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		var ok bool
		if n, ok = chineseNumber(digits); !ok {
			return 0, fmt.Errorf("%q is no number such as first, 2nd, last or 第二", clip(s))
		}
	}
	if n == 0 {
		return 0, errors.New("counting begins with 1")
	}
	return sign * n, nil
}

// monthDayPhrase reads "15th of each month", "monthly on the 15th", 每月1日, 每月1、15日.
func (s *Schedule) monthDayPhrase(text string) (func(int) bool, bool, error) {
	var list []string
	if m := phraseMonthDay.FindStringSubmatch(text); m != nil {
		list = []string{m[1] + m[2]}
	} else if m := chineseDay.FindStringSubmatch(text); m != nil {
		list = strings.FieldsFunc(m[1], func(r rune) bool { return r == '、' || r == '日' || r == '号' })
	} else {
		return nil, false, nil
	}
	var days [32]bool
	for _, one := range list {
		n, err := parseOrdinal(one)
		if err != nil {
			return nil, false, err
		}
		if n < 1 || n > 31 {
			return nil, false, fmt.Errorf("no month has a day %d", n)
		}
		days[n] = true
	}
	return func(day int) bool { _, _, d := date(day); return days[d] }, true, nil
}

func yearPhrase(text string) (func(int) bool, bool, error) {
	var dayText string
	var month time.Month
	if m := phraseYear.FindStringSubmatch(text); m != nil {
		dayText, month = m[1]+m[4], monthOf(m[2]+m[3])
	} else if m := chineseYear.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n < 1 || n > 12 {
			return nil, false, fmt.Errorf("no year has a month %s", m[1])
		}
		dayText, month = m[2], time.Month(n)
	} else {
		return nil, false, nil
	}
	n, err := strconv.Atoi(dayText)
	if err != nil || n < 1 || n > daysInMonth(2000, month) {
		return nil, false, fmt.Errorf("%s has no day %s", month, dayText)
	}
	return func(day int) bool { _, m, d := date(day); return m == month && d == n }, true, nil
}

func monthOf(name string) time.Month {
	for m := time.January; m <= time.December; m++ {
		if strings.HasPrefix(strings.ToLower(m.String()), name[:3]) {
			return m
		}
	}
	return 0
}

func weekPhrase(text string) (func(int) bool, bool, error) {
	m := phraseWeek.FindStringSubmatch(text)
	if m == nil {
		return nil, false, nil
	}
	if !strings.Contains(text, "周") && !strings.Contains(text, "星期") && !strings.Contains(text, "礼拜") && strings.ContainsFunc(text, func(r rune) bool { return r > 0x7f }) {
		return nil, false, nil
	}
	list, err := parseWeekdays(m[1])
	if err != nil {
		return nil, false, nil //nolint:nilerr // no weekdays: the caller tells what can be written
	}
	var days [7]bool
	for _, w := range list {
		days[w] = true
	}
	return func(day int) bool { return days[weekday(day)] }, true, nil
}
