package journal_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// A body is read while another has the journal open.
func TestReadBodyBesideTheJournal(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		dir := t.TempDir()
		keyFile := filepath.Join(dir, "master.key")
		q := queue.Open(db, queue.Options{})
		defer q.Close()
		j, err := journal.Open(t.Context(), journal.Options{Dir: filepath.Join(dir, "journal"), KeyFile: keyFile, Store: db, Queue: q, Sync: config.SyncAlways})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := j.Close(); err != nil {
				t.Error(err)
			}
		}()
		env := &journal.Envelope{ID: journal.NewID(time.Now()), Kind: journal.KindSubmission, Received: time.Now(), DotStuffed: true}
		p := j.Begin(env)
		if _, err := io.WriteString(p, "Subject: x\r\n\r\n..dot\r\n"); err != nil {
			t.Fatal(err)
		}
		if err := p.Seal(t.Context(), env); err != nil {
			t.Fatal(err)
		}
		p.Commit(journal.Verdict{Code: 250, At: time.Now()})
		var e journal.Entry
		deadline, tick := time.NewTimer(30*time.Second), time.NewTicker(5*time.Millisecond)
		defer deadline.Stop()
		defer tick.Stop()
		for {
			if e, err = journal.ReadEntry(t.Context(), db.Reader(), env.ID); !errors.Is(err, journal.ErrNotFound) {
				break
			}
			select {
			case <-tick.C:
			case <-deadline.C:
				t.Fatal("the entry is never indexed")
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := journal.ReadBody(filepath.Join(dir, "journal"), keyFile, e)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		if err = errors.Join(err, body.Close()); err != nil || string(text) != "Subject: x\r\n\r\n.dot\r\n" {
			t.Errorf("got %q, %v", text, err)
		}
		if _, err := journal.ReadBody(filepath.Join(dir, "journal"), filepath.Join(dir, "none"), e); err == nil {
			t.Error("there is no key, and yet it could be read")
		}
		if _, err := os.Stat(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
			t.Error("a key file was made")
		}
	})
}
