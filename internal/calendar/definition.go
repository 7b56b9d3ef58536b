package calendar

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a definition. Ten years of holidays have about 300 days.
const (
	maxDefinition = 256 << 10 // bytes
	maxSpecial    = 5000      // holidays and make-up workdays
	maxRange      = 92        // days in one holiday
	maxSpans      = 12        // in a day
)

// Definition is a calendar as data.
//
//	name: shanghai-service
//	base: cn                      # its zone, hours, holidays and make-up workdays; what follows comes on top
//	hours:
//	  mon-fri: ["08:30-12:00", "13:00-17:30"]
//	  sat: ["09:00-12:00"]
//	holidays:
//	  - {from: 2026-12-24, to: 2026-12-31, name: company holiday}
//	workdays:
//	  - {from: 2026-12-26, hours: ["09:00-12:00"]}
//	years: [2027]                 # the holidays of these years are complete
type Definition struct {
	Name string `json:"name" yaml:"name"`
	// Base is another calendar. A day that both name is as this definition says.
	Base string `json:"base,omitempty" yaml:"base,omitempty"`
	// Zone is a name of the IANA database such as Asia/Shanghai. Empty: that of the base.
	Zone string `json:"zone,omitempty" yaml:"zone,omitempty"`
	// Hours are spans by weekday, "mon" or "mon-fri", also 周一 and 周一-周五. Weekdays that are not named are free. Empty: those of the base.
	Hours map[string][]string `json:"hours,omitempty" yaml:"hours,omitempty"`
	// Holidays are free although their weekday is not.
	Holidays []Days `json:"holidays,omitempty" yaml:"holidays,omitempty"`
	// Workdays are worked although their weekday is free.
	Workdays []Days `json:"workdays,omitempty" yaml:"workdays,omitempty"`
	// Years are those whose holidays are complete, beside those of the base. See Calendar.Known.
	Years []int `json:"years,omitempty" yaml:"years,omitempty"`
}

// Days are a day or several days in a row.
type Days struct {
	From string `json:"from" yaml:"from"`                 // 2026-02-15
	To   string `json:"to,omitempty" yaml:"to,omitempty"` // the last day; empty: one day
	Name string `json:"name,omitempty" yaml:"name,omitempty"`
	// Hours of a make-up workday. Empty: those of its weekday, or those of Monday to Friday where the weekday has none.
	Hours []string `json:"hours,omitempty" yaml:"hours,omitempty"`
}

// Parse reads a definition in YAML or JSON. Keys that it does not know are errors. The base is one of the calendars that come with
// the program; see NewSet for others.
func Parse(text []byte) (*Calendar, error) { return parse(text, builtin()) }

func parse(text []byte, bases map[string]*Calendar) (*Calendar, error) {
	if len(text) > maxDefinition {
		return nil, fmt.Errorf("read calendar: %d bytes, at most %d", len(text), maxDefinition)
	}
	d, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("read calendar: %w", err)
	}
	return build(d, bases)
}

// decode refuses anchors, aliases and tags: no calendar needs them, and the library trips over some of them.
func decode(text []byte) (d Definition, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("no YAML that can be read")
		}
	}()
	for _, t := range lexer.Tokenize(string(text)) {
		if t.Type == token.TagType || t.Type == token.AnchorType || t.Type == token.AliasType {
			return d, fmt.Errorf("line %d: anchors, aliases and tags are not taken", t.Position.Line)
		}
	}
	if err := yaml.UnmarshalWithOptions(text, &d, yaml.Strict()); err != nil {
		return d, errors.New(yaml.FormatError(err, false, false))
	}
	return d, nil
}

// Build checks the definition and makes the calendar. All mistakes are told, not only the first.
func (d Definition) Build() (*Calendar, error) { return build(d, builtin()) }

func build(d Definition, bases map[string]*Calendar) (*Calendar, error) {
	b := builder{definition: d, calendar: &Calendar{name: d.Name, days: map[int]daily{}}}
	if strings.TrimSpace(d.Name) == "" {
		b.wrong("name", errors.New("missing"))
	}
	if d.Base != "" {
		if base, ok := bases[d.Base]; ok {
			c := *base
			c.name, c.days, c.years = d.Name, maps.Clone(base.days), maps.Clone(base.years)
			b.calendar = &c
		} else {
			b.wrong("base", fmt.Errorf("no calendar %q; there are %v", clip(d.Base), slices.Sorted(maps.Keys(bases))))
		}
	}
	b.zone()
	b.week()
	b.special()
	b.knownYears()
	if len(b.mistakes) > 0 {
		return nil, fmt.Errorf("calendar %q: %w", clip(d.Name), errors.Join(b.mistakes...))
	}
	return b.calendar, nil
}

type builder struct {
	definition Definition
	calendar   *Calendar
	mistakes   []error
}

func (b *builder) wrong(key string, err error) {
	const most = 20
	if len(b.mistakes) < most {
		b.mistakes = append(b.mistakes, fmt.Errorf("%s: %w", key, err))
	}
}

func (b *builder) zone() {
	if b.definition.Zone == "" {
		if b.calendar.loc == nil {
			b.calendar.loc = time.UTC
			b.wrong("zone", errors.New("missing, for example Asia/Shanghai"))
		}
		return
	}
	loc, err := loadZone(b.definition.Zone)
	if err != nil {
		b.wrong("zone", err)
		loc = time.UTC
	}
	b.calendar.loc = loc
}

// loadZone takes no "Local": the same data must mean the same on every machine.
func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is no time zone; write one such as Asia/Shanghai", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone; write one such as Asia/Shanghai", clip(name))
	}
	return loc, nil
}

func (b *builder) week() {
	if len(b.definition.Hours) > 0 {
		b.calendar.week = [7][]span{}
	}
	named := [7]bool{}
	for _, key := range slices.Sorted(maps.Keys(b.definition.Hours)) {
		where := "hours." + clip(key)
		days, err := parseWeekdays(key)
		if err != nil {
			b.wrong(where, err)
			continue
		}
		spans, err := parseSpans(b.definition.Hours[key])
		if err != nil {
			b.wrong(where, err)
			continue
		}
		for _, w := range days {
			if named[w] {
				b.wrong(where, fmt.Errorf("%s is named twice", w))
			}
			named[w] = true
			b.calendar.week[w] = spans
		}
	}
	for _, spans := range b.calendar.week {
		if len(spans) > 0 {
			return
		}
	}
	b.wrong("hours", errors.New(`a week without working hours; write for example {mon-fri: ["09:00-18:00"]}`))
}

func (b *builder) special() {
	for day, d := range b.calendar.days { // the base's make-up workdays have this calendar's hours
		if d.usual {
			d.spans = b.usual(day)
			b.calendar.days[day] = d
		}
	}
	off, on := map[int]bool{}, map[int]bool{}
	count := 0
	each := func(key string, list []Days, seen, other map[int]bool, take func(int, Days) error) {
		for i, d := range list {
			where := fmt.Sprintf("%s[%d]", key, i)
			from, to, err := d.bounds()
			if count += to - from + 1; err == nil && count > maxSpecial {
				err = fmt.Errorf("more than %d days", maxSpecial)
			}
			for day := from; err == nil && day <= to; day++ {
				if seen[day] || other[day] {
					err = fmt.Errorf("%s is named twice", formatDay(day))
					break
				}
				seen[day] = true
				err = take(day, d)
			}
			if err != nil {
				b.wrong(where, err)
			}
		}
	}
	each("holidays", b.definition.Holidays, off, on, func(day int, d Days) error {
		if len(d.Hours) > 0 {
			return errors.New("a holiday has no hours; put a shortened day under workdays")
		}
		b.calendar.days[day] = daily{off: true, name: d.Name}
		return nil
	})
	each("workdays", b.definition.Workdays, on, off, func(day int, d Days) error {
		made := daily{name: d.Name, usual: len(d.Hours) == 0, spans: b.usual(day)}
		if !made.usual {
			var err error
			if made.spans, err = parseSpans(d.Hours); err != nil {
				return err
			}
		}
		b.calendar.days[day] = made
		return nil
	})
}

// usual are the hours of a make-up workday of which nothing is said.
func (b *builder) usual(day int) []span {
	if spans := b.calendar.week[weekday(day)]; len(spans) > 0 {
		return spans
	}
	for w := time.Monday; w <= time.Friday; w++ {
		if spans := b.calendar.week[w]; len(spans) > 0 {
			return spans
		}
	}
	return append(slices.Clone(b.calendar.week[time.Saturday]), b.calendar.week[time.Sunday]...)
}

func (b *builder) knownYears() {
	if len(b.definition.Years) > 0 && b.calendar.years == nil {
		b.calendar.years = map[int]bool{}
	}
	for i, y := range b.definition.Years {
		if y < 1970 || y > 2200 {
			b.wrong(fmt.Sprintf("years[%d]", i), fmt.Errorf("%d is out of 1970 to 2200", y))
			continue
		}
		b.calendar.years[y] = true
	}
}

func (d Days) bounds() (from, to int, err error) {
	if from, err = parseDay(d.From); err != nil {
		return 0, -1, err
	}
	to = from
	if d.To != "" {
		if to, err = parseDay(d.To); err != nil {
			return 0, -1, err
		}
	}
	if to < from {
		return 0, -1, fmt.Errorf("%s is before %s", d.To, d.From)
	}
	if to-from >= maxRange {
		return 0, -1, fmt.Errorf("%s to %s are more than %d days", d.From, d.To, maxRange)
	}
	return from, to, nil
}

func parseDay(s string) (int, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1970 || t.Year() > 2200 {
		return 0, fmt.Errorf("%q is no date such as 2026-10-01", clip(s))
	}
	return dayNumber(t.Date()), nil
}

func formatDay(day int) string {
	return time.Unix(int64(day)*secondsADay, 0).UTC().Format(time.DateOnly)
}

// parseSpans reads ["09:00-12:00", "13:30-18:00"].
func parseSpans(list []string) ([]span, error) {
	if len(list) > maxSpans {
		return nil, fmt.Errorf("more than %d spans in a day", maxSpans)
	}
	spans := make([]span, 0, len(list))
	for _, text := range list {
		a, z, ok := strings.Cut(text, "-")
		if !ok {
			return nil, fmt.Errorf("%q is no span such as 09:00-12:00", clip(text))
		}
		from, err := parseClock(a)
		if err != nil {
			return nil, err
		}
		to, err := parseClock(z)
		if err != nil {
			return nil, err
		}
		if to <= from {
			return nil, fmt.Errorf("%s ends before it begins; a night is two spans, until 24:00 and from 00:00", text)
		}
		spans = append(spans, span{from, to})
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			return nil, fmt.Errorf("the span from %s begins within another", formatClock(spans[i].from))
		}
	}
	return spans, nil
}
