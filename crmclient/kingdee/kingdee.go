package kingdee

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/internal/oauth"
)

// Client is a connection to one site.
type Client struct {
	cfg       Config
	base      *url.URL
	zone      *time.Location
	now       func() time.Time
	transport *crmclient.Transport
	tokens    oauth.Source
	signer    *signer // nil: a session is used
	mail      *fieldmap.Map
	updating  *fieldmap.Map // the part of mail that may become known later
	creating  *fieldmap.Map
	turns     crmclient.Turns
	numbers   memory // of people and employees
}

var _ crmclient.Checker = (*Client)(nil)

// New builds a Client without using the network. It must be closed.
func New(cfg Config, d crmclient.Deps) (crmclient.Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Client{cfg: cfg, now: d.Clock}
	var err error
	if c.base, err = crmclient.ParseURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if c.zone, err = time.LoadLocation(cfg.Zone); err != nil {
		return nil, fmt.Errorf("zone: %w", err)
	}
	defaults := cfg.Mail.defaults(cfg.Zone)
	if c.mail, err = fieldmap.New("mail.fields", mailSources(), defaults, cfg.Mail.Fields); err != nil {
		return nil, err
	}
	if c.updating, err = fieldmap.New("mail.fields", mailSources(), changingOnly(defaults, cfg.Mail.Fields), nil); err != nil {
		return nil, err
	}
	first := cfg.Contacts[0]
	if c.creating, err = fieldmap.New("contacts[0].fields", fieldmap.ContactSources(), first.creating(), first.Fields); err != nil {
		return nil, err
	}
	secrets := []string{cfg.AppSecret.Reveal()}
	if cfg.Login == loginHeaders {
		id, secret, err := clientSecret(cfg.AppID, cfg.SecretMask.Reveal())
		if err != nil {
			return nil, fmt.Errorf("login: headers: %w", err)
		}
		secrets = append(secrets, secret, strings.TrimPrefix(cfg.AppID, id+"_"))
		c.signer = &signer{
			appID: cfg.AppID, appSecret: cfg.AppSecret.Reveal(), client: id, secret: secret,
			data: strings.Join([]string{cfg.AccountID, cfg.User, strconv.Itoa(cfg.Locale), cfg.Organization}, ","),
		}
	}
	o := crmclient.Options{MaxConcurrent: defaultConcurrent, Secrets: secrets}
	if !cfg.ClientIdentity.IsZero() {
		o.Headers = map[string]string{"Api-Client-Identity": cfg.ClientIdentity.Reveal()}
	}
	if c.transport, err = d.Transport(cfg.Settings, o); err != nil {
		return nil, err
	}
	c.tokens = d.Tokens.Source("target:"+d.Target, c.login)
	return c, nil
}

// Close closes idle connections. The session is left to the site: other nodes may use it.
func (c *Client) Close() error { return c.transport.Close() }

// Check logs in and reads one row of each form with all fields that are mapped. It writes nothing, so whether
// documents may be saved it cannot tell.
func (c *Client) Check(ctx context.Context) (string, error) {
	session, err := c.session(ctx)
	if err != nil {
		return "", err
	}
	for _, p := range c.cfg.Contacts {
		if err := c.checkForm(ctx, "contacts", p.Form, p.keys()); err != nil {
			return "", err
		}
	}
	if o := c.cfg.Owners; o.Form != "" {
		if err := c.checkForm(ctx, "owners", o.Form, []string{o.Number, o.Address}); err != nil {
			return "", err
		}
	}
	if f := c.cfg.Companies; f.Domain != "" {
		if err := c.checkForm(ctx, "companies", f.Form, []string{f.ID, f.Name, f.Domain}); err != nil {
			return "", err
		}
	}
	must, err := c.checkMail(ctx)
	if err != nil {
		return "", err
	}
	user, centre := c.cfg.User, c.cfg.AccountID
	if session.Extra[extraUser] != "" {
		user = session.Extra[extraUser]
	}
	if session.Extra[extraDataCentre] != "" {
		centre = session.Extra[extraDataCentre]
	}
	line := fmt.Sprintf("user %s at data centre %s; mail goes to form %s", user, centre, c.cfg.Mail.Form)
	if len(must) > 0 {
		line += "; the form also demands " + strings.Join(must, ", ") + ": give them a default there, or map them"
	}
	return c.transport.Text(line), nil
}

// checkForm reads a row. Where the site refuses, its description of the form tells which field is not there.
func (c *Client) checkForm(ctx context.Context, key, form string, fields []string) error {
	_, err := c.query(ctx, question{form: form, fields: fields, limit: 1})
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: form %s: %w", key, form, err)
	if class := crmclient.ClassOf(err); class != crmclient.ClassPermanent && class != crmclient.ClassConfiguration {
		return err
	}
	described, describeErr := c.describe(ctx, form)
	if describeErr != nil {
		return asConfiguration(err)
	}
	var missing []string
	for _, f := range fields {
		head, _, _ := strings.Cut(f, ".")
		known := func(d crmclient.Field) bool { return strings.EqualFold(d.Name, head) }
		if f != "" && !slices.ContainsFunc(described, known) {
			missing = append(missing, f)
		}
	}
	if len(missing) == 0 {
		return asConfiguration(err)
	}
	return &crmclient.Error{
		Class: crmclient.ClassConfiguration, Err: err,
		Message: fmt.Sprintf("%s: form %s has no field %s", key, form, strings.Join(missing, ", ")),
		Remedy:  fmt.Sprintf("correct the fields in %s:, or create them in BOS 设计器 (designer): a name here is the 字段标识 there", key),
	}
}

// checkMail compares the mapping with the form, and returns the fields that the form demands and nothing fills.
func (c *Client) checkMail(ctx context.Context) (must []string, err error) {
	m := c.cfg.Mail
	described, err := c.describe(ctx, m.Form)
	if err != nil {
		return nil, fmt.Errorf("mail: form %s: %w", m.Form, asConfiguration(err))
	}
	for i, f := range described {
		if f.Required && !c.mail.Has(f.Name) && f.Name != m.Key && f.Name != m.Number {
			must = append(must, f.Name)
		}
		described[i].Required = false // most of them, such as the organisation, have a default
	}
	if err := c.mail.Validate(m.Form, described); err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	fields := []string{m.ID, m.Key, m.Number}
	if m.Finish != finishSave {
		fields = append(fields, m.Status)
	}
	if m.Attachments {
		fields = append(fields, m.Files)
	}
	return must, c.checkForm(ctx, "mail", m.Form, fields)
}

// asConfiguration says that an error is one of the section, not of one record.
func asConfiguration(err error) error {
	var e *crmclient.Error
	if errors.As(err, &e) && e.Class == crmclient.ClassPermanent {
		e.Class = crmclient.ClassConfiguration
		if e.Remedy == "" {
			e.Remedy = codes["9"].remedy
		}
	}
	return err
}
