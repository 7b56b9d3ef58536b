package rules

import (
	"time"

	"heliograph/internal/calendar"
)

// scheduleTrigger fires at times: "每月1日 09:00", "every 15m", a cron expression.
type scheduleTrigger struct {
	At   string `json:"at"`
	Zone string `json:"zone,omitempty"` // IANA name; empty: that of the calendar
	// Missed says what happens with times at which no gateway ran: skip, once (the default) or all.
	Missed string `json:"missed,omitempty"`
	// Holiday says what happens with a time on a day off: empty: nothing special; next or previous workday; skip.
	Holiday string `json:"holiday,omitempty"`
}

func (t *scheduleTrigger) keys() []string     { return nil }
func (t *scheduleTrigger) fits(e *Event) bool { return e.Type == TypeSchedule }
func (t *scheduleTrigger) check(c *checker)   { c.schedule(t) }
func (t *scheduleTrigger) describe(l voice) string {
	return l.of("At ", "") + t.At + l.of("", " 定时")
}

// deadlineTrigger fires once for each record and date when a date field comes near or is past.
type deadlineTrigger struct {
	Target string      `json:"target"`
	Object string      `json:"object"`
	Field  string      `json:"field"`            // the field with the date
	Offset offset      `json:"offset,omitempty"` // "-2 workdays": before it; "3 days": after it; empty: when it is there
	Where  []Selection `json:"where,omitempty"`  // which records count
	Fields []string    `json:"fields,omitempty"` // more fields to be read; empty: those that the CRM gives by itself
	// Late bounds how long after its time an event still counts, for records that appear late; empty: 7 days.
	Late offset `json:"late,omitempty"`
}

// Selection is one test in a query to a CRM. The comparisons are eq, ne, lt, le, gt, ge, in, contains, empty.
type Selection struct {
	Field string `json:"field"`
	Is    string `json:"is"`
	Value any    `json:"value,omitempty"`
}

func (t *deadlineTrigger) keys() []string     { return nil }
func (t *deadlineTrigger) fits(e *Event) bool { return e.Type == TypeDeadline }

func (t *deadlineTrigger) check(c *checker) {
	c.target("target", t.Target)
	c.required("object", t.Object)
	c.required("field", t.Field)
	c.offset("offset", t.Offset, false)
	c.offset("late", t.Late, false)
	c.selections("where", t.Where)
}

func (t *deadlineTrigger) describe(l voice) string {
	of := RecordType{t.Target, t.Object}
	text := l.of("When "+l.field(of, t.Field)+" of "+l.aRecord(of), "当 "+l.aRecord(of)+"的"+l.field(of, t.Field))
	switch {
	case t.Offset.text == "":
		return text + l.of(" is reached", " 到期")
	case t.Offset.negative():
		return text + l.of(" is less than ", " 还剩 ") + t.Offset.abs(l.Lang) + l.of(" away", "")
	}
	return text + l.of(" is past by ", " 逾期 ") + t.Offset.String(l.Lang)
}

// webhookTrigger fires when another system calls /events/NAME.
type webhookTrigger struct {
	Hook string `json:"hook"`          // its name in the configuration
	Key  string `json:"key,omitempty"` // path of the field that tells events apart; empty: the id of the delivery
}

func (t *webhookTrigger) keys() []string { return []string{"webhook:" + t.Hook} }
func (t *webhookTrigger) fits(e *Event) bool {
	return e.Type == TypeWebhook && e.text("event", "_hook") == t.Hook
}
func (t *webhookTrigger) check(c *checker) { c.hook("hook", t.Hook) }
func (t *webhookTrigger) describe(l voice) string {
	return l.of("When "+t.Hook+" calls", "收到 "+t.Hook+" 的推送时")
}

// manualTrigger fires when a person says so, about a message, a record or nothing.
type manualTrigger struct {
	About string `json:"about,omitempty"` // mail, record or empty
}

func (t *manualTrigger) keys() []string     { return nil }
func (t *manualTrigger) fits(e *Event) bool { return e.Type == TypeManual }
func (t *manualTrigger) check(c *checker)   { c.oneOf("about", t.About, "", "mail", "record") }
func (t *manualTrigger) describe(l voice) string {
	return l.of("When somebody starts it", "手动启动时")
}

// offset is a span of time as people write it; it is parsed when the rule is read.
type offset struct {
	text string
	calendar.Offset
}

func (o *offset) UnmarshalText(text []byte) (err error) {
	o.text = string(text)
	if o.text == "" {
		return nil
	}
	o.Offset, err = calendar.ParseOffset(o.text)
	return err
}

// MarshalText writes it as it was written.
func (o offset) MarshalText() ([]byte, error) { return []byte(o.text), nil }

// IsZero says that nothing was written.
func (o offset) IsZero() bool { return o.text == "" }

// calendars finds business calendars by name; the empty name is the default one.
type calendars interface {
	Calendar(name string) (*calendar.Calendar, error)
}

// apply returns the moment that lies the offset behind (or before) another.
func (o offset) apply(from time.Time, cals calendars, name string) (time.Time, error) {
	if o.text == "" {
		return from, nil
	}
	cal, err := cals.Calendar(name)
	if err != nil {
		return time.Time{}, err
	}
	return o.Offset.Apply(from, cal), nil
}
