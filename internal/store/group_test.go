package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
)

func openHere(t *testing.T, o Options) *DB {
	t.Helper()
	o.Dir = t.TempDir()
	db, err := Open(t.Context(), "sqlite", o)
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

func run(query string, args ...any) writeFunc {
	return func(ctx context.Context, tx Querier) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	}
}

func mustWrite(t *testing.T, db *DB, query string) {
	t.Helper()
	if err := db.Write(t.Context(), run(query)); err != nil {
		t.Fatal(err)
	}
}

// together makes all functions wait behind a busy writer, so that they run as one group, and
// returns their errors.
func together(t *testing.T, db *DB, fns ...writeFunc) []error {
	t.Helper()
	group := db.engine.(*sqliteEngine).group
	busy, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = db.Write(t.Context(), func(context.Context, Querier) error {
			close(busy)
			<-release
			return errors.New("no part of the group")
		})
	})
	<-busy
	errs := make([]error, len(fns))
	for i, fn := range fns {
		wg.Go(func() { errs[i] = db.Write(t.Context(), fn) })
		for len(group.queue) != i+1 { // one after the other, so that their order is known
			if t.Context().Err() != nil {
				t.Fatal("the test ended")
			}
		}
	}
	close(release)
	wg.Wait()
	return errs
}

func rowsOf(t *testing.T, db *DB, query string) string {
	t.Helper()
	rows, err := db.Reader().QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

func add(n int) writeFunc { return run(`INSERT INTO n VALUES ($1)`, n) }

func TestGroupSharesACommit(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	db := openHere(t, Options{Registerer: registry})
	mustWrite(t, db, `CREATE TABLE n (n INTEGER PRIMARY KEY)`)
	before := groups(t, db)
	var fns []writeFunc
	for i := range 30 {
		fns = append(fns, add(i))
	}
	if err := errors.Join(together(t, db, fns...)...); err != nil {
		t.Fatal(err)
	}
	after := groups(t, db)
	commits, sum := after.GetSampleCount()-before.GetSampleCount(), after.GetSampleSum()-before.GetSampleSum()
	// A loaded machine may cut a group short by its time, but never that short.
	if sum != 30 || commits > 15 {
		t.Errorf("%v transactions in %d commits", sum, commits)
	}
	if n, err := testutil.GatherAndCount(registry, "heliograph_store_write_seconds", "heliograph_store_commit_group_size"); n != 2 || err != nil {
		t.Errorf("%d metrics, %v", n, err)
	}
}

func groups(t *testing.T, db *DB) *dto.Histogram {
	t.Helper()
	var m dto.Metric
	if err := db.metrics.group.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.Histogram
}

// Who fails because of what another of the group did finds that in the database.
func TestGroupTellsFailuresAfterTheCommit(t *testing.T) {
	t.Parallel()
	db := openHere(t, Options{})
	mustWrite(t, db, `CREATE TABLE n (n INTEGER PRIMARY KEY)`)
	for n := range 50 {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				written := db.Write(t.Context(), add(n))
				if written != nil && !IsUnique(written) {
					t.Error(written)
				}
				var found int
				err := db.Reader().QueryRowContext(t.Context(), `SELECT count(*) FROM n WHERE n = $1`, n).Scan(&found)
				if err != nil || found != 1 {
					t.Errorf("row %d: found %d, %v after Write returned %v", n, found, err, written)
				}
			})
		}
		wg.Wait()
	}
}

// One that destroys the shared transaction does not take the others with it.
func TestGroupSurvivesALostTransaction(t *testing.T) {
	t.Parallel()
	db := openHere(t, Options{})
	mustWrite(t, db, `CREATE TABLE n (n INTEGER PRIMARY KEY)`)
	errs := together(t, db, add(1), add(2), func(ctx context.Context, tx Querier) error {
		return errors.Join(add(3)(ctx, tx), run(`ROLLBACK`)(ctx, tx), errors.New("and an error"))
	}, add(4))
	if got := rowsOf(t, db, `SELECT n FROM n ORDER BY n`); got != "1 2 4" {
		t.Errorf("rows %q", got)
	}
	for i, err := range errs {
		if (err != nil) != (i == 2) {
			t.Errorf("%d: %v", i+1, err)
		}
	}
	errs = together(t, db, add(5), func(ctx context.Context, tx Querier) error { // without an error of its own
		rows, err := tx.QueryContext(ctx, `SELECT n FROM n`) // and with rows that nobody closes
		if err != nil || !rows.Next() {
			t.Error(err)
		}
		return run(`ROLLBACK`)(ctx, tx)
	}, add(6))
	if errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Errorf("got %v", errs)
	}
	if got := rowsOf(t, db, `SELECT n FROM n ORDER BY n`); got != "1 2 4 5 6" {
		t.Errorf("rows %q", got)
	}
}

// A constraint that is checked at the commit fails only the transaction that violates it.
func TestGroupSurvivesADeferredConstraint(t *testing.T) {
	t.Parallel()
	db := openHere(t, Options{})
	mustWrite(t, db, `CREATE TABLE n (n INTEGER PRIMARY KEY REFERENCES n DEFERRABLE INITIALLY DEFERRED, of INTEGER REFERENCES n DEFERRABLE INITIALLY DEFERRED)`)
	row := func(n, of int) writeFunc { return run(`INSERT INTO n VALUES ($1, $2)`, n, of) }
	errs := together(t, db, row(1, 1), row(2, 99), row(3, 1))
	if errs[0] != nil || !isConstraint(errs[1]) || errs[2] != nil {
		t.Errorf("got %v", errs)
	}
	if got := rowsOf(t, db, `SELECT n FROM n ORDER BY n`); got != "1 3" {
		t.Errorf("rows %q", got)
	}
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	db := openHere(t, Options{})
	mustWrite(t, db, `CREATE TABLE n (n INTEGER PRIMARY KEY, b BLOB)`)
	err := db.Write(t.Context(), func(ctx context.Context, tx Querier) error {
		var pages, limit int
		if err := tx.QueryRowContext(ctx, `PRAGMA page_count`).Scan(&pages); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+10)).Scan(&limit)
	})
	if err != nil {
		t.Fatal(err)
	}
	large := run(`INSERT INTO n (b) VALUES (zeroblob(1000000))`)
	small := run(`INSERT INTO n (b) VALUES (zeroblob(10))`)
	errs := together(t, db, small, large, small)
	if errs[0] != nil || !errors.Is(errs[1], ErrDiskFull) || errs[2] != nil {
		t.Errorf("got %v", errs)
	}
	if got := rowsOf(t, db, `SELECT length(b) FROM n`); got != "10 10" {
		t.Errorf("rows %q", got)
	}
	if got := testutil.ToFloat64(db.metrics.errors.WithLabelValues(classDiskFull)); got != 1 {
		t.Errorf("counted %v errors", got)
	}
}

func TestStatementsAreBounded(t *testing.T) {
	t.Parallel()
	db := openHere(t, Options{})
	mustWrite(t, db, `CREATE TABLE n (n INTEGER PRIMARY KEY)`)
	for i := range maxStatements + 50 {
		mustWrite(t, db, fmt.Sprintf(`INSERT INTO n VALUES (%d)`, i))
	}
	if n := len(db.engine.(*sqliteEngine).group.stmts.byQ); n > maxStatements {
		t.Errorf("%d statements are prepared", n)
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	const text = "a {{id}}, b {{bytes}}{{sqlite}}, only lite {{int}}{{end}}{{postgres}}, only pg {{end}}{{postgres}}{{json}}{{end}}"
	for d, want := range map[Dialect]string{
		SQLite:   "a INTEGER PRIMARY KEY AUTOINCREMENT, b BLOB, only lite INTEGER",
		Postgres: "a BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, b BYTEA, only pg JSONB",
	} {
		if got, err := d.render(text); got != want || err != nil {
			t.Errorf("%s: got %q, %v", d, got, err)
		}
	}
	for _, bad := range []string{"{{float}}", "{{sqlite}} without end", "{{ id }}"} {
		if got, err := SQLite.render(bad); err == nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

func TestUndivided(t *testing.T) {
	t.Parallel()
	const begin, end = "-- +goose StatementBegin\n", "-- +goose StatementEnd\n"
	for text, want := range map[string]string{
		"-- About.\n\n-- +goose Up\nA;\n-- why\nB;\n\n-- +goose Down\nC;": "-- About.\n\n-- +goose Up\n" + begin + "A;\n-- why\nB;\n\n" + end + "-- +goose Down\n" + begin + "C;\n" + end,
		"-- +goose Up\nA;\n" + begin + "B; C;\n" + end + "D;\n":           "-- +goose Up\n" + begin + "A;\nB; C;\nD;\n\n" + end,
		"-- +goose NO TRANSACTION\n-- +goose Up\nA;\n":                    "-- +goose NO TRANSACTION\n-- +goose Up\nA;\n",
		"-- +goose ENVSUB ON\n-- +goose Up\nA;\n":                         "-- +goose ENVSUB ON\n-- +goose Up\n" + begin + "A;\n\n" + end,
	} {
		if got := undivided(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// Every migration can be read in both dialects, and has a number of its own.
func TestMigrationFiles(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	numbers := map[string]string{}
	for _, name := range names {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		if other, taken := numbers[number]; taken || len(number) != 4 {
			t.Errorf("%s: its number is taken by %q or has not four digits", name, other)
		}
		numbers[number] = name
		for _, d := range []Dialect{SQLite, Postgres} {
			text, err := fs.ReadFile(rendered{migrationFiles, d}, name)
			if err != nil || !strings.Contains(string(text), "-- +goose Up") {
				t.Errorf("%s for %s: %v", name, d, err)
			}
		}
	}
}

// A migration that comes in late, with a number below those that have run, runs too, and one that
// fails leaves the schema as it was.
func TestMigrationsOutOfOrder(t *testing.T) {
	t.Parallel()
	db := openHere(t, Options{})
	pool := db.engine.(*sqliteEngine).writes
	db.engine.(*sqliteEngine).group.close() // frees the only writing connection
	file := func(sql string) *fstest.MapFile { return &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)} }
	files := fstest.MapFS{"migrations/9002_b.sql": file("CREATE TABLE b (id {{id}});")}
	up := func() error { return migrate(t.Context(), pool, SQLite, files, slog.New(slog.DiscardHandler)) }
	for range 2 {
		if err := up(); err != nil {
			t.Fatal(err)
		}
	}
	files["migrations/9001_a.sql"] = file("CREATE TABLE a (id {{id}});")
	if err := up(); err != nil {
		t.Fatal(err)
	}
	files["migrations/9003_c.sql"] = file("CREATE TABLE c (id {{id}});\nCREATE TABLE a (id {{id}});")
	if err := up(); err == nil || !strings.Contains(err.Error(), "9003") {
		t.Errorf("a broken migration: %v", err)
	}
	if got := rowsOf(t, db, `SELECT name FROM sqlite_master WHERE name IN ('a', 'b', 'c') ORDER BY name`); got != "a b" {
		t.Errorf("tables %q", got)
	}
}

func TestVersionLess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"3.51.2", "3.51.3", true},
		{"3.51.3", "3.51.3", false},
		{"3.53.0", "3.51.3", false},
		{"3.9.9", "3.51.3", true},
		{"4", "3.51.3", false},
		{"3.51", "3.51.3", true},
		{"3.x.9", "3.51.3", true},
		{"", "3.51.3", true},
	} {
		if got := versionLess(c.a, c.b); got != c.want {
			t.Errorf("versionLess(%q, %q) = %v", c.a, c.b, got)
		}
	}
}
