package automation

import (
	"cmp"
	"context"
	"slices"

	"heliograph/hooks/rules"
)

// maxTold bounds the recipients that a report names.
const maxTold = 100

// reportOf is what a trial found, in numbers.
func reportOf(r rules.Report) TrialReport {
	out := TrialReport{
		Events: r.Events, Results: countsOf(r.Results), Runs: countsOf(r.Runs), Effects: countsOf(r.Effects), Omitted: r.Omitted, Recipients: counted(r.Recipients),
		OtherRecipients: r.OtherRecipients,
	}
	if n := len(out.Recipients); n > maxTold {
		out.Recipients, out.OtherRecipients = out.Recipients[:maxTold], out.OtherRecipients+n-maxTold
	}
	for _, rule := range sorted(r.Unknown) {
		u := r.Unknown[rule]
		out.Unknown = append(out.Unknown, struct {
			Events int    `json:"events"`
			Reason string `json:"reason"`
			Rule   string `json:"rule"`
		}{u.Events, u.Reason, rule})
	}
	return out
}

// counted are counts by name, the highest first.
func counted(m map[string]int) []NameCount {
	out := []NameCount{}
	for _, name := range sorted(m) {
		out = append(out, NameCount{Name: name, Count: m[name]})
	}
	slices.SortStableFunc(out, func(a, b NameCount) int { return cmp.Compare(b.Count, a.Count) })
	return out
}

// trialRun is a run of a trial. pages says that HTML is kept to be looked at.
func (p *Part) trialRun(ctx context.Context, v view, f *rules.Fired, pages bool) (TrialRun, error) {
	out := TrialRun{
		Rule: f.Rule, Version: f.Version, Event: f.Event, At: f.At, Title: f.Title, State: RuleRunState(f.State), Reason: f.Reason, Effects: []TrialEffect{},
	}
	if v.hidden {
		out.Title, out.Reason = "", ""
	}
	for _, e := range f.Effects {
		one := TrialEffect{At: e.At, Step: e.Step, State: TrialEffectState(e.State), Kind: EffectKind(e.Kind), Title: e.Title, Recipients: e.Recipients, Reason: e.Reason}
		if v.hidden {
			one.Title, one.Reason = "", ""
		} else if e.Effect != nil {
			var err error
			if one.Content, err = p.content(ctx, v, e.Effect, pages); err != nil {
				return out, err
			}
		}
		out.Effects = append(out.Effects, one)
	}
	return out, nil
}

// content is what an effect is to do.
func (p *Part) content(ctx context.Context, v view, e *rules.Effect, pages bool) (out EffectContent, err error) {
	if e.Mail != nil {
		if out.Mail, err = p.mailContent(ctx, e.Mail, pages); err != nil {
			return out, err
		}
	}
	if n := e.Notice; n != nil {
		out.Notice = NoticeContent{Channel: n.Channel, Level: n.Level, Text: n.Text, Facts: rows(n.Facts), Links: rows(n.Links), Mentions: n.Mentions}
	}
	for _, one := range []struct {
		has  bool
		what any
		into *map[string]any
	}{
		{e.Ticket != nil, e.Ticket, &out.Ticket},
		{e.Record != nil, e.Record, &out.Record},
		{e.Tags != nil, e.Tags, &out.Tags},
		{e.Webhook != nil, e.Webhook, &out.Webhook},
		{e.Append != nil, e.Append, &out.Append},
		{e.Question != nil, e.Question, &out.Question},
	} {
		if !one.has {
			continue
		}
		all, err := plain(one.what)
		if err != nil {
			return out, err
		}
		*one.into = v.shown(all)
	}
	return out, nil
}

// verdictOf is what a rule says to an event.
func verdictOf(v view, d rules.Verdict, names map[string]string) Verdict {
	out := Verdict{
		Rule: d.Rule, Name: d.Name, Version: d.Version, State: RuleState(d.State), Result: VerdictResult(d.Result), Text: Words{Zh: d.Zh, En: d.En},
		Source: VerdictSource(d.Source), Now: d.Now, Held: d.Held,
	}
	if d.Why != nil && !v.hidden && !v.masks() {
		out.Explanation = *d.Why
	}
	if v.hidden {
		out.Text = Words{}
	}
	if d.Run != nil {
		out.Run = runSummary(v, d.Run, names)
	}
	return out
}
