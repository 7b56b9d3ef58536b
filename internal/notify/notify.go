// Package notify tells people in DingTalk, WeCom, Feishu, Slack, Teams, or by a webhook of their own, what happened.
//
// A Channel is one group robot or webhook. A Message is plain text with facts and links: whatever a stranger wrote into
// it is shown as it is, and makes no link, mention or heading. Each vendor's file says how its posts look, what it limits
// and what its answers mean; most of them tell errors inside a 200.
//
// Robots may post only so often (DingTalk's and WeCom's twenty times a minute, and DingTalk punishes with ten silent
// minutes). So messages that come faster wait, and go together in one post, a digest. Send returns when the post with the
// message in it was taken, so that who must not lose a message keeps it until then. None of the robots knows
// repetitions: after a post whose outcome is unknown the same message may appear twice.
//
//	notify.go    Message, Channel
//	digest.go    waiting, limits, posts of several messages
//	text.go      bounds, cutting, what neutralises markup
//	dingtalk.go, wecom.go, feishu.go, slack.go, teams.go, webhook.go    the vendors
//
//	people.go, apps.go    messages to single people, by an app of the vendor's (DingTalk, WeCom, Feishu)
//
// A message with To goes to these people alone, by the channel's app, at once and not in a digest. It takes no answers.
package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/internal/limit"
)

// Level says how urgent a message is.
type Level string

// The levels. Empty means Info.
const (
	Info     Level = "info"
	Warning  Level = "warning"
	Critical Level = "critical"
)

// Message is what people are told. All texts are plain; what is too long is cut.
type Message struct {
	Key      string // tells the message from others, for receivers that know repetitions
	Level    Level
	Title    string
	Text     string // may have several lines
	Facts    []Fact
	Links    []Link
	Mentions []string // mail addresses of those to be mentioned
	// To are mail addresses of those whom the message is for, in place of the group. A channel without an app answers with ErrNotPersonal; those
	// whom the vendor does not know are in an UnknownPeopleError, and the others have got it then.
	To []string
	At time.Time
}

// Fact is a name and a value, shown beside each other.
type Fact struct{ Name, Value string }

// Link leads to more. Only http and https addresses are shown.
type Link struct{ Label, URL string }

// Deps are what a Channel gets from outside. Each may be nil or empty.
type Deps struct {
	UserAgent  string
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Limiter    limit.Limiter // shared by all nodes; nil: each process for itself
	Now        func() time.Time
}

// vendor is one kind of channel.
type vendor interface {
	// compose makes the body of a post of as many of the messages as fit, at least one, and says how many.
	compose(ms []Message, at time.Time) (body []byte, taken int, err error)
	// prepare completes the request: signatures, headers.
	prepare(r *http.Request, ms []Message, body []byte, at time.Time)
	// judge tells what the answer of a status 2xx means.
	judge(a *crmclient.Answer) error
	// rate is what the vendor allows.
	rate() limit.Rate
}

// Channel is a place where people read messages. It is safe for concurrent use and must be closed.
type Channel struct {
	name      string
	vendor    vendor
	url       *url.URL
	people    map[string]string
	transport *crmclient.Transport // to the group; nil without one
	caller    *caller              // to people; nil without an app
	limiter   limit.Limiter
	now       func() time.Time
	metrics   *metrics
	log       *slog.Logger

	mu      sync.Mutex // guards the rest
	waiting []*waiter
	closed  bool
	more    chan struct{} // has room for one: something waits
	stop    context.CancelFunc
	done    chan struct{}
}

// New checks a section of the configuration and builds the channel, without using the network.
func New(cfg config.Notifier, d Deps) (*Channel, error) {
	c := &Channel{
		name: cfg.Name, people: map[string]string{}, limiter: d.Limiter, now: d.Now, log: d.Logger,
		more: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.limiter == nil {
		c.limiter = limit.NewMemory(limit.MemoryOptions{})
	}
	for address, id := range cfg.People {
		c.people[strings.ToLower(address)] = id
	}
	var err error
	if c.vendor, err = vendorOf(cfg, c.people); err != nil {
		return nil, fmt.Errorf("notifier %q: %w", cfg.Name, err)
	}
	if c.metrics, err = newMetrics(d.Registerer); err != nil {
		return nil, err
	}
	if cfg.App.ID != "" {
		if c.caller, err = newCaller(cfg, c.people, d, c.now); err != nil {
			return nil, fmt.Errorf("notifier %q: %w", cfg.Name, err)
		}
	}
	if !cfg.URL.IsZero() || c.caller == nil {
		if err := c.openGroup(cfg, d); err != nil {
			return nil, fmt.Errorf("notifier %q: %w", cfg.Name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	go c.run(ctx)
	return c, nil
}

// Personal says whether the channel reaches single people.
func (c *Channel) Personal() bool { return c.caller != nil }

func (c *Channel) openGroup(cfg config.Notifier, d Deps) error {
	u, err := crmclient.ParseURL(cfg.URL.Reveal())
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	c.url = u
	c.transport, err = crmclient.Deps{Target: "notify:" + cfg.Name, UserAgent: d.UserAgent, Logger: d.Logger}.Transport(
		crmclient.Settings{Timeout: cfg.Timeout, AllowPrivate: cfg.AllowPrivate, CAFile: cfg.CAFile, Proxy: cfg.Proxy},
		crmclient.Options{
			URL: u, NoRedirects: true, HidePath: true, // keys are in paths and queries
			MaxConcurrent: 1, Secrets: []string{cfg.Secret.Reveal()},
		})
	return err
}

func vendorOf(cfg config.Notifier, people map[string]string) (vendor, error) {
	switch cfg.Type {
	case config.NotifyDingTalk:
		return &dingtalk{secret: cfg.Secret.Reveal(), people: people}, nil
	case config.NotifyWeCom:
		return &wecom{people: people}, nil
	case config.NotifyFeishu:
		return &feishu{secret: cfg.Secret.Reveal(), people: people}, nil
	case config.NotifySlack:
		return &slack{people: people}, nil
	case config.NotifyTeams:
		return &teams{}, nil
	case config.NotifyWebhook:
		return newWebhook(cfg.Secret.Reveal())
	}
	return nil, fmt.Errorf("unknown type %q", cfg.Type)
}

// Name returns the channel's name in the configuration.
func (c *Channel) Name() string { return c.name }

// Check connects to the vendor and agrees on TLS, and gets a token for the app; it posts nothing. It returns a line for a person.
func (c *Channel) Check(ctx context.Context) (string, error) {
	if c.caller != nil {
		if _, err := c.caller.access(ctx); err != nil || c.transport == nil {
			return "the app has a token", err
		}
	}
	return c.transport.Probe(ctx)
}

// Close ends the channel. Messages that still wait get an error.
func (c *Channel) Close() error {
	c.stop()
	<-c.done
	var errs []error
	if c.transport != nil {
		errs = append(errs, c.transport.Close())
	}
	if c.caller != nil {
		errs = append(errs, c.caller.transport.Close())
	}
	return errors.Join(errs...)
}

// errClosed is inside the error of messages that waited when the channel was closed.
var errClosed = errors.New("the gateway stops")

// post sends one post and tells what became of it.
func (c *Channel) post(ctx context.Context, ms []Message) (taken int, err error) {
	at := c.now()
	body, taken, err := c.vendor.compose(ms, at)
	if err != nil {
		return 1, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the message cannot be written", Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.String(), bytes.NewReader(body))
	if err != nil {
		return taken, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the request cannot be built"}
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	c.vendor.prepare(req, ms[:taken], body, at)
	answer, err := c.transport.Do(req)
	if err == nil {
		err = c.vendor.judge(answer)
	} else if answer != nil {
		if j, ok := c.vendor.(statusJudge); ok {
			err = j.judgeStatus(answer, err)
		}
	}
	var e *crmclient.Error
	if errors.As(err, &e) {
		e.Message = c.transport.Text(e.Message) // vendors like to repeat what they were sent
	}
	return taken, err
}

// statusJudge is a vendor whose words explain a status other than 2xx better than the status does.
type statusJudge interface {
	judgeStatus(a *crmclient.Answer, err error) error
}

// unknown returns the addresses that the vendor has no id of.
func unknown(addresses []string, people map[string]string) (ids, others []string) {
	for _, a := range addresses {
		if id := people[strings.ToLower(a)]; id != "" {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
			continue
		}
		others = append(others, a)
	}
	return ids, others
}
