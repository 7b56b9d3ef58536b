package automation

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// ListRuns lists what rules did.
func (p *Part) ListRuns(ctx context.Context, request ListRunsRequestObject) (ListRunsResponseObject, error) {
	q, v := request.Params, viewOf(access.From(ctx))
	limit := api.PageLimit(q.Limit)
	f := rules.RunFilter{Rule: q.Rule, Version: q.Version, Mode: rules.Mode(q.Mode), Since: q.Since, Until: q.Until, Limit: limit + 1}
	for _, s := range q.State {
		f.States = append(f.States, rules.RunState(s))
	}
	if q.Message != "" {
		var err error
		if f.Message, err = p.messageOf(ctx, q.Message); err != nil {
			return nil, err
		}
	}
	if _, err := api.DecodeCursor(q.Cursor, &f.Before, &f.After); err != nil {
		return nil, err
	}
	found, err := rules.Runs(ctx, p.o.Store.Reader(), v.filter(f))
	if err != nil {
		return nil, err
	}
	names, err := p.ruleNames(ctx)
	if err != nil {
		return nil, err
	}
	out := RunList{Items: []RunSummary{}}
	if len(found) > limit {
		found = found[:limit]
		if out.Next, err = api.EncodeCursor(found[limit-1].MadeAt, found[limit-1].ID); err != nil {
			return nil, err
		}
	}
	for _, r := range found {
		out.Items = append(out.Items, runSummary(v, r, names))
	}
	return ListRuns200JSONResponse(out), nil
}

// messageOf is the key of the message that a Message-ID names, or what was given: an entry or a key.
func (p *Part) messageOf(ctx context.Context, which string) (string, error) {
	bench, err := p.o.Gateway.Bench(ctx)
	if err != nil {
		return "", err
	}
	m, err := bench.Find(ctx, which)
	if err := errors.Join(err, bench.Close()); err != nil {
		return "", err
	}
	if m != nil && m.Event.Message != "" {
		return m.Event.Message, nil
	}
	return strings.Trim(which, "<> "), nil
}

func eventInfo(ev *rules.Event, hidden bool) EventInfo {
	out := EventInfo{
		Type: TriggerType(ev.Type), Key: ev.Key, At: ev.At, Title: ev.Title, Entry: ev.Entry, Message: ev.Message, Account: accountOf(ev), Target: ev.Target,
		Object: ev.Object, Record: ev.Record,
	}
	if hidden {
		out.Title = ""
	}
	return out
}

func runSummary(v view, r *rules.Run, names map[string]string) RunSummary {
	out := RunSummary{
		Id: r.ID, Rule: r.Rule, RuleName: names[r.Rule], Version: r.Version, Mode: RunSummaryMode(r.Mode), State: RuleRunState(r.State), Title: r.Title, Reason: r.Reason,
		Event: eventInfo(&r.Event, v.hidden), MadeAt: r.MadeAt, ChangedAt: r.ChangedAt, WakesAt: r.WakeAt, Hidden: v.hidden,
	}
	if v.hidden {
		out.Title, out.Reason = "", ""
	}
	return out
}

// seenRun is a run that the caller may see, with its steps and effects.
func (p *Part) seenRun(ctx context.Context, id string) (*rules.Run, error) {
	v := viewOf(access.From(ctx))
	found, err := rules.Runs(ctx, p.o.Store.Reader(), v.filter(rules.RunFilter{ID: id, Limit: 1}))
	if err != nil {
		return nil, err
	}
	missing := api.NotFound("no_run", "there is no such run")
	if len(found) == 0 {
		return nil, missing
	}
	r, err := rules.ReadRun(ctx, p.o.Store.Reader(), id)
	if errors.Is(err, rules.ErrNoRun) {
		return nil, missing.Because(err)
	}
	return r, err
}

// GetRun shows a run.
func (p *Part) GetRun(ctx context.Context, request GetRunRequestObject) (GetRunResponseObject, error) {
	out, err := p.run(ctx, request.Run)
	if err != nil {
		return nil, err
	}
	return GetRun200JSONResponse(out), nil
}

// run is a run as it is shown.
func (p *Part) run(ctx context.Context, id string) (RuleRun, error) {
	v := viewOf(access.From(ctx))
	r, err := p.seenRun(ctx, id)
	if err != nil {
		return RuleRun{}, err
	}
	names, err := p.ruleNames(ctx)
	if err != nil {
		return RuleRun{}, err
	}
	s := runSummary(v, r, names)
	api.Named(ctx, s.RuleName)
	out := RuleRun{
		Id: s.Id, Rule: s.Rule, RuleName: s.RuleName, Version: s.Version, Mode: RuleRunMode(s.Mode), State: s.State, Title: s.Title, Reason: s.Reason, Event: s.Event,
		MadeAt: s.MadeAt, ChangedAt: s.ChangedAt, WakesAt: s.WakesAt, Hidden: s.Hidden, Steps: []RunStep{}, Effects: []RunEffect{}, Waits: []RunWait{},
		CanRetry: r.State == rules.RunFailed && v.May(access.RulesPublish), CanCancel: !r.State.Final() && v.May(access.RulesPublish),
	}
	if r.Why.Kind != "" && !v.hidden && !v.masks() {
		out.Explanation = r.Why
	}
	for _, step := range r.Steps {
		out.Steps = append(out.Steps, stepOf(v, step))
	}
	for _, e := range r.Effects {
		out.Effects = append(out.Effects, p.effectOf(ctx, v, e))
	}
	out.Waits, err = p.waits(ctx, r)
	return out, err
}

func stepOf(v view, s *rules.StepRow) RunStep {
	zh, en := rules.StepWords(s.Kind)
	out := RunStep{
		Path: s.Path, Step: s.Step, Kind: s.Kind, Label: Words{Zh: zh, En: en}, State: RunStepState(s.State), Attempts: s.Attempts, DueAt: s.DueAt,
		BeganAt: s.BeganAt, ChangedAt: s.ChangedAt,
	}
	if !v.hidden {
		out.Output, out.Reason = v.shown(s.Output), s.Reason
	}
	return out
}

// shown is an output without HTML, which nothing shows as such, and without what the caller must not see.
func (v view) shown(output map[string]any) map[string]any {
	masked, _ := v.masked(output).(map[string]any)
	if _, ok := masked["html"].(string); ok {
		delete(masked, "html")
	}
	return masked
}

func (p *Part) effectOf(ctx context.Context, v view, e *rules.EffectRow) RunEffect {
	out := RunEffect{
		Id: e.ID, Path: e.Path, Kind: EffectKind(e.Kind), State: RunEffectState(e.State), Recipients: e.Recipients, MessageId: e.MessageID, MadeAt: e.MadeAt, ChangedAt: e.ChangedAt,
	}
	if !v.hidden {
		out.Title, out.Reason, out.Output = e.Title, e.Reason, v.shown(e.Output)
	}
	if e.Kind == rules.EffectMail {
		if sent, err := p.outbox.Effect(ctx, e.ID); err == nil {
			out.OutboxEntry = sent.Entry.String()
		}
	}
	return out
}

// waitWords say what runs wait for, by the beginning of the key.
var waitWords = []struct {
	prefix string
	kind   RunWaitKind
	words  Words
}{
	{"reply:", RunWaitKindReply, Words{Zh: "等待对邮件的回复", En: "an answer to the mail"}},
	{"thread:", RunWaitKindReply, Words{Zh: "等待会话中的新邮件", En: "a new message in the conversation"}},
	{"contact:", RunWaitKindReply, Words{Zh: "等待与对方的新邮件", En: "a new message from or to the correspondent"}},
	{"approval:", RunWaitKindApproval, Words{Zh: "等待审批", En: "a decision"}},
	{"effect:", RunWaitKindMail, Words{Zh: "等待邮件投递结果", En: "what becomes of the mail"}},
	{"first:", RunWaitKindApproval, Words{Zh: "等待前几封邮件获批", En: "the approval of the first mails"}},
	{"answer:", RunWaitKindOther, Words{Zh: "等待审批回复", En: "an answer that decides"}},
}

// waits says what a run waits for.
func (p *Part) waits(ctx context.Context, r *rules.Run) ([]RunWait, error) {
	out := []RunWait{}
	if r.State != rules.RunWaiting {
		return out, nil
	}
	keys, err := rules.Waits(ctx, p.o.Store.Reader(), r.ID)
	if err != nil {
		return out, err
	}
	path, until := "", r.WakeAt
	for _, s := range r.Steps {
		if s.State == rules.StepWaiting {
			path = s.Path
		}
	}
	for _, k := range keys {
		w := RunWait{Kind: RunWaitKindOther, Text: Words{Zh: "等待事件", En: "something that has to happen"}, Until: until, Path: path}
		for _, known := range waitWords {
			if rest, ok := strings.CutPrefix(k, known.prefix); ok {
				w.Kind, w.Text = known.kind, known.words
				if known.prefix == "approval:" {
					w.Approval = rest
				}
			}
		}
		if !slices.Contains(out, w) { // several addresses are one wait
			out = append(out, w)
		}
	}
	if len(keys) == 0 && !until.IsZero() {
		out = append(out, RunWait{Kind: RunWaitKindTime, Text: Words{Zh: "等待到指定时间", En: "a time"}, Until: until, Path: path})
	}
	return out, nil
}

// RetryRun lets a failed run go on.
func (p *Part) RetryRun(ctx context.Context, request RetryRunRequestObject) (RetryRunResponseObject, error) {
	r, err := p.seenRun(ctx, request.Run)
	if err != nil {
		return nil, err
	}
	if r.State != rules.RunFailed {
		return nil, api.Conflict("not_failed", "the run has not failed", "")
	}
	if err := rules.Retry(ctx, p.o.Store, p.o.Queue, p.o.Now(), r.ID); err != nil {
		return nil, err
	}
	out, err := p.run(ctx, r.ID)
	return RetryRun200JSONResponse(out), err
}

// CancelRun ends a run.
func (p *Part) CancelRun(ctx context.Context, request CancelRunRequestObject) (CancelRunResponseObject, error) {
	if err := needed("/reason", request.Body.Reason); err != nil {
		return nil, err
	}
	r, err := p.seenRun(ctx, request.Run)
	if err != nil {
		return nil, err
	}
	if r.State.Final() {
		return nil, api.Conflict("run_over", "the run is over", "")
	}
	if err := rules.Cancel(ctx, p.o.Store, p.o.Now(), r.ID, request.Body.Reason+" ("+who(access.From(ctx))+")"); err != nil {
		return nil, err
	}
	out, err := p.run(ctx, r.ID)
	return CancelRun200JSONResponse(out), err
}

// StartRule starts a rule by hand.
func (p *Part) StartRule(ctx context.Context, request StartRuleRequestObject) (StartRuleResponseObject, error) {
	c, b := access.From(ctx), request.Body
	s, err := p.book.Get(ctx, request.Id)
	if err != nil {
		return nil, ruleError(request.Id, err)
	}
	if s.State != rules.StateLive && s.State != rules.StateShadow {
		return nil, api.Conflict("not_in_force", "nothing of the rule is in force", "Turn it on first.")
	}
	about := rules.Event{}
	if b.Record.Id != "" {
		about.Target, about.Object, about.Record, about.Title = b.Record.Target, b.Record.Object, b.Record.Id, b.Record.Object+" "+b.Record.Id
	}
	if b.Entry != "" || b.MessageId != "" {
		m, err := p.seenMail(ctx, viewOf(c), b.Entry+b.MessageId)
		if err != nil {
			return nil, err
		}
		e := m.Event
		about.Entry, about.Message, about.Thread, about.Title, about.Data, about.Automated, about.Depth = e.Entry, e.Message, e.Thread, e.Title, e.Data, e.Automated, e.Depth
	}
	key, err := rules.Start(ctx, p.o.Store, p.o.Queue, request.Id, c.Person.Email, about, p.o.Now().Truncate(time.Microsecond))
	if err != nil {
		return nil, ruleError(request.Id, err)
	}
	return StartRule202JSONResponse{Event: key}, nil
}

// seenMail is a stored message that the caller may see and that is an event for rules.
func (p *Part) seenMail(ctx context.Context, v view, which string) (*Message, error) {
	bench, err := p.o.Gateway.Bench(ctx)
	if err != nil {
		return nil, err
	}
	m, err := bench.Find(ctx, which)
	if err := errors.Join(err, bench.Close()); err != nil {
		return nil, err
	}
	if m == nil || !v.sees(&rules.Event{Type: rules.TypeMail, Entry: "mail"}, m.Account) {
		return nil, api.NotFound("no_message", "there is no such message")
	}
	if m.Skipped != nil {
		return nil, api.Invalid("no_event", "no rule looks at this message: "+m.Skipped.En)
	}
	return m, nil
}
