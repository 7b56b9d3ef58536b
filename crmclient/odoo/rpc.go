package odoo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"heliograph/crmclient"
)

// call runs a method of a model, on records where ids are given. kwargs are its named arguments. The answer is decoded into
// what is not nil, numbers as json.Number.
func (c *Client) call(ctx context.Context, model, method string, ids []int64, kwargs map[string]any, into any) error {
	if c.cfg.Protocol == JSON2 {
		all := map[string]any{}
		for k, v := range kwargs {
			all[k] = v
		}
		if ids != nil {
			all["ids"] = ids
		}
		body, err := encode(all)
		if err != nil {
			return err
		}
		return c.send(ctx, methodPath(model, method), strings.NewReader(body), into)
	}
	args := []any{}
	if ids != nil {
		args = append(args, ids)
	}
	head, err := c.envelope(ctx, model, method)
	if err != nil {
		return err
	}
	rest, err := encode([]any{args, kwargs})
	if err != nil {
		return err
	}
	return c.send(ctx, rpcPath, strings.NewReader(head+strings.TrimPrefix(rest, "[")+"}}"), into)
}

// creation returns the body of a call of create in two halves, between which the values of one record fit.
func (c *Client) creation(ctx context.Context, model string) (head, tail, path string, err error) {
	if c.cfg.Protocol == JSON2 {
		return `{"vals_list":[`, "]}", methodPath(model, "create"), nil
	}
	// By JSON-RPC create takes no named arguments.
	head, err = c.envelope(ctx, model, "create")
	return head + "[[", "]],{}]}}", rpcPath, err
}

const rpcPath = "/jsonrpc"

func methodPath(model, method string) string { return "/json/2/" + model + "/" + method }

// envelope is the beginning of a call by JSON-RPC, up to the arguments of the method.
func (c *Client) envelope(ctx context.Context, model, method string) (string, error) {
	uid, err := c.authenticate(ctx)
	if err != nil {
		return "", err
	}
	b, err := encode([]any{c.cfg.Database, uid, c.cfg.APIKey.Reveal(), model, method})
	return `{"jsonrpc":"2.0","method":"call","id":1,"params":{"service":"object","method":"execute_kw","args":` + strings.TrimSuffix(b, "]") + ",", err
}

func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the request cannot be written as JSON", Err: err}
	}
	return string(b), nil
}

// authenticate asks for the number of our user, once.
func (c *Client) authenticate(ctx context.Context) (int64, error) {
	c.uid.Lock()
	defer c.uid.Unlock()
	if c.uid.n != 0 {
		return c.uid.n, nil
	}
	args, err := encode([]any{c.cfg.Database, c.cfg.Login, c.cfg.APIKey.Reveal(), map[string]any{}})
	if err != nil {
		return 0, err
	}
	var uid any
	body := `{"jsonrpc":"2.0","method":"call","id":1,"params":{"service":"common","method":"authenticate","args":` + args + `}}`
	if err := c.send(ctx, rpcPath, strings.NewReader(body), &uid); err != nil {
		return 0, err
	}
	n, ok := uid.(json.Number)
	if !ok { // false
		return 0, c.classified(&fault{Name: "odoo.exceptions.AccessDenied", Message: "authenticate said no"}, 0, "")
	}
	if c.uid.n, err = n.Int64(); err != nil {
		return 0, &crmclient.Error{Class: crmclient.ClassRetry, Message: "Odoo told no number of our user"}
	}
	return c.uid.n, nil
}

// fault is an error of Odoo's: in JSON-2 the whole body, in JSON-RPC a part of it.
type fault struct {
	Name    string `json:"name"` // of a Python exception
	Message string `json:"message"`
}

func (c *Client) send(ctx context.Context, path string, body io.Reader, into any) error {
	u := c.base.JoinPath(path)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), body)
	if err != nil {
		return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "the request cannot be built"}
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if c.cfg.Protocol == JSON2 {
		req.Header.Set("Authorization", "bearer "+c.cfg.APIKey.Reveal())
		if c.cfg.Database != "" {
			req.Header.Set("X-Odoo-Database", c.cfg.Database)
		}
	}
	answer, err := c.transport.Do(req)
	if err != nil {
		return c.explain(answer, err)
	}
	if c.cfg.Protocol == JSON2 {
		return decode(answer, answer.Body, into)
	}
	var envelope struct {
		Result json.RawMessage `json:"result"`
		Error  *struct {
			Message string `json:"message"`
			Data    fault  `json:"data"`
		} `json:"error"`
	}
	if err := answer.JSON(&envelope); err != nil {
		return err
	}
	switch {
	case envelope.Error != nil:
		f := envelope.Error.Data
		if f.Message == "" {
			f.Message = envelope.Error.Message
		}
		return c.classified(&f, 0, answer.RequestID)
	case envelope.Result == nil:
		return &crmclient.Error{Class: crmclient.ClassRetry, Status: answer.Status, Message: "Odoo's answer has neither result nor error", RequestID: answer.RequestID}
	}
	return decode(answer, envelope.Result, into)
}

func decode(a *crmclient.Answer, raw []byte, into any) error {
	if into == nil {
		return nil
	}
	if a.Truncated || crmclient.ExactJSON(raw, into) != nil {
		return a.Unreadable()
	}
	return nil
}

// explain reads the words in the answer to a refused JSON-2 call.
func (c *Client) explain(a *crmclient.Answer, err error) error {
	var e *crmclient.Error
	if a == nil || !errors.As(err, &e) || e.Temporary() && a.Status >= 500 && len(a.Body) == 0 {
		return err
	}
	var f fault
	if json.Unmarshal(a.Body, &f) == nil && f.Name != "" {
		better := c.classified(&f, a.Status, e.RequestID)
		better.RetryAfter = e.RetryAfter
		return better
	}
	if a.Status == http.StatusNotFound && c.cfg.Protocol == JSON2 {
		e.Remedy = "check url; an Odoo before 19 has no JSON-2: write protocol: jsonrpc"
	}
	return err
}

// classes are Odoo's exceptions, by the end of their names. The order counts.
var classes = []struct {
	name   string
	class  crmclient.Class
	remedy string
}{
	{"AccessDenied", crmclient.ClassAuth, "make a new API key (Preferences > Account Security), keys live three months at most; check database and login"},
	{"Unauthorized", crmclient.ClassAuth, "make a new API key (Preferences > Account Security); keys live three months at most"},
	{"AccessError", crmclient.ClassAuth, "give the user of the API key access to contacts, CRM and notes (Settings > Users)"},
	{"MissingError", crmclient.ClassPermanent, ""},
	{"SerializationFailure", crmclient.ClassRetry, ""},
	{"LockNotAvailable", crmclient.ClassRetry, ""},
	{"OperationalError", crmclient.ClassRetry, ""},
	{"ValidationError", crmclient.ClassPermanent, ""},
	{"UserError", crmclient.ClassPermanent, ""},
	{"ValueError", crmclient.ClassConfiguration, "a field in post_fields, ticket_fields or a rule is not there: compare it with Odoo's models (Settings > Technical)"},
	{"KeyError", crmclient.ClassConfiguration, "a model is not there: install its module, or change ticket_model, inbox or leads"},
	{"NotFound", crmclient.ClassConfiguration, "a model is not there: install its module, or change ticket_model, inbox or leads"},
	{"TypeError", crmclient.ClassConfiguration, "this version of Odoo takes other arguments: change post_fields"},
}

func (c *Client) classified(f *fault, status int, id string) *crmclient.Error {
	e := &crmclient.Error{Class: crmclient.ClassRetry, Status: status, RequestID: id}
	name := f.Name[strings.LastIndexByte(f.Name, '.')+1:]
	// The debugging text of an answer is never used: it has the server's own files and values.
	e.Message = c.transport.Excerpt([]byte(fmt.Sprintf("Odoo: %s: %s", name, f.Message)))
	switch {
	case strings.Contains(f.Message, "database") && strings.Contains(f.Message, "does not exist"):
		e.Class, e.Remedy = crmclient.ClassConfiguration, "write the name of Odoo's database into database"
		return e
	case status == http.StatusTooManyRequests:
		e.Class = crmclient.ClassRate
		return e
	}
	for _, x := range classes {
		if name == x.name {
			e.Class, e.Remedy = x.class, x.remedy
			if x.name == "MissingError" {
				e.Err = crmclient.ErrNoRecord
			}
			return e
		}
	}
	if status >= 400 && status < 500 {
		e.Class = crmclient.ClassPermanent
	}
	return e
}
