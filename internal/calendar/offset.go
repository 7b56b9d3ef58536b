package calendar

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// Unit is what an Offset counts.
type Unit string

// The units. Minutes to years are plain time; days, weeks, months and years keep the time on the clock.
const (
	Second         Unit = "second"
	Minute         Unit = "minute"
	Hour           Unit = "hour"
	Day            Unit = "day"
	Week           Unit = "week"
	Month          Unit = "month"
	Year           Unit = "year"
	BusinessMinute Unit = "business minute"
	BusinessHour   Unit = "business hour"
	Workday        Unit = "workday"
)

// Offset is a duration as people write it. The zero Offset is no time at all.
type Offset struct {
	N    int // negative: before
	Unit Unit
}

// maxOffset is about twenty years in each unit: more is a slip of the pen, and would make arithmetic with calendars slow.
var maxOffset = map[Unit]int{
	Second: 20 * 366 * secondsADay, Minute: 20 * 366 * 24 * 60, Hour: 20 * 366 * 24, Day: 20 * 366, Week: 20 * 53, Month: 240, Year: 20,
	BusinessMinute: 20 * 260 * 24 * 60, BusinessHour: 20 * 260 * 24, Workday: 20 * 366,
}

// unitWords are in singular, without spaces and 个.
var unitWords = map[string]Unit{
	"s": Second, "sec": Second, "second": Second, "秒": Second, "秒钟": Second,
	"m": Minute, "min": Minute, "minute": Minute, "分": Minute, "分钟": Minute,
	"h": Hour, "hr": Hour, "hour": Hour, "小时": Hour, "钟头": Hour, "时": Hour,
	"d": Day, "day": Day, "天": Day, "日": Day, "calendarday": Day, "自然日": Day,
	"w": Week, "wk": Week, "week": Week, "周": Week, "星期": Week, "礼拜": Week,
	"mo": Month, "month": Month, "月": Month,
	"y": Year, "yr": Year, "year": Year, "年": Year,
	"businessminute": BusinessMinute, "workingminute": BusinessMinute, "workminute": BusinessMinute, "工作分钟": BusinessMinute,
	"bh": BusinessHour, "businesshour": BusinessHour, "workinghour": BusinessHour, "workhour": BusinessHour, "工作小时": BusinessHour, "工时": BusinessHour,
	"bd": Workday, "wd": Workday, "workday": Workday, "businessday": Workday, "workingday": Workday, "工作日": Workday, "工作天": Workday,
}

var (
	offsetForm = regexp.MustCompile(`^([+-]?)\s*(\d+(?:\.\d+)?|an?|half\s+an?|半|[零一二两三四五六七八九十百]+)\s*(个半|个)?\s*([a-z][a-z\s-]*|\p{Han}+)$`)
	goForm     = regexp.MustCompile(`^([+-]?)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$`)
	space      = regexp.MustCompile(`[\s-]+`)
)

// ParseOffset reads what people write: "2 business hours", "4 工作小时", "3 workdays", "3 个工作日", "-2d", "90m", "1h30m", "1 week",
// "2 months", "两天前", "3 days before", "半小时".
func ParseOffset(text string) (Offset, error) {
	s := strings.ToLower(strings.TrimSpace(norm.NFKC.String(text)))
	unreadable := fmt.Errorf("%q is no duration such as 2 business hours, 3 workdays, -2d, 3 个工作日 or 4 工作小时", clip(text))
	if s == "" || len(s) > 100 {
		return Offset{}, unreadable
	}
	s, back := direction(s)
	if m := goForm.FindStringSubmatch(s); m != nil && strings.Trim(s, "+-") != "" {
		return compound(m, back)
	}
	m := offsetForm.FindStringSubmatch(s)
	if m == nil {
		return Offset{}, unreadable
	}
	word := m[4]
	unit, ok := unitWords[strings.TrimSuffix(space.ReplaceAllString(word, ""), "s")]
	if !ok {
		unit, ok = unitWords[space.ReplaceAllString(word, "")]
	}
	if !ok {
		return Offset{}, unreadable
	}
	halves, err := countHalves(m[2], m[3] == "个半")
	if err != nil {
		return Offset{}, fmt.Errorf("%q: %w", clip(text), err)
	}
	o, err := whole(halves, unit)
	if err != nil {
		return Offset{}, fmt.Errorf("%q: %w", clip(text), err)
	}
	if (m[1] == "-") != back {
		o.N = -o.N
	}
	return o, nil
}

// direction takes the words for before and after from s.
func direction(s string) (rest string, back bool) {
	for _, w := range []string{" before", " earlier", " ago", "之前", "以前", "前"} {
		if r, ok := strings.CutSuffix(s, w); ok {
			return strings.TrimSpace(r), true
		}
	}
	for _, w := range []string{" after", " later", "之后", "以后", "后"} {
		if r, ok := strings.CutSuffix(s, w); ok {
			return strings.TrimSpace(r), false
		}
	}
	if r, ok := strings.CutPrefix(s, "提前"); ok {
		return strings.TrimSpace(r), true
	}
	return s, false
}

func compound(m []string, back bool) (Offset, error) {
	sum := 0
	for i, seconds := range []int{3600, 60, 1} {
		if m[i+2] == "" {
			continue
		}
		n, err := strconv.Atoi(m[i+2])
		if err != nil || n > maxOffset[Second]/seconds {
			return Offset{}, errors.New("a duration of more than 20 years")
		}
		sum += n * seconds
	}
	o := Offset{sum, Second}
	switch {
	case sum%3600 == 0 && m[2] != "":
		o = Offset{sum / 3600, Hour}
	case sum%60 == 0:
		o = Offset{sum / 60, Minute}
	}
	if (m[1] == "-") != back {
		o.N = -o.N
	}
	return o, o.check()
}

// countHalves reads a number in halves: the only fraction that people use of any unit.
func countHalves(s string, andHalf bool) (int, error) {
	n := 0
	switch {
	case s == "半" || strings.HasPrefix(s, "half"):
		n = 1
	case s == "a" || s == "an":
		n = 2
	case s[0] >= '0' && s[0] <= '9':
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f*2 != float64(int(f*2)) {
			return 0, errors.New("only whole and half numbers; write 90m or 20 business minutes")
		}
		n = int(f * 2)
	default:
		v, ok := chineseNumber(s)
		if !ok {
			return 0, errors.New("a number that cannot be read")
		}
		n = 2 * v
	}
	if andHalf {
		n++
	}
	return n, nil
}

// whole makes an offset of halves of a unit. Half a day may be twelve hours or a morning: it is refused.
func whole(halves int, unit Unit) (Offset, error) {
	o := Offset{halves / 2, unit}
	if halves%2 != 0 {
		switch unit {
		case Minute:
			o = Offset{halves * 30, Second}
		case Hour:
			o = Offset{halves * 30, Minute}
		case BusinessHour:
			o = Offset{halves * 30, BusinessMinute}
		case Year:
			o = Offset{halves * 6, Month}
		default:
			return Offset{}, fmt.Errorf("half a %s says too little; write it in hours or days", unit)
		}
	}
	return o, o.check()
}

func (o Offset) check() error {
	most, ok := maxOffset[o.Unit]
	if !ok {
		return fmt.Errorf("%q is no unit", clip(string(o.Unit)))
	}
	if o.N > most || o.N < -most {
		return fmt.Errorf("at most %d %ss (20 years)", most, o.Unit)
	}
	return nil
}

// String is the English form, which ParseOffset reads: "3 workdays", "-2 days".
func (o Offset) String() string {
	if o.Unit == "" {
		return "0 minutes"
	}
	if o.N == 1 || o.N == -1 {
		return fmt.Sprintf("%d %s", o.N, o.Unit)
	}
	return fmt.Sprintf("%d %ss", o.N, o.Unit)
}

var chineseUnits = map[Unit]string{
	Second: " 秒", Minute: " 分钟", Hour: " 小时", Day: " 天", Week: " 周", Month: " 个月", Year: " 年",
	BusinessMinute: " 工作分钟", BusinessHour: " 个工作小时", Workday: " 个工作日",
}

// Text is the form in a language, zh or en, which ParseOffset reads.
func (o Offset) Text(language string) string {
	if !strings.HasPrefix(language, "zh") {
		return o.String()
	}
	if o.Unit == "" {
		return "0 分钟"
	}
	return strconv.Itoa(o.N) + chineseUnits[o.Unit]
}

// MarshalText makes an Offset a value in YAML and JSON.
func (o Offset) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads as ParseOffset does.
func (o *Offset) UnmarshalText(text []byte) error {
	parsed, err := ParseOffset(string(text))
	if err == nil {
		*o = parsed
	}
	return err
}

// NeedsCalendar tells whether the offset counts business time, so that unknown years matter to it.
func (o Offset) NeedsCalendar() bool {
	return o.Unit == BusinessMinute || o.Unit == BusinessHour || o.Unit == Workday
}

// Apply moves t by the offset, by the clock of the calendar's zone. A month ends with its last day: 31 January plus one month is 28 or 29
// February. A time that the clock skips is the first after the gap.
func (o Offset) Apply(t time.Time, c *Calendar) time.Time {
	switch o.Unit {
	case Second:
		return t.Add(time.Duration(o.N) * time.Second)
	case Minute:
		return t.Add(time.Duration(o.N) * time.Minute)
	case Hour:
		return t.Add(time.Duration(o.N) * time.Hour)
	case Day:
		return addCivil(t, c.loc, o.N)
	case Week:
		return addCivil(t, c.loc, 7*o.N)
	case Month:
		return addMonths(t, c.loc, o.N)
	case Year:
		return addMonths(t, c.loc, 12*o.N)
	case BusinessMinute:
		return c.Add(t, time.Duration(o.N)*time.Minute)
	case BusinessHour:
		return c.Add(t, time.Duration(o.N)*time.Hour)
	case Workday:
		return c.AddDays(t, o.N)
	}
	return t
}

func addCivil(t time.Time, loc *time.Location, days int) time.Time {
	if days == 0 {
		return t
	}
	return onDay(dayOf(t, loc)+days, t, loc)
}

func addMonths(t time.Time, loc *time.Location, months int) time.Time {
	if months == 0 {
		return t
	}
	y, m, d := t.In(loc).Date()
	first := time.Date(y, m+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	d = min(d, daysInMonth(first.Year(), first.Month()))
	return onDay(dayNumber(first.Year(), first.Month(), d), t, loc)
}

// chineseNumber reads 二, 两, 十五, 二十, 一百二十 and the like.
func chineseNumber(s string) (int, bool) {
	digits := map[rune]int{'零': 0, '一': 1, '二': 2, '两': 2, '三': 3, '四': 4, '五': 5, '六': 6, '七': 7, '八': 8, '九': 9}
	sum, last, units := 0, -1, 1000
	for _, r := range s {
		d, isDigit := digits[r]
		switch {
		case isDigit && (last <= 0):
			last = d
		case (r == '十' && units > 10) || (r == '百' && units > 100):
			units = map[rune]int{'十': 10, '百': 100}[r]
			if last < 0 {
				last = 1
			}
			sum, last = sum+last*units, -1
		default:
			return 0, false
		}
	}
	if last > 0 {
		sum += last
	}
	return sum, s != ""
}
