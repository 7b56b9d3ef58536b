package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	sqliteFile = "heliograph.db"
	// minSQLite is the first version without a bug that could corrupt a WAL database
	// when two connections checkpointed at once.
	minSQLite = "3.51.3"
	// sqliteBusy is how long SQLite waits for a lock of another process, such as a backup.
	sqliteBusy = 10 * time.Second
	// sqliteReaders bounds the read pool; more only compete for the processor.
	sqliteReaders = 8
)

// errVersion says that program and database do not fit.
var errVersion = errors.New("wrong version")

// sqliteEngine is a SQLite file with one writing and several reading connections.
type sqliteEngine struct {
	writes   *sql.DB
	reads    *sql.DB
	prepared *preparedReader // on reads
	group    *groupWriter
}

func openSQLite(ctx context.Context, o Options, m *metrics) (_ engine, err error) {
	path, err := createSQLite(o.Dir)
	if err != nil {
		return nil, err
	}
	e := &sqliteEngine{}
	defer func() {
		if err != nil {
			err = errors.Join(explain(err), e.close())
		}
	}()
	if e.writes, err = sql.Open("sqlite", sqliteDSN(path, false)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	e.writes.SetMaxOpenConns(1)
	e.writes.SetMaxIdleConns(1)
	var version string
	if err := e.writes.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if versionLess(version, minSQLite) {
		return nil, fmt.Errorf("%w: this program was built with SQLite %s, which may lose data: build it with %s or later", errVersion, version, minSQLite)
	}
	if err := migrateSQLite(ctx, e.writes, o.Logger); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := syncDir(o.Dir); err != nil {
		return nil, err
	}
	if e.reads, err = sql.Open("sqlite", sqliteDSN(path, true)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	e.reads.SetMaxOpenConns(sqliteReaders)
	e.reads.SetMaxIdleConns(sqliteReaders)
	if err := e.reads.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	e.prepared = &preparedReader{pool: e.reads, byQ: map[string]*sql.Stmt{}}
	e.group = startGroupWriter(e.writes, m)
	return e, nil
}

// createSQLite makes the file with mode 0600, because SQLite would follow the
// umask, and returns its path. The files beside it (-wal, -shm) inherit the mode.
func createSQLite(dir string) (string, error) {
	path, err := filepath.Abs(filepath.Join(dir, sqliteFile))
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w: create the data directory first", err)
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("%w: the data directory must belong to the user that runs this program", err)
	case err != nil:
		return "", err
	}
	// An older file may have been made or copied with a wider mode.
	return path, errors.Join(f.Chmod(0o600), f.Close())
}

func sqliteDSN(path string, readOnly bool) string {
	q := url.Values{}
	q.Set("_txlock", "immediate")
	for _, pragma := range []string{
		"busy_timeout(" + strconv.FormatInt(sqliteBusy.Milliseconds(), 10) + ")",
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"foreign_keys(ON)",
		"trusted_schema(OFF)",
		"temp_store(MEMORY)",
		"journal_size_limit(67108864)", // a WAL that once grew large is cut again
	} {
		q.Add("_pragma", pragma)
	}
	if readOnly {
		q.Add("_pragma", "query_only(ON)")
		q.Add("_pragma", "cache_size(-512)") // KiB; the system's own cache serves all of them
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// syncDir makes the names of new files in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return nil
}

// versionLess compares dotted numbers.
func versionLess(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, errX := strconv.Atoi(as[i])
		y, errY := strconv.Atoi(bs[i])
		if errX != nil || errY != nil {
			return true // not a version: refuse it
		}
		if x != y {
			return x < y
		}
	}
	return len(as) < len(bs)
}

func (e *sqliteEngine) reader() Querier { return e.prepared }

func (e *sqliteEngine) pool() *sql.DB { return e.reads }

func (e *sqliteEngine) write(ctx context.Context, fn writeFunc) error { return e.group.write(ctx, fn) }

func (e *sqliteEngine) close() error {
	var err error
	if e.group != nil {
		err = e.group.close()
	}
	// Readers first: the last connection to close checkpoints and removes the WAL.
	if e.reads != nil {
		err = errors.Join(err, e.prepared.close(), e.reads.Close())
	}
	if e.writes != nil {
		err = errors.Join(err, e.writes.Close())
	}
	return err
}
