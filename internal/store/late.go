package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// firstPatience is how long OpenLate waits before it returns without the database.
	firstPatience = 5 * time.Second
	// latePause and maxLatePause are the pauses between the tries after that.
	latePause    = time.Second
	maxLatePause = 30 * time.Second
)

// ErrAway says that the database could not be opened yet; it is tried again.
var ErrAway = errors.New("the store cannot be opened yet")

// OpenLate is Open for a program that must start without its database: when that is away,
// full or locked, the DB is returned all the same, its queries and transactions fail with
// ErrAway, and it is opened as soon as it can be. Only a mistake that no waiting mends is an
// error: an url that names no database, or a program that is too old for it.
func OpenLate(ctx context.Context, url string, o Options) (*DB, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	first, cancel := context.WithTimeoutCause(ctx, firstPatience, ErrAway)
	defer cancel()
	db, err := Open(first, url, o)
	if err == nil || permanent(err) || ctx.Err() != nil {
		return db, err
	}
	o.Logger.Error("the store cannot be opened; mail flows without it, and it is tried again", "err", err)
	e := &lateEngine{away: sql.OpenDB(awayConnector{err}), done: make(chan struct{})}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = stop
	late := &DB{engine: e, dialect: dialectOf(url), metrics: newMetrics(), stop: func() {}}
	go e.open(run, url, o)
	return late, nil
}

// permanent tells the errors that waiting does not mend.
func permanent(err error) bool { return errors.Is(err, errURL) || errors.Is(err, errVersion) }

// lateEngine stands in for an engine that is not open yet.
type lateEngine struct {
	real atomic.Pointer[DB]
	away *sql.DB // fails each query with ErrAway
	stop context.CancelFunc
	done chan struct{} // closed when nobody tries any more
}

// open tries until it succeeds or ctx ends.
func (e *lateEngine) open(ctx context.Context, url string, o Options) {
	defer close(e.done)
	for pause := latePause; ; pause = min(2*pause, maxLatePause) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		db, err := Open(ctx, url, o)
		if err == nil {
			e.real.Store(db)
			o.Logger.Info("the store is open now")
			return
		}
		if ctx.Err() == nil {
			o.Logger.Warn("the store still cannot be opened", "err", err)
		}
	}
}

func (e *lateEngine) reader() Querier {
	if db := e.real.Load(); db != nil {
		return db.reader()
	}
	return e.away
}

func (e *lateEngine) pool() *sql.DB {
	if db := e.real.Load(); db != nil {
		return db.pool()
	}
	return e.away
}

func (e *lateEngine) write(ctx context.Context, fn writeFunc) error {
	if db := e.real.Load(); db != nil {
		return db.Write(ctx, fn)
	}
	return ErrAway
}

func (e *lateEngine) close() error {
	e.stop()
	<-e.done
	err := e.away.Close()
	if db := e.real.Load(); db != nil {
		err = errors.Join(err, db.Close())
	}
	return err
}

// awayConnector is a database that is not there.
type awayConnector struct{ cause error }

// Connect implements driver.Connector.
func (c awayConnector) Connect(context.Context) (driver.Conn, error) {
	return nil, fmt.Errorf("%w: %w", ErrAway, c.cause)
}

// Driver implements driver.Connector.
func (c awayConnector) Driver() driver.Driver { return awayDriver(c) }

type awayDriver struct{ cause error }

// Open implements driver.Driver.
func (d awayDriver) Open(string) (driver.Conn, error) {
	return awayConnector(d).Connect(context.Background())
}
