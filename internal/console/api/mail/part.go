package mail

import (
	"context"
	_ "embed"
	"slices"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/archive"
	"heliograph/hooks/contacts"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/accounts"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

//go:embed openapi.gen.json
var document []byte

// Options configure New. All without a remark are needed.
type Options struct {
	Store    *store.DB
	Journal  *journal.Journal
	Queue    *queue.Queue
	Archive  *archive.Archive
	Contacts func() *contacts.Book // in force
	Choices  *scope.Choices
	Domains  crmclient.CompanyDomains
	// Targets are the names of the CRM connections in the configuration.
	Targets func() []string
	// Own returns a person's own mail accounts, lower case. Nil: those of callers who see only their own, and else the person's address.
	Own func(ctx context.Context, c *access.Caller) ([]string, error)
	// CompanyRules are the names of the company's rules of privacy, in order. Nil: there are none.
	CompanyRules func() []string
	// Enrolment tells of an account that logs in by a gateway password or token. Nil: nobody does.
	Enrolment func(ctx context.Context, address string) (accounts.Enrolment, bool, error)
	// Routed tells whether mail of an address goes through this gateway by the configuration. Nil: nobody knows.
	Routed func(address string) bool
	// Captured tells whether the company's configuration captures a mailbox. Nil: nobody knows.
	Captured func(account, mailbox string) bool
	// LedgerKept is how long rows of the ledger are kept; zero: for good.
	LedgerKept time.Duration
	Now        func() time.Time // nil: time.Now
}

// Part answers for mail. It may be used concurrently.
type Part struct{ o Options }

var _ StrictServerInterface = (*Part)(nil)

// New returns the part.
func New(o Options) *Part {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Targets == nil {
		o.Targets = func() []string { return nil }
	}
	if o.Contacts == nil {
		o.Contacts = func() *contacts.Book { return nil }
	}
	return &Part{o: o}
}

// API returns what the core mounts.
func (p *Part) API() api.Part {
	return api.Part{Name: "mail", Document: document, Mount: func(mux api.Mux, e api.Errors) {
		strict := NewStrictHandlerWithOptions(p, nil, StrictHTTPServerOptions{RequestErrorHandlerFunc: e.Request, ResponseErrorHandlerFunc: e.Response})
		HandlerWithOptions(strict, StdHTTPServerOptions{BaseRouter: mux, ErrorHandlerFunc: e.Request})
	}}
}

// scopeOf returns the accounts whose mail the caller sees; nil means all.
func scopeOf(c *access.Caller) []string {
	if c.Scope == access.ScopeAll {
		return nil
	}
	return append([]string{}, c.Accounts...)
}

// own returns the caller's own accounts.
func (p *Part) own(ctx context.Context, c *access.Caller) ([]string, error) {
	if p.o.Own != nil {
		return p.o.Own(ctx, c)
	}
	if c.Scope == access.ScopeOwn {
		return c.Accounts, nil
	}
	if c.Person.Email == "" {
		return nil, nil
	}
	return []string{strings.ToLower(c.Person.Email)}, nil
}

// maskKinds are what a role's masks can hide in texts.
var maskKinds = []config.MaskKind{config.MaskPhone, config.MaskIDCard, config.MaskBankCard, config.MaskEmail}

// mask hides in texts what the caller's role must not read.
type mask struct {
	kinds   []string
	masking *scope.Masking
}

func maskOf(c *access.Caller) (mask, error) {
	var m mask
	var kinds []config.MaskKind
	for _, k := range maskKinds {
		if c.Masked(string(k)) {
			kinds = append(kinds, k)
			m.kinds = append(m.kinds, string(k))
		}
	}
	if len(kinds) == 0 {
		return m, nil
	}
	var err error
	m.masking, err = scope.NewMasking([]config.Masking{{Kinds: kinds}})
	return m, err
}

func (m mask) text(s string) string {
	if m.masking == nil || s == "" {
		return s
	}
	a := crmclient.Activity{Subject: s}
	m.masking.Apply("", &a)
	return a.Subject
}

func (m mask) html(s string) string {
	if m.masking == nil {
		return s
	}
	a := crmclient.Activity{HTML: s}
	m.masking.Apply("", &a)
	return a.HTML
}

func (m mask) names(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = m.text(s)
	}
	return out
}

// some returns a pointer to a value, and nothing for what is zero.
func some[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// when is some of times.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

func lower(p *string) string { return strings.ToLower(strings.TrimSpace(value(p))) }

// link returns an address that a browser may be sent to, or nothing.
func link(url string) *string {
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		return nil
	}
	return &url
}

// nextOf makes the cursor of the next page, where there is one.
func nextOf(more bool, values ...any) (*string, error) {
	if !more {
		return nil, nil //nolint:nilnil // there is none
	}
	c, err := api.EncodeCursor(values...)
	return &c, err
}

// bare returns a Message-ID without brackets.
func bare(id string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(id), "<"), ">")
}

func within(list []string, account string) bool { return list == nil || slices.Contains(list, account) }

// each calls row for each row of a query.
func (p *Part) each(ctx context.Context, query string, args []any, row func(scan func(...any) error) error) (err error) {
	rows, err := p.o.Store.Reader().QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
