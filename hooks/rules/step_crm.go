package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// createTicket makes a ticket, once for the run and step.
type createTicket struct {
	Target    string           `json:"target"`
	Subject   line             `json:"subject"`
	Text      text             `json:"text"`
	Priority  string           `json:"priority,omitempty"` // low, normal, high, urgent
	Queue     line             `json:"queue,omitempty"`
	Assignee  line             `json:"assignee,omitempty"`
	Requester line             `json:"requester,omitempty"` // mailbox; empty: the sender of the mail
	Fields    map[string]value `json:"fields,omitempty"`
	Files     bool             `json:"files,omitempty"` // the files of the mail go along
}

func (t *createTicket) compile(*compiler) error {
	if t.Target == "" || t.Subject.IsZero() {
		return errors.New("a ticket needs target and subject")
	}
	return nil
}

func (t *createTicket) run(x *exec) (outcome, error) {
	out := &Ticket{Target: t.Target, Priority: t.Priority}
	texts := []struct {
		into *string
		from *template
	}{
		{&out.Subject, &t.Subject.template},
		{&out.Text, &t.Text.template},
		{&out.Queue, &t.Queue.template},
		{&out.Assignee, &t.Assignee.template},
		{&out.Requester, &t.Requester.template},
	}
	var err error
	for _, one := range texts {
		if *one.into, err = one.from.render(x.Context, x.facts); err != nil {
			return outcome{}, err
		}
	}
	if from := addressesOf(x.run.Event.fact("mail", "from")); out.Requester == "" && len(from) > 0 {
		out.Requester = from[0]
	}
	if t.Files {
		out.Entry = x.run.Event.Entry
	}
	if out.Fields, err = values(x, t.Fields); err != nil {
		return outcome{}, err
	}
	return x.act(0, &Effect{Kind: EffectTicket, Title: out.Subject, Ticket: out})
}

func (t *createTicket) check(c *checker) {
	c.target("target", t.Target)
	c.oneOf("priority", t.Priority, "", "low", "normal", "high", "urgent")
	for name, one := range map[string]template{
		"subject": t.Subject.template, "text": t.Text.template, "queue": t.Queue.template, "assignee": t.Assignee.template, "requester": t.Requester.template,
	} {
		c.template("/"+name, one)
	}
	c.values("fields", t.Fields)
	if t.Files || t.Requester.IsZero() {
		c.needsMail()
	}
}

func (t *createTicket) describe(l voice) string {
	who := l.words(t.Assignee.source)
	return l.of("make a ticket in ", "在 ") + l.target(t.Target) + l.of("", " 建工单") + l.in(" for "+who, "，指派给 "+who, who)
}

// assignTicket gives a ticket to somebody else.
type assignTicket struct {
	Target   string `json:"target"`
	Ticket   line   `json:"ticket"` // its id, such as {{.steps.ticket.id}}
	Assignee line   `json:"assignee"`
}

func (t *assignTicket) compile(*compiler) error {
	if t.Target == "" || t.Ticket.IsZero() || t.Assignee.IsZero() {
		return errors.New("assign_ticket needs target, ticket and assignee")
	}
	return nil
}

func (t *assignTicket) run(x *exec) (outcome, error) {
	id, err := t.Ticket.render(x.Context, x.facts)
	if err != nil {
		return outcome{}, err
	}
	who, err := t.Assignee.render(x.Context, x.facts)
	if err != nil {
		return outcome{}, err
	}
	return x.act(0, &Effect{Kind: EffectAssign, Title: id + " → " + who, Ticket: &Ticket{Target: t.Target, ID: id, Assignee: addressIn(who)}})
}

func (t *assignTicket) check(c *checker) {
	c.target("target", t.Target)
	c.template("/ticket", t.Ticket.template)
	c.template("/assignee", t.Assignee.template)
}

func (t *assignTicket) describe(l voice) string {
	return l.of("assign the ticket to ", "将工单指派给 ") + l.words(t.Assignee.source)
}

// createRecord makes a record, once for the run and step.
type createRecord struct {
	Target string           `json:"target"`
	Object string           `json:"object"`
	Fields map[string]value `json:"fields"`
}

func (r *createRecord) compile(*compiler) error {
	if r.Target == "" || r.Object == "" || len(r.Fields) == 0 {
		return errors.New("create_record needs target, object and fields")
	}
	return nil
}

func (r *createRecord) run(x *exec) (outcome, error) {
	fields, err := values(x, r.Fields)
	if err != nil {
		return outcome{}, err
	}
	return x.act(0, &Effect{Kind: EffectCreate, Title: r.Target + " " + r.Object, Record: &RecordWrite{Target: r.Target, Object: r.Object, Fields: fields}})
}

func (r *createRecord) check(c *checker) {
	c.target("target", r.Target)
	c.values("fields", r.Fields)
}

func (r *createRecord) describe(l voice) string {
	return l.newRecord(RecordType{r.Target, r.Object})
}

// updateRecord sets fields of a record: that of the event, or another.
type updateRecord struct {
	Target string           `json:"target,omitempty"` // empty: that of the event, as with object and id
	Object string           `json:"object,omitempty"`
	ID     line             `json:"id,omitempty"`
	Fields map[string]value `json:"fields"`
}

func (r *updateRecord) compile(*compiler) error {
	if len(r.Fields) == 0 {
		return errors.New("update_record needs fields")
	}
	if given := r.Target != "" || r.Object != "" || !r.ID.IsZero(); given && (r.Target == "" || r.Object == "" || r.ID.IsZero()) {
		return errors.New("target, object and id belong together; leave out all three for the record that started the rule")
	}
	return nil
}

func (r *updateRecord) run(x *exec) (outcome, error) {
	w := &RecordWrite{Target: r.Target, Object: r.Object}
	var err error
	if r.Target == "" {
		w.Target, w.Object, w.ID = x.run.Event.Target, x.run.Event.Object, x.run.Event.Record
	} else if w.ID, err = r.ID.render(x.Context, x.facts); err != nil {
		return outcome{}, err
	}
	if w.ID == "" {
		return outcome{}, Permanent(errors.New("there is no record to change"))
	}
	if w.Fields, err = values(x, r.Fields); err != nil {
		return outcome{}, err
	}
	return x.act(0, &Effect{Kind: EffectUpdate, Title: w.Target + " " + w.Object + " " + w.ID, Record: w})
}

func (r *updateRecord) check(c *checker) {
	if r.Target != "" {
		c.target("target", r.Target)
	}
	c.template("/id", r.ID.template)
	c.values("fields", r.Fields)
}

func (r *updateRecord) describe(l voice) string {
	of := l.record
	if r.Target != "" {
		of = RecordType{r.Target, r.Object}
	}
	return l.of("set ", "更新字段 ") + l.fields(of, names(r.Fields))
}

// values evaluates fields for a record.
func values(x *exec, fields map[string]value) (map[string]any, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	out := map[string]any{}
	for name, v := range fields {
		one, err := v.eval(x.Context, x.facts)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = one
	}
	return out, nil
}

// maxFound bounds what find_records brings.
const maxFound = 2000

// findRecords asks a CRM for records: steps.ID.records, .count and .first.
type findRecords struct {
	Target string           `json:"target"`
	Object string           `json:"object"`
	Where  []selectionValue `json:"where,omitempty"`
	Fields []string         `json:"fields,omitempty"`
	Limit  int              `json:"limit,omitempty"` // at most 2,000, which is the default
}

// selectionValue is a Selection whose value may be a template or a fact.
type selectionValue struct {
	Field string `json:"field"`
	Is    string `json:"is"`
	Value value  `json:"value,omitzero"`
}

func (f *findRecords) compile(*compiler) error {
	if f.Target == "" || f.Object == "" {
		return errors.New("find_records needs target and object")
	}
	if f.Limit < 0 || f.Limit > maxFound {
		return fmt.Errorf("limit is between 1 and %d", maxFound)
	}
	return nil
}

func (f *findRecords) run(x *exec) (outcome, error) {
	var where []Selection
	for _, s := range f.Where {
		v, err := s.Value.eval(x.Context, x.facts)
		if err != nil {
			return outcome{}, err
		}
		where = append(where, Selection{s.Field, s.Is, v})
	}
	limit := f.Limit
	if limit == 0 {
		limit = maxFound
	}
	records, err := x.e.world.Query(x.Context, f.Target, f.Object, where, f.Fields, limit)
	if u, ok := asUnknown(err); ok {
		return outcome{}, Permanent(u)
	}
	if err != nil {
		return outcome{}, err
	}
	list := make([]any, len(records))
	for i, r := range records {
		list[i] = r
	}
	out := map[string]any{"records": list, "count": json.Number(strconv.Itoa(len(list)))}
	if len(list) > 0 {
		out["first"] = list[0]
	} else {
		out["first"] = nil
	}
	return done(out), nil
}

func (f *findRecords) check(c *checker) {
	c.target("target", f.Target)
	var where []Selection
	for i, s := range f.Where {
		where = append(where, Selection{Field: s.Field, Is: s.Is})
		c.value(at("where", i), &s.Value)
	}
	c.selections("where", where)
}

func (f *findRecords) describe(l voice) string {
	return l.of("look up ", "查询 ") + l.records(RecordType{f.Target, f.Object})
}

// tagStep sets or takes tags of the mail.
type tagStep struct {
	Add    []line `json:"add,omitempty"`
	Remove []line `json:"remove,omitempty"`
}

func (t *tagStep) compile(*compiler) error {
	if len(t.Add)+len(t.Remove) == 0 {
		return errors.New("tag needs add or remove")
	}
	return nil
}

func (t *tagStep) run(x *exec) (outcome, error) {
	if x.run.Event.Message == "" {
		return outcome{}, Permanent(errors.New("there is no mail to tag"))
	}
	out := &Tagging{Message: x.run.Event.Message}
	for _, side := range []struct {
		from []line
		into *[]string
	}{{t.Add, &out.Add}, {t.Remove, &out.Remove}} {
		for _, one := range side.from {
			tag, err := one.render(x.Context, x.facts)
			if err != nil {
				return outcome{}, err
			}
			if tag = strings.TrimSpace(tag); tag != "" {
				*side.into = append(*side.into, tag)
			}
		}
	}
	return x.act(0, &Effect{Kind: EffectTag, Title: strings.Join(append(out.Add, out.Remove...), ", "), Tags: out})
}

func (t *tagStep) check(c *checker) {
	c.needsMail()
	for i, one := range t.Add {
		c.template(at("add", i), one.template)
	}
	for i, one := range t.Remove {
		c.template(at("remove", i), one.template)
	}
}

func (t *tagStep) describe(l voice) string {
	var tags []string
	for _, one := range t.Add {
		tags = append(tags, l.words(one.source))
	}
	return l.of("tag ", "打标签 ") + strings.Join(tags, l.of(", ", "、"))
}
