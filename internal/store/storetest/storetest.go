package storetest

import (
	"context"
	"database/sql"
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
func Main(m *testing.M) {
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

// Postgres opens a fresh schema of a PostgreSQL database, closed and dropped when the test ends.
func Postgres(t testing.TB) *store.DB {
	t.Helper()
	return Open(t, PostgresURL(t), "")
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
	server := os.Getenv(Variable)
	if server == "" {
		var err error
		if server, err = shared.start(); err != nil {
			t.Fatalf("no PostgreSQL to test with: %v\nInstall it (make deps), or let %s name a server.", err, Variable)
		}
	}
	// The process id and time keep test binaries apart that share a server.
	schema := fmt.Sprintf("t%d_%d_%d", os.Getpid(), time.Now().UnixNano(), schemas.Add(1))
	admin(t, server, "CREATE SCHEMA "+schema)
	t.Cleanup(func() { admin(t, server, "DROP SCHEMA "+schema+" CASCADE") })
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
	// The test's own context has ended when its cleanups run.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	defer cancel()
	pool, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.ExecContext(ctx, query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
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
