package automation

import (
	"context"
	"errors"

	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// WhyRules says why rules did something about a message, or did not.
func (p *Part) WhyRules(ctx context.Context, request WhyRulesRequestObject) (WhyRulesResponseObject, error) {
	q, v := request.Params, viewOf(access.From(ctx))
	given := 0
	for _, text := range []string{q.MessageId, q.Entry, q.Event} {
		if text != "" {
			given++
		}
	}
	if given != 1 {
		return nil, api.Invalid("which_event", "give exactly one of message_id, entry and event")
	}
	bench, err := p.o.Gateway.Bench(ctx)
	if err != nil {
		return nil, err
	}
	answers, err := bench.Why(ctx, q.MessageId+q.Entry+q.Event)
	if err := errors.Join(err, bench.Close()); err != nil {
		return nil, err
	}
	names, err := p.ruleNames(ctx)
	if err != nil {
		return nil, err
	}
	out := WhyList{Items: []Why{}}
	for _, a := range answers {
		if !v.sees(&a.Event, a.Account) {
			continue
		}
		one := Why{Event: eventInfo(&a.Event, v.hidden), Looked: a.Looked, Verdicts: []Verdict{}, Hidden: v.hidden}
		one.Event.Account = a.Account
		if a.Note != nil {
			one.Note = *a.Note
		}
		for _, d := range a.Rules {
			if q.All || d.Result != rules.VerdictUnfit {
				one.Verdicts = append(one.Verdicts, verdictOf(v, d, names))
			}
		}
		out.Items = append(out.Items, one)
	}
	if len(out.Items) == 0 {
		return nil, api.NotFound("nothing_known", "it is neither a message that the journal has, nor an event that rules were told of")
	}
	return WhyRules200JSONResponse(out), nil
}
