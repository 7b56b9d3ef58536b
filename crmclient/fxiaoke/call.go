package fxiaoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/limit"
	"heliograph/internal/oauth"
)

// callRate is the vendor's limit of each call: 100 in 20 seconds.
var callRate = limit.Rate{Count: 100, Per: 20 * time.Second}

// tokenRate is that of the call for tokens, which must not run twice at once either.
var tokenRate = limit.Rate{Count: 10, Per: time.Minute}

const (
	pathToken    = "/cgi/corpAccessToken/get/V2" //nolint:gosec // an address
	pathMobile   = "/cgi/user/getByMobile"
	pathDescribe = "/cgi/crm/v2/object/describe"
)

// maxPace is how long a call waits here for its turn; a longer wait is the queue's.
const maxPace = 2 * time.Second

// dataPath returns the path of a call for an object: those of a company's own have others.
func dataPath(object, call string) string {
	if strings.HasSuffix(object, "__c") {
		return "/cgi/crm/custom/v2/data/" + call
	}
	return "/cgi/crm/v2/data/" + call
}

// limiter returns the limiter of a call.
func (c *Client) limiter(path string) crmclient.RateLimiter {
	if c.deps.Limit == nil {
		return nil
	}
	rate := callRate
	if path == pathToken {
		rate = tokenRate
	}
	return c.deps.Limit(path, rate)
}

func (c *Client) await(ctx context.Context, path string) error {
	l := c.limiter(path)
	if l == nil {
		return nil
	}
	deadline := time.Now().Add(maxPace)
	for {
		wait, err := l.Allow(ctx)
		if err != nil || wait <= 0 {
			return nil // a limiter that is away lets requests pass: the vendor has its own
		}
		if time.Now().Add(wait).After(deadline) {
			return &crmclient.Error{Class: crmclient.ClassRate, RetryAfter: wait, Message: "the rate of " + path + " is used up"}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return &crmclient.Error{Class: crmclient.ClassRetry, Message: "request stopped", Err: context.Cause(ctx)}
		}
	}
}

// send posts a body once. What stands in hide is shown in no error.
func (c *Client) send(ctx context.Context, path string, body map[string]any, into any, hide *crmclient.Redactor) error {
	content, err := crmclient.JSONBody(body)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := c.await(ctx, path); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, content)
	if err != nil {
		return configuration("", "the request cannot be built: check url")
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := c.transport.Do(req)
	if err := c.classify(path, answer, err, hide); err != nil {
		return err
	}
	if err := answer.Exact(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Extra values of a token.
const (
	extraCorp = "corp_id"
	extraUser = "user"
)

// fetch gets a token, and finds the acting employee where he is named by telephone.
func (c *Client) fetch(ctx context.Context) (oauth.Token, error) {
	var answer struct {
		Token   string      `json:"corpAccessToken"`
		Corp    string      `json:"corpId"`
		Expires json.Number `json:"expiresIn"`
	}
	err := c.send(ctx, pathToken, map[string]any{
		"appId": c.cfg.AppID, "appSecret": c.cfg.AppSecret.Reveal(), "permanentCode": c.cfg.PermanentCode.Reveal(),
	}, &answer, c.redactor())
	if err != nil {
		return oauth.Token{}, err
	}
	if answer.Token == "" || answer.Corp == "" {
		return oauth.Token{}, &crmclient.Error{Class: crmclient.ClassRetry, Message: pathToken + ": the answer has no token"}
	}
	t := oauth.Token{Access: answer.Token, Extra: map[string]string{extraCorp: answer.Corp, extraUser: c.cfg.ActingUser}}
	// The vendor gives the token that there is, with what is left of its time. One that is about to end is used until it is refused.
	const short = 2 * time.Minute
	if seconds, err := answer.Expires.Int64(); err == nil && time.Duration(seconds)*time.Second > short {
		t.Expires = c.deps.Clock().Add(time.Duration(seconds) * time.Second)
	}
	if c.cfg.ActingMobile != "" {
		if t.Extra[extraUser], err = c.byMobile(ctx, t); err != nil {
			return oauth.Token{}, err
		}
	}
	return t, nil
}

func (c *Client) byMobile(ctx context.Context, t oauth.Token) (string, error) {
	var answer struct {
		List []struct {
			ID string `json:"openUserId"`
		} `json:"empList"`
	}
	err := c.send(ctx, pathMobile, map[string]any{
		"corpId": t.Extra[extraCorp], "corpAccessToken": t.Access, "mobile": c.cfg.ActingMobile,
	}, &answer, c.redactor(t.Access))
	if err != nil {
		return "", err
	}
	if len(answer.List) == 0 || answer.List[0].ID == "" {
		return "", configuration(failures[30027].remedy, "nobody has the telephone number of acting_mobile")
	}
	return answer.List[0].ID, nil
}

func (c *Client) redactor(more ...string) *crmclient.Redactor {
	return crmclient.NewRedactor(append(more, c.cfg.AppSecret.Reveal(), c.cfg.PermanentCode.Reveal(), c.cfg.CallbackToken.Reveal(), c.cfg.CallbackKey.Reveal())...)
}

// post calls the API as the acting employee, once more with a new token if the vendor does not know the old one.
func (c *Client) post(ctx context.Context, path string, body map[string]any, into any) error {
	for again := false; ; again = true {
		t, err := c.tokens.Token(ctx)
		if err != nil {
			var e *crmclient.Error
			if !errors.As(err, &e) {
				err = &crmclient.Error{Class: crmclient.ClassRetry, Message: "no token", Err: err}
			}
			return fmt.Errorf("token: %w", err)
		}
		full := map[string]any{"corpId": t.Extra[extraCorp], "corpAccessToken": t.Access, "currentOpenUserId": t.Extra[extraUser]}
		for k, v := range body {
			full[k] = v
		}
		err = c.send(ctx, path, full, into, c.redactor(t.Access))
		if !staleToken(err) || again {
			return err
		}
		c.tokens.Reject(ctx, t.Access)
	}
}
