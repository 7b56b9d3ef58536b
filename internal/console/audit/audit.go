package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"heliograph/internal/store"
)

// Via says how something was done.
type Via string

// The ways.
const (
	ViaSession Via = "session" // in the console
	ViaToken   Via = "token"   // with an API token
	ViaLink    Via = "link"    // with a link in a mail
	ViaCommand Via = "command" // on the command line of the server
	ViaGateway Via = "gateway" // by the gateway itself
)

// Outcome says how it ended.
type Outcome string

// The outcomes.
const (
	Allowed Outcome = "allowed" // permitted: a view, or a command; or a change of which it is not known what came, as the gateway was stopped meanwhile
	Done    Outcome = "done"
	Refused Outcome = "refused" // not permitted
	Failed  Outcome = "failed"  // permitted, but it did not work
)

// Event is what somebody did or saw.
type Event struct {
	At         time.Time // zero means now
	Person     string    // mail address; empty: nobody signed in
	Role       string
	Via        Via
	Credential string // id of the API token, or the user of the command line
	Address    string // of the client
	Action     string // operationId, or the name of a command
	Kind       string // of the object, such as message
	Object     string // its id
	Outcome    Outcome
	// Details are small and hold no secrets and no texts of mails.
	Details map[string]any
	// View says that nothing was changed: the row is written soon, and repeated views are counted.
	View bool
}

// The bounds of what is stored.
const (
	maxField   = 500     // bytes of a field
	maxDetails = 8 << 10 // bytes of details as JSON
)

// MinKeep is how long rows are kept at least.
const MinKeep = 180 * 24 * time.Hour

// Options are the settings of a Log.
type Options struct {
	Store *store.DB
	// Keys make the MACs, the newest first: segment.Keyring.Derive(Purpose). There must be one.
	Keys [][]byte
	// Keep is how long rows are kept: at least MinKeep.
	Keep time.Duration
	// Anchor is a file outside the database that notes the end of the chain; empty: none.
	Anchor string
	Logger *slog.Logger     // nil means none
	Now    func() time.Time // nil means the clock
}

// Purpose is what the keys are derived for.
const Purpose = "console: audit"

// Log is the record. It may be used concurrently.
type Log struct {
	db     *store.DB
	keys   keyring
	keep   time.Duration
	anchor string
	log    *slog.Logger
	now    func() time.Time

	mu       sync.Mutex       // guards the next three
	pending  map[string]*view // views that are not in the database yet
	failing  error            // why the last batch of views could not be written
	started  bool
	flushing sync.Mutex // one batch of views at a time

	stop context.CancelFunc
	done chan struct{}
	once sync.Once
}

// New returns a log that writes each event at once. Start makes views be written in batches, and old rows go.
func New(o Options) (*Log, error) {
	keys, err := newKeyring(o.Keys)
	if err != nil {
		return nil, err
	}
	if o.Keep < MinKeep {
		return nil, fmt.Errorf("audit: rows are to be kept for %d days at least, not %s", MinKeep/(24*time.Hour), o.Keep)
	}
	l := &Log{db: o.Store, keys: keys, keep: o.Keep, anchor: o.Anchor, log: o.Logger, now: o.Now, pending: map[string]*view{}}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.now == nil {
		l.now = time.Now
	}
	return l, nil
}

// Record puts an event on record. When it returns nil, the row is durable; that of a view may take a second longer.
func (l *Log) Record(ctx context.Context, e Event) error {
	r, err := l.row(e)
	if err != nil {
		return err
	}
	if e.View {
		return l.view(ctx, r)
	}
	if err := l.db.Write(ctx, func(ctx context.Context, tx store.Querier) error { return l.add(ctx, tx, r) }); err != nil {
		return fmt.Errorf("record %s: %w", r.Action, err)
	}
	return nil
}

// RecordTx is Record in the caller's transaction: the event is on record if and only if the transaction is committed. It
// holds up all others who record until then, so it is best called last.
func (l *Log) RecordTx(ctx context.Context, tx store.Querier, e Event) error {
	r, err := l.row(e)
	if err != nil {
		return err
	}
	if err := l.add(ctx, tx, r); err != nil {
		return fmt.Errorf("record %s: %w", r.Action, err)
	}
	return nil
}

// row is an event as it is stored.
func (l *Log) row(e Event) (Row, error) {
	if e.Action == "" {
		return Row{}, errors.New("audit: an event without an action")
	}
	if e.At.IsZero() {
		e.At = l.now()
	}
	if e.Outcome == "" {
		e.Outcome = Allowed
	}
	at := store.FromMicros(store.Micros(e.At))
	r := Row{
		At: at, Until: at, Count: 1, Person: clean(strings.ToLower(e.Person)), Role: clean(e.Role), Via: Via(clean(string(e.Via))), Credential: clean(e.Credential),
		Address: clean(e.Address), Action: clean(e.Action), Kind: clean(e.Kind), Object: clean(e.Object), Outcome: Outcome(clean(string(e.Outcome))),
	}
	if len(e.Details) == 0 {
		return r, nil
	}
	text, err := json.Marshal(e.Details)
	if err != nil {
		return Row{}, fmt.Errorf("audit: details of %s: %w", r.Action, err)
	}
	if len(text) > maxDetails {
		text = fmt.Appendf(nil, `{"left_out":"details of %d bytes"}`, len(text))
	}
	r.Details = string(text)
	return r, nil
}

// clean makes a text one that both engines store as it is, and no longer than maxField.
func clean(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if len(s) <= maxField {
		return s
	}
	cut := maxField - len("…")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// How often the work of Start is done.
const (
	flushEvery = time.Second
	foldEvery  = time.Minute
	pruneEvery = 24 * time.Hour
)

// Start writes views in batches, and removes rows that are too old, until Close.
func (l *Log) Start() {
	ctx, stop := context.WithCancel(context.Background())
	l.stop, l.done = stop, make(chan struct{})
	l.mu.Lock()
	l.started = true
	l.mu.Unlock()
	go l.run(ctx)
}

func (l *Log) run(ctx context.Context) {
	defer close(l.done)
	flush, fold, prune := time.NewTicker(flushEvery), time.NewTicker(foldEvery), time.NewTicker(pruneEvery)
	defer flush.Stop()
	defer fold.Stop()
	defer prune.Stop()
	l.tell(ctx, "remove old rows", l.Prune)
	for {
		select {
		case <-ctx.Done():
			return
		case <-flush.C:
			l.tell(ctx, "write views", l.Flush)
		case <-fold.C:
			l.tell(ctx, "close views", l.fold)
			l.tell(ctx, "note the end", l.note)
		case <-prune.C:
			l.tell(ctx, "remove old rows", l.Prune)
		}
	}
}

// tell does a piece of the background work. The next time makes up for a failure.
func (l *Log) tell(ctx context.Context, what string, do func(context.Context) error) {
	if err := do(ctx); err != nil && ctx.Err() == nil {
		l.log.Error("audit record", "task", what, "err", err)
	}
}

// Close writes what waits. It may be called more than once, and without Start.
func (l *Log) Close(ctx context.Context) (err error) {
	l.once.Do(func() {
		if l.stop != nil {
			l.stop()
			<-l.done
			l.mu.Lock()
			l.started = false
			l.mu.Unlock()
		}
		err = errors.Join(l.Flush(ctx), l.note(ctx))
	})
	return err
}
