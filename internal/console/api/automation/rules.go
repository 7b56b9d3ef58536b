package automation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"heliograph/hooks/changes"
	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
)

// countedFor is how far back runs are counted in lists of rules.
const countedFor = 7 * 24 * time.Hour

// ListRules lists rules.
func (p *Part) ListRules(ctx context.Context, request ListRulesRequestObject) (ListRulesResponseObject, error) {
	q := request.Params
	var after string
	if _, err := api.DecodeCursor(q.Cursor, &after); err != nil {
		return nil, err
	}
	list, err := p.book.List(ctx)
	if err != nil {
		return nil, err
	}
	held, err := p.book.Held(ctx)
	if err != nil {
		return nil, err
	}
	limit := api.PageLimit(q.Limit)
	out := RuleList{Items: []RuleSummary{}}
	var found []rules.Summary
	for _, s := range list {
		if s.ID > after && matches(s, q, held) {
			found = append(found, s)
		}
	}
	if len(found) > limit {
		found = found[:limit]
		if out.Next, err = api.EncodeCursor(found[limit-1].ID); err != nil {
			return nil, err
		}
	}
	counts, err := rules.CountRuns(ctx, p.o.Store.Reader(), p.o.Now().Add(-countedFor))
	if err != nil {
		return nil, err
	}
	called := p.o.Gateway.RecordNames()
	for _, s := range found {
		out.Items = append(out.Items, summaryOf(s, held, counts[s.ID], called))
	}
	return ListRules200JSONResponse(out), nil
}

// matches tells whether a rule is wanted.
func matches(s rules.Summary, q ListRulesParams, held string) bool {
	switch {
	case len(q.State) > 0 && !slices.Contains(q.State, RuleState(s.State)),
		q.Held != nil && *q.Held != (s.Held != "" || held != ""),
		q.Owner != "" && !strings.EqualFold(q.Owner, s.Rule.Owner),
		q.Trigger != "" && string(q.Trigger) != s.Rule.Trigger.Type:
		return false
	}
	text := strings.ToLower(strings.Join([]string{s.ID, s.Rule.Name, s.Rule.Description, s.Rule.Owner}, "\n"))
	for word := range strings.FieldsSeq(strings.ToLower(q.Search)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// summaryOf is a rule in a list. held says why all rules are held.
func summaryOf(s rules.Summary, held string, count rules.RunCount, called *rules.RecordNames) RuleSummary {
	out := RuleSummary{
		Id: s.ID, Name: s.Rule.Name, Description: s.Rule.Description, Owner: s.Rule.Owner, State: RuleState(s.State), Held: s.Held, Version: s.Version,
		Latest: s.Latest, Draft: s.Draft, Trigger: triggerOf(s.Rule, called), Words: described(s.Rule, called), LastFiredAt: count.Last, UpdatedAt: s.UpdatedAt, UpdatedBy: s.UpdatedBy,
		Runs: RunCounts{
			Running: count.States[rules.RunRunning], Waiting: count.States[rules.RunWaiting], Done: count.States[rules.RunDone],
			Failed: count.States[rules.RunFailed], Cancelled: count.States[rules.RunCancelled],
		},
	}
	if held != "" {
		out.Held, out.HeldByAll = held, true
	}
	return out
}

// rule is a rule as it is shown, with its ETag.
func (p *Part) rule(ctx context.Context, id string) (out Rule, etag string, err error) {
	s, err := p.book.Get(ctx, id)
	if err != nil {
		return out, "", ruleError(id, err)
	}
	api.Named(ctx, s.Rule.Name)
	held, err := p.book.Held(ctx)
	if err != nil {
		return out, "", err
	}
	counts, err := rules.CountRuns(ctx, p.o.Store.Reader(), p.o.Now().Add(-countedFor))
	if err != nil {
		return out, "", err
	}
	shown, inForce, err := p.bodies(ctx, s)
	if err != nil {
		return out, "", err
	}
	text, err := bodyOf(shown)
	if err != nil {
		return out, "", err
	}
	checked, err := p.check(ctx, text, false)
	if err != nil {
		return out, "", err
	}
	of := s
	of.Rule = shown
	out = fromSummary(summaryOf(of, held, counts[id], p.o.Gateway.RecordNames()))
	out.Rule, out.Problems = text, checked.Problems
	if inForce != nil && s.Version > 0 {
		if other, err := bodyOf(*inForce); err == nil && !bytes.Equal(other, text) {
			out.InForce = other
		}
		if target, object, fields, ok := rules.Watches(*inForce); ok && s.State != rules.StateOff {
			follows, trouble, err := changes.Follows(ctx, p.o.Store.Reader(), target, object, fields)
			if err != nil {
				return out, "", err
			}
			out.Learning, out.WatchTrouble = !follows, trouble
		}
		if n := inForce.Guards.FirstNeedApproval; n > 0 {
			out.Canary.First = n
			if out.Canary.Approved, out.Canary.Open, err = p.approvals.Firsts(ctx, id, s.Version); err != nil {
				return out, "", err
			}
		}
	}
	return out, etagOf(s, text), nil
}

// bodies are what is edited of a rule, and what is in force (nil: nothing is).
func (p *Part) bodies(ctx context.Context, s rules.Summary) (shown rules.Rule, inForce *rules.Rule, err error) {
	shown = s.Rule
	if s.Version > 0 {
		inForce = &s.Rule
	}
	draft, ok, err := p.book.Draft(ctx, s.ID)
	switch {
	case err != nil:
		return shown, nil, ruleError(s.ID, err)
	case ok:
		return draft, inForce, nil
	case s.Latest > s.Version:
		v, err := p.book.Version(ctx, s.ID, s.Latest)
		return v.Body, inForce, ruleError(s.ID, err)
	}
	return shown, inForce, nil
}

// etagOf tells versions of a rule, drafts and states among them, apart.
func etagOf(s rules.Summary, shown RuleBody) string {
	return api.ETag(s.ID, s.UpdatedAt.UnixMicro(), s.State, s.Version, s.Latest, s.Held, string(shown))
}

func fromSummary(s RuleSummary) Rule {
	return Rule{
		Id: s.Id, Name: s.Name, Description: s.Description, Owner: s.Owner, State: s.State, Held: s.Held, HeldByAll: s.HeldByAll, Version: s.Version, Latest: s.Latest,
		Draft: s.Draft, Trigger: s.Trigger, Words: s.Words, LastFiredAt: s.LastFiredAt, UpdatedAt: s.UpdatedAt, UpdatedBy: s.UpdatedBy, Runs: s.Runs,
	}
}

// GetRule shows a rule.
func (p *Part) GetRule(ctx context.Context, request GetRuleRequestObject) (GetRuleResponseObject, error) {
	out, etag, err := p.rule(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	return GetRule200JSONResponse{Body: out, Headers: GetRule200ResponseHeaders{ETag: etag}}, nil
}

// CreateRule keeps a draft under a new id.
func (p *Part) CreateRule(ctx context.Context, request CreateRuleRequestObject) (CreateRuleResponseObject, error) {
	out, etag, err := p.create(ctx, request.Body.Rule)
	if err != nil {
		return nil, err
	}
	return CreateRule201JSONResponse{Body: out, Headers: CreateRule201ResponseHeaders{ETag: etag, Location: "/api/v1/rules/" + out.Id}}, nil
}

func (p *Part) create(ctx context.Context, body RuleBody) (out Rule, etag string, err error) {
	r, err := readDraft(body)
	if err != nil {
		return out, "", err
	}
	switch _, err := p.book.Get(ctx, r.ID); {
	case err == nil:
		return out, "", api.Conflict("rule_exists", "there is a rule "+r.ID+" already", "Choose another id.")
	case !errors.Is(err, rules.ErrNoRule):
		return out, "", err
	}
	if err := p.book.SaveDraft(ctx, r, who(access.From(ctx))); err != nil {
		return out, "", err
	}
	return p.rule(ctx, r.ID)
}

// readDraft reads a rule that may have mistakes, but no bad id.
func readDraft(body RuleBody) (rules.Rule, error) {
	r, err := readRule(body)
	if err != nil {
		return r, err
	}
	if !validID(r.ID) {
		return r, api.Invalid("bad_id", "a rule needs an id of lower-case letters, digits and hyphens", api.Field{Pointer: "/rule/id", Code: "value", Detail: "lower-case letters, digits and hyphens, 64 at most"})
	}
	return r, nil
}

func validID(id string) bool {
	if id == "" || len(id) > 64 || id[0] == '-' || reservedIDs[id] {
		return false
	}
	return !strings.ContainsFunc(id, func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// reservedIDs are the words that stand in place of an id in paths.
var reservedIDs = map[string]bool{
	"vocabulary": true, "schema": true, "check": true, "graph": true, "import": true, "export": true, "try": true, "why": true,
}

// SaveRule replaces the draft.
func (p *Part) SaveRule(ctx context.Context, request SaveRuleRequestObject) (SaveRuleResponseObject, error) {
	_, etag, err := p.rule(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	if err := api.Match(request.Params.IfMatch, etag); err != nil {
		return nil, err
	}
	r, err := readDraft(request.Body.Rule)
	if err != nil {
		return nil, err
	}
	if r.ID != request.Id {
		return nil, api.Invalid("other_id", "the id of a rule stays as it is", api.Field{Pointer: "/rule/id", Detail: "it is not " + request.Id, Remedy: "Duplicate the rule under another id."})
	}
	if err := p.book.SaveDraft(ctx, r, who(access.From(ctx))); err != nil {
		return nil, err
	}
	out, etag, err := p.rule(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return SaveRule200JSONResponse{Body: out, Headers: SaveRule200ResponseHeaders{ETag: etag}}, nil
}

// RetireRule turns a rule off, or removes one that never was in force.
func (p *Part) RetireRule(ctx context.Context, request RetireRuleRequestObject) (RetireRuleResponseObject, error) {
	out, etag, err := p.rule(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	if err := api.Match(request.Params.IfMatch, etag); err != nil {
		return nil, err
	}
	c := access.From(ctx)
	switch {
	case out.Latest == 0:
		err = p.book.Delete(ctx, request.Id)
	case !c.May(access.RulesPublish):
		return nil, api.Forbidden("forbidden", "a rule that is in force is turned off by those who may publish")
	case out.State != RuleStateOff:
		err = p.book.SetState(ctx, request.Id, rules.StateOff, 0, who(c))
	}
	if err != nil {
		return nil, ruleError(request.Id, err)
	}
	return RetireRule204Response{}, nil
}

// DiscardDraft forgets the draft.
func (p *Part) DiscardDraft(ctx context.Context, request DiscardDraftRequestObject) (DiscardDraftResponseObject, error) {
	out, etag, err := p.rule(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	if err := api.Match(request.Params.IfMatch, etag); err != nil {
		return nil, err
	}
	if out.Latest == 0 {
		return nil, api.Conflict("draft_only", "the rule has nothing but its draft", "Retire the rule.")
	}
	if err := p.book.Discard(ctx, request.Id, who(access.From(ctx))); err != nil {
		return nil, ruleError(request.Id, err)
	}
	if out, etag, err = p.rule(ctx, request.Id); err != nil {
		return nil, err
	}
	return DiscardDraft200JSONResponse{Body: out, Headers: DiscardDraft200ResponseHeaders{ETag: etag}}, nil
}

// DuplicateRule begins a rule as a copy of another.
func (p *Part) DuplicateRule(ctx context.Context, request DuplicateRuleRequestObject) (DuplicateRuleResponseObject, error) {
	v, err := p.version(ctx, request.Id, "")
	if err != nil {
		return nil, err
	}
	v.Body.ID = request.Body.Id
	if v.Body.Name += " (2)"; request.Body.Name != "" {
		v.Body.Name = request.Body.Name
	}
	text, err := json.Marshal(v.Body)
	if err != nil {
		return nil, err
	}
	out, etag, err := p.create(ctx, text)
	if err != nil {
		return nil, err
	}
	return DuplicateRule201JSONResponse{Body: out, Headers: DuplicateRule201ResponseHeaders{ETag: etag, Location: "/api/v1/rules/" + out.Id}}, nil
}
