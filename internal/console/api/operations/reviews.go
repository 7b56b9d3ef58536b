package operations

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"heliograph/config"
	"heliograph/hooks/mirror"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// ListReviews lists people whom no target knows.
func (p *Part) ListReviews(ctx context.Context, r ListReviewsRequestObject) (ListReviewsResponseObject, error) {
	var a args
	query := `SELECT r.subject, r.last_seen FROM reviews r WHERE 1 = 1`
	if state := r.Params.State; state != ListReviewsParamsStateAll {
		if state == "" {
			state = ListReviewsParamsStateOpen
		}
		query += ` AND r.state = ` + a.add(string(state))
	}
	if q := strings.ToLower(strings.TrimSpace(r.Params.Q)); q != "" {
		pattern := a.add("%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(q) + "%")
		query += ` AND (r.subject LIKE ` + pattern + ` ESCAPE '\' OR LOWER(r.name) LIKE ` + pattern + ` ESCAPE '\')`
	}
	if _, some := limited(ctx); some {
		query += ` AND EXISTS (SELECT 1 FROM review_messages w WHERE w.subject = r.subject` + withMessage(ctx, &a, "w.message_key") + `)`
	}
	var seen int64
	var after string
	if more, err := api.DecodeCursor(r.Params.Cursor, &seen, &after); err != nil {
		return nil, err
	} else if more {
		at := a.add(seen)
		query += ` AND (r.last_seen < ` + at + ` OR r.last_seen = ` + at + ` AND r.subject > ` + a.add(after) + `)`
	}
	limit := api.PageLimit(r.Params.Limit)
	var subjects []string
	var times []int64
	err := p.rows(ctx, query+` ORDER BY r.last_seen DESC, r.subject LIMIT `+a.add(limit+1), a, func(scan func(...any) error) error {
		var s string
		var at int64
		err := scan(&s, &at)
		subjects, times = append(subjects, s), append(times, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := ListReviews200JSONResponse{Items: []Review{}}
	if len(subjects) > limit {
		if out.Next, err = api.EncodeCursor(times[limit-1], subjects[limit-1]); err != nil {
			return nil, err
		}
		subjects = subjects[:limit]
	}
	for _, s := range subjects {
		found, _, err := mirror.Reviews(ctx, p.o.Store.Reader(), mirror.ReviewFilter{Subject: s, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			out.Items = append(out.Items, reviewOf(found[0]))
		}
	}
	return out, nil
}

func reviewOf(r mirror.Review) Review {
	out := Review{
		Subject: r.Subject, Name: r.Name, State: ReviewState(r.State), Decision: ReviewDecision(r.Decision), Link: r.Link, Target: r.Target,
		FirstSeenAt: r.FirstSeen, LastSeenAt: r.LastSeen, DecidedAt: r.DecidedAt, Waiting: r.Waiting, Suggestions: []Suggestion{},
	}
	for _, s := range r.Suggestions {
		out.Suggestions = append(out.Suggestions, Suggestion{Target: s.Target, Kind: s.Kind, Id: s.ID, Name: s.Name, Address: s.Address, Company: s.Company, Percent: s.Percent})
	}
	return out
}

var errNoReview = api.NotFound("no_review", "nothing is known of this address here: either a target knows it, or no mail came from it")

// subject returns an address, or @ and a domain, in the form of reviews.
func (p *Part) subject(text string) (string, bool) {
	policy := mirror.AddressPolicy(p.o.Config().Matching)
	if domain, ok := strings.CutPrefix(text, "@"); ok {
		s := policy.Canonical("a@" + domain)
		return strings.TrimPrefix(s, "a"), s != ""
	}
	s := policy.Canonical(text)
	return s, s != ""
}

// GetReview shows one person.
func (p *Part) GetReview(ctx context.Context, r GetReviewRequestObject) (GetReviewResponseObject, error) {
	subject, ok := p.subject(r.Subject)
	if !ok {
		return nil, errNoReview
	}
	if seen, err := p.seesSubject(ctx, subject); err != nil || !seen {
		return nil, firstOf(err, errNoReview)
	}
	found, _, err := mirror.Reviews(ctx, p.o.Store.Reader(), mirror.ReviewFilter{Subject: subject, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errNoReview
	}
	shown := reviewOf(found[0])
	out := GetReview200JSONResponse{
		Subject: shown.Subject, Name: shown.Name, State: ReviewDetailState(shown.State), Decision: ReviewDetailDecision(shown.Decision), Link: shown.Link, Target: shown.Target,
		FirstSeenAt: shown.FirstSeenAt, LastSeenAt: shown.LastSeenAt, DecidedAt: shown.DecidedAt, Waiting: shown.Waiting, Suggestions: shown.Suggestions,
		Messages: []ReviewMessage{},
	}
	messages, err := mirror.ReviewMessages(ctx, p.o.Store.Reader(), subject, 100)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		var a args
		if seen, err := p.found(ctx, `SELECT 1 FROM messages m WHERE m.key = `+a.add(m.Key)+withMessage(ctx, &a, "m.key"), a); err != nil {
			return nil, err
		} else if seen {
			out.Messages = append(out.Messages, ReviewMessage{Message: m.Key, MessageId: m.MessageID, Direction: Direction(m.Direction), Target: m.Target, Waits: m.Waits, At: m.At})
		}
	}
	return out, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// DecideReviews decides on people.
func (p *Part) DecideReviews(ctx context.Context, r DecideReviewsRequestObject) (DecideReviewsResponseObject, error) {
	var decisions []mirror.Decision
	var wrong []api.Field
	for i, d := range r.Body.Decisions {
		decision, problem, err := p.decision(ctx, d)
		if err != nil {
			return nil, err
		}
		if problem != nil {
			problem.Pointer = fmt.Sprintf("/decisions/%d%s", i, problem.Pointer)
			wrong = append(wrong, *problem)
			continue
		}
		decisions = append(decisions, decision)
	}
	if len(wrong) > 0 {
		return nil, api.Invalid("bad_decisions", "nothing was decided, since some decisions are not possible", wrong...)
	}
	var notes []string
	for _, d := range decisions {
		notes = append(notes, d.Subject+": "+string(d.As))
	}
	api.Note(ctx, "decisions", notes)
	messages, err := mirror.Decide(ctx, p.o.Store, decisions...)
	return DecideReviews200JSONResponse{Decided: len(decisions), Messages: messages}, err
}

// decision checks one decision.
func (p *Part) decision(ctx context.Context, d ReviewChoice) (out mirror.Decision, problem *api.Field, err error) {
	subject, ok := p.subject(d.Subject)
	if !ok {
		return out, &api.Field{Pointer: "/subject", Detail: "neither an address nor @ and a domain"}, nil
	}
	c, some := limited(ctx)
	whole := strings.HasPrefix(subject, "@")
	if some && (c == nil || whole && c.Scope == access.ScopeOwn) {
		return out, &api.Field{Pointer: "/subject", Detail: "whole domains are for those who see more than their own mail"}, nil
	}
	if some && !whole {
		if seen, err := p.seesSubject(ctx, subject); err != nil {
			return out, nil, err
		} else if !seen {
			return out, &api.Field{Pointer: "/subject", Detail: "nothing is known of this address here"}, nil
		}
	}
	out = mirror.Decision{Subject: subject, As: mirror.ReviewDecision(d.Decision)}
	if whole && out.As != mirror.DecideIgnore && out.As != mirror.DecideAsk {
		return out, &api.Field{Pointer: "/decision", Detail: "a whole domain can only be ignored, or asked again"}, nil
	}
	if out.As != mirror.DecideLink {
		if d.Link != "" {
			return out, &api.Field{Pointer: "/link", Detail: "goes with the decision link only"}, nil
		}
		return out, nil, nil
	}
	out.Link, out.Target = strings.TrimSpace(d.Link), d.Target
	targets := p.o.Config().Targets
	if out.Target == "" && len(targets) == 1 {
		out.Target = targets[0].Name
	}
	switch {
	case out.Link == "":
		return out, &api.Field{Pointer: "/link", Detail: "the id of the contact is missing"}, nil
	case !slices.ContainsFunc(targets, func(t config.Target) bool { return t.Name == out.Target }):
		return out, &api.Field{Pointer: "/target", Detail: "it is not said which target has the contact", Remedy: "Name a target of the configuration."}, nil
	}
	return out, nil, nil
}
