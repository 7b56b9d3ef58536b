package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"go.uber.org/goleak"

	"heliograph/internal/store"
)

// Variable names the url of a PostgreSQL server to use instead of an own one.
const Variable = "HELIOGRAPH_TEST_POSTGRES"

// Main runs the tests of a package, stops the server if one was started, looks for
// goroutines that were left behind, and ends the program. Call it in TestMain.
func Main(m interface{ Run() int }) {
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping PostgreSQL:", err)
		code = max(code, 1)
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Each runs body as two parallel subtests, "sqlite" and "postgres", each on a fresh database.
func Each(t *testing.T, body func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		body(t, SQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		body(t, Postgres(t))
	})
}

// SQLite opens a fresh SQLite database, which is closed when the test ends.
func SQLite(t testing.TB) *store.DB {
	t.Helper()
	file, err := template()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, sqliteFile), file, 0o600); err != nil {
		t.Fatal(err)
	}
	return Open(t, "sqlite", dir)
}

const sqliteFile = "heliograph.db"

// template is a SQLite file with the current schema. Each test starts from a copy, which is
// many times faster than to run all migrations again.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "sqlite")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	db, err := store.Open(context.Background(), "sqlite", store.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil { // moves the write-ahead log into the file
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, sqliteFile))
})

// Postgres opens a schema of a PostgreSQL database as a new one is, which is closed when the test ends.
func Postgres(t testing.TB) *store.DB {
	t.Helper()
	server := serverURL(t)
	u := spares.take(server)
	if u == "" {
		u = freshSchema(t, server)
		current(t, server, u)
	}
	t.Cleanup(func() { spares.giveBack(t, server, u) })
	return Open(t, u, "")
}

// Open opens a database and closes it when the test ends.
func Open(t testing.TB, url, dir string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url, store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

var schemas atomic.Int64

// PostgresURL returns the url of a fresh, empty schema, which is dropped when the test ends.
func PostgresURL(t testing.TB) string {
	t.Helper()
	server := serverURL(t)
	u := freshSchema(t, server)
	t.Cleanup(func() { dropSchema(t, server, u) })
	return u
}

func dropSchema(t testing.TB, server, u string) {
	t.Helper()
	admin(t, server, "DROP SCHEMA "+schemaOf(t, u)+" CASCADE")
}

// serverURL names the server, which is started if need be.
func serverURL(t testing.TB) string {
	t.Helper()
	server := os.Getenv(Variable)
	if server == "" {
		var err error
		if server, err = shared.start(); err != nil {
			t.Fatalf("no PostgreSQL to test with: %v\nInstall it (make deps), or let %s name a server.", err, Variable)
		}
	}
	return server
}

// freshSchema makes an empty schema and returns its url.
func freshSchema(t testing.TB, server string) string {
	t.Helper()
	// The process id and time keep test binaries apart that share a server.
	schema := fmt.Sprintf("t%d_%d_%d", os.Getpid(), time.Now().UnixNano(), schemas.Add(1))
	admin(t, server, "CREATE SCHEMA "+schema)
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s is not a url", Variable)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

func admin(t testing.TB, server, query string) {
	t.Helper()
	if err := execute(t, server, query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// execute runs statements in a connection of their own.
func execute(t testing.TB, server, statements string) error {
	t.Helper()
	// The test's own context has ended when its cleanups run.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	defer cancel()
	pool, err := sql.Open("pgx", server)
	if err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, statements)
	return errors.Join(err, pool.Close())
}

// findBinary looks in PATH and where Debian and Red Hat keep PostgreSQL's servers.
func findBinary(name string) (string, error) {
	candidates := []string{}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		candidates = append(candidates, filepath.Join(dir, name))
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/", "/usr/pgsql-*/bin/", "/usr/local/pgsql/bin/"} {
		found, _ := filepath.Glob(pattern + name)
		candidates = append(candidates, found...)
	}
	for i := len(candidates) - 1; i >= 0; i-- { // the fixed places first, the newest version first
		// PATH may hold wrappers that only work for some; what a link points at is the program itself.
		path, err := filepath.EvalSymlinks(candidates[i])
		if err != nil {
			continue
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s was not found in PATH nor in /usr/lib/postgresql", strings.TrimSpace(name))
}
