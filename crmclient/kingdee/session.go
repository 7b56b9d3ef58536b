package kingdee

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/oauth"
)

// The services of the WebAPI, below the address of the site.
const (
	serviceSuffix = ".common.kdsvc"
	authService   = "Kingdee.BOS.WebApi.ServicesStub.AuthService."
	formService   = "Kingdee.BOS.WebApi.ServicesStub.DynamicFormService."
)

// The names under which a session keeps what the site said of it.
const (
	extraUser       = "user"
	extraUserID     = "user_id"
	extraDataCentre = "data_centre"
)

// loginAnswer is what all ways to log in answer.
type loginAnswer struct {
	Type      json.Number `json:"LoginResultType"` // 1: done
	Message   string      `json:"Message"`
	Code      string      `json:"MessageCode"`
	SessionID string      `json:"KDSVCSessionId"`
	Context   *struct {
		SessionID      string      `json:"SessionId"`
		UserID         json.Number `json:"UserId"`
		UserName       string      `json:"UserName"`
		DataCenterName string      `json:"DataCenterName"`
	} `json:"Context"`
}

// login opens a session. Its life is not documented, so it is replaced after the time of the setting.
func (c *Client) login(ctx context.Context) (oauth.Token, error) {
	service, args := "LoginByAppSecret", []any{c.cfg.AccountID, c.cfg.User, c.cfg.AppID, c.cfg.AppSecret.Reveal(), c.cfg.Locale}
	if c.cfg.Login != loginAppSecret {
		at := strconv.FormatInt(c.now().Unix(), 10)
		sign := loginSign(c.cfg.Login == loginSignSHA1, c.cfg.AccountID, c.cfg.User, c.cfg.AppID, c.cfg.AppSecret.Reveal(), at)
		service, args = "LoginBySign", []any{c.cfg.AccountID, c.cfg.User, c.cfg.AppID, at, sign, strconv.Itoa(c.cfg.Locale)}
	}
	body, err := json.Marshal(map[string]any{"parameters": args})
	if err != nil {
		return oauth.Token{}, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the login cannot be written as JSON"}
	}
	answer, err := c.post(ctx, authService+service, body, nil)
	if err != nil {
		return oauth.Token{}, withRemedy(err)
	}
	if isPage(answer.Body) {
		return oauth.Token{}, notTheAPI(answer)
	}
	if err := c.answerError(answer); err != nil {
		return oauth.Token{}, err
	}
	var said loginAnswer
	if err := answer.JSON(&said); err != nil {
		return oauth.Token{}, err
	}
	session := said.SessionID
	if session == "" && said.Context != nil {
		session = said.Context.SessionID
	}
	if said.Type.String() != "1" || session == "" {
		return oauth.Token{}, c.loginError(said, answer)
	}
	t := oauth.Token{Access: session, Expires: c.now().Add(c.cfg.Session.D()), Extra: map[string]string{}}
	if said.Context != nil {
		t.Extra[extraUser], t.Extra[extraUserID] = said.Context.UserName, said.Context.UserID.String()
		t.Extra[extraDataCentre] = said.Context.DataCenterName
	}
	return t, nil
}

// session returns the one in use, or an empty one where each request is signed by itself.
func (c *Client) session(ctx context.Context) (oauth.Token, error) {
	if c.signer != nil {
		return oauth.Token{}, nil
	}
	return c.tokens.Token(ctx)
}

// post sends one request without looking into the answer.
func (c *Client) post(ctx context.Context, service string, body []byte, session *oauth.Token) (*crmclient.Answer, error) {
	u := c.base.JoinPath(service + serviceSuffix)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(string(body)))
	if err != nil {
		return nil, &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the request cannot be built"}
	}
	secret := ""
	if c.signer != nil {
		req.Header = c.signer.headers(u.Path, c.timestamp())
	}
	if session != nil && session.Access != "" {
		secret = session.Access
		req.Header.Set("Kdservice-Sessionid", secret)
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := c.transport.Do(req)
	if err != nil {
		return answer, c.hide(err, answer, secret, req.Header.Get("X-Api-Signature"), req.Header.Get("X-Kd-Signature"))
	}
	return answer, nil
}

// timestamp returns the time as the signature of requests has it. In which unit is not documented alike everywhere.
func (c *Client) timestamp() int64 {
	if c.cfg.Milliseconds {
		return c.now().UnixMilli()
	}
	return c.now().Unix()
}

// kind tells how a request may be repeated.
type kind int

const (
	reading kind = iota // repeated after a new login, whatever the old answer was
	writing             // repeated only where the site says that it did nothing
)

// argument is one argument of a service; its name is used in one of the forms of a body.
type argument struct {
	name  string
	value any
}

// call calls a service, with one new login where the session is lost, and returns the answer without errors in it.
func (c *Client) call(ctx context.Context, k kind, service string, args ...argument) (*crmclient.Answer, error) {
	body, err := c.body(args)
	if err != nil {
		return nil, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the request cannot be written as JSON", Err: err}
	}
	for try := 0; ; try++ {
		session, err := c.session(ctx)
		if err != nil {
			return nil, err
		}
		answer, err := c.post(ctx, formService+service, body, &session)
		lost, unsure := false, false
		if err == nil {
			if unsure = isPage(answer.Body); unsure { // the page to log in, or one of a gateway before the site
				lost, err = true, notTheAPI(answer)
			} else {
				err = c.answerError(answer)
				lost = isSessionLost(err)
			}
		} else if answer != nil && answer.Status == http.StatusUnauthorized {
			lost = true
		}
		if !lost || c.signer != nil {
			return answer, withRemedy(err)
		}
		c.tokens.Reject(ctx, session.Access)
		if unsure && k == writing {
			return answer, err // what became of it is not known: who asks again looks first
		}
		if try > 0 {
			return answer, withRemedy(err)
		}
	}
}

// body writes the arguments in the form that the site takes.
func (c *Client) body(args []argument) ([]byte, error) {
	if c.cfg.Body == bodyNamed {
		m := map[string]any{}
		for _, a := range args {
			m[a.name] = a.value
		}
		return json.Marshal(m)
	}
	list := make([]any, len(args))
	for i, a := range args {
		list[i] = a.value
		if _, text := a.value.(string); text {
			continue
		}
		b, err := json.Marshal(a.value)
		if err != nil {
			return nil, err
		}
		list[i] = string(b)
	}
	if c.cfg.Body == bodyPositional {
		return json.Marshal(map[string]any{"parameters": list})
	}
	parameters, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"format": 1, "useragent": "ApiClient", "rid": strconv.FormatInt(c.now().UnixNano(), 10),
		"parameters": string(parameters), "timestamp": c.now().In(c.zone).Format(time.DateTime), "v": "1.0",
	})
}
