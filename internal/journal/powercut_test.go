package journal_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/journal/journaltest"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

// wipe makes db as good as new for the journal, sooner than a new one is made.
func wipe(t *testing.T, db *store.DB) {
	t.Helper()
	err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
		for _, table := range []string{"entries", "ledger", "jobs", "journal_checkpoints", "mailbox_uids", "mailboxes"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPowerCuts(t *testing.T) {
	t.Parallel()
	disk := journaltest.NewDisk()
	o := journal.Options{
		Dir: "/journal", KeyFile: filepath.Join(t.TempDir(), "key"), FS: disk,
		SegmentBytes: 64 << 10, UnconfirmedAfter: time.Hour,
	}
	b := start(t, storetest.SQLite(t), o)
	number := map[journal.ID]int{}
	for n := range 40 {
		p, id := b.seal(10*n, nil)
		number[id] = 10 * n
		disk.Note(id)
		if n%3 == 2 {
			p.Discard("550 no")
		} else {
			p.Commit(accepted)
		}
	}
	b.close()
	db := storetest.SQLite(t)
	cuts := 0
	for cut := range disk.Cuts {
		if cuts++; cuts%3 != 0 { // package segment tests every cut
			continue
		}
		t.Run(fmt.Sprintf("cut %d before %v", cut.N, cut.Next), func(t *testing.T) {
			o := o
			o.FS = cut.Disk(journaltest.LoseSome, 1)
			wipe(t, db)
			b := start(t, db, o)
			last, id := b.seal(1, nil)
			last.Commit(accepted)
			b.untilState(id, journal.StateConfirmed)
			for _, note := range cut.Notes {
				rows, err := b.j.Ledger(t.Context(), journal.LedgerFilter{Entry: note.(journal.ID)})
				if err != nil || len(rows) != 1 {
					t.Fatalf("ledger of a sealed message: %+v, %v", rows, err)
				}
			}
			entries, err := b.j.Entries(t.Context(), journal.Filter{Limit: 1000})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.ID != id {
					b.wantBody(e, plain(number[e.ID]))
				}
			}
		})
	}
	if cuts < 60 {
		t.Errorf("only %d power cuts", cuts)
	}
}
