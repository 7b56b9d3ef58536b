package store_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestReopening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pg := storetest.PostgresURL(t)
	for _, url := range []string{"sqlite", pg} {
		for i := range 3 {
			db, err := store.Open(t.Context(), url, store.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				numbers(t, db)
			}
			if err := db.Write(t.Context(), insert(i)); err != nil {
				t.Error(err)
			}
			if n := count(t, db, `SELECT count(*) FROM numbers`); n != i+1 {
				t.Errorf("opened %d times: %d rows", i+1, n)
			}
			for range 2 {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
			if err := db.Write(t.Context(), insert(100)); !errors.Is(err, store.ErrClosed) {
				t.Errorf("writing after Close: %v", err)
			}
		}
	}
}

// Close waits for what has begun and answers what has not.
func TestCloseAnswersEveryWriter(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		numbers(t, db)
		var committed, closed atomic.Int64
		var wg sync.WaitGroup
		begun := make(chan struct{}, 400)
		for i := range 400 {
			wg.Go(func() {
				begun <- struct{}{}
				switch err := db.Write(t.Context(), insert(i)); {
				case err == nil:
					committed.Add(1)
				case errors.Is(err, store.ErrClosed):
					closed.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		for range 200 {
			<-begun
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if n := committed.Load() + closed.Load(); n != 400 {
			t.Errorf("%d of 400 were answered", n)
		}
	})
}

func TestSQLiteFilesArePrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "heliograph.db"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	db := storetest.Open(t, "sqlite", dir)
	numbers(t, db)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	t.Parallel()
	corrupt := t.TempDir()
	if err := os.WriteFile(filepath.Join(corrupt, "heliograph.db"), bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	pg := storetest.PostgresURL(t)
	for name, c := range map[string]struct{ url, dir, want string }{
		"unknown url":       {"mysql://u:s3cret@h/d", "", "begin with postgres://"},
		"no directory":      {"sqlite", filepath.Join(t.TempDir(), "none"), "create the data directory first"},
		"not a database":    {"sqlite", corrupt, "restore it from a backup"},
		"bad port":          {"postgres://u:s3cret@h:port/d", "", "url"},
		"bad escape":        {"postgres://u:s3cret%@h/d", "", "percent-encode"},
		"bad parameter":     {"postgres://u:s3cret@h/d?sslmode=s3cret", "", "url"},
		"no such database":  {strings.Replace(pg, "/postgres?", "/none?password=s3cret&", 1), "", "create the database first"},
		"no such authority": {"postgres://u:s3cret@h/d?sslrootcert=/none&sslmode=verify-full", "", "/none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := store.Open(t.Context(), c.url, store.Options{Dir: c.dir})
			if err == nil {
				t.Fatal("it opened", db.Close())
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q does not say %q", err, c.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the password is in %q", err)
			}
		})
	}
}

// A server that is not there is waited for, but not longer than the caller wants.
func TestOpenWaitsForPostgres(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := store.Open(ctx, "postgres://u:s3cret@/d?host="+t.TempDir(), store.Options{})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) < 300*time.Millisecond {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}
