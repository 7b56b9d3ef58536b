package operations

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"sync"
	"time"

	"heliograph/config"
	"heliograph/internal/accounts"
	"heliograph/internal/console/api"
	"heliograph/internal/oauth"
	"heliograph/internal/store"
)

const (
	// flowTime is how long an employee may take at the provider, and how long a gateway password is shown afterwards.
	flowTime = 10 * time.Minute
	// maxFlows bounds those that are open in this process.
	maxFlows = 1000
	// callbackPath is where providers send browsers back to; it is registered there.
	callbackPath = "/api/v1/enrol/callback"
)

// flows are the enrolments under way in this process. What a provider gave is in the store at once; this is only what a page shows.
type flows struct {
	mu   sync.Mutex // guards open and all flows
	open map[string]*flow
}

// flow is how far the employee of one link is.
type flow struct {
	token    string
	until    time.Time
	code     *oauth.Flow
	state    string // of code
	device   *oauth.Device
	problem  string
	remedy   string
	password string
}

// flow returns that of a link, made when it is not there.
func (p *Part) flow(hash, token string) (*flow, error) {
	now := p.o.Now()
	for h, f := range p.flows.open {
		if f.until.Before(now) {
			delete(p.flows.open, h)
		}
	}
	f := p.flows.open[hash]
	if f == nil {
		if len(p.flows.open) >= maxFlows {
			return nil, api.Unavailable("busy", "too many people enrol at this moment", "Try again in a few minutes.")
		}
		f = &flow{}
		p.flows.open[hash] = f
	}
	f.token, f.until = token, now.Add(flowTime)
	return f, nil
}

// begin changes the flow of a link that is open.
func (p *Part) begin(ctx context.Context, token string, way accounts.Way) (link, *accounts.Book, error) {
	l, err := p.readLink(ctx, token)
	if err != nil {
		return l, nil, err
	}
	if !l.enrolled.IsZero() {
		return l, nil, api.Conflict("link_used", "the account is enrolled already", "Ask for a new link to enrol it again.")
	}
	book, err := p.book()
	if err != nil {
		return l, nil, err
	}
	if !slices.Contains(p.waysOf(l.upstream), Way(way)) {
		return l, nil, api.Conflict("no_way", "this account cannot be enrolled so", "Choose another way.")
	}
	return l, book, nil
}

func (p *Part) waysOf(name string) []Way {
	list := p.o.Config().Upstreams
	i := slices.IndexFunc(list, func(u config.Upstream) bool { return u.Name == name })
	if i < 0 {
		return []Way{}
	}
	return p.ways(list[i])
}

// GetEnrolment tells the page of a link.
func (p *Part) GetEnrolment(ctx context.Context, r GetEnrolmentRequestObject) (GetEnrolmentResponseObject, error) {
	e, err := p.enrolment(ctx, r.Token)
	return GetEnrolment200JSONResponse(e), err
}

func (p *Part) enrolment(ctx context.Context, token string) (Enrolment, error) {
	l, err := p.readLink(ctx, token)
	if err != nil {
		return Enrolment{}, err
	}
	e := Enrolment{
		State: EnrolmentStateOpen, Address: l.address, Login: l.login, Upstream: l.upstream, Ways: p.waysOf(l.upstream), Programs: l.programs, ExpiresAt: l.expires,
	}
	for _, u := range p.o.Config().Upstreams {
		if u.Name == l.upstream {
			preset, _ := u.Preset()
			e.Hint, e.Preset = preset.Hint, preset.Name
		}
	}
	p.flows.mu.Lock()
	defer p.flows.mu.Unlock()
	f := p.flows.open[l.hash]
	switch {
	case !l.enrolled.IsZero():
		e.State = EnrolmentStateEnrolled
		if f != nil && f.until.After(p.o.Now()) {
			e.GatewayPassword = f.password
		}
	case f == nil:
	case f.problem != "":
		e.State, e.Problem, e.Remedy = EnrolmentStateFailed, f.problem, f.remedy
	case f.device != nil:
		e.State, e.Device = EnrolmentStateWaiting, deviceOf(f.device)
	case f.code != nil:
		e.State = EnrolmentStateWaiting
	}
	return e, nil
}

func deviceOf(d *oauth.Device) *DeviceConsent {
	out := &DeviceConsent{Url: d.URL, Code: d.Code, ExpiresAt: d.Expires}
	if d.Complete != "" {
		out.Url = d.Complete
	}
	return out
}

// BeginEnrolmentByBrowser starts the consent in the browser.
func (p *Part) BeginEnrolmentByBrowser(ctx context.Context, r BeginEnrolmentByBrowserRequestObject) (BeginEnrolmentByBrowserResponseObject, error) {
	l, book, err := p.begin(ctx, r.Token, accounts.WayCode)
	if err != nil {
		return nil, err
	}
	code, err := book.BeginCode(l.upstream, l.login, p.o.Config().Console.PublicURL+callbackPath)
	if err != nil {
		return nil, api.Conflict("no_way", "the consent cannot be asked for: "+err.Error(), "Ask your IT.")
	}
	to, err := url.Parse(code.URL)
	if err != nil {
		return nil, err
	}
	p.flows.mu.Lock()
	defer p.flows.mu.Unlock()
	f, err := p.flow(l.hash, r.Token)
	if err != nil {
		return nil, err
	}
	f.code, f.state, f.problem = code, to.Query().Get("state"), ""
	return BeginEnrolmentByBrowser200JSONResponse{Url: code.URL}, nil
}

// FinishEnrolmentByBrowser takes what the provider sent the browser back with.
func (p *Part) FinishEnrolmentByBrowser(ctx context.Context, r FinishEnrolmentByBrowserRequestObject) (FinishEnrolmentByBrowserResponseObject, error) {
	var token string
	var code *oauth.Flow
	p.flows.mu.Lock()
	for _, f := range p.flows.open {
		if f.code != nil && f.state != "" && f.state == r.Params.State && f.until.After(p.o.Now()) {
			token, code = f.token, f.code
		}
	}
	p.flows.mu.Unlock()
	if code == nil {
		return nil, api.NotFound("no_flow", "this answer belongs to no enrolment that is under way here: open the link again")
	}
	l, err := p.readLink(ctx, token)
	if err != nil {
		return nil, err
	}
	book, err := p.book()
	if err != nil {
		return nil, err
	}
	q := url.Values{}
	for name, value := range map[string]string{"state": r.Params.State, "code": r.Params.Code, "error": r.Params.Error, "error_description": r.Params.ErrorDescription} {
		if value != "" {
			q.Set(name, value)
		}
	}
	consent, err := book.FinishCode(ctx, l.upstream, code, q.Encode())
	if err == nil {
		err = p.enrol(ctx, l, token, accounts.Given{Consent: &consent})
	}
	p.ended(l, token, err)
	return FinishEnrolmentByBrowser303Response{Headers: FinishEnrolmentByBrowser303ResponseHeaders{Location: p.page(token)}}, nil
}

// BeginEnrolmentByDevice starts the consent by a code, and waits for it.
func (p *Part) BeginEnrolmentByDevice(ctx context.Context, r BeginEnrolmentByDeviceRequestObject) (BeginEnrolmentByDeviceResponseObject, error) {
	l, book, err := p.begin(ctx, r.Token, accounts.WayDevice)
	if err != nil {
		return nil, err
	}
	p.flows.mu.Lock()
	defer p.flows.mu.Unlock()
	f, err := p.flow(l.hash, r.Token)
	if err != nil {
		return nil, err
	}
	if f.device != nil && f.problem == "" && f.device.Expires.After(p.o.Now()) {
		return BeginEnrolmentByDevice200JSONResponse(*deviceOf(f.device)), nil
	}
	d, err := book.BeginDevice(ctx, l.upstream)
	if err != nil {
		return nil, api.Unavailable("provider", "the provider gave no code: "+err.Error(), "Try again, or ask your IT.")
	}
	f.device, f.problem = d, ""
	f.until = d.Expires.Add(flowTime)
	p.work.Go(func() {
		waiting, cancel := context.WithDeadline(p.ctx, d.Expires)
		defer cancel()
		consent, err := book.FinishDevice(waiting, l.upstream, d)
		if err == nil {
			err = p.enrol(p.ctx, l, r.Token, accounts.Given{Consent: &consent})
		}
		p.ended(l, r.Token, err)
	})
	return BeginEnrolmentByDevice200JSONResponse(*deviceOf(d)), nil
}

// EnrolByPassword takes an app password or authorization code.
func (p *Part) EnrolByPassword(ctx context.Context, r EnrolByPasswordRequestObject) (EnrolByPasswordResponseObject, error) {
	way := accounts.WayPassword
	if r.Body.Password == "" {
		way = accounts.WayNone
	}
	l, _, err := p.begin(ctx, r.Token, way)
	if err != nil {
		return nil, err
	}
	err = p.enrol(ctx, l, r.Token, accounts.Given{Password: r.Body.Password})
	p.ended(l, r.Token, err)
	e, err := p.enrolment(ctx, r.Token)
	return EnrolByPassword200JSONResponse(e), err
}

// ended notes what came of an enrolment for the page.
func (p *Part) ended(l link, token string, err error) {
	p.flows.mu.Lock()
	defer p.flows.mu.Unlock()
	f, ferr := p.flow(l.hash, token)
	if ferr != nil {
		return
	}
	f.code, f.device, f.problem, f.remedy = nil, nil, "", ""
	if err != nil {
		f.problem, f.remedy = err.Error(), "Try again. If it does not work, show this to your IT."
	}
}

// errUsed says that somebody was faster.
var errUsed = errors.New("the link was used meanwhile")

// enrol stores what the employee gave, tries it, and closes the link. What does not work is not kept.
func (p *Part) enrol(ctx context.Context, l link, token string, given accounts.Given) error {
	book, err := p.book()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	e := accounts.Enrolment{Address: l.address, Upstream: l.upstream, Login: l.login}
	password, err := book.Enroll(ctx, e, given, l.programs)
	if err != nil {
		return err
	}
	if err := p.proveEnrolment(ctx, book, l.address); err != nil {
		_, _, rerr := book.Remove(context.WithoutCancel(ctx), l.address)
		if rerr != nil {
			p.log.Warn("an enrolment that does not work was not taken back", "err", rerr)
		}
		return err
	}
	former := p.showPassword(l, token, password) // before the link is closed: whoever sees that it is wants the password, and asks no more
	if err := p.closeLink(ctx, l); err != nil {
		p.showPassword(l, token, former)
		return err
	}
	if p.o.Audit != nil {
		act := api.Act{Operation: "enrolAccount", Change: true, Object: l.address, Client: api.Client(ctx), Outcome: api.OutcomeDone, Notes: map[string]any{"link_made_by": l.madeBy, "upstream": l.upstream}}
		if err := p.o.Audit.Record(ctx, act); err != nil {
			p.log.Error("an enrolment is not on record", "account", l.address, "err", err)
		}
	}
	return nil
}

// showPassword gives the page the gateway password that it shows once the link is closed, and returns the one before.
func (p *Part) showPassword(l link, token, password string) (former string) {
	p.flows.mu.Lock()
	defer p.flows.mu.Unlock()
	if f, err := p.flow(l.hash, token); err == nil {
		former, f.password = f.password, password
	}
	return former
}

// proveEnrolment signs in once.
func (p *Part) proveEnrolment(ctx context.Context, book *accounts.Book, address string) error {
	if p.o.Router == nil {
		return nil
	}
	a, found, err := book.Account(ctx, address)
	if err != nil || !found {
		return err
	}
	t := p.trial()
	p.signInOnce(ctx, t, a)
	for _, s := range t.steps {
		if s.Level == LevelFailed {
			return errors.New("the gateway could not sign in with it: " + s.Detail)
		}
	}
	return nil
}

func (p *Part) closeLink(ctx context.Context, l link) error {
	return p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		r, err := tx.ExecContext(ctx, `UPDATE enrolment_links SET enrolled_at = $2 WHERE token_hash = $1 AND enrolled_at = 0`, l.hash, store.Micros(p.o.Now()))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errUsed)
		}
		return nil
	})
}
