package operations

import (
	"context"
	"fmt"
	"slices"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/internal/accounts"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/notify"
	"heliograph/proxy/upstream"
)

// tryTime bounds a test; browsers and proxies wait for a minute.
const tryTime = 45 * time.Second

// trial gathers the steps of a test.
type trial struct {
	began time.Time
	now   func() time.Time
	last  time.Time
	steps []Step
}

func (p *Part) trial() *trial {
	now := time.Now()
	return &trial{began: now, now: time.Now, last: now, steps: []Step{}}
}

func (t *trial) step(part, name string, err error, detail, remedy string) {
	now := t.now()
	s := Step{Part: part, Name: name, Level: LevelOk, Detail: detail, TookSeconds: float32(now.Sub(t.last).Seconds())}
	if t.last = now; err != nil {
		s.Level, s.Detail, s.Remedy = LevelFailed, err.Error(), remedy
	}
	t.steps = append(t.steps, s)
}

// result is the answer: as good as the worst step.
func (t *trial) result(ctx context.Context) TestResult {
	r := TestResult{Level: LevelOk, TookSeconds: float32(t.now().Sub(t.began).Seconds()), Steps: t.steps}
	for _, s := range t.steps {
		r.Level = worse(r.Level, s.Level)
	}
	api.Note(ctx, "level", string(r.Level))
	return r
}

func worse(a, b Level) Level {
	order := []Level{LevelOk, LevelWarning, LevelFailed}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

// TestTarget tries a target.
func (p *Part) TestTarget(ctx context.Context, r TestTargetRequestObject) (TestTargetResponseObject, error) {
	if _, err := p.target(r.Name); err != nil {
		return nil, err
	}
	c := p.client(r.Name)
	if c == nil {
		return nil, unavailable("the connection to the target")
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	t := p.trial()
	ch, ok := crmclient.As[crmclient.Checker](c)
	if !ok {
		t.steps = append(t.steps, Step{Name: "check", Level: LevelWarning, Detail: "this type cannot be tried without writing"})
		return TestTarget200JSONResponse(t.result(ctx)), nil
	}
	detail, err := ch.Check(ctx)
	t.step("", "check", err, detail, crmclient.Remedy(err))
	return TestTarget200JSONResponse(t.result(ctx)), nil
}

// ListNotifiers lists channels to people.
func (p *Part) ListNotifiers(context.Context, ListNotifiersRequestObject) (ListNotifiersResponseObject, error) {
	out := ListNotifiers200JSONResponse{Items: []Notifier{}}
	for _, n := range p.o.Config().Notifiers {
		out.Items = append(out.Items, Notifier{Name: n.Name, Type: string(n.Type)})
	}
	return out, nil
}

// TestNotifier tries a channel.
func (p *Part) TestNotifier(ctx context.Context, r TestNotifierRequestObject) (TestNotifierResponseObject, error) {
	list := p.o.Config().Notifiers
	i := slices.IndexFunc(list, func(n config.Notifier) bool { return n.Name == r.Name })
	if i < 0 {
		return nil, api.NotFound("no_notifier", "there is no such notifier")
	}
	if p.o.Channel == nil {
		return nil, unavailable("the channel")
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	const remedy = "check url of this notifier, and that it can be reached from this machine"
	t := p.trial()
	c, err := p.o.Channel(list[i])
	if err != nil {
		t.step("", "build", err, "", "check the section of this notifier")
		return TestNotifier200JSONResponse(t.result(ctx)), nil
	}
	defer func() { _ = c.Close() }()
	detail, err := c.Check(ctx)
	t.step("", "connect", err, detail, remedy)
	if err == nil && r.Body != nil && r.Body.Send {
		now := p.o.Now()
		err = c.Send(ctx, notify.Message{
			Key: fmt.Sprint("test ", now.UnixNano()), Title: "Heliograph", Text: "This is a test. 这是一条测试通知。\n" + access.From(ctx).Person.Email, At: now,
		})
		t.step("", "send", err, "the vendor took it: look whether it can be read there", crmclient.Remedy(err))
	}
	return TestNotifier200JSONResponse(t.result(ctx)), nil
}

// ListUpstreams lists mail providers.
func (p *Part) ListUpstreams(context.Context, ListUpstreamsRequestObject) (ListUpstreamsResponseObject, error) {
	out := ListUpstreams200JSONResponse{Items: []Upstream{}}
	for _, u := range p.o.Config().Upstreams {
		domains := u.Domains
		if domains == nil {
			domains = []string{}
		}
		out.Items = append(out.Items, Upstream{
			Name: u.Name, Preset: u.Provider, Domains: domains, Smtp: u.SMTP.Address, Imap: u.IMAP.Address, SignIn: signIn(u), Ways: p.ways(u),
		})
	}
	return out, nil
}

func signIn(u config.Upstream) string {
	if u.SignIn == "" {
		return string(config.SignInOwn)
	}
	return string(u.SignIn)
}

// ways are how accounts of an upstream can be enrolled.
func (p *Part) ways(u config.Upstream) []Way {
	out := []Way{}
	if p.o.Accounts == nil || u.SignIn != config.SignInEnrolled {
		return out
	}
	book := p.o.Accounts()
	if book == nil {
		return out
	}
	ways, err := book.Ways(u.Name)
	if err != nil {
		return out
	}
	for _, w := range ways {
		if w != accounts.WayCode || p.o.Config().Console.PublicURL != "" { // the provider has to send the browser back
			out = append(out, Way(w))
		}
	}
	return out
}

// TestUpstream tries a mail provider.
func (p *Part) TestUpstream(ctx context.Context, r TestUpstreamRequestObject) (TestUpstreamResponseObject, error) {
	if !slices.ContainsFunc(p.o.Config().Upstreams, func(u config.Upstream) bool { return u.Name == r.Name }) {
		return nil, api.NotFound("no_upstream", "there is no such upstream")
	}
	if p.o.Router == nil {
		return nil, unavailable("the connection to the mail provider")
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	t := p.trial()
	for _, u := range p.o.Router().Upstreams() {
		if u.Name() != r.Name {
			continue
		}
		for _, f := range u.Probe(ctx) {
			t.steps = append(t.steps, Step{Part: f.Service, Name: f.Check, Level: levels[f.Outcome], Detail: f.Detail, Remedy: f.Remedy, TookSeconds: float32(f.Took.Seconds())})
		}
	}
	return TestUpstream200JSONResponse(t.result(ctx)), nil
}

var levels = map[upstream.Outcome]Level{
	upstream.OutcomeOK: LevelOk, upstream.OutcomeWarning: LevelWarning, upstream.OutcomeFailed: LevelFailed,
}
