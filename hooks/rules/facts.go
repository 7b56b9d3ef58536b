package rules

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"heliograph/hooks/automail/compose"
	"heliograph/hooks/rules/condition"
	"heliograph/internal/calendar"
)

// World is where rules look things up. The live one asks the store and the CRMs, that of a replay what is stored only. What cannot be told is
// a *condition.Unknown; other errors are passing trouble.
type World interface {
	// Mail returns the facts of a stored message: the value of "mail".
	Mail(ctx context.Context, entry string) (map[string]any, error)
	// Thread returns the facts of a thread, as they are now: the value of "thread".
	Thread(ctx context.Context, thread, message string) (map[string]any, error)
	// Correspondence returns when people here and those with the addresses last wrote to each other, whatever the threads: last_in and last_out, for all
	// of them together; nil: never.
	Correspondence(ctx context.Context, addresses []string) (map[string]any, error)
	// Contact returns the facts of the person with the address: the value of "contact".
	Contact(ctx context.Context, address string) (map[string]any, error)
	// Company returns the facts of the company that the address belongs to.
	Company(ctx context.Context, address string) (map[string]any, error)
	// Record returns a record as it is now, by the CRM's own names of fields, with _id, _object, _target and _url.
	Record(ctx context.Context, target, object, id string) (map[string]any, error)
	// Query returns the records that fit, at most limit.
	Query(ctx context.Context, target, object string, where []Selection, fields []string, limit int) ([]map[string]any, error)
	// Tags returns the tags of a message.
	Tags(ctx context.Context, message string) ([]any, error)
}

// scope is what one run, or the decision about one event, knows. It is not safe for concurrent use.
type scope struct {
	world World
	event *Event
	rule  *compiled
	run   *Run
	now   func() time.Time
	cal   *calendar.Calendar
	items map[string]any // item, and what for_each calls it
	steps map[string]any // by id of the step: what it gave
	memo  map[string]fact
	texts *readings // nil: not shared
}

type fact struct {
	value any
	err   error
}

// gave makes what a step left behind a fact.
func (s *scope) gave(row *StepRow) {
	if s.steps == nil {
		s.steps = map[string]any{}
	}
	out := map[string]any{"state": string(row.State), "reason": row.Reason, "_path": row.Path}
	for k, v := range row.Output {
		out[k] = v
	}
	if page, ok := out[asHTML].(string); ok && (row.Kind == doReport || row.Kind == doDocument) {
		out[asHTML] = compose.Trusted(page) // by our own writers, who escaped what strangers wrote
	}
	s.steps[row.Step] = out
}

// fresh forgets what may have changed meanwhile.
func (s *scope) fresh() { s.memo = nil }

// with is a scope that knows an item besides.
func (s *scope) with(name string, item any) *scope {
	inner := *s
	inner.items = map[string]any{"item": item}
	for k, v := range s.items {
		if k != "item" {
			inner.items[k] = v
		}
	}
	if name != "" {
		inner.items[name] = item
	}
	return &inner
}

// Fact implements condition.Facts.
func (s *scope) Fact(ctx context.Context, path string) (any, error) {
	if path == "mail.tags" && s.event.Message != "" { // they change while the mail stays
		path = "tags"
	}
	root, rest, _ := strings.Cut(path, ".")
	v, err := s.root(ctx, root)
	if err != nil {
		var unknown *condition.Unknown
		if errors.As(err, &unknown) {
			return nil, &condition.Unknown{Path: path, Reason: unknown.Reason}
		}
		return nil, err
	}
	if rest == "" {
		return v, nil
	}
	return descend(v, rest, path)
}

// root returns the value of the first part of a path.
func (s *scope) root(ctx context.Context, root string) (any, error) {
	if v, ok := s.items[root]; ok {
		return v, nil
	}
	switch root {
	case "steps":
		return s.steps, nil
	case "time":
		return s.clock(), nil
	case "rule":
		return map[string]any{"id": s.rule.rule.ID, "name": s.rule.rule.Name, "owner": s.rule.rule.Owner}, nil
	case "run":
		if s.run == nil {
			return nil, &condition.Unknown{Path: root, Reason: "no run has begun"}
		}
		return map[string]any{"id": s.run.ID, "made_at": s.run.MadeAt, "title": s.run.Title}, nil
	}
	if f, ok := s.memo[root]; ok {
		return f.value, f.err
	}
	v, err := s.load(ctx, root)
	var unknown *condition.Unknown
	if err == nil || errors.As(err, &unknown) {
		if s.memo == nil {
			s.memo = map[string]fact{}
		}
		s.memo[root] = fact{v, err}
	}
	return v, err
}

// load asks for the value of a root.
func (s *scope) load(ctx context.Context, root string) (any, error) {
	switch root {
	case "fields":
		if s.rule == nil || len(s.rule.rule.Extract) == 0 {
			return map[string]any{}, nil
		}
		m, err := s.mail(ctx)
		if err != nil {
			return nil, err
		}
		at := s.event.At
		if s.cal != nil {
			at = at.In(s.cal.Location())
		}
		return s.texts.extract(m, at, s.rule), nil
	case "mail":
		return known(s.mail(ctx))
	case "thread":
		if s.event.Thread == "" {
			return nil, absent(root)
		}
		return known(s.world.Thread(ctx, s.event.Thread, s.event.Message))
	case "correspondence":
		return s.correspondence(ctx)
	case "contact", "company":
		address, err := s.correspondent(ctx)
		if err != nil {
			return nil, err
		}
		if address == "" {
			return nil, absent(root)
		}
		if root == "company" {
			return known(s.world.Company(ctx, address))
		}
		return known(s.world.Contact(ctx, address))
	case "deal", "ticket", "order":
		return s.related(ctx, root)
	case "account":
		address := s.event.text("mail", "account")
		if address == "" {
			return nil, absent(root)
		}
		return person(address), nil
	case "record":
		if v, ok := s.event.Data[root]; ok && s.event.Record == "" {
			return v, nil
		}
		if s.event.Record == "" {
			return nil, absent(root)
		}
		return known(s.world.Record(ctx, s.event.Target, s.event.Object, s.event.Record))
	case "tags":
		return s.world.Tags(ctx, s.event.Message)
	}
	if v, ok := s.event.Data[root]; ok {
		return v, nil
	}
	return nil, absent(root)
}

// correspondence is when people here and those whom the event's mail is from or to last wrote to each other.
func (s *scope) correspondence(ctx context.Context) (any, error) {
	with := partners(s.event)
	if len(with) == 0 {
		return nil, absent("correspondence")
	}
	return known(s.world.Correspondence(ctx, with))
}

// mail is the message of the event. Its words are not kept with a run, but read again from the journal.
func (s *scope) mail(ctx context.Context) (map[string]any, error) {
	m, ok := s.event.Data["mail"].(map[string]any)
	if !ok {
		return nil, absent("mail")
	}
	if _, whole := m["text"]; whole || s.event.Entry == "" {
		return m, nil
	}
	full, err := s.world.Mail(ctx, s.event.Entry)
	if err != nil {
		return nil, err
	}
	for k, v := range m {
		full[k] = v
	}
	return full, nil
}

// wordless is an event without the words of its mail, which lie encrypted in the journal.
func wordless(e Event) Event {
	m, ok := e.Data["mail"].(map[string]any)
	if !ok || e.Entry == "" {
		return e
	}
	slim := map[string]any{}
	for k, v := range m {
		switch k {
		case "text", "unquoted", "html", "signature":
		default:
			slim[k] = v
		}
	}
	data := map[string]any{}
	for k, v := range e.Data {
		data[k] = v
	}
	data["mail"] = slim
	e.Data = data
	return e
}

// Relations is a World that finds what belongs to a contact: the newest deal, ticket or order.
type Relations interface {
	// Related returns the record, as Record does, or an *condition.Unknown where there is none or where nobody said in which object to look.
	Related(ctx context.Context, what string, contact map[string]any) (map[string]any, error)
}

// related is the newest record of a kind that belongs to the contact.
func (s *scope) related(ctx context.Context, what string) (any, error) {
	world, ok := s.world.(Relations)
	if !ok {
		return nil, &condition.Unknown{Path: what, Reason: "nobody knows what belongs to the contact"}
	}
	v, err := s.root(ctx, "contact")
	if err != nil {
		return nil, err
	}
	contact, ok := v.(map[string]any)
	if !ok {
		return nil, absent(what)
	}
	return known(world.Related(ctx, what, contact))
}

// known keeps a nil map from becoming a value that is not nil.
func known(m map[string]any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

func absent(root string) error {
	return &condition.Unknown{Path: root, Reason: "nothing of the kind belongs to what happened"}
}

// correspondent is the address that contact and company are about.
func (s *scope) correspondent(ctx context.Context) (string, error) {
	if s.rule != nil && s.rule.contact != nil {
		text, err := s.rule.contact.render(ctx, s)
		return strings.ToLower(strings.TrimSpace(text)), err
	}
	address, _ := s.event.fact("mail", "correspondent").(string)
	return address, nil
}

// clock is the value of "time".
func (s *scope) clock() map[string]any {
	now := s.now()
	if s.cal != nil {
		now = now.In(s.cal.Location())
	}
	out := map[string]any{
		"now": now, "today": now.Format(time.DateOnly), "month": now.Format("2006-01"), "year": now.Format("2006"),
		"weekday": strings.ToLower(now.Weekday().String()), "last_month": now.AddDate(0, 0, -now.Day()).Format("2006-01"),
	}
	if s.cal != nil {
		out["workday"], out["in_hours"] = s.cal.IsWorkday(now), s.cal.InHours(now)
	}
	return out
}

// descend follows a path through maps and lists. A list gives the list of what its elements have.
func descend(v any, rest, path string) (any, error) {
	for rest != "" {
		switch at := v.(type) {
		case map[string]any:
			if next, ok := at[rest]; ok { // a name with dots in it
				return next, nil
			}
			name, more, _ := strings.Cut(rest, ".")
			next, ok := at[name]
			if !ok {
				return nil, &condition.Unknown{Path: path, Reason: "there is no field " + name}
			}
			v, rest = next, more
		case []any:
			name, more, _ := strings.Cut(rest, ".")
			if n, err := strconv.Atoi(name); err == nil {
				if n < 0 || n >= len(at) {
					return nil, &condition.Unknown{Path: path, Reason: "the list has " + strconv.Itoa(len(at)) + " elements"}
				}
				v, rest = at[n], more
				continue
			}
			out := make([]any, 0, len(at))
			for _, e := range at {
				one, err := descend(e, rest, path)
				if err != nil {
					return nil, err
				}
				out = append(out, one)
			}
			return out, nil
		case nil:
			return nil, nil
		default:
			return nil, &condition.Unknown{Path: path, Reason: "there is nothing below a single value"}
		}
	}
	return v, nil
}
