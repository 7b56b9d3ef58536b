package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/internal/store"
)

const dumpTimeout = 60 * time.Second

// dumps are the statements that make a schema with all tables, by server.
var dumps struct {
	sync.Mutex
	byServer map[string]*dump
}

// dump is what pg_dump wrote about a schema that was migrated once. To run its statements is many times cheaper than to
// migrate each test's schema: above all in what it takes this process to read the migrations.
type dump struct {
	once   sync.Once
	schema string
	text   string // empty where there is no pg_dump that fits the server: each schema is migrated then
	seed   seed
	err    error
}

// seed is what a new schema has.
type seed struct {
	schema    string // of the statements
	rows      string // the statements that write what migrations write
	relations int    // tables, indexes, sequences
}

// seedOf returns the seed of a server whose dump was taken.
func seedOf(server string) (seed, bool) {
	dumps.Lock()
	d := dumps.byServer[server]
	dumps.Unlock()
	if d == nil || d.text == "" {
		return seed{}, false
	}
	return d.seed, true
}

// current fills the empty schema that u names with the current tables, if it can. What it leaves out store.Open does.
func current(t testing.TB, server, u string) {
	t.Helper()
	dumps.Lock()
	d := dumps.byServer[server]
	if d == nil {
		if dumps.byServer == nil {
			dumps.byServer = map[string]*dump{}
		}
		d = &dump{}
		dumps.byServer[server] = d
	}
	dumps.Unlock()
	d.once.Do(func() { d.take(t, server) })
	if d.err != nil {
		t.Fatalf("a schema to copy: %v", d.err)
	}
	if d.text != "" {
		schema := schemaOf(t, u)
		admin(t, server, strings.ReplaceAll(d.text, d.schema, schema))
	}
}

// take migrates a schema and keeps how it is made.
func (d *dump) take(t testing.TB, server string) {
	program, err := findBinary("pg_dump")
	if err != nil {
		return
	}
	u := freshSchema(t, server)
	d.schema = schemaOf(t, u)
	defer admin(t, server, "DROP SCHEMA "+d.schema+" CASCADE")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), dumpTimeout)
	defer cancel()
	var relations int
	db, err := store.Open(ctx, u, store.Options{})
	if err == nil {
		err = errors.Join(db.Reader().QueryRowContext(ctx, `SELECT count(*) FROM pg_class WHERE relnamespace = $1::regnamespace`, d.schema).Scan(&relations), db.Close())
	}
	if err != nil {
		d.err = err
		return
	}
	cmd := exec.CommandContext(ctx, program, "--schema="+d.schema, "--inserts", "--no-owner", "--no-privileges", "--dbname="+server)
	out, err := cmd.Output()
	if err != nil {
		return // older than the server: HELIOGRAPH_TEST_POSTGRES may name any
	}
	var all, rows strings.Builder
	inRow := false
	for line := range strings.Lines(string(out)) {
		// The schema is there already; what begins with a backslash is for psql.
		if strings.HasPrefix(line, `\`) || strings.HasPrefix(line, "--") || strings.HasPrefix(line, "CREATE SCHEMA ") {
			continue
		}
		all.WriteString(line)
		// A value may have several lines.
		if inRow = inRow || strings.HasPrefix(line, "INSERT INTO ") || strings.HasPrefix(line, "SELECT pg_catalog.setval("); inRow {
			rows.WriteString(line)
			inRow = !strings.HasSuffix(line, ");\n")
		}
	}
	d.text, d.seed = all.String(), seed{schema: d.schema, rows: rows.String(), relations: relations}
}

// schemaOf returns the schema that an url of PostgresURL names.
func schemaOf(t testing.TB, u string) string {
	t.Helper()
	parsed, err := url.Parse(u)
	if err != nil {
		t.Fatal(fmt.Errorf("the url of a schema: %w", err))
	}
	return parsed.Query().Get("search_path")
}
