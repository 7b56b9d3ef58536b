package zoho

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/internal/oauth"
)

const (
	apiPath       = "/crm/v8"
	moduleTasks   = "Tasks"
	moduleCases   = "Cases"
	moduleLead    = "Leads"
	moduleContact = "Contacts"
	moduleAccount = "Accounts"

	// defaultConcurrent is what the smallest edition takes at once (specs, 5); larger ones set max_concurrent.
	defaultConcurrent = 5
)

// Client is one connection to Zoho CRM. It writes associated e-mails; ActivityClient adds what records can do more.
type Client struct {
	cfg    Config
	d      crmclient.Deps
	poster *crmclient.TokenPoster
	tokens oauth.Source
	maps   *mappings
	turns  crmclient.Turns // what is looked up before it is written must not be written meanwhile
	users  crmclient.Users
	self   crmclient.Cache[string]            // the user whom we act for
	known  crmclient.Cache[[]crmclient.Field] // fields of modules
	watch  channels
	hosts  crmclient.Transports // of the configured address, or of the one that the token names
}

var (
	_ crmclient.Client         = (*Client)(nil)
	_ crmclient.Checker        = (*Client)(nil)
	_ crmclient.Capped         = (*Client)(nil)
	_ crmclient.ContactCreator = (*Client)(nil)
	_ crmclient.LeadCreator    = (*Client)(nil)
	_ crmclient.ContactGetter  = (*Client)(nil)
	_ crmclient.CompanyFinder  = (*Client)(nil)
	_ crmclient.Describer      = (*Client)(nil)
	_ crmclient.RecordQuerier  = (*Client)(nil)
	_ crmclient.FileAttacher   = (*Client)(nil)

	_ crmclient.ActivityUpdater    = (*ActivityClient)(nil)
	_ crmclient.ActivityWithdrawer = (*ActivityClient)(nil)
)

// New builds the client of the section without using the network: a *Client, or an *ActivityClient for
// record: activity. It must be closed.
func New(cfg Config, d crmclient.Deps) (crmclient.Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m, err := newMaps(&cfg)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, d: d, maps: m}
	c.users = crmclient.Users{Read: c.readUsers, Now: d.Clock}
	c.self.Now, c.known.Now, c.known.For = d.Clock, d.Clock, descriptionAge
	if c.poster, err = d.Poster(cfg.Settings, cfg.accounts()+"/oauth/v2/token"); err != nil {
		return nil, err
	}
	c.tokens = d.Tokens.Refreshing(c.grant(), &tokenPoster{TokenPoster: c.poster, now: d.Clock}, cfg.app(), cfg.RefreshToken.Reveal())
	c.hosts.New = c.transport
	if _, err := c.hosts.To(c.base("")); err != nil { // says now what is wrong with ca_file and proxy
		return nil, errors.Join(err, c.Close())
	}
	if cfg.Record == RecordActivity {
		return &ActivityClient{c}, nil
	}
	return c, nil
}

// Close closes idle connections.
func (c *Client) Close() error {
	return errors.Join(c.poster.Close(), c.hosts.Close())
}

// base is the address of the API: the configured one, else the one that came with the token, else the data centre's. Only hosts of
// Zoho's table are believed, because the token goes there.
func (c *Client) base(apiDomain string) string {
	switch {
	case c.cfg.URL != "":
		return strings.TrimRight(c.cfg.URL, "/")
	case c.cfg.Sandbox: // the answer names the production host
		return dataCentres[c.cfg.centre()].sandbox
	}
	if name := dataCentreOf(apiDomain); name != "" {
		return dataCentres[name].api
	}
	return dataCentres[c.cfg.centre()].api
}

func (c *Client) transport(base *url.URL) (*crmclient.Transport, error) {
	return c.d.Transport(c.cfg.Settings, crmclient.Options{
		URL: base, MaxConcurrent: defaultConcurrent,
		Secrets: []string{c.cfg.ClientSecret.Reveal(), c.cfg.RefreshToken.Reveal(), c.cfg.NotifyToken.Reveal()},
	})
}

// request is one call of the API.
type request struct {
	method string
	path   string // below /crm/v8, escaped
	query  url.Values
	body   any // becomes JSON, unless it is a crmclient.Stream; nil: none
	header http.Header
}

// call sends a request with a token, and once more with another token where Zoho no longer takes the first, which it then has not
// acted upon. With an error it may also return the answer. A refusal in a single element of a success is an error too.
func (c *Client) call(ctx context.Context, r request, into any) (*crmclient.Answer, error) {
	for again := true; ; again = false {
		token, err := c.tokens.Token(ctx)
		if err != nil {
			return nil, err
		}
		answer, err := c.try(ctx, r, token)
		if err != nil && again && tokenRefused(err) {
			c.tokens.Reject(ctx, token.Access)
			continue
		}
		if answer != nil && answer.Status == http.StatusNotModified && r.header.Get("If-Modified-Since") != "" {
			return answer, nil
		}
		if err != nil || into == nil || answer.Status == http.StatusNoContent {
			return answer, err
		}
		return answer, answer.JSON(into)
	}
}

func (c *Client) try(ctx context.Context, r request, token oauth.Token) (*crmclient.Answer, error) {
	base := c.base(token.Extra["api_domain"])
	t, err := c.hosts.To(base)
	if err != nil {
		return nil, misconfigured("", "%v", err)
	}
	req, err := crmclient.NewRequest(ctx, r.method, base+apiPath+r.path, r.body)
	if err != nil {
		return nil, err
	}
	req.URL.RawQuery = r.query.Encode()
	for name, values := range r.header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "Zoho-oauthtoken "+token.Access) // not Bearer
	answer, err := t.Do(req)
	if answer == nil {
		return nil, err
	}
	if err == nil {
		if f := faultOf(answer.Body); r.reads() || f == nil || f.Status != "error" {
			return answer, nil
		}
	}
	red := crmclient.NewRedactor(token.Access, c.cfg.ClientSecret.Reveal(), c.cfg.RefreshToken.Reveal(), c.cfg.NotifyToken.Reveal())
	return answer, explain(answer, err, faultOf(answer.Body), red)
}

// reads says that an answer with 2xx holds records, whose own fields must not be taken for a refusal.
func (r request) reads() bool { return r.method == http.MethodGet || r.path == coqlPath }

// written is what Zoho says of one element that it wrote.
type written struct {
	fault
	Action  string `json:"action"`
	Details struct {
		ID        string `json:"id"`
		MessageID string `json:"message_id"`
	} `json:"details"`
}

// write sends one record and returns its id and whether it was there before.
func (c *Client) write(ctx context.Context, method, path string, record map[string]any, more map[string]any) (id string, updated bool, err error) {
	body := map[string]any{"data": []any{record}}
	if !c.cfg.Workflows {
		body["trigger"] = []string{}
	}
	for k, v := range more {
		body[k] = v
	}
	var out struct {
		Data []written `json:"data"`
	}
	if _, err := c.call(ctx, request{method: method, path: path, body: body}, &out); err != nil {
		return "", false, err
	}
	if len(out.Data) != 1 || out.Data[0].Details.ID == "" {
		return "", false, unclear()
	}
	return out.Data[0].Details.ID, out.Data[0].Action == "update", nil
}

// unclear is an answer that looks like success but does not say what became of the request.
func unclear() error {
	return &crmclient.Error{Class: crmclient.ClassRetry, Message: "Zoho's answer does not say what became of the request"}
}

// Caps are the sizes that Zoho takes.
func (c *Client) Caps() crmclient.Caps {
	if c.cfg.Record == RecordActivity {
		return crmclient.Caps{SubjectRunes: maxActivitySubject, TextRunes: maxDescription - maxNotice, AttachmentBytes: maxFile, Attachments: maxFiles}
	}
	return crmclient.Caps{SubjectRunes: maxSubject, TextRunes: maxContent, AttachmentBytes: maxFile, Attachments: maxFiles}
}

// mappings are the checked field maps of a section.
type mappings struct{ activity, contact, lead, ticket *fieldmap.Map }

func newMaps(c *Config) (*mappings, error) {
	var m mappings
	var errs []error
	set := func(into **fieldmap.Map, key string, sources fieldmap.Sources, defaults, section fieldmap.Fields) {
		made, err := fieldmap.New(key, sources, defaults, section)
		*into, errs = made, append(errs, err)
	}
	set(&m.activity, "fields", fieldmap.ActivitySources().With(fieldmap.Sources{"body": fieldmap.Text}), c.activityDefaults(), c.Fields)
	set(&m.contact, "contact_fields", fieldmap.ContactSources(), contactDefaults, c.ContactFields)
	set(&m.lead, "lead_fields", fieldmap.ContactSources(), leadDefaults, c.LeadFields)
	set(&m.ticket, "case_fields", fieldmap.TicketSources(), c.caseDefaults(), c.CaseFields)
	return &m, errors.Join(errs...)
}
