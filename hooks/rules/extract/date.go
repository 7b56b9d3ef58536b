package extract

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

const monthNames = `jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?`

var (
	dateISO     = regexp.MustCompile(`^(\d{4})([-/.])(\d{1,2})([-/.])(\d{1,2})(?:\b|T)`)
	dateChinese = regexp.MustCompile(`(?:(\d{4}|\d{2}|[〇零一二三四五六七八九]{4})\s*年\s*)?(\d{1,2}|[一二三四五六七八九十]{1,2})\s*月\s*(?:份\s*)?(\d{1,2}|[一二三四五六七八九十]{1,3})\s*[日号]`)
	dateDayName = regexp.MustCompile(`(?i)^(\d{1,2})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(` + monthNames + `)\b\.?,?(?:\s+(\d{4})\b)?`)
	dateNameDay = regexp.MustCompile(`(?i)\b(` + monthNames + `)\b\.?\s+(\d{1,2})(?:st|nd|rd|th)?\b(?:,?\s+(\d{4})\b)?`)
	dateDashed  = regexp.MustCompile(`(?i)^(\d{1,2})-(` + monthNames + `)-(\d{4}|\d{2})\b`)
	dateNumeric = regexp.MustCompile(`^(\d{1,2})([/.-])(\d{1,2})([/.-])(\d{4}|\d{2})\b`)
	dateDotted  = regexp.MustCompile(`(?i)^(?:(\d{1,2})(\.)(\d{1,2})(\.)(\d{4}|\d{2})\b|(\d{1,2})\.\s*(` + monthNames + `)\b\.?,?(?:\s+(\d{4})\b)?)`)
	dateCompact = regexp.MustCompile(`^(20\d{2})(0[1-9]|1[0-2])([0-2]\d|3[01])\b`)

	timeAfter = regexp.MustCompile(`(?i)^[\s,，]*(?:[（(]?(?:周|星期)[一二三四五六日天][）)]?|[(（]?(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[)）]?)?[\s,，]*(?:T|at\s+)?(凌晨|早上|早|上午|中午|下午|傍晚|晚上|晚)?\s*` +
		`(\d{1,2})(?::(\d{2})(?::(\d{2}))?|\s*[点时](?:(半)|(\d{1,2})\s*分?)?)?\s*(am\b|pm\b|a\.m\.|p\.m\.)?\s*(Z\b|UTC\b|GMT\b|[+-]\d{2}:?\d{2}\b)?`)
)

// moment is a date in the making.
type moment struct {
	start, end int
	year       int // 0: not said
	month      time.Month
	day        int
	likely     bool
	ambiguous  bool
	why        string
}

func findDate(r *reader, s string, labelled bool) []hit {
	if r.date.IsZero() {
		r.date = time.Unix(0, 0).UTC()
	}
	list := r.digitDates(s, labelled)
	for _, m := range r.matches(dateNameDay, s, windows(s, around(s, "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1, 24)) {
		list = append(list, named(s, m, 2, 1, 3))
	}
	list = append(list, r.chineseDates(s)...)
	list = append(list, r.relativeDates(s, labelled)...)
	var hits []hit
	for _, m := range list {
		if len(hits) >= 2*maxHits {
			break
		}
		if h, ok := r.finish(s, m); ok {
			hits = append(hits, h)
		}
	}
	return hits
}

// finish adds the year and the time of day.
func (r *reader) finish(s string, m moment) (hit, bool) {
	loc := r.date.Location()
	if m.year == 0 {
		m.year = r.nearestYear(m.month, m.day)
		m.likely, m.why = true, join(m.why, "the year is the one nearest to the mail")
	}
	if m.year < 100 {
		m.year += 2000
	}
	if m.month < 1 || m.month > 12 || m.day < 1 || m.day > time.Date(m.year, m.month+1, 0, 0, 0, 0, 0, time.UTC).Day() {
		return hit{}, false
	}
	h := hit{start: m.start, end: m.end, likely: m.likely, ambiguous: m.ambiguous, why: m.why}
	clock, length, zone, ok := timeOfDay(s[m.end:])
	if ok {
		h.end += length
		if zone != nil {
			loc = zone
		}
	}
	t := time.Date(m.year, m.month, m.day, 0, 0, clock, 0, loc)
	h.value = t.In(r.date.Location())
	return h, true
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// nearestYear is the year in which a day is nearest to the mail's date.
func (r *reader) nearestYear(m time.Month, d int) int {
	best, year := time.Duration(0), 0
	for y := r.date.Year() - 1; y <= r.date.Year()+1; y++ {
		distance := time.Date(y, m, d, 12, 0, 0, 0, r.date.Location()).Sub(r.date).Abs()
		if year == 0 || distance < best {
			best, year = distance, y
		}
	}
	return year
}

// timeOfDay reads the time that follows a date, in seconds after midnight.
func timeOfDay(rest string) (seconds, length int, zone *time.Location, ok bool) {
	rest, _ = head(rest, 60)
	m := timeAfter.FindStringSubmatchIndex(rest)
	if m == nil {
		return 0, 0, nil, false
	}
	part := func(i int) string {
		if m[2*i] < 0 {
			return ""
		}
		return rest[m[2*i]:m[2*i+1]]
	}
	spoken := strings.ContainsAny(rest[m[0]:m[1]], "点时")
	if part(3) == "" && !spoken && part(7) == "" {
		return 0, 0, nil, false
	}
	h, err := strconv.Atoi(part(2))
	if err != nil || h > 24 {
		return 0, 0, nil, false
	}
	minute, _ := strconv.Atoi(part(3) + part(6)) // digits by the expression, or none
	second, _ := strconv.Atoi(part(4))
	if part(5) != "" {
		minute = 30
	}
	if minute > 59 || second > 59 || part(7) != "" && h > 12 {
		return 0, 0, nil, false
	}
	pm := strings.HasPrefix(strings.ToLower(part(7)), "p")
	switch part(1) {
	case "下午", "傍晚", "晚上", "晚":
		pm = true
	case "中午":
		pm = h < 3
	}
	switch {
	case pm && h < 12:
		h += 12
	case !pm && h == 12 && (part(7) != "" || part(1) == "凌晨"):
		h = 0
	}
	return (h*60+minute)*60 + second, len(strings.TrimRight(rest[:m[1]], " ,，")), zoneOf(part(8)), true
}

func zoneOf(s string) *time.Location {
	switch strings.ToUpper(s) {
	case "":
		return nil
	case "Z", "UTC", "GMT":
		return time.UTC
	}
	digits := strings.ReplaceAll(s[1:], ":", "")
	n, err := strconv.Atoi(digits)
	if err != nil || n > 1400 {
		return nil
	}
	offset := (n/100*60 + n%100) * 60
	if s[0] == '-' {
		offset = -offset
	}
	return time.FixedZone(s, offset)
}

// digitDates are those that begin with digits, but for Chinese ones. What follows the digits tells the form.
func (r *reader) digitDates(s string, labelled bool) []moment {
	var list []moment
	for _, run := range digitRuns(s) {
		if isLatin(runeBefore(s, run.from)) || run.from > 0 && strings.IndexByte("-_./", s[run.from-1]) >= 0 && run.from > 1 && isLatin(runeBefore(s, run.from-1)) {
			continue
		}
		if len(list) >= maxHits || !r.search.afford(100) {
			break
		}
		text, _ := head(s[run.from:], 40)
		length := run.to - run.from
		next := byte(0)
		if length < len(text) {
			next = text[length]
		}
		form := formOf(length, next, labelled)
		if form == nil || !r.search.afford(5000) {
			continue
		}
		m := form.FindStringSubmatchIndex(text)
		if m == nil && form == dateNumeric && next == '-' {
			form = dateDashed
			m = form.FindStringSubmatchIndex(text)
		}
		if m == nil {
			continue
		}
		for i := range m {
			if m[i] >= 0 {
				m[i] += run.from
			}
		}
		if one, ok := r.digitDate(s, m, form); ok {
			list = append(list, one)
		}
	}
	return list
}

// formOf is the form that a date may have which begins with so many digits and then this byte.
func formOf(length int, next byte, labelled bool) *regexp.Regexp {
	switch {
	case length == 4 && strings.IndexByte("-/.", next) >= 0:
		return dateISO
	case length == 8 && labelled:
		return dateCompact
	case length > 2:
		return nil
	case strings.IndexByte("/-", next) >= 0:
		return dateNumeric
	case next == '.':
		return dateDotted
	case strings.IndexByte(" \tsnrtSNRT", next) >= 0:
		return dateDayName
	}
	return nil
}

func (r *reader) digitDate(s string, m []int, form *regexp.Regexp) (moment, bool) {
	switch form {
	case dateISO:
		return moment{start: m[0], end: m[11], year: atoi(s[m[2]:m[3]]), month: time.Month(atoi(s[m[6]:m[7]])), day: atoi(s[m[10]:m[11]])}, s[m[4]:m[5]] == s[m[8]:m[9]]
	case dateCompact:
		return moment{start: m[0], end: m[1], year: atoi(s[m[2]:m[3]]), month: time.Month(atoi(s[m[4]:m[5]])), day: atoi(s[m[6]:m[7]])}, true
	case dateDotted:
		if m[12] >= 0 { // 22. Nov 2026
			return named(s, m, 6, 7, 8), true
		}
		return r.numericDate(s, m)
	case dateNumeric:
		return r.numericDate(s, m)
	}
	return named(s, m, 1, 2, 3), true
}

func (r *reader) chineseDates(s string) []moment {
	var list []moment
	for _, m := range r.matches(dateChinese, s, windows(s, around(s, "月"), 40, 20)) {
		one := moment{start: m[0], end: m[1], month: time.Month(anyNumber(s[m[4]:m[5]])), day: anyNumber(s[m[6]:m[7]])}
		if m[2] >= 0 {
			one.year = atoi(s[m[2]:m[3]])
			if y, ok := chineseYear(s[m[2]:m[3]]); ok {
				one.year = y
			}
			if one.year == 0 {
				continue
			}
		}
		list = append(list, one)
	}
	return list
}

// named is a date with the name of its month; the numbers are those of the groups.
func named(s string, m []int, day, month, year int) moment {
	one := moment{start: m[0], end: len(strings.TrimRight(s[:m[1]], " ,.")), month: monthOf(s[m[2*month]:m[2*month+1]]), day: atoi(s[m[2*day]:m[2*day+1]])}
	if m[2*year] >= 0 {
		one.year = atoi(s[m[2*year]:m[2*year+1]])
	}
	return one
}

func monthOf(name string) time.Month {
	name = strings.ToLower(name)
	for m := time.January; m <= time.December; m++ {
		if strings.HasPrefix(strings.ToLower(m.String()), name[:3]) {
			return m
		}
	}
	return 0
}

// numericDate reads 03/04/2026 by the spec's order, and without one by the language; where both orders make a date it is flagged.
func (r *reader) numericDate(s string, m []int) (moment, bool) {
	sign := s[m[4]:m[5]]
	if sign != s[m[8]:m[9]] {
		return moment{}, false
	}
	a, b := atoi(s[m[2]:m[3]]), atoi(s[m[6]:m[7]])
	one := moment{start: m[0], end: m[11], year: atoi(s[m[10]:m[11]])}
	if len(s[m[10]:m[11]]) == 2 && sign != "." && r.order == defaultOrder {
		one.likely, one.why = true, "the year has two digits"
	}
	mdy := r.order == "mdy" || r.order == defaultOrder && sign == "/" && (r.lang() == "en" || r.lang() == "")
	switch {
	case a > 12:
		mdy = false
	case b > 12:
		mdy = true
	case r.order == defaultOrder && a != b && sign != ".":
		one.ambiguous, one.why = true, join(one.why, "day and month may be the other way round")
	}
	one.day, one.month = a, time.Month(b)
	if mdy {
		one.day, one.month = b, time.Month(a)
	}
	return one, true
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// anyNumber reads digits of either kind.
func anyNumber(s string) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	n, ok := chineseNumber(s)
	if !ok || n > 10000 {
		return 0
	}
	return int(n)
}
