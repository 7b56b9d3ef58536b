package operations

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/accounts"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/journal"
	"heliograph/internal/oauth"
	"heliograph/internal/pause"
)

// roster is what is known of accounts besides their mail.
type roster struct {
	all      map[string]bool
	enrolled map[string]accounts.Enrolment
	grants   map[string]oauth.Info
	links    map[string]time.Time // when the open link ends
	watched  map[string]bool
	trouble  map[string]string // of a watched mailbox
	paused   map[string]pause.Pause
	names    map[string]string
}

// distinctAccounts steps through an index from one account to the next.
const distinctAccounts = `WITH RECURSIVE a(account) AS (
	SELECT MIN(account) FROM entries WHERE account > ''
	UNION ALL SELECT (SELECT MIN(e.account) FROM entries e WHERE e.account > a.account) FROM a WHERE a.account IS NOT NULL)
	SELECT account FROM a WHERE account IS NOT NULL UNION SELECT account FROM mailboxes`

// roster reads all accounts that the caller sees.
func (p *Part) roster(ctx context.Context) (*roster, error) {
	r := &roster{
		all: map[string]bool{}, enrolled: map[string]accounts.Enrolment{}, grants: map[string]oauth.Info{}, links: map[string]time.Time{},
		watched: map[string]bool{}, trouble: map[string]string{}, paused: map[string]pause.Pause{}, names: map[string]string{},
	}
	c := access.From(ctx)
	see := func(address string) bool {
		if c != nil && strings.Contains(address, "@") && c.Sees(address) {
			r.all[address] = true
		}
		return r.all[address]
	}
	err := p.rows(ctx, distinctAccounts, nil, func(scan func(...any) error) error {
		var address string
		err := scan(&address)
		see(address)
		return err
	})
	if err != nil {
		return nil, err
	}
	watched, err := p.watched(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range watched {
		address := strings.ToLower(w.Account)
		if see(address) {
			r.watched[address] = true
			if w.Level == LevelFailed {
				r.trouble[address] = w.Detail
			}
		}
	}
	paused, err := p.o.Pauses.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range paused {
		if s.Kind == pause.Account && see(s.Name) {
			r.paused[s.Name] = s
		}
	}
	return r, p.readEnrolments(ctx, r, see)
}

func (p *Part) readEnrolments(ctx context.Context, r *roster, see func(string) bool) error {
	now := p.o.Now()
	err := p.rows(ctx, `SELECT address, expires_at FROM enrolment_links WHERE enrolled_at = 0`, nil, func(scan func(...any) error) error {
		var address string
		var expires int64
		if err := scan(&address, &expires); err != nil {
			return err
		}
		if at := stamp(expires); at.After(now) && see(address) {
			r.links[address] = at
		}
		return nil
	})
	if err != nil {
		return err
	}
	if p.o.Accounts != nil {
		list, err := p.o.Accounts().List(ctx)
		if err != nil {
			return err
		}
		for _, e := range list {
			if see(e.Address) {
				r.enrolled[e.Address] = e
			}
		}
	}
	if p.o.Tokens != nil {
		grants, err := p.o.Tokens.List(ctx)
		if err != nil {
			return err
		}
		for _, g := range grants {
			if address, ok := strings.CutPrefix(g.Name, "account:"); ok {
				r.grants[address] = g
			}
		}
	}
	if p.o.Names != nil {
		if r.names, err = p.o.Names(ctx); err != nil {
			return err
		}
	}
	return nil
}

// is tells whether an account belongs into a list.
func (r *roster) is(state ListAccountsParamsState, address string, capturing bool) bool {
	_, enrolled := r.enrolled[address]
	switch state {
	case ListAccountsParamsStateCapturing:
		return capturing
	case ListAccountsParamsStatePaused:
		return r.paused[address].Active
	case ListAccountsParamsStateEnrolled:
		return enrolled
	case ListAccountsParamsStateWatched:
		return r.watched[address]
	case ListAccountsParamsStateTrouble:
		return r.trouble[address] != "" || r.grants[address].Trouble != ""
	}
	return true
}

// policy tells what of an account's mail is captured, and why.
func (p *Part) policy(address string, paused bool) (out CapturePolicy, capturing bool) {
	rule := p.o.Config().Capture.For(address)
	out = CapturePolicy{Policy: CapturePolicyPolicy(rule.Policy), Why: "capture.policy, the setting for all accounts", WhyCode: CapturePolicyWhyCodeDefault, Folders: []string{}}
	if rule.Policy == "" {
		out.Policy = CapturePolicyPolicy(config.CaptureNone)
	}
	if len(rule.Match) > 0 {
		out.Why, out.WhyCode = "the entry of capture.accounts that matches "+strings.Join(rule.Match, ", "), CapturePolicyWhyCodeAccount
	}
	for _, f := range rule.Folders.Include {
		out.Folders = append(out.Folders, "+"+f)
	}
	for _, f := range rule.Folders.Exclude {
		out.Folders = append(out.Folders, "-"+f)
	}
	if paused {
		out.Why, out.WhyCode = "a person paused it", CapturePolicyWhyCodePaused
	}
	return out, !paused && out.Policy != CapturePolicyPolicy(config.CaptureNone)
}

// upstreamOf is where an account is, by its domain.
func (p *Part) upstreamOf(address string) (config.Upstream, bool) {
	_, domain, _ := strings.Cut(address, "@")
	list := p.o.Config().Upstreams
	for _, u := range list {
		if slices.ContainsFunc(u.Domains, func(d string) bool { return strings.EqualFold(d, domain) }) {
			return u, true
		}
	}
	for _, u := range list {
		if u.Default || len(list) == 1 {
			return u, true
		}
	}
	return config.Upstream{}, false
}

// describe makes an account as the API tells it.
func (p *Part) describe(ctx context.Context, r *roster, address string) (Account, []journal.MailboxState, error) {
	a := Account{Address: address, Name: r.names[address], Watched: r.watched[address], Trouble: r.trouble[address]}
	a.Capture, a.Capturing = p.policy(address, r.paused[address].Active)
	if s := r.paused[address]; s.Active {
		a.Paused = &AccountPause{Reason: s.Reason, By: s.By, At: s.At}
	}
	a.Enrolment = p.enrolmentOf(r, address)
	if up, ok := p.upstreamOf(address); ok {
		a.Upstream = up.Name
	}
	if e, ok := r.enrolled[address]; ok {
		a.Upstream = e.Upstream
	}
	if t := r.grants[address].Trouble; t != "" {
		a.Trouble = t
	}
	if a.Trouble != "" {
		a.Remedy = "Test the account; if its login is refused, send the employee a new enrolment link."
	}
	choices, err := scope.NewChoices(p.o.Store, p.o.Now).List(ctx, address)
	if err != nil {
		return a, nil, err
	}
	kinds := map[string]bool{}
	for _, c := range choices {
		kinds[string(c.Kind)] = true
	}
	a.Choices = slices.Sorted(maps.Keys(kinds))
	if a.Entries, err = p.entries(ctx, address); err != nil {
		return a, nil, err
	}
	err = p.rows(ctx, `SELECT received FROM entries WHERE account = $1 ORDER BY id DESC LIMIT 1`, args{address}, func(scan func(...any) error) error {
		var at int64
		err := scan(&at)
		a.LastSeenAt = stamp(at)
		return err
	})
	if err != nil {
		return a, nil, err
	}
	boxes, err := journal.ReadMailboxes(ctx, p.o.Store.Reader(), journal.MailboxFilter{Account: address, Limit: maxBoxes})
	for _, b := range boxes {
		captured, failed := b.Sets[journal.UIDCaptured], b.Sets[journal.UIDFailed]
		a.Captured += int64(captured.Len())
		a.Failed += int64(failed.Len())
	}
	return a, boxes, err
}

// maxBoxes bounds the mailboxes of one account.
const maxBoxes = 2000

func (p *Part) entries(ctx context.Context, address string) (n int64, err error) {
	err = p.o.Store.Reader().QueryRowContext(ctx, `SELECT COUNT(*) FROM entries WHERE account = $1`, address).Scan(&n)
	return n, err
}

func (p *Part) enrolmentOf(r *roster, address string) AccountEnrolment {
	out := AccountEnrolment{State: AccountEnrolmentStateNone, ExpiresAt: r.links[address]}
	up, ok := p.upstreamOf(address)
	if !ok || up.SignIn != config.SignInEnrolled {
		out.State = AccountEnrolmentStateImpossible
	}
	if !out.ExpiresAt.IsZero() {
		out.State = AccountEnrolmentStateLinkOpen
	}
	e, ok := r.enrolled[address]
	if !ok {
		return out
	}
	g := r.grants[address]
	out.State, out.Kind, out.Login, out.GatewayPassword, out.EnrolledAt, out.Trouble = AccountEnrolmentStateEnrolled, g.Kind, e.Login, e.Password, e.Enrolled, g.Trouble
	if out.Kind == "" {
		out.Kind = "application"
	}
	if g.Trouble != "" {
		out.State = AccountEnrolmentStateTrouble
	}
	return out
}

// ListAccounts lists accounts.
func (p *Part) ListAccounts(ctx context.Context, r ListAccountsRequestObject) (ListAccountsResponseObject, error) {
	known, err := p.roster(ctx)
	if err != nil {
		return nil, err
	}
	var after string
	if _, err := api.DecodeCursor(r.Params.Cursor, &after); err != nil {
		return nil, err
	}
	out := ListAccounts200JSONResponse{Items: []Account{}}
	limit, part := api.PageLimit(r.Params.Limit), strings.ToLower(r.Params.Q)
	for _, address := range slices.Sorted(maps.Keys(known.all)) {
		_, capturing := p.policy(address, known.paused[address].Active)
		if address <= after || !strings.Contains(address, part) && !strings.Contains(strings.ToLower(known.names[address]), part) || !known.is(r.Params.State, address, capturing) {
			continue
		}
		if len(out.Items) == limit {
			out.Next, err = api.EncodeCursor(out.Items[limit-1].Address)
			return out, err
		}
		a, _, err := p.describe(ctx, known, address)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, a)
	}
	return out, nil
}

// GetAccount shows one account.
func (p *Part) GetAccount(ctx context.Context, r GetAccountRequestObject) (GetAccountResponseObject, error) {
	a, err := p.detail(ctx, r.Address)
	return GetAccount200JSONResponse(a), err
}

func (p *Part) detail(ctx context.Context, address string) (AccountDetail, error) {
	address, err := account(ctx, address)
	if err != nil {
		return AccountDetail{}, err
	}
	known, err := p.roster(ctx)
	if err != nil {
		return AccountDetail{}, err
	}
	if !known.all[address] && !p.couldBe(address) {
		return AccountDetail{}, api.NotFound("no_account", "there is no such account")
	}
	a, boxes, err := p.describe(ctx, known, address)
	if err != nil {
		return AccountDetail{}, err
	}
	text, err := json.Marshal(a)
	if err != nil {
		return AccountDetail{}, err
	}
	var d AccountDetail // it has all fields of an account
	if err := json.Unmarshal(text, &d); err != nil {
		return d, err
	}
	d.Mailboxes = boxesOf(boxes)
	if d.Programs, err = p.programs(ctx, address); err != nil {
		return d, err
	}
	latest, _, err := p.listRuns(ctx, address, "", 1)
	if err == nil && len(latest) > 0 {
		d.LatestRun = &latest[0]
	}
	return d, err
}

// couldBe tells whether an address is one of the company's, so that it can be paused or enrolled before its first mail.
func (p *Part) couldBe(address string) bool {
	local, domain, ok := strings.Cut(address, "@")
	if !ok || local == "" {
		return false
	}
	return slices.ContainsFunc(p.o.Config().InternalDomains(), func(d string) bool { return strings.EqualFold(d, domain) })
}
