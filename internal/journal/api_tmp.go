package journal

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/internal/journal/segment"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)



type Options struct {
	Dir              string
	Store            *store.DB
	Queue            *queue.Queue
	KeyFile          string
	Sync             config.SyncMode
	UnconfirmedAfter time.Duration
	SegmentBytes     int64
	Consumers        []string
	Node             string
	Logger           *slog.Logger
	Registerer       prometheus.Registerer
	FS               segment.FS
}
type Journal struct{}
type Pending struct{}
type Entry struct {
	Envelope
	State    State
	Verdict  Verdict
	Location segment.Location
	SealedAt time.Time
	Node     string
}

func Open(ctx context.Context, o Options) (*Journal, error)                   { panic("not yet") }
func (j *Journal) Begin(env *Envelope) *Pending                               { panic("not yet") }
func (p *Pending) Write(b []byte) (int, error)                                { panic("not yet") }
func (p *Pending) Seal(ctx context.Context, env *Envelope) error              { panic("not yet") }
func (p *Pending) Commit(v Verdict)                                           { panic("not yet") }
func (p *Pending) Discard(reason string)                                      { panic("not yet") }
func (p *Pending) Close()                                                     { panic("not yet") }
func (j *Journal) Entry(ctx context.Context, id ID) (Entry, error)            { panic("not yet") }
func (j *Journal) Entries(ctx context.Context, f Filter) ([]Entry, error)     { panic("not yet") }
func (j *Journal) Body(ctx context.Context, e Entry) (io.ReadCloser, error)   { panic("not yet") }
func (j *Journal) Mirror(ctx context.Context, tx store.Querier, id ID) error  { panic("not yet") }
func (j *Journal) Settle(id ID, outcome string) error                         { panic("not yet") }
func (j *Journal) Confirm(ctx context.Context, tx store.Querier, id ID) error { panic("not yet") }
func (j *Journal) Gap(reason string)                                          { panic("not yet") }
func GapReason(err error) string                                              { panic("not yet") }
func (j *Journal) Stats(ctx context.Context) (Stats, error)                   { panic("not yet") }
func (j *Journal) Close() error                                               { panic("not yet") }
func (j *Journal) Note(ctx context.Context, tx store.Querier, rows ...LedgerRow) error {
	panic("not yet")
}
func (j *Journal) Ledger(ctx context.Context, f LedgerFilter) ([]LedgerRow, error) { panic("not yet") }

// Filter chooses entries.
type Filter struct {
	State    State
	Kind     Kind
	Account  string
	From, To time.Time
	Before   ID
	Limit    int
}
type Stats struct {
	Entries map[State]int64
	Lag     time.Duration
}
type LedgerState string

const (
	LedgerCaptured LedgerState = "captured"
	LedgerExcluded LedgerState = "excluded"
	LedgerPending  LedgerState = "pending"
	LedgerMirrored LedgerState = "mirrored"
	LedgerFailed   LedgerState = "failed"
	LedgerRefused  LedgerState = "refused"
)

type LedgerRow struct {
	Entry     ID
	MessageID string
	Account   string
	Target    string
	State     LedgerState
	Reason    string
	At        time.Time
}
type LedgerFilter struct {
	Entry     ID
	MessageID string
	Account   string
	Target    string
	State     LedgerState
	From, To  time.Time
	Limit     int
}

var ErrNotFound error
