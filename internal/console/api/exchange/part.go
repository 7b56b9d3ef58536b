package exchange

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"heliograph/config"
	"heliograph/crmclient/builtin"
	"heliograph/hooks/archive"
	"heliograph/hooks/contacts"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/console/onboard"
	"heliograph/internal/limit"
	"heliograph/internal/store"
	"heliograph/internal/tables"
)

//go:embed openapi.gen.json
var document []byte

// Options are what a Part works on. What is nil is not possible here, and says so.
type Options struct {
	Store    *store.DB
	Config   config.Exchange
	DataDir  string
	Tables   *tables.Shelf
	CRM      *builtin.CRM          // of contacts_create and exports
	Contacts func() *contacts.Book // of contacts_learn, in force
	Targets  func() []string       // whose contacts Contacts has
	// ConfiguredTables are those of rules.tables.
	ConfiguredTables func() []ConfiguredTable
	Archive          *archive.Archive // of the list of messages
	Onboard          *onboard.Book
	// Enrolled tells whether an account has a password of the gateway. Nil: none has.
	Enrolled  func(ctx context.Context, address string) (bool, error)
	PublicURL string        // of the console
	Limiter   limit.Limiter // of links that strangers try; nil: no limit
	Logger    *slog.Logger
	Now       func() time.Time
}

// Part has the operations. It must be closed.
type Part struct {
	o      Options
	jobs   jobs
	ctx    context.Context
	stop   context.CancelCauseFunc
	worker sync.WaitGroup
	seats  chan struct{} // of jobs that run at once

	mu      sync.Mutex // guards running
	running map[string]context.CancelCauseFunc
}

// atOnce is how many jobs run at the same time; others wait.
const atOnce = 2

// New returns the part.
func New(o Options) *Part {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Contacts == nil {
		o.Contacts = func() *contacts.Book { return nil }
	}
	if o.Targets == nil {
		o.Targets = func() []string { return nil }
	}
	if o.ConfiguredTables == nil {
		o.ConfiguredTables = func() []ConfiguredTable { return nil }
	}
	p := &Part{o: o, jobs: jobs{o.Store, o.Now}, seats: make(chan struct{}, atOnce), running: map[string]context.CancelCauseFunc{}}
	p.ctx, p.stop = context.WithCancelCause(context.Background())
	return p
}

// Close ends all jobs and waits for them. They are interrupted, and can be started again.
func (p *Part) Close() error {
	p.stop(errInterrupted)
	p.worker.Wait()
	return nil
}

// transferTimeout is how long a file may take on its way.
const transferTimeout = 30 * time.Minute

// API is the part for api.New.
func (p *Part) API() api.Part {
	return api.Part{Name: "exchange", Document: document, Mount: func(mux api.Mux, e api.Errors) {
		strict := NewStrictHandlerWithOptions(p, nil, StrictHTTPServerOptions{RequestErrorHandlerFunc: e.Request, ResponseErrorHandlerFunc: e.Response})
		HandlerWithOptions(strict, StdHTTPServerOptions{BaseRouter: mux, ErrorHandlerFunc: e.Request, Middlewares: []MiddlewareFunc{patient}})
	}}
}

// patient gives files more time than the server gives its other requests.
func patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") || strings.HasSuffix(r.URL.Path, "/file") {
			c := http.NewResponseController(w)
			until := time.Now().Add(transferTimeout)
			_, _ = c.SetReadDeadline(until), c.SetWriteDeadline(until) // a server without deadlines needs none
		}
		next.ServeHTTP(w, r)
	})
}

func (p *Part) importFolder(id string) string { return filepath.Join(p.o.DataDir, "imports", id) }
func (p *Part) exportFile(id string) string   { return filepath.Join(p.o.DataDir, "exports", id) }

// caller is who asks; the core has made sure that there is somebody.
func caller(ctx context.Context) *access.Caller {
	if c := access.From(ctx); c != nil {
		return c
	}
	return access.NewCaller(access.Person{}, access.ScopeOwn, nil, []access.Permission{})
}

var errNoImport = api.NotFound("no_such_import", "there is no such import")

func ptr[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
