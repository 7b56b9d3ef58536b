package storetest

import (
	"context"
	"testing"

	"heliograph/internal/store"
)

// A schema that is used again is as a new one, to the next number of each sequence.
func TestCleanSchemaIsAsNew(t *testing.T) {
	t.Parallel()
	server := serverURL(t)
	fresh, used := PostgresURL(t), PostgresURL(t)
	current(t, server, fresh)
	current(t, server, used)
	s, ok := seedOf(server)
	if !ok {
		t.Skip("no pg_dump fits the server, so nothing is copied")
	}
	db := Open(t, used, "")
	write(t, db, `INSERT INTO archive_dirty (message_key) VALUES ('a'), ('b')`)
	if n := rows(t, db, "archive_dirty"); n != 2 {
		t.Fatalf("%d notes were written", n)
	}
	if err := execute(t, server, cleaning(schemaOf(t, used), s)); err != nil {
		t.Fatal(err)
	}
	if n := rows(t, db, "archive_dirty"); n != 0 {
		t.Errorf("%d notes are left", n)
	}
	if a, b := dumpOf(t, server, fresh), dumpOf(t, server, used); a != b {
		t.Error(difference(a, b))
	}
	write(t, db, `CREATE TABLE mine (a INTEGER)`)
	if err := execute(t, server, cleaning(schemaOf(t, used), s)); err == nil {
		t.Error("a schema with one table more was taken for clean")
	}
}

func write(t *testing.T, db *store.DB, statement string) {
	t.Helper()
	err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, statement)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func rows(t *testing.T, db *store.DB, table string) (n int) {
	t.Helper()
	if err := db.Reader().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
