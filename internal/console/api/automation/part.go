package automation

import (
	"context"
	_ "embed"
	"log/slog"
	"sync"
	"time"

	"heliograph/crmclient"
	"heliograph/hooks/automail"
	"heliograph/hooks/rules"
	"heliograph/internal/console/api"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

//go:embed openapi.gen.json
var document []byte

// Gateway is what only a running gateway knows.
type Gateway interface {
	// Names are what rules can name with the configuration in force.
	Names() (Names, error)
	// RecordNames is what people call what the targets hold with the configuration in force; nil: nobody knows.
	RecordNames() *rules.RecordNames
	// Fields asks a target for the fields of a type of records. ErrNoFields says that it cannot tell.
	Fields(ctx context.Context, target, object string) ([]crmclient.Field, error)
	// Bench opens what rules are tried with. It opens no connection to anything else, and must be closed.
	Bench(ctx context.Context) (Bench, error)
}

// Names are what rules can name.
type Names struct {
	Around   rules.Surroundings
	Internal func(address string) bool
	Targets  []Target
	Target   string // the default one
	Calls    []string
	Tables   []string
	Lists    map[string]int // with the number of entries
}

// Target is a system with records.
type Target struct {
	Name, Type string
	Describes  bool // it can tell the fields of its records
	Tickets    bool
	Objects    []Object
}

// Object is a type of records.
type Object struct {
	Name, Zh, En string
	Fields       []crmclient.Field
}

// Bench is what rules are tried with. It is not safe for concurrent use.
type Bench interface {
	// Stored are the options of a trial on what is stored.
	Stored() rules.TrialOptions
	// Given are those of a trial on facts that somebody wrote down.
	Given(facts map[string]any) rules.TrialOptions
	// Find looks for a stored message by entry, Message-ID or key; nil: there is none.
	Find(ctx context.Context, which string) (*Message, error)
	// File is what a mail file is to rules.
	File(ctx context.Context, eml []byte, o File) (rules.Event, error)
	// Past are the events of a time.
	Past(ctx context.Context, since, until time.Time) (Past, error)
	// Why says what rules said to a message or an event; nil: nobody knows it.
	Why(ctx context.Context, which string) ([]Answer, error)
	Close() error
}

// Message is a stored message.
type Message struct {
	Event   rules.Event
	Account string // whose copy it is
	Skipped *Words // why it is no event for rules; Event has no facts then
}

// File says of a mail file what its bytes do not.
type File struct {
	Account, Mailbox, Direction string
	At                          time.Time
}

// Past gives the events of a time, in the order in which rules were told of them.
type Past interface {
	Next(ctx context.Context) (told time.Time, ev rules.Event, err error)
	// Skipped counts messages that are no events, by the reason.
	Skipped() map[string]int
}

// Answer is what rules said to one event.
type Answer struct {
	Event   rules.Event
	Account string
	Looked  bool
	Note    *Words
	Rules   []rules.Verdict
}

// Options are what a Part needs. All but ExpireIn, Now and Logger are required.
type Options struct {
	Store   *store.DB
	Queue   *queue.Queue
	Gateway Gateway
	// ExpireIn is how long mail is tried that somebody sends again: outbox.expire_in. Nil: until it expires as it was.
	ExpireIn func() time.Duration
	Now      func() time.Time
	Logger   *slog.Logger
}

// Part serves the operations of rules and automated mail.
type Part struct {
	o         Options
	book      *rules.Book
	approvals *rules.Approvals
	outbox    automail.Control

	mu     sync.Mutex
	fields map[[2]string]keptFields // guarded by mu
}

var _ StrictServerInterface = (*Part)(nil)

// New returns the part. Run must run beside it.
func New(o Options) *Part {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Part{
		o: o, book: rules.NewBook(o.Store, o.Now), approvals: rules.NewApprovals(o.Store, o.Queue, o.Now),
		outbox: automail.Control{Store: o.Store, Queue: o.Queue, Now: o.Now}, fields: map[[2]string]keptFields{},
	}
}

// API is the part for the core.
func (p *Part) API() api.Part {
	return api.Part{Name: "automation", Document: document, Mount: func(mux api.Mux, e api.Errors) {
		strict := NewStrictHandlerWithOptions(p, nil, StrictHTTPServerOptions{RequestErrorHandlerFunc: e.Request, ResponseErrorHandlerFunc: e.Response})
		HandlerWithOptions(strict, StdHTTPServerOptions{BaseRouter: mux, ErrorHandlerFunc: e.Request})
	}}
}
