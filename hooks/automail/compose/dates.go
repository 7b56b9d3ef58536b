package compose

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// dateWords are the layouts that have a name.
var dateWords = map[string]string{
	"日期": "2006年1月2日", "短日期": "2006-01-02", "长日期": "2006年1月2日 星期", "时间": "15:04", "日期时间": "2006年1月2日 15:04", "月日": "1月2日", "年月": "2006年1月", "星期": "星期", "周": "周",
	"date": "January 2, 2006", "short": "2006-01-02", "long": "Monday, January 2, 2006", "time": "15:04", "datetime": "January 2, 2006 15:04", "medium": "Jan 2, 2006", "weekday": "Monday",
	"month": "January 2006", "year": "2006", "iso": "2006-01-02", "rfc3339": time.RFC3339, "年": "2006年",
}

// datePatterns are what people write for parts of a date, the longer first, and what Go writes.
var datePatterns = [][2]string{
	{"YYYY", "2006"},
	{"yyyy", "2006"},
	{"YY", "06"},
	{"yy", "06"},
	{"MMMM", "January"},
	{"MMM", "Jan"},
	{"MM", "01"},
	{"M", "1"},
	{"DD", "02"},
	{"dd", "02"},
	{"D", "2"},
	{"d", "2"},
	{"HH", "15"},
	{"hh", "03"},
	{"h", "3"},
	{"mm", "04"},
	{"ss", "05"},
	{"EEEE", "Monday"},
	{"A", "PM"},
	{"a", "PM"},
	{"ZZ", "-0700"},
	{"Z", "-07:00"},
}

// layoutOf returns the layout of Go that words mean: a name, a pattern such as yyyy-MM-dd, or a layout of Go itself.
func layoutOf(words string) (string, bool) {
	if l, ok := dateWords[strings.ToLower(words)]; ok {
		return l, true
	}
	if len(words) > 100 {
		return "", false
	}
	if strings.ContainsAny(words, "123456") && (strings.Contains(words, "2006") || strings.Contains(words, "15:04") || strings.Contains(words, "1月2日") || strings.Contains(words, "Jan")) {
		return words, true
	}
	var b strings.Builder
	found := false
	for rest := words; rest != ""; {
		hit := false
		for _, p := range datePatterns {
			if after, ok := strings.CutPrefix(rest, p[0]); ok {
				b.WriteString(p[1])
				rest, hit, found = after, true, true
				break
			}
		}
		if hit {
			continue
		}
		if c := rest[0]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' && c != 'T' || c >= '0' && c <= '9' {
			return "", false
		}
		b.WriteByte(rest[0])
		rest = rest[1:]
	}
	return b.String(), found
}

func checkDate(i int, word string) (zh, en string) {
	if word == "" {
		return "", ""
	}
	if i == 0 {
		if _, ok := layoutOf(word); !ok {
			return "看不懂日期格式 " + word + "；可用：日期、长日期、时间、日期时间、yyyy-MM-dd", "the date layout " + word + " means nothing; use date, long, time, datetime or yyyy-MM-dd"
		}
	}
	if i == 1 {
		if _, err := zoneOf(word); err != nil {
			return "没有时区 " + word, "there is no time zone " + word
		}
	}
	return "", ""
}

func zoneOf(name string) (*time.Location, error) {
	switch name {
	case "北京时间", "北京", "中国":
		name = "Asia/Shanghai"
	case "Local":
		name = "UTC" // the server's zone says nothing to the reader
	}
	return time.LoadLocation(name)
}

var weekdays = [...]string{"日", "一", "二", "三", "四", "五", "六"}

// date writes a time: {{.mail.date | date "长日期" "Asia/Shanghai"}}.
func date(r *rendering, args []any) (any, error) {
	layout, ok := layoutOf(plain(args[0]))
	if !ok {
		return nil, r.wrong("date", "看不懂日期格式 / the layout means nothing")
	}
	zone := r.l.Zone
	if len(args) == 3 {
		var err error
		if zone, err = zoneOf(plain(args[1])); err != nil {
			return nil, r.wrong("date", "没有这个时区 / there is no such time zone")
		}
	}
	t, ok := timeOf(args[len(args)-1], zone)
	if !ok {
		return nil, r.wrong("date", "不是时间 / this is no time")
	}
	day := weekdays[t.Weekday()]
	layout = strings.NewReplacer("星期", "\x00", "周", "\x01").Replace(layout)
	return strings.NewReplacer("\x00", "星期"+day, "\x01", "周"+day).Replace(t.Format(layout)), nil
}

// timeLayouts are how CRMs write times as text; those without a zone are in the reader's.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", "2006/01/02", "2006/1/2", "2006年1月2日",
}

// timeOf reads a time in a zone. A number counts as milliseconds since 1970 where it is one of this century.
func timeOf(v any, zone *time.Location) (time.Time, bool) {
	if zone == nil {
		zone = time.UTC
	}
	switch v := v.(type) {
	case time.Time:
		return v.In(zone), !v.IsZero()
	case json.Number:
		if ms, err := strconv.ParseInt(v.String(), 10, 64); err == nil && ms > 946684800000 && ms < 4102444800000 {
			return time.UnixMilli(ms).In(zone), true
		}
	case string:
		s := strings.TrimSpace(v)
		if len(s) > 40 {
			return time.Time{}, false
		}
		for _, layout := range timeLayouts {
			if t, err := time.ParseInLocation(layout, s, zone); err == nil {
				return t.In(zone), true
			}
		}
	}
	return time.Time{}, false
}

// shift adds a span to a time: hours and shorter as Go writes them, days as calendar days.
func shift(v any, span string, sign int64) (any, error) {
	t, ok := timeOf(v, nil)
	if at, is := v.(time.Time); is {
		t, ok = at, true
	}
	if days, isDays := strings.CutSuffix(span, "d"); isDays && ok {
		if n, err := strconv.Atoi(days); err == nil && n > -100000 && n < 100000 {
			return t.AddDate(0, 0, n*int(sign)), nil
		}
	}
	d, err := time.ParseDuration(span)
	if !ok || err != nil {
		return nil, Problem{Code: "arguments", Zh: "时长应写成 \"3d\" 或 \"2h30m\"", En: `a span is written "3d" or "2h30m"`}
	}
	return t.Add(time.Duration(sign) * d), nil
}
