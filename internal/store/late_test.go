package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"heliograph/internal/store"
)

// A database that cannot be opened at the start is opened when it can be.
func TestOpenLate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	obstacle := filepath.Join(dir, "heliograph.db")
	if err := os.Mkdir(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := store.OpenLate(t.Context(), "sqlite", store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	nothing := func(context.Context, store.Querier) error { return nil }
	if err := db.Write(t.Context(), nothing); !errors.Is(err, store.ErrAway) {
		t.Errorf("writing before: %v", err)
	}
	var one int
	if err := db.Reader().QueryRowContext(t.Context(), "SELECT 1").Scan(&one); !errors.Is(err, store.ErrAway) {
		t.Errorf("reading before: %v", err)
	}
	if db.Dialect() != store.SQLite {
		t.Errorf("dialect %q", db.Dialect())
	}
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); db.Write(t.Context(), nothing) != nil; {
		if time.Now().After(deadline) {
			t.Fatal("it was not opened")
		}
		<-time.After(10 * time.Millisecond)
	}
	if err := db.Reader().QueryRowContext(t.Context(), "SELECT 1").Scan(&one); err != nil || one != 1 {
		t.Errorf("reading after: %d, %v", one, err)
	}
	for range 2 {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenLateTellsMistakes(t *testing.T) {
	t.Parallel()
	if _, err := store.OpenLate(t.Context(), "mysql://x", store.Options{Dir: t.TempDir()}); err == nil {
		t.Error("no error")
	}
	db, err := store.OpenLate(t.Context(), "postgres://nobody@127.0.0.1:1/x", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil { // while it is tried
		t.Error(err)
	}
}
