package hubspot

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/internal/limit"
	"heliograph/internal/oauth"
)

// The vendor's limits (specs, 4): those of a private app in the smallest edition, and of the search in any.
var (
	requestRate = limit.Rate{Count: 100, Per: 10 * time.Second}
	searchRate  = limit.Rate{Count: 5, Per: time.Second}
)

// Client is one connection to HubSpot.
type Client struct {
	cfg    Config
	d      crmclient.Deps
	api    *crmclient.Transport
	search *crmclient.Transport // the same host at the rate of the search
	poster *crmclient.TokenPoster
	tokens oauth.Source // nil with a static token
	maps   *mappings
	owners crmclient.Users
	known  crmclient.Cache[[]crmclient.Field] // properties of objects
	turns  crmclient.Turns                    // what is looked up before it is written must not be written meanwhile
}

var (
	_ crmclient.Client             = (*Client)(nil)
	_ crmclient.Checker            = (*Client)(nil)
	_ crmclient.Capped             = (*Client)(nil)
	_ crmclient.ContactCreator     = (*Client)(nil)
	_ crmclient.ContactGetter      = (*Client)(nil)
	_ crmclient.CompanyFinder      = (*Client)(nil)
	_ crmclient.ActivityUpdater    = (*Client)(nil)
	_ crmclient.ActivityWithdrawer = (*Client)(nil)
	_ crmclient.Ticketer           = (*Client)(nil)
	_ crmclient.RecordQuerier      = (*Client)(nil)
	_ crmclient.RecordWriter       = (*Client)(nil)
	_ crmclient.RecordChanges      = (*Client)(nil)
	_ crmclient.Describer          = (*Client)(nil)
	_ crmclient.WebhookReceiver    = (*Client)(nil)
)

// New builds a *Client for a private app, or an *OAuthClient, without using the network. It must be closed.
func New(cfg Config, d crmclient.Deps) (crmclient.Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	maps, err := newMaps(&cfg)
	if err != nil {
		return nil, err
	}
	cfg.URL = cfg.base()
	c := &Client{cfg: cfg, d: d, maps: maps}
	c.owners = crmclient.Users{Read: c.readOwners, Now: d.Clock}
	c.known.Now, c.known.For = d.Clock, descriptionAge
	settings := cfg.Settings
	settings.RequestsPerSecond = 0 // is in the limiters
	all := limiter(d, "requests", cfg.Rate(requestRate))
	o := crmclient.Options{RateLimiter: all, Secrets: c.secrets()}
	if c.api, err = d.Transport(settings, o); err != nil {
		return nil, err
	}
	if all != nil {
		o.RateLimiter = crmclient.Limiters{limiter(d, "search", searchRate), all}
	}
	if c.search, err = d.Transport(settings, o); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if !cfg.static() {
		if c.poster, err = d.Poster(cfg.Settings, cfg.tokenURL()); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.tokens = d.Tokens.Refreshing(c.grant(), c.poster, c.app(), cfg.RefreshToken.Reveal())
		return &OAuthClient{c}, nil
	}
	return c, nil
}

func limiter(d crmclient.Deps, what string, r limit.Rate) crmclient.RateLimiter {
	if d.Limit == nil {
		return nil
	}
	return d.Limit(what, r)
}

func (c *Client) secrets() []string {
	return []string{c.cfg.Token.Reveal(), c.cfg.ClientSecret.Reveal(), c.cfg.RefreshToken.Reveal(), c.cfg.WebhookSecret.Reveal()}
}

// OAuthClient is a Client whose access a person gives.
type OAuthClient struct{ *Client }

var _ crmclient.Connectable = (*OAuthClient)(nil)

const authorizeURL = "https://app.hubspot.com/oauth/authorize"

// scopes are what the connector asks a person to allow.
var scopes = []string{
	"crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.companies.read", "crm.objects.owners.read", "crm.schemas.contacts.read",
	"sales-email-read", "tickets", "files",
}

func (c *Client) grant() string { return "target:" + c.d.Target }
func (c *Client) app() oauth.App {
	return oauth.App{ID: c.cfg.ClientID, Secret: c.cfg.ClientSecret.Reveal(), Lifetime: 30 * time.Minute}
}

// Connection says how a person allows the access.
func (c *OAuthClient) Connection() crmclient.Connection {
	return crmclient.Connection{
		Grant: c.grant(), AuthorizeURL: authorizeURL, App: c.app(), Poster: c.poster, Configured: c.cfg.RefreshToken.Reveal(),
		Params: url.Values{"scope": {strings.Join(scopes, " ")}},
	}
}

// Close closes idle connections.
func (c *Client) Close() error {
	var errs []error
	for _, t := range []*crmclient.Transport{c.api, c.search} {
		if t != nil {
			errs = append(errs, t.Close())
		}
	}
	if c.poster != nil {
		errs = append(errs, c.poster.Close())
	}
	return errors.Join(errs...)
}

// objects is the path of an object's records in the version that is set.
func (c *Client) objects(object string) string {
	if v := c.cfg.version(); v != "v3" {
		return "/crm/objects/" + v + "/" + object
	}
	return "/crm/v3/objects/" + object
}

// associate is the path that links two records with HubSpot's own kind of link between their objects.
func (c *Client) associate(from, id, to, other string) string {
	if v := c.cfg.version(); v != "v3" {
		return "/crm/objects/" + v + "/" + from + "/" + id + "/associations/default/" + to + "/" + other
	}
	return "/crm/v4/objects/" + from + "/" + id + "/associations/default/" + to + "/" + other
}

// request is one call of the API.
type request struct {
	method string
	path   string
	query  url.Values
	body   any  // becomes JSON, unless it is a crmclient.Stream; nil: none
	search bool // counts for the limit of the search
}

// call sends a request, and once more with another token where HubSpot no longer takes the first. A refusal inside a 207 is an error too,
// but that something is not there.
func (c *Client) call(ctx context.Context, r request, into any) (*crmclient.Answer, error) {
	for again := c.tokens != nil; ; again = false {
		access := c.cfg.Token.Reveal()
		if c.tokens != nil {
			token, err := c.tokens.Token(ctx)
			if err != nil {
				return nil, err
			}
			access = token.Access
		}
		answer, err := c.try(ctx, r, access)
		if err != nil && again && tokenRefused(err) {
			c.tokens.Reject(ctx, access)
			continue
		}
		if err != nil || into == nil {
			return answer, err
		}
		return answer, answer.JSON(into)
	}
}

func (c *Client) try(ctx context.Context, r request, access string) (*crmclient.Answer, error) {
	req, err := crmclient.NewRequest(ctx, r.method, c.cfg.base()+r.path, r.body)
	if err != nil {
		return nil, err
	}
	req.URL.RawQuery = r.query.Encode()
	req.Header.Set("Authorization", "Bearer "+access)
	t := c.api
	if r.search {
		t = c.search
	}
	answer, err := t.Do(req)
	if answer == nil {
		return nil, err
	}
	red := crmclient.NewRedactor(append(c.secrets(), access)...)
	if err != nil {
		return answer, explain(answer, err, faultOf(answer.Body), red)
	}
	if answer.Status == http.StatusMultiStatus {
		if f := partial(answer.Body); f != nil {
			return answer, explain(answer, nil, f, red)
		}
	}
	return answer, nil
}

// object is a record as HubSpot gives it. All values are texts or null.
type object struct {
	ID         string            `json:"id"`
	Properties map[string]string `json:"properties"`
	UpdatedAt  time.Time         `json:"updatedAt"`
	Archived   bool              `json:"archived"`
	New        bool              `json:"new"` // of an upsert
}

// objectList is a page of records.
type objectList struct {
	Results []object `json:"results"`
	Paging  struct {
		Next struct {
			After string `json:"after"`
		} `json:"next"`
	} `json:"paging"`
}

// Caps are the sizes that HubSpot takes.
func (c *Client) Caps() crmclient.Caps {
	return crmclient.Caps{SubjectRunes: maxSubject, TextRunes: c.cfg.maxText() - maxNotice, AttachmentBytes: maxFile, Attachments: maxFiles}
}

// mappings are the checked field maps of a section.
type mappings struct{ email, contact, ticket *fieldmap.Map }

func newMaps(c *Config) (*mappings, error) {
	var m mappings
	var errs []error
	set := func(into **fieldmap.Map, key string, sources fieldmap.Sources, defaults, section fieldmap.Fields) {
		made, err := fieldmap.New(key, sources, defaults, section)
		*into, errs = made, append(errs, err)
	}
	set(&m.email, "fields", fieldmap.ActivitySources().With(fieldmap.Sources{"body": fieldmap.Text}), c.emailDefaults(), c.Fields)
	set(&m.contact, "contact_fields", fieldmap.ContactSources(), contactDefaults, c.ContactFields)
	set(&m.ticket, "ticket_fields", fieldmap.TicketSources(), c.ticketDefaults(), c.TicketFields)
	return &m, errors.Join(errs...)
}
