package mail

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"heliograph/hooks/mirror/scope"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// ListMine lists what became of the caller's own mail.
func (p *Part) ListMine(ctx context.Context, r ListMineRequestObject) (ListMineResponseObject, error) {
	c := access.From(ctx)
	own, err := p.own(ctx, c)
	if err != nil {
		return nil, err
	}
	out := MineList{Items: []MineItem{}}
	if len(own) == 0 {
		return ListMine200JSONResponse(out), nil
	}
	q := r.Params
	ids, next, err := p.entries(ctx, &ledgerQuery{accounts: own, state: string(value(q.State)), since: value(q.Since), until: value(q.Until)}, value(q.Cursor), api.PageLimit(value(q.Limit)))
	if err != nil {
		return nil, err
	}
	items, err := p.items(ctx, c, ids)
	if err != nil {
		return nil, err
	}
	out.Next = next
	for i := range items {
		item := &items[i]
		one := MineItem{
			Entry: item.Entry, MessageKey: item.MessageKey, MessageId: item.MessageId, Subject: item.Subject, Account: item.Account, At: item.CapturedAt,
			Mailbox: item.Mailbox, Steps: item.Steps, State: LedgerStateCaptured,
		}
		for _, s := range item.Steps {
			if weight[s.State] >= weight[one.State] {
				one.State, one.Reason = s.State, s.Reason
			}
		}
		out.Items = append(out.Items, one)
	}
	return ListMine200JSONResponse(out), nil
}

// weight is how much a state says, where several hold.
var weight = map[LedgerState]int{
	LedgerStateCaptured: 0, LedgerStateExcluded: 1, LedgerStateWithdrawn: 2, LedgerStateRefused: 3, LedgerStatePending: 4, LedgerStateMirrored: 5, LedgerStateFailed: 6,
}

// privacy reads the choices of an account, and their version.
func (p *Part) privacy(ctx context.Context, own []string, account string) (Privacy, string, error) {
	out := Privacy{Account: account, Exclusions: []PrivacyChoice{}, Others: []string{}}
	list, err := p.o.Choices.List(ctx, account)
	if err != nil {
		return out, "", err
	}
	for _, c := range list {
		switch c.Kind {
		case scope.ChoiceOptOut:
			out.OptedOut = true
		case scope.ChoicePause:
			if c.Until.IsZero() || c.Until.After(p.o.Now()) {
				out.Paused, out.PausedUntil = true, when(c.Until)
			}
		default:
			out.Exclusions = append(out.Exclusions, PrivacyChoice{Kind: PrivacyChoiceKind(c.Kind), Value: c.Value, Since: when(c.CreatedAt)})
		}
	}
	if p.o.CompanyRules != nil {
		if names := p.o.CompanyRules(); len(names) > 0 {
			out.CompanyRules = &names
		}
	}
	for _, other := range own {
		if other != account {
			out.Others = append(out.Others, other)
		}
	}
	return out, api.ETag(account, out.OptedOut, out.Paused, out.PausedUntil, out.Exclusions), nil
}

var errNoAccount = api.NotFound("no_own_account", "no mail account is known to be yours")

// mine returns the caller's accounts, and the one that is meant: the first, unless another is named.
func (p *Part) mine(ctx context.Context, named *string) (own []string, account string, err error) {
	if own, err = p.own(ctx, access.From(ctx)); err != nil {
		return nil, "", err
	}
	account = lower(named)
	if len(own) > 0 {
		account = cmp.Or(account, own[0])
	}
	if !slices.Contains(own, account) {
		return nil, "", errNoAccount
	}
	return own, account, nil
}

// GetMyPrivacy shows what the caller keeps from being mirrored.
func (p *Part) GetMyPrivacy(ctx context.Context, r GetMyPrivacyRequestObject) (GetMyPrivacyResponseObject, error) {
	own, account, err := p.mine(ctx, r.Params.Account)
	if err != nil {
		return nil, err
	}
	body, tag, err := p.privacy(ctx, own, account)
	return GetMyPrivacy200JSONResponse{Body: body, Headers: GetMyPrivacy200ResponseHeaders{ETag: &tag}}, err
}

// UpdateMyPrivacy changes it.
func (p *Part) UpdateMyPrivacy(ctx context.Context, r UpdateMyPrivacyRequestObject) (UpdateMyPrivacyResponseObject, error) {
	own, account, err := p.mine(ctx, r.Body.Account)
	if err != nil {
		return nil, err
	}
	if r.Params.IfMatch != nil {
		_, tag, err := p.privacy(ctx, own, account)
		if err != nil {
			return nil, err
		}
		if err := api.Match(*r.Params.IfMatch, tag); err != nil {
			return nil, err
		}
	}
	set, unset, err := p.changes(r.Body)
	if err != nil {
		return nil, err
	}
	if err := p.o.Choices.Set(ctx, account, set...); err != nil {
		return nil, choiceProblem(err)
	}
	if err := p.o.Choices.Unset(ctx, account, unset...); err != nil {
		return nil, choiceProblem(err)
	}
	api.Note(ctx, "account", account)
	api.Note(ctx, "set", kinds(set))
	api.Note(ctx, "unset", kinds(unset))
	body, tag, err := p.privacy(ctx, own, account)
	return UpdateMyPrivacy200JSONResponse{Body: body, Headers: UpdateMyPrivacy200ResponseHeaders{ETag: &tag}}, err
}

func kinds(list []scope.Choice) []string {
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = string(c.Kind)
	}
	return out
}

// changes reads what is to be set and what taken back.
func (p *Part) changes(b *PrivacyPatch) (set, unset []scope.Choice, err error) {
	turn := func(on *bool, c scope.Choice) {
		switch {
		case on == nil:
		case *on:
			set = append(set, c)
		default:
			unset = append(unset, c)
		}
	}
	turn(b.OptedOut, scope.Choice{Kind: scope.ChoiceOptOut})
	until := value(b.PausedUntil)
	if b.PausedUntil != nil && (b.Paused == nil || !*b.Paused) {
		return nil, nil, api.Invalid("pause_missing", "paused_until needs paused: true", api.Field{Pointer: "/paused_until", Detail: "only with paused: true"})
	}
	if !until.IsZero() && until.Before(p.o.Now()) {
		return nil, nil, api.Invalid("time_over", "the end of the pause is over already", api.Field{Pointer: "/paused_until", Detail: "that time is over"})
	}
	turn(b.Paused, scope.Choice{Kind: scope.ChoicePause, Until: until})
	for i, c := range value(b.Add) {
		one, err := choice(c, fmt.Sprintf("/add/%d/value", i))
		if err != nil {
			return nil, nil, err
		}
		set = append(set, one)
	}
	for i, c := range value(b.Remove) {
		one, err := choice(c, fmt.Sprintf("/remove/%d/value", i))
		if err != nil {
			return nil, nil, err
		}
		unset = append(unset, one)
	}
	return set, unset, nil
}

// choice reads an exclusion.
func choice(c PrivacyChoice, pointer string) (scope.Choice, error) {
	text := strings.TrimSpace(c.Value)
	switch kind := scope.ChoiceKind(c.Kind); kind {
	case scope.ChoiceFolder, scope.ChoiceSubject:
		return scope.Choice{Kind: kind, Value: text}, nil
	default:
		if kind == scope.ChoiceSubdomains && !strings.HasPrefix(text, "*.") {
			text = "*." + text
		}
		one, err := scope.ParseChoice(text)
		if err != nil || one.Kind != kind {
			return one, api.Invalid("bad_choice", "this is no "+string(kind), api.Field{Pointer: pointer, Detail: "this is no " + string(kind), Remedy: "Write anna@example.com, example.com or *.example.com."})
		}
		return one, nil
	}
}

// maxLooked bounds how many captured mails are looked at for programs.
const maxLooked = 5000

// ListMyDevices lists the programs that sent mail as the caller.
func (p *Part) ListMyDevices(ctx context.Context, r ListMyDevicesRequestObject) (ListMyDevicesResponseObject, error) {
	own, err := p.own(ctx, access.From(ctx))
	if err != nil {
		return nil, err
	}
	days := 30
	if r.Params.Days != nil {
		days = *r.Params.Days
	}
	since := p.o.Now().AddDate(0, 0, -days)
	type key struct{ account, address, name, listener string }
	found := map[key]*Device{}
	for _, account := range own {
		err := p.each(ctx, `SELECT envelope, received FROM entries WHERE account = $1 AND id >= $2 AND kind IN ('submission', 'append') ORDER BY id DESC LIMIT $3`,
			[]any{account, journal.NewID(since).String(), maxLooked}, func(scan func(...any) error) error {
				var text string
				var received int64
				if err := scan(&text, &received); err != nil {
					return err
				}
				var e journal.Envelope
				if err := json.Unmarshal([]byte(text), &e); err != nil {
					return err
				}
				k, at := key{account, e.ClientIP, e.Helo, e.Listener}, store.FromMicros(received).UTC()
				d := found[k]
				if d == nil {
					d = &Device{Account: account, Address: some(e.ClientIP), Name: some(e.Helo), Listener: some(e.Listener), LastAt: at}
					found[k] = d
				}
				d.FirstAt = &at // the oldest comes last
				d.Messages++
				return nil
			})
		if err != nil {
			return nil, fmt.Errorf("reading what programs sent: %w", err)
		}
	}
	out := DeviceList{Items: []Device{}}
	for _, d := range found {
		out.Items = append(out.Items, *d)
	}
	slices.SortFunc(out.Items, func(a, b Device) int {
		return cmp.Or(b.LastAt.Compare(a.LastAt), cmp.Compare(value(a.Address), value(b.Address)), cmp.Compare(value(a.Name), value(b.Name)))
	})
	return ListMyDevices200JSONResponse(out), nil
}
