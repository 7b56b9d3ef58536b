package condition

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"heliograph/internal/decimal"
)

// saying is how the values of a fact are said to people.
type saying struct {
	path  string
	kind  Type
	names []ValueName    // what people call values
	zone  *time.Location // nil: times are said in the zone in which they are written
}

// Words is a value of a rule as people write it, in the language zh or en.
func Words(value any, names []ValueName, lang string) string {
	return saying{names: names}.plain(value, lang)
}

// at says times in a zone.
func (s saying) at(zone *time.Location) saying {
	s.zone = zone
	return s
}

// plain is a value as it stands in a condition; texts have no quotation marks.
func (s saying) plain(value any, lang string) string {
	if text, ok := value.(string); ok && s.called(text) == nil && !s.isDate(text) {
		return cut(text, maxShown)
	}
	return s.quoted(value, lang)
}

// The most elements of a list that are said: of a condition, and of a fact.
const (
	maxSpoken = 8
	maxHeard  = 5
)

// quoted is a value that a fact had: texts stand between quotation marks, so that one sees where they end.
func (s saying) quoted(value any, lang string) string {
	switch v := value.(type) {
	case nil:
		return either(lang, "空", "empty")
	case bool:
		return truthWord(v, either(lang, "是", "yes"), either(lang, "否", "no"))
	case json.Number:
		return s.number(string(v))
	case time.Time:
		return s.date(v, lang)
	case []any:
		if len(v) == 0 {
			return either(lang, "空", "empty")
		}
		return listWords(v, maxHeard, lang, func(item any) string { return s.quoted(item, lang) })
	case map[string]any:
		return s.object(v, lang)
	case string:
		if n := s.called(v); n != nil {
			return either(lang, n.ZH, n.EN)
		}
		if s.isDate(v) {
			if text, ok := s.dateText(v, lang); ok {
				return text
			}
		}
	}
	return show(value)
}

// listWords joins elements, of a long list the first ones.
func listWords(list []any, most int, lang string, say func(any) string) string {
	var parts []string
	for i, item := range list {
		if i == most {
			n := strconv.Itoa(len(list))
			parts = append(parts, either(lang, "…共 "+n+" 项", "… "+n+" in all"))
			break
		}
		parts = append(parts, say(item))
	}
	return strings.Join(parts, either(lang, "、", ", "))
}

// object is what a value with fields is known by. The two sides of a change have none.
func (s saying) object(v map[string]any, lang string) string {
	if len(v) > 0 && len(v) <= 2 && !slices.ContainsFunc(slices.Collect(maps.Keys(v)), func(k string) bool { return k != "old" && k != "new" }) {
		side := func(name string) string {
			if one, ok := v[name]; ok {
				return s.quoted(one, lang)
			}
			return either(lang, "未知", "unknown")
		}
		return side("old") + " → " + side("new")
	}
	return showInside(v)
}

// called is what people call a value, or nil.
func (s saying) called(text string) *ValueName {
	if i := slices.IndexFunc(s.names, func(n ValueName) bool { return Fold(n.Value) == Fold(text) }); i >= 0 {
		return &s.names[i]
	}
	return nil
}

var (
	written = regexp.MustCompile(`^-?\d{5,}(\.\d+)?$`)
	counted = regexp.MustCompile(`(?i)(^|[._])(id|no|code|year)$|[a-z](Id|ID|No|Code|Year)$|编号$|年份$`)
)

// number writes a number with commas, unless its name says that nobody reads it by its size, such as an id.
func (s saying) number(text string) string {
	if !written.MatchString(text) || counted.MatchString(s.path) {
		return cut(text, maxShown)
	}
	return cut(decimal.Group(text), maxShown)
}

var dateForm = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$`)

// isDate says that a text is a day or a time as machines write it, and that it may be one.
func (s saying) isDate(text string) bool {
	return (s.kind == "" || s.kind == TypeOpen || s.kind == TypeTime || s.kind == TypeList) && dateForm.MatchString(text)
}

// dateText is a day or a time that came as text.
func (s saying) dateText(text, lang string) (string, bool) {
	zone := s.zone
	if zone == nil {
		zone = time.UTC
	}
	when, ok := moment(text, zone)
	if !ok {
		return "", false
	}
	if utf8.RuneCountInString(text) == len("2006-01-02") {
		return when.start.Format(either(lang, "2006年1月2日", "2 January 2006")), true
	}
	if s.zone == nil && dateForm.FindStringSubmatch(text)[4] != "" {
		return s.date(when.start, lang) + when.start.Format(" (UTC-07:00)"), true
	}
	return s.date(when.start, lang), true
}

// date is a time in the zone of who reads it, or in its own.
func (s saying) date(t time.Time, lang string) string {
	if s.zone != nil {
		t = t.In(s.zone)
	}
	clock := "15:04"
	if t.Second() != 0 {
		clock = "15:04:05"
	}
	return t.Format(either(lang, "2006年1月2日 ", "2 January 2006, ") + clock)
}
