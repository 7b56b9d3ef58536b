package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options configure Open.
type Options struct {
	// Dir is where the SQLite file lives. It must exist. Unused with PostgreSQL.
	Dir string
	// Logger may be nil: nothing is logged then.
	Logger *slog.Logger
	// Registerer may be nil: metrics are counted but not registered then.
	Registerer prometheus.Registerer
}

// Querier is what queries need: a pool, or the transaction inside Write. A
// transaction's Querier is valid only until the function it was handed to returns.
// Rows must be closed (or read to their end) before the next statement is sent,
// because PostgreSQL has one conversation per transaction.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

var (
	_ Querier = (*sql.DB)(nil)
	_ Querier = (*sql.Tx)(nil)
)

// engine is one kind of database.
type engine interface {
	reader() Querier
	pool() *sql.DB // that reader uses
	write(ctx context.Context, fn writeFunc) error
	close() error
}

type writeFunc = func(ctx context.Context, tx Querier) error

// DB is an open database with the current schema. It may be used concurrently.
type DB struct {
	engine
	dialect Dialect
	metrics *metrics
	stop    context.CancelFunc
}

// Open opens the database that url names and brings its schema up to date. "sqlite"
// (or an empty url) is the file heliograph.db in o.Dir; postgres://… is a
// PostgreSQL database. It waits a bounded time for a PostgreSQL that is not up yet. The
// error says what to do and never holds the password of url.
func Open(ctx context.Context, url string, o Options) (*DB, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	db := &DB{metrics: newMetrics(), dialect: dialectOf(url)}
	var err error
	switch db.dialect {
	case SQLite:
		db.engine, err = openSQLite(ctx, o, db.metrics)
	case Postgres:
		db.engine, err = openPostgres(ctx, url, o, db.metrics)
	default:
		err = errURL
	}
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	if db.stop, err = db.metrics.register(o.Registerer, db.dialect, db.pool()); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store: registering metrics: %w", err), db.close())
	}
	return db, nil
}

var errURL = errors.New(`the url is neither "sqlite" nor does it begin with postgres://`)

// dialectOf tells the engine that an url is for; it is empty for none.
func dialectOf(url string) Dialect {
	switch {
	case url == "" || url == "sqlite":
		return SQLite
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		return Postgres
	}
	return ""
}

// Reader returns a pool of connections that can read but not write. What a finished
// Write committed is visible to it.
func (db *DB) Reader() Querier { return db.reader() }

// Dialect says which engine the database is.
func (db *DB) Dialect() Dialect { return db.dialect }

// Write runs fn in one transaction and commits it when fn returns nil. When
// Write returns nil the changes are durable. Any other result means that nothing was
// changed, except when the connection to PostgreSQL broke during the commit:
// then the outcome is unknown, as everywhere.
//
// fn runs in the caller's goroutine and may run more than once (after a lost race on
// PostgreSQL, or when another transaction of its group broke the commit on
// SQLite), so it must have no effect besides its queries. On SQLite fn holds up all
// other writers: it must not wait for anything but its queries. A ctx that ends before
// fn began means that fn does not run. A panic in fn is returned as a *PanicError. A Write
// inside fn returns ErrNested.
func (db *DB) Write(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error {
	if ctx.Value(inWrite{db}) != nil {
		return ErrNested
	}
	start := time.Now()
	err := explain(db.write(context.WithValue(ctx, inWrite{db}, true), fn))
	db.metrics.observe(time.Since(start), err)
	return err
}

// inWrite is the context key that marks the inside of a Write on db.
type inWrite struct{ db *DB }

// Close waits for the transactions that have begun, refuses the others with
// ErrClosed, and closes all connections. It may be called more than once.
func (db *DB) Close() error {
	db.stop()
	return db.close()
}

// Micros returns t as Unix microseconds, the form of all stored times. The zero Time becomes 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// FromMicros returns the UTC time of us Unix microseconds. 0 becomes the zero Time.
func FromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
