package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
)

// UnknownPeopleError says that some of those a message was for are not known to the vendor. The others got it.
type UnknownPeopleError struct{ Addresses []string }

// Error names them.
func (e *UnknownPeopleError) Error() string {
	return "the vendor knows nobody with the address " + strings.Join(e.Addresses, ", ")
}

// ErrNotPersonal says that a channel reaches groups only.
var ErrNotPersonal = errors.New("this notifier has no app, so that it reaches a group only")

// maxPeople bounds whom one message is for. DingTalk takes 100.
const maxPeople = 100

// application is a vendor's app that writes to single people.
type application interface {
	// token gets an access token, and says for how long it is good.
	token(ctx context.Context, c *caller) (string, time.Duration, error)
	// find returns the vendor's id of a person by address, or nothing.
	find(ctx context.Context, c *caller, address string) (string, error)
	// send writes to people by the ids of find, and returns those that the vendor did not know after all. It is idempotent on the message as far as the vendor is.
	send(ctx context.Context, c *caller, m Message, ids []string) (unknown []string, err error)
}

// errToken is inside the error of a call whose token the vendor no longer takes.
var errToken = errors.New("the token has run out")

// caller makes the calls of an application.
type caller struct {
	app       application
	base      string
	transport *crmclient.Transport
	now       func() time.Time

	mu    sync.Mutex // guards all below, and lets one at a time get a token
	live  string
	until time.Time
	ids   map[string]string // by address
}

const (
	tokenSpare = 5 * time.Minute // before its end a token is no longer used
	maxKnown   = 10_000          // people whose ids are kept
)

func appOf(cfg config.Notifier, people map[string]string) (app application, base string) {
	a := cfg.App
	switch cfg.Type {
	case config.NotifyDingTalk:
		return &dingtalkApp{a, people}, "https://oapi.dingtalk.com"
	case config.NotifyWeCom:
		return &wecomApp{a, people}, "https://qyapi.weixin.qq.com"
	case config.NotifyFeishu:
		return &feishuApp{a, people}, "https://open.feishu.cn"
	}
	return nil, ""
}

func newCaller(cfg config.Notifier, people map[string]string, d Deps, now func() time.Time) (*caller, error) {
	app, base := appOf(cfg, people)
	if app == nil {
		return nil, fmt.Errorf("%s has no apps that write to people", cfg.Type)
	}
	if cfg.App.URL != "" {
		base = strings.TrimRight(cfg.App.URL, "/")
	}
	u, err := crmclient.ParseURL(base)
	if err != nil {
		return nil, fmt.Errorf("app.url: %w", err)
	}
	c := &caller{app: app, base: base, now: now, ids: map[string]string{}}
	c.transport, err = crmclient.Deps{Target: "notify:" + cfg.Name, UserAgent: d.UserAgent, Logger: d.Logger}.Transport(
		crmclient.Settings{Timeout: cfg.Timeout, AllowPrivate: cfg.AllowPrivate, CAFile: cfg.CAFile, Proxy: cfg.Proxy},
		crmclient.Options{URL: u, NoRedirects: true, HidePath: true, Secrets: []string{cfg.App.Secret.Reveal()}})
	return c, err
}

// sendTo writes a message to those in m.To.
func (c *caller) sendTo(ctx context.Context, m Message) error {
	to := slices.Compact(slices.Sorted(slices.Values(lowered(m.To))))
	if len(to) > maxPeople {
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("a message can be for %d people at most", maxPeople)}
	}
	byID := map[string]string{}
	var ids, nobody []string
	for _, address := range to {
		id, err := c.id(ctx, address)
		switch {
		case err != nil:
			return fmt.Errorf("find whom to tell: %w", err)
		case id == "":
			nobody = append(nobody, address)
		case byID[id] == "":
			byID[id], ids = address, append(ids, id)
		}
	}
	if len(ids) > 0 {
		unknown, err := c.app.send(ctx, c, m, ids)
		if err != nil {
			return fmt.Errorf("tell people: %w", err)
		}
		for _, id := range unknown {
			nobody = append(nobody, byID[id])
		}
	}
	if len(nobody) > 0 {
		slices.Sort(nobody)
		e := &UnknownPeopleError{nobody}
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: e.Error(), Err: e, Remedy: "put them into people, and into the app's range (可见范围)"}
	}
	return nil
}

func lowered(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}

// id returns the vendor's id of an address. Who is not known is asked for again next time.
func (c *caller) id(ctx context.Context, address string) (string, error) {
	c.mu.Lock()
	id := c.ids[address]
	c.mu.Unlock()
	if id != "" {
		return id, nil
	}
	id, err := c.app.find(ctx, c, address)
	if err != nil || id == "" {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ids) >= maxKnown {
		clear(c.ids)
	}
	c.ids[address] = id
	return id, nil
}

func (c *caller) access(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live != "" && c.now().Before(c.until) {
		return c.live, nil
	}
	token, good, err := c.app.token(ctx, c)
	if err != nil {
		return "", fmt.Errorf("get a token: %w", err)
	}
	c.live, c.until = token, c.now().Add(max(good-tokenSpare, good/2))
	return token, nil
}

// withToken makes a call, and once more with a new token where the vendor no longer takes the first.
func (c *caller) withToken(ctx context.Context, call func(token string) error) error {
	for again := true; ; again = false {
		token, err := c.access(ctx)
		if err != nil {
			return err
		}
		err = call(token)
		if e := new(crmclient.Error); errors.As(err, &e) {
			e.Message = crmclient.NewRedactor(token).Text(e.Message) // vendors like to repeat what they were sent
		}
		if !again || !errors.Is(err, errToken) {
			return err
		}
		c.mu.Lock()
		if c.live == token {
			c.live = ""
		}
		c.mu.Unlock()
	}
}

// do sends JSON, or asks with nil, and returns the answer whatever its status is, if it is the vendor's own.
func (c *caller) do(ctx context.Context, method, path string, query url.Values, bearer string, body any) (*crmclient.Answer, error) {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return nil, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the message cannot be written as JSON"}
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(raw))
	if err != nil {
		return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the request cannot be built"}
	}
	req.URL.RawQuery = query.Encode()
	if body != nil {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return c.transport.Do(req)
}
