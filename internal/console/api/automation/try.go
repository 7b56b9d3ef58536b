package automation

import (
	"context"
	"errors"
	"maps"
	"time"

	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// defaultFollow is how long waits are followed where nobody says it.
const defaultFollow = 8760 * time.Hour

// triedSamples is how many effects of a trial are shown with their content.
const triedSamples = 50

// TryRule says what a rule would do, and why.
func (p *Part) TryRule(ctx context.Context, request TryRuleRequestObject) (TryRuleResponseObject, error) {
	bench, err := p.o.Gateway.Bench(ctx)
	if err != nil {
		return nil, err
	}
	out, err := p.try(ctx, bench, request.Body)
	if err := errors.Join(err, bench.Close()); err != nil {
		return nil, err
	}
	return TryRule200JSONResponse(out), nil
}

func (p *Part) try(ctx context.Context, bench Bench, b *TryRequest) (out Tried, err error) {
	v := viewOf(access.From(ctx))
	rule, err := p.tried(ctx, b)
	if err != nil {
		return out, err
	}
	ev, o, note, err := p.happening(ctx, bench, v, rule, b)
	if err != nil || note != nil {
		if note != nil {
			out.Note = *note
		}
		out.Event, out.Verdict = eventInfo(&ev, v.hidden), Verdict{Rule: rule.Body.ID, Name: rule.Body.Name, Result: VerdictResultUnfit}
		out.Report = reportOf(rules.Report{})
		return out, err
	}
	o.From, o.Samples, o.Answers = ev.At, triedSamples, rules.Answers{Approve: string(b.Answers.Approve)}
	trial, err := rules.NewTrial([]rules.Version{rule}, o)
	if err != nil {
		return out, api.Invalid("rule_invalid", err.Error())
	}
	verdicts, err := trial.Judge(ctx, ev)
	if err != nil {
		return out, err
	}
	out.Event, out.Verdict, out.Hidden = eventInfo(&ev, v.hidden), verdictOf(v, verdicts[0], nil), v.hidden
	if err := trial.Feed(ctx, ev); err != nil {
		return out, err
	}
	follow := defaultFollow
	if b.Follow != nil {
		follow = time.Duration(*b.Follow) * time.Hour
	}
	if out.Verdict.Result == VerdictResultFires {
		if err := trial.Until(ctx, ev.At.Add(follow)); err != nil {
			return out, err
		}
	}
	report := trial.Result()
	out.Report = reportOf(report)
	for i := range report.Fired {
		run, err := p.trialRun(ctx, v, &report.Fired[i], true)
		if err != nil {
			return out, err
		}
		out.Runs = append(out.Runs, run)
	}
	return out, nil
}

// tried is the rule that is tried.
func (p *Part) tried(ctx context.Context, b *TryRequest) (rules.Version, error) {
	switch {
	case (len(b.Rule) > 0) == (b.Id != ""):
		return rules.Version{}, api.Invalid("which_rule", "give a rule, or the id of one", api.Field{Pointer: "/rule", Detail: "either rule or id"})
	case b.Id != "":
		return p.version(ctx, b.Id, b.Version)
	}
	r, err := readRule(b.Rule)
	return rules.Version{Rule: r.ID, Body: r}, err
}

// happening is the event that a rule is tried on, and what it is tried with. note says why the message is no event.
func (p *Part) happening(ctx context.Context, bench Bench, v view, rule rules.Version, b *TryRequest) (ev rules.Event, o rules.TrialOptions, note *Words, err error) {
	given, err := decodeObject(b.Facts)
	if err != nil {
		return ev, o, nil, api.Invalid("bad_facts", "the facts are no object", api.Field{Pointer: "/facts", Detail: "an object by root"})
	}
	kinds := 0
	for _, has := range []bool{b.Entry != "", b.MessageId != "", len(b.Eml) > 0, len(b.Event) > 0} {
		if has {
			kinds++
		}
	}
	if kinds != 1 {
		return ev, o, nil, api.Invalid("what_happens", "give exactly one of entry, message_id, eml and event")
	}
	switch {
	case len(b.Event) > 0:
		data, err := decodeObject(b.Event)
		if err != nil {
			return ev, o, nil, api.Invalid("bad_event", "the event is no object", api.Field{Pointer: "/event", Detail: "an object by root"})
		}
		ev, err = rules.TestEvent(rule.Body, rules.Test{Event: data})
		if err != nil {
			return ev, o, nil, api.Invalid("bad_event", err.Error(), api.Field{Pointer: "/event", Detail: err.Error()})
		}
		o = bench.Given(facted(given))
	case len(b.Eml) > 0:
		ev, err = bench.File(ctx, b.Eml, File{Account: b.EmlAccount, Mailbox: orInbox(b.EmlMailbox), Direction: string(b.EmlDirection), At: b.At})
		if err != nil {
			return ev, o, nil, api.Invalid("bad_eml", "this is no mail that can be read: "+err.Error(), api.Field{Pointer: "/eml", Detail: err.Error()})
		}
		ev.Rule = ""
		o = bench.Given(facted(given))
	default:
		m, err := bench.Find(ctx, b.Entry+b.MessageId)
		if err != nil {
			return ev, o, nil, err
		}
		if m == nil || !v.sees(&rules.Event{Type: rules.TypeMail, Entry: "mail"}, m.Account) {
			return ev, o, nil, api.NotFound("no_message", "there is no such message")
		}
		if m.Skipped != nil {
			return m.Event, o, m.Skipped, nil
		}
		ev, o = m.Event, bench.Stored()
		if len(given) > 0 {
			o.World = besides{o.World, rules.Given(given), given}
		}
	}
	if !b.At.IsZero() {
		ev.At = b.At
	}
	switch rule.Body.Trigger.Type {
	case rules.TypeSchedule, rules.TypeDeadline, rules.TypeManual:
		ev.Rule = rule.Body.ID
	}
	return ev, o, nil, nil
}

func orInbox(mailbox string) string {
	if mailbox == "" {
		return "INBOX"
	}
	return mailbox
}

func facted(given map[string]any) map[string]any {
	if given == nil {
		return map[string]any{}
	}
	return given
}

// besides is a World of what is stored, in which the roots that somebody wrote down are as written.
type besides struct {
	rules.World
	given rules.World
	roots map[string]any
}

func (b besides) has(root string) rules.World {
	if _, ok := b.roots[root]; ok {
		return b.given
	}
	return b.World
}

// Thread implements rules.World.
func (b besides) Thread(ctx context.Context, thread, message string) (map[string]any, error) {
	return b.has("thread").Thread(ctx, thread, message)
}

// Correspondence implements rules.World.
func (b besides) Correspondence(ctx context.Context, addresses []string) (map[string]any, error) {
	return b.has("correspondence").Correspondence(ctx, addresses)
}

// Contact implements rules.World.
func (b besides) Contact(ctx context.Context, address string) (map[string]any, error) {
	return b.has("contact").Contact(ctx, address)
}

// Company implements rules.World.
func (b besides) Company(ctx context.Context, address string) (map[string]any, error) {
	return b.has("company").Company(ctx, address)
}

// Record implements rules.World.
func (b besides) Record(ctx context.Context, target, object, id string) (map[string]any, error) {
	return b.has("record").Record(ctx, target, object, id)
}

// Clock implements rules.Clocked.
func (b besides) Clock(now func() time.Time) {
	if c, ok := b.World.(rules.Clocked); ok {
		c.Clock(now)
	}
}

// countsOf is a copy of counts that is never null.
func countsOf(m map[string]int) map[string]int {
	out := map[string]int{}
	maps.Copy(out, m)
	return out
}
