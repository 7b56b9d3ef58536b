package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"runtime/debug"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// The errors that callers act on.
var (
	// ErrNested says that Write was called inside a Write. Use the transaction at hand.
	ErrNested = errors.New("a write transaction inside a write transaction: use the tx that was handed in")
	// ErrClosed says that the database was closed.
	ErrClosed = errors.New("the store is closed")
	// ErrDiskFull says that the disk of the database has no room.
	ErrDiskFull = errors.New("the disk of the database is full: free some space")
	// ErrDisk says that the disk of the database failed to read, write or sync.
	ErrDisk = errors.New("the disk of the database failed: look at the system log")
	// ErrCorrupt says that the database file is damaged.
	ErrCorrupt = errors.New("the database file is damaged: restore it from a backup")
	// errFinished says that a transaction's Querier was used after its function returned.
	errFinished = errors.New("the write transaction has ended")
	// errGoexit says that the function of a Write ended its goroutine.
	errGoexit = errors.New("the function of a write transaction called runtime.Goexit")
)

// PanicError is what Write returns when its function panicked.
type PanicError struct {
	Value any
	Stack []byte
}

// Error names the value that the function panicked with, without the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("panic in a write transaction: %v", e.Value)
}

// contain runs fn and turns a panic into an error. When fn ends its goroutine,
// exited hears of it; contain does not return then.
func contain(ctx context.Context, tx Querier, fn writeFunc, exited func(error)) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
			return
		}
		exited(errGoexit)
	}()
	err = fn(ctx, tx)
	returned = true
	return err
}

// explain puts the sentinel in front of an engine's error that means the same.
func explain(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{ErrDiskFull, ErrDisk, ErrCorrupt} {
		if errors.Is(err, known) {
			return err
		}
	}
	var lite *sqlite.Error
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &lite) && lite.Code() == sqlite3.SQLITE_IOERR_SHMSIZE:
		return fmt.Errorf("%w: %w", ErrDiskFull, err) // the index of the WAL could not be made longer
	case errors.As(err, &lite):
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			return fmt.Errorf("%w: %w", ErrDiskFull, err)
		case sqlite3.SQLITE_IOERR:
			return fmt.Errorf("%w: %w", ErrDisk, err)
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	case errors.As(err, &pg):
		switch pg.Code {
		case "53100":
			return fmt.Errorf("%w: %w", ErrDiskFull, err)
		case "58030":
			return fmt.Errorf("%w: %w", ErrDisk, err)
		case "XX001", "XX002":
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	return err
}

// IsUnique says whether err is the violation of a unique index or primary key.
func IsUnique(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}

// lostRace says whether PostgreSQL rolled the transaction back only because of
// others that ran at the same time, so that it may well succeed when run again.
func lostRace(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// isConstraint says whether err is the violation of any constraint.
func isConstraint(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && len(pg.Code) == 5 && pg.Code[:2] == "23"
}

// The classes of errors in metrics.
const (
	classDiskFull   = "disk_full"
	classDisk       = "disk"
	classCorrupt    = "corrupt"
	classConstraint = "constraint"
	classBusy       = "busy"
	classRace       = "race"
	classTimeout    = "timeout"
	classConnection = "connection"
	classCancelled  = "cancelled"
	classClosed     = "closed"
	classPanic      = "panic"
	classOther      = "other"
)

// class names the class of err, as metrics count it.
func class(err error) string {
	var panicked *PanicError
	switch {
	case errors.As(err, &panicked):
		return classPanic
	case errors.Is(err, ErrDiskFull):
		return classDiskFull
	case errors.Is(err, ErrDisk):
		return classDisk
	case errors.Is(err, ErrCorrupt):
		return classCorrupt
	case errors.Is(err, ErrClosed):
		return classClosed
	case isConstraint(err):
		return classConstraint
	case lostRace(err):
		return classRace
	case isBusy(err):
		return classBusy
	case isStatementTimeout(err), errors.Is(err, context.DeadlineExceeded):
		return classTimeout
	case errors.Is(err, context.Canceled):
		return classCancelled
	case isConnection(err):
		return classConnection
	}
	return classOther
}

func isBusy(err error) bool {
	var lite *sqlite.Error
	var pg *pgconn.PgError
	if errors.As(err, &lite) {
		return lite.Code()&0xff == sqlite3.SQLITE_BUSY
	}
	return errors.As(err, &pg) && pg.Code == "55P03" // lock_timeout
}

func isStatementTimeout(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "57014"
}

func isConnection(err error) bool {
	var dial *pgconn.ConnectError
	var network net.Error
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return len(pg.Code) == 5 && (pg.Code[:2] == "08" || pg.Code[:2] == "57")
	}
	return errors.As(err, &dial) || errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, pgx.ErrTxClosed)
}

// pgCode returns PostgreSQL's error code (SQLSTATE), empty if err has none.
func pgCode(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}
