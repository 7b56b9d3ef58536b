package watch

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"heliograph/internal/accounts"
	"heliograph/internal/oauth"
	"heliograph/proxy/upstream"

	"github.com/emersion/go-imap/v2"
)

// gate lets the connections of an account log in one after the other, so that one refusal is not three.
type gate struct {
	turn  chan struct{} // has an entry while nobody logs in
	kicks chan struct{} // has an entry when a refused login is to be tried again
	// Guarded by turn:
	refusals int       // in a row
	until    time.Time // the provider wants to be left alone
	why      string
}

func (g *gate) init() {
	g.turn, g.kicks = make(chan struct{}, 1), make(chan struct{}, 1)
	g.turn <- struct{}{}
}

func (g *gate) kick() {
	select {
	case g.kicks <- struct{}{}:
	default:
	}
}

// hold keeps the account away from the provider. The caller has the turn.
func (g *gate) hold(d time.Duration, why string) { g.until, g.why = time.Now().Add(d), why }

// here is the address of whose logins these are: this machine's.
var here = netip.MustParseAddr("127.0.0.1")

// refusedError says that a login was refused, or cannot be tried.
type refusedError struct {
	text      string // what is wrong, and what to do
	enrolment time.Time
	shown     bool // the provider saw a credential
}

func (e *refusedError) Error() string { return e.text }

// connect returns a connection that is logged in. It waits as long as that takes: its error is that of ctx.
func (a *account) connect(ctx context.Context) (*link, error) {
	select {
	case <-a.gate.turn:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { a.gate.turn <- struct{}{} }()
	failed := backoff{first: a.w.times.backoff}
	for {
		if wait := time.Until(a.gate.until); wait > 0 {
			a.state(StateWaiting, fmt.Sprintf("%s: it is left alone until %s", a.gate.why, a.gate.until.Format(time.RFC3339)))
			if err := sleep(ctx, wait); err != nil {
				return nil, err
			}
		}
		l, err := a.once(ctx)
		if err == nil {
			a.w.metrics.connections.WithLabelValues("ok").Inc()
			return l, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := a.turnedAway(ctx, err, &failed); err != nil {
			return nil, err
		}
	}
}

// turnedAway waits until the next try makes sense. Its error is that of ctx.
func (a *account) turnedAway(ctx context.Context, err error, failed *backoff) error {
	count := a.w.metrics.connections
	var refused *refusedError
	var wait *waitError
	switch {
	case errors.As(err, &refused):
		return a.refused(ctx, refused)
	case errors.As(err, &wait):
		count.WithLabelValues("slowed").Inc()
		a.log.Warn("a watched mailbox waits", "err", err, "wait", wait.wait.String())
		a.gate.hold(jitter(wait.wait), wait.text)
		return nil
	}
	count.WithLabelValues("error").Inc()
	pause := failed.next()
	a.log.Warn("no connection to a watched mailbox, trying again", "err", err, "in", pause.String())
	a.state(StateWaiting, err.Error())
	return sleep(ctx, pause)
}

// refused waits for the second try of a login, and after that for whoever can mend it.
func (a *account) refused(ctx context.Context, r *refusedError) error {
	outcome, wait := "grant", a.w.times.refused
	if r.shown {
		outcome = "refused"
		if a.gate.refusals++; a.gate.refusals < maxRefusals {
			wait = a.w.times.second
		}
	}
	a.w.metrics.connections.WithLabelValues(outcome).Inc()
	a.state(StateRefused, r.text)
	if !r.shown || a.gate.refusals >= maxRefusals {
		a.log.Error("a watched mailbox cannot be signed in to: nothing of it is captured until somebody acts", "err", r.text)
	} else {
		a.log.Warn("the login of a watched mailbox was refused, it is tried once more", "err", r.text, "in", wait.String())
	}
	select {
	case <-a.gate.kicks: // an old one
	default:
	}
	over := time.Now().Add(wait)
	for time.Now().Before(over) {
		timer := time.NewTimer(min(a.w.times.again, time.Until(over)))
		select {
		case <-timer.C:
		case <-a.gate.kicks:
			over = time.Now()
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
		now, found, err := a.w.opts.Settings().Book.Account(ctx, a.address)
		if err == nil && found && !now.Changed.Equal(r.enrolment) {
			a.gate.refusals = 0
			a.log.Info("a watched account was enrolled again")
			return nil
		}
	}
	return nil
}

// maxRefusals is how often a login is tried before the account waits: more would lock it at most providers.
const maxRefusals = 2

// once makes one connection and logs in.
func (a *account) once(ctx context.Context) (*link, error) {
	set := a.w.opts.Settings()
	u, err := set.Router.Route(a.cfg.Upstream, "", a.address)
	if err != nil {
		return nil, err
	}
	if !u.HasIMAP() {
		return nil, fmt.Errorf("upstream %s has no IMAP server: name it as imap.address", u.Name())
	}
	for again := true; ; again = false { // a token that is refused is replaced once
		credential, enrolled, err := a.credential(ctx, set)
		if err != nil {
			return nil, err
		}
		if err := a.mayLogIn(ctx); err != nil {
			return nil, err
		}
		l, caps, err := a.dial(ctx, u)
		if err != nil {
			return nil, err
		}
		err = a.signIn(ctx, l, u, caps, credential, enrolled)
		if err == nil {
			credential.Accept()
			a.gate.refusals = 0
			return l, nil
		}
		l.close(false)
		var refused *refusedError
		if !errors.As(err, &refused) {
			return nil, err
		}
		if refused.shown {
			credential.Reject(ctx)
			a.loginFailed(ctx)
		}
		if !again || !credential.OAuth() || !refused.shown {
			return nil, err
		}
	}
}

// credential gets what to show. Where nothing can be had without a person, its error is a *refusedError.
func (a *account) credential(ctx context.Context, set Settings) (accounts.Credential, time.Time, error) {
	account, found, err := set.Book.Account(ctx, a.address)
	switch {
	case err != nil:
		return accounts.Credential{}, time.Time{}, fmt.Errorf("look up the enrolment: %w", err)
	case !found:
		return accounts.Credential{}, time.Time{}, &refusedError{text: "the account is not enrolled: run heliograph account enroll " + a.address + " --no-programs"}
	case account.Upstream != a.up.Name:
		return accounts.Credential{}, time.Time{}, &refusedError{
			text:      fmt.Sprintf("the account is enrolled at upstream %s, but watched at %s: correct upstream of the watch, or enrol it there", account.Upstream, a.up.Name),
			enrolment: account.Changed,
		}
	}
	c, err := account.Credential(ctx)
	if err == nil {
		return c, account.Changed, nil
	}
	var held *accounts.HeldError
	if errors.As(err, &held) {
		return c, time.Time{}, &waitError{held.Wait, "the provider refused this account, perhaps in another session"}
	}
	if kind := oauth.KindOf(err); kind == oauth.Grant || kind == oauth.Client || kind == oauth.Request {
		text, _ := upstream.SignInTrouble(a.address, err)
		return c, time.Time{}, &refusedError{text: text, enrolment: account.Changed}
	}
	return c, time.Time{}, fmt.Errorf("get a credential: %w", err)
}

// dial connects, when the server is not known to be away.
func (a *account) dial(ctx context.Context, u *upstream.Upstream) (*link, upstream.Capabilities, error) {
	c := a.w.circuit(u.Name())
	if err := c.enter(ctx); err != nil {
		return nil, upstream.Capabilities{}, err
	}
	l, caps, err := dial(ctx, u, a.w.times.silence)
	var e *upstream.Error
	switch {
	case err == nil:
		c.succeeded()
		return l, caps, nil
	case !errors.As(err, &e):
		return nil, caps, err
	case e.Class != upstream.ClassCancelled:
		c.failed()
	}
	if len(e.Bye) > 0 {
		if b, slow := brakeOf(string(e.Bye)); slow {
			return nil, caps, a.slowed(b)
		}
		return nil, caps, fmt.Errorf("%w: %s; %s", err, quote(string(e.Bye)), e.Remedy())
	}
	return nil, caps, fmt.Errorf("%w; %s", err, e.Remedy())
}

// slowed makes a *waitError of a provider's brake.
func (a *account) slowed(b brake) error {
	if b.fewer {
		a.fewer.Store(min(a.fewer.Load()+1, int32(a.cfg.Connections)-1))
	}
	return &waitError{b.pause, b.why}
}

// signIn shows a credential and introduces us.
func (a *account) signIn(ctx context.Context, l *link, u *upstream.Upstream, caps upstream.Capabilities, c accounts.Credential, enrolled time.Time) error {
	challenge, err := l.login(ctx, u, caps, c)
	var no *imap.Error
	var up *upstream.Error
	switch {
	case err == nil:
		return l.introduce(ctx, u, a.w.opts.Version)
	case errors.As(err, &up): // it offers nothing that fits
		return &refusedError{text: fmt.Sprintf("%v: the enrolment is of a kind that this server does not take", err), enrolment: enrolled}
	case !errors.As(err, &no):
		return fmt.Errorf("login: %w", err)
	}
	if b, slow := brakeOf(words(err)); slow {
		if b.unsure {
			a.loginFailed(ctx)
		}
		return a.slowed(b)
	}
	if passing(no) {
		return fmt.Errorf("login: the mail server said %s", quote(no.Text))
	}
	failure, _ := upstream.ParseFailure([]byte(base64.StdEncoding.EncodeToString(challenge)))
	return &refusedError{
		text:      fmt.Sprintf("%s (the mail server said %s)", upstream.RefusedGrant(a.address, c, failure), quote(no.Text)),
		enrolment: enrolled, shown: true,
	}
}

// mayLogIn asks the guard that all fronts share: the provider counts all failures as ours.
func (a *account) mayLogIn(ctx context.Context) error {
	if a.w.opts.Failures == nil {
		return nil
	}
	wait, err := a.w.opts.Failures.Check(ctx, here, a.address)
	if err != nil || wait <= 0 {
		return nil // a guard that cannot decide keeps nobody out
	}
	return &waitError{wait, "there were too many failed logins of this account"}
}

func (a *account) loginFailed(ctx context.Context) {
	if a.w.opts.Failures == nil {
		return
	}
	if err := a.w.opts.Failures.Failed(ctx, here, a.address); err != nil {
		a.log.Warn("login not counted", "err", err)
	}
}
