package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// groupMax bounds how many transactions share a commit, so that one that
	// fails late does not cost the others too much.
	groupMax = 128
	// groupWork bounds how long the first of a group waits for the others' work. It is in
	// the order of the fsync that follows.
	groupWork = 2 * time.Millisecond
)

// groupWriter is the one writer of a SQLite database. Its goroutine owns the
// connection and lends it to one caller after the other: a function runs in its
// caller's goroutine, while the writer waits for it.
type groupWriter struct {
	pool    *sql.DB
	metrics *metrics
	queue   chan *request
	closing chan struct{}
	exited  chan struct{}
	once    sync.Once

	conn  *sql.Conn // owned by the goroutine; nil after it broke
	stmts *statements
}

// request is one call of Write.
type request struct {
	state atomic.Int32
	turn  chan *groupTx // lends the connection
	ran   chan error    // gives it back, with the function's result
	done  chan error    // the final result
}

const (
	requestWaits int32 = iota
	requestRuns
	requestLeft
)

func startGroupWriter(pool *sql.DB, m *metrics) *groupWriter {
	g := &groupWriter{
		pool: pool, metrics: m,
		queue:   make(chan *request, 2*groupMax),
		closing: make(chan struct{}),
		exited:  make(chan struct{}),
	}
	go g.loop()
	return g
}

// write hands a request to the writer's goroutine and runs fn when its turn comes.
func (g *groupWriter) write(ctx context.Context, fn writeFunc) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r := &request{turn: make(chan *groupTx), ran: make(chan error, 1), done: make(chan error, 1)}
	select {
	case <-g.closing:
		return ErrClosed
	default:
	}
	select {
	case g.queue <- r:
	case <-g.closing:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	cancelled, exited := ctx.Done(), g.exited
	for {
		select {
		case tx := <-r.turn:
			// From here on the outcome is the writer's to tell, so nothing else is waited for.
			cancelled, exited = nil, nil
			r.ran <- contain(ctx, tx, fn, func(err error) { r.ran <- err })
		case err := <-r.done:
			return err
		case <-cancelled:
			if r.state.CompareAndSwap(requestWaits, requestLeft) {
				return context.Cause(ctx)
			}
			cancelled = nil
		case <-exited:
			if r.state.CompareAndSwap(requestWaits, requestLeft) {
				return ErrClosed
			}
			exited = nil
		}
	}
}

func (g *groupWriter) loop() {
	defer close(g.exited)
	for {
		select {
		case r := <-g.queue:
			g.commitGroup(r)
		case <-g.closing:
			g.drop()
			return
		}
	}
}

// member is a request whose function ran, and what that returned.
type member struct {
	*request
	result error
}

// commitGroup runs first and what waits behind it in one transaction. A function that failed is
// told so after the commit only: it may have failed because of what another of the group did,
// which its caller must find in the database then.
func (g *groupWriter) commitGroup(first *request) {
	members := make([]member, 0, 8)
	err := g.begin()
	start := time.Now()
	for r := first; r != nil; r = g.next(len(members), start) {
		if !r.state.CompareAndSwap(requestWaits, requestRuns) {
			continue // its caller went away
		}
		if err != nil {
			r.done <- err
			continue
		}
		var broken error
		own := g.inSavepoint(r, &broken)
		if broken != nil {
			// The transaction is gone, and with it what the others did.
			g.rollback()
			r.done <- own
			g.oneByOne(members)
			return
		}
		members = append(members, member{r, own})
	}
	if err == nil {
		g.finish(members)
	}
}

// next returns the request to run next, or nil when the group is complete.
func (g *groupWriter) next(size int, start time.Time) *request {
	if size >= groupMax || time.Since(start) > groupWork {
		return nil
	}
	select {
	case r := <-g.queue:
		return r
	default:
		return nil
	}
}

// finish commits and tells the members.
func (g *groupWriter) finish(members []member) {
	changed := 0
	for _, m := range members {
		if m.result == nil {
			changed++
		}
	}
	var err error
	if changed == 0 {
		g.rollback()
	} else {
		g.metrics.group.Observe(float64(changed))
		err = g.exec("COMMIT")
	}
	if err != nil {
		g.rollback()
		if isConstraint(err) && changed > 1 {
			// A deferred constraint of one of them: find out whose.
			g.oneByOne(members)
			return
		}
		err = fmt.Errorf("committing: %w", err)
	}
	for _, m := range members {
		if err != nil {
			m.result = err
		}
		m.done <- m.result
	}
}

// oneByOne runs the functions again, each in a transaction of its own.
func (g *groupWriter) oneByOne(members []member) {
	for _, m := range members {
		g.metrics.retries.Inc()
		if err := g.begin(); err != nil {
			m.done <- err
			continue
		}
		var broken error
		if own := g.inSavepoint(m.request, &broken); own != nil {
			g.rollback()
			m.done <- own
			continue
		}
		g.finish([]member{{request: m.request}})
	}
}

// inSavepoint lends the connection to the request and returns the result of its function.
// broken is set when the whole transaction is lost.
func (g *groupWriter) inSavepoint(r *request, broken *error) error {
	if err := g.exec("SAVEPOINT member"); err != nil {
		*broken = err
		return fmt.Errorf("beginning a savepoint: %w", err)
	}
	tx := &groupTx{conn: g.conn, stmts: g.stmts}
	r.turn <- tx
	own := <-r.ran
	tx.end()
	if own != nil {
		// SQLite rolls the whole transaction back by itself when the disk is full or fails;
		// the savepoint is gone then.
		if *broken = g.exec("ROLLBACK TO member"); *broken == nil {
			*broken = g.exec("RELEASE member")
		}
		return own
	}
	if err := g.exec("RELEASE member"); err != nil {
		*broken = err
		return fmt.Errorf("releasing a savepoint: %w", err)
	}
	return nil
}

// begin opens the connection, if need be, and a transaction on it.
func (g *groupWriter) begin() error {
	if g.conn == nil {
		conn, err := g.pool.Conn(context.Background())
		if err != nil {
			return fmt.Errorf("opening the writing connection: %w", err)
		}
		g.conn, g.stmts = conn, newStatements(conn)
	}
	if err := g.exec("BEGIN IMMEDIATE"); err != nil {
		g.rollback()
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	return nil
}

// rollback ends the transaction. A connection that cannot, be it because SQLite has
// done so already, is given up: a new one is certain to have none.
func (g *groupWriter) rollback() {
	if g.exec("ROLLBACK") != nil {
		g.stmts.close()
		_ = g.conn.Raw(func(any) error { return driver.ErrBadConn }) // keeps it out of the pool
		g.drop()
	}
}

// drop gives the connection back to the pool.
func (g *groupWriter) drop() {
	if g.conn == nil {
		return
	}
	g.stmts.close()
	_ = g.conn.Close()
	g.conn, g.stmts = nil, nil
}

// exec runs a statement of the writer's own.
func (g *groupWriter) exec(query string) error {
	_, err := g.stmts.exec(context.Background(), query)
	return err
}

func (g *groupWriter) close() error {
	g.once.Do(func() { close(g.closing) })
	<-g.exited
	return nil
}
