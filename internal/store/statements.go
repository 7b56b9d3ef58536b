package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// maxStatements bounds the prepared statements of the writer and of the readers each. The
// program's queries are constants, far fewer than this; only generated ones can reach it.
const maxStatements = 256

// statements keeps prepared statements of one connection by their text,
// because preparing costs SQLite more than most of our statements do.
type statements struct {
	conn *sql.Conn
	byQ  map[string]*statement
}

type statement struct {
	*sql.Stmt
	rows *sql.Rows // of the last query; while they are open the statement is in use
}

func newStatements(conn *sql.Conn) *statements {
	return &statements{conn: conn, byQ: map[string]*statement{}}
}

// get returns the prepared statement of query, or nil when it is in use.
func (s *statements) get(ctx context.Context, query string) (*statement, error) {
	if st := s.byQ[query]; st != nil {
		if st.rows != nil {
			if _, err := st.rows.Columns(); err == nil { // closed rows have no columns
				return nil, nil
			}
			st.rows = nil
		}
		return st, nil
	}
	if len(s.byQ) >= maxStatements {
		s.close()
	}
	prepared, err := s.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	st := &statement{Stmt: prepared}
	s.byQ[query] = st
	return st, nil
}

func (s *statements) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := s.get(ctx, query)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return s.conn.ExecContext(ctx, query, args...)
	}
	return st.ExecContext(ctx, args...)
}

func (s *statements) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := s.get(ctx, query)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return s.conn.QueryContext(ctx, query, args...)
	}
	rows, err := st.QueryContext(ctx, args...)
	st.rows = rows
	return rows, err
}

// queryRow relies on Row.Scan, which closes the rows: between the two there is nothing.
func (s *statements) queryRow(ctx context.Context, query string, args ...any) *sql.Row {
	st, err := s.get(ctx, query)
	if err != nil || st == nil {
		return s.conn.QueryRowContext(ctx, query, args...)
	}
	return st.QueryRowContext(ctx, args...)
}

func (s *statements) close() {
	for _, st := range s.byQ {
		_ = st.Close()
	}
	clear(s.byQ)
}

// groupTx is the Querier of one function in a group. Statements run to their end even
// when the caller's context ends: interrupting one would make SQLite roll back the
// whole group.
type groupTx struct {
	mu    sync.Mutex // guards all fields, against a goroutine that outlives the function
	conn  *sql.Conn
	stmts *statements
	rows  []*sql.Rows // all that were handed out
	ended bool
}

var _ Querier = (*groupTx)(nil)

// end makes the transaction unusable and closes rows that were left open, which
// would keep the connection from being closed.
func (t *groupTx) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	for _, rows := range t.rows {
		_ = rows.Close()
	}
}

// check returns why no further statement may run. The caller holds mu.
func (t *groupTx) check(ctx context.Context) error {
	if t.ended {
		return errFinished
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (t *groupTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.check(ctx); err != nil {
		return nil, err
	}
	return t.stmts.exec(context.WithoutCancel(ctx), query, args...)
}

func (t *groupTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.check(ctx); err != nil {
		return nil, err
	}
	rows, err := t.stmts.query(context.WithoutCancel(ctx), query, args...)
	if err == nil {
		t.rows = append(t.rows, rows)
	}
	return rows, err
}

func (t *groupTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.check(ctx); err != nil {
		// A Row with an error can only be had from database/sql.
		gone, cancel := context.WithCancel(ctx)
		cancel()
		return t.conn.QueryRowContext(gone, query, args...)
	}
	return t.stmts.queryRow(context.WithoutCancel(ctx), query, args...)
}

// preparedReader is the read pool of a SQLite database with its queries prepared. (pgx
// does that by itself.)
type preparedReader struct {
	pool *sql.DB
	mu   sync.RWMutex // guards byQ
	byQ  map[string]*sql.Stmt
}

var _ Querier = (*preparedReader)(nil)

// get returns the prepared query, or nil when it is better run as it is.
func (r *preparedReader) get(ctx context.Context, query string) *sql.Stmt {
	r.mu.RLock()
	st, full := r.byQ[query], len(r.byQ) >= maxStatements
	r.mu.RUnlock()
	if st != nil || full {
		return st
	}
	prepared, err := r.pool.PrepareContext(ctx, query)
	if err != nil {
		return nil // running it tells why
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if st := r.byQ[query]; st != nil { // somebody was faster
		_ = prepared.Close()
		return st
	}
	r.byQ[query] = prepared
	return prepared
}

func (r *preparedReader) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return r.pool.ExecContext(ctx, query, args...)
}

func (r *preparedReader) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if st := r.get(ctx, query); st != nil {
		return st.QueryContext(ctx, args...)
	}
	return r.pool.QueryContext(ctx, query, args...)
}

func (r *preparedReader) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if st := r.get(ctx, query); st != nil {
		return st.QueryRowContext(ctx, args...)
	}
	return r.pool.QueryRowContext(ctx, query, args...)
}

func (r *preparedReader) close() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	for _, st := range r.byQ {
		err = errors.Join(err, st.Close())
	}
	clear(r.byQ)
	return err
}
