package audit_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/internal/console/audit"
	"heliograph/internal/journal/segment"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const day = 24 * time.Hour

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// rig is a record and what it is made of.
type rig struct {
	*audit.Log
	t     *testing.T
	db    *store.DB
	keys  *segment.Keyring
	clock *clock
}

func newRig(t *testing.T, db *store.DB) *rig {
	t.Helper()
	r := &rig{t: t, db: db, keys: segment.NewKeyring(), clock: &clock{at: noon}}
	r.Log = r.another(audit.Options{})
	return r
}

// another is another process with the same database and key.
func (r *rig) another(o audit.Options) *audit.Log {
	r.t.Helper()
	o.Store, o.Keep, o.Now = r.db, 200*day, r.clock.now
	if o.Keys == nil {
		o.Keys = r.keys.Derive(audit.Purpose)
	}
	l, err := audit.New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	return l
}

func (r *rig) record(events ...audit.Event) {
	r.t.Helper()
	for _, e := range events {
		if err := r.Record(r.t.Context(), e); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) verdict() audit.Verdict {
	r.t.Helper()
	v, err := r.Verify(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// whole wants a chain that is not broken.
func (r *rig) whole(rows int64) {
	r.t.Helper()
	if v := r.verdict(); v.Broken != nil || v.Rows != rows {
		r.t.Fatalf("got %d rows, broken %+v, want %d and a whole chain", v.Rows, v.Broken, rows)
	}
}

func (r *rig) exec(query string, args ...any) {
	r.t.Helper()
	err := r.db.Write(r.t.Context(), func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
}

func (r *rig) list(f audit.Filter) []audit.Row {
	r.t.Helper()
	rows, err := r.List(r.t.Context(), f)
	if err != nil {
		r.t.Fatal(err)
	}
	return rows
}

// change is an event with all fields.
func change(n int) audit.Event {
	return audit.Event{
		Person: "Wang@example.com", Role: "admin", Via: audit.ViaToken, Credential: "tok_1", Address: "192.0.2.7", Action: "holdRule", Kind: "rule",
		Object: fmt.Sprintf("rule-%d", n), Outcome: audit.Allowed, Details: map[string]any{"reason": "complaints", "n": n},
	}
}

func look(object string) audit.Event {
	return audit.Event{Person: "li@example.com", Role: "agent", Via: audit.ViaSession, Action: "getMessage", Kind: "message", Object: object, View: true}
}

func TestRecordAndList(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.whole(0)
		for n := range 5 {
			r.record(change(n))
			r.clock.add(time.Minute)
		}
		r.record(audit.Event{Via: audit.ViaSession, Action: "signIn", Outcome: audit.Refused, Address: strings.Repeat("长", 400) + "\x00"})
		r.whole(6)
		for _, c := range []struct {
			name   string
			filter audit.Filter
			want   []int64
		}{
			{"all", audit.Filter{}, []int64{6, 5, 4, 3, 2, 1}},
			{"a page", audit.Filter{Before: 4, Limit: 2}, []int64{3, 2}},
			{"a person", audit.Filter{Person: "wang@EXAMPLE.com"}, []int64{5, 4, 3, 2, 1}},
			{"an action", audit.Filter{Action: "signIn"}, []int64{6}},
			{"a beginning", audit.Filter{Action: "hold*", Limit: 1}, []int64{5}},
			{"an object", audit.Filter{Kind: "rule", Object: "rule-2"}, []int64{3}},
			{"an outcome", audit.Filter{Outcome: audit.Refused}, []int64{6}},
			{"a way", audit.Filter{Via: audit.ViaSession}, []int64{6}},
			{"a time", audit.Filter{From: noon.Add(time.Minute), To: noon.Add(3 * time.Minute)}, []int64{3, 2}},
		} {
			var got []int64
			for _, row := range r.list(c.filter) {
				got = append(got, row.Seq)
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%s: got %v, want %v", c.name, got, c.want)
			}
		}
		row := r.list(audit.Filter{Object: "rule-0"})[0]
		if row.Person != "wang@example.com" || row.Role != "admin" || row.Credential != "tok_1" || row.Address != "192.0.2.7" || row.Details != `{"n":0,"reason":"complaints"}` || !row.At.Equal(noon) {
			t.Errorf("got %+v", row)
		}
	})
}

func TestRecordInTransaction(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		no := errors.New("no")
		for _, want := range []error{nil, no} {
			err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
				return errors.Join(r.RecordTx(ctx, tx, change(1)), r.RecordTx(ctx, tx, change(2)), want)
			})
			if !errors.Is(err, want) {
				t.Fatal(err)
			}
		}
		r.whole(2)
	})
}

// Eight writers in two processes, each change and view of them: one chain.
func TestWritersMakeOneChain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		other := r.another(audit.Options{})
		var wg sync.WaitGroup
		for w := range 8 {
			l := r.Log
			if w%2 == 1 {
				l = other
			}
			wg.Go(func() {
				for n := range 12 {
					if err := l.Record(t.Context(), change(w*100+n)); err != nil {
						t.Error(err)
					}
					if err := l.Record(t.Context(), look(fmt.Sprint(n%3))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		r.whole(8 * 12)
		open, err := r.Open(t.Context(), audit.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		count := int64(0)
		for _, v := range open {
			count += v.Count
		}
		if len(open) != 3 || count != 8*12 {
			t.Errorf("got %d views, counted %d, want 3 and 96", len(open), count)
		}
	})
}

func TestRepeatedViewsAreOneRow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		for range 4 {
			r.record(look("m1"))
			r.clock.add(2 * time.Minute)
		}
		r.record(look("m2"))
		if rows := r.list(audit.Filter{}); len(rows) != 0 {
			t.Fatalf("got %+v, want nothing before the time is over", rows)
		}
		r.clock.add(3 * time.Minute) // m1 is over, m2 is not
		r.record(look("m1"))
		rows := r.list(audit.Filter{})
		if len(rows) != 1 || rows[0].Count != 4 || rows[0].Object != "m1" || !rows[0].At.Equal(noon) || !rows[0].Until.Equal(noon.Add(6*time.Minute)) {
			t.Fatalf("got %+v", rows)
		}
		open, err := r.Open(t.Context(), audit.Filter{Object: "m1"})
		if err != nil || len(open) != 1 || open[0].Count != 1 || open[0].Seq != 0 {
			t.Fatalf("got %+v, %v", open, err)
		}
		r.whole(1)
	})
}

// What a started log counts in memory is written when it closes.
func TestCloseWritesViews(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		l := r.another(audit.Options{Anchor: filepath.Join(t.TempDir(), "end")})
		l.Start()
		for range 50 {
			if err := l.Record(t.Context(), look("m1")); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		open, err := r.Open(t.Context(), audit.Filter{})
		if err != nil || len(open) != 1 || open[0].Count != 50 {
			t.Fatalf("got %+v, %v", open, err)
		}
	})
}

// A view that was changed while it was counted says so in the chain.
func TestChangedViewIsMarked(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		r.record(look("m1"), look("m2"))
		r.exec(`UPDATE audit_views SET person = 'somebody@example.com' WHERE object = 'm1'`)
		r.record(look("m1"))
		rows := r.list(audit.Filter{Object: "m1"})
		if len(rows) != 1 || rows[0].Details != `{"not_as_recorded":true}` {
			t.Fatalf("got %+v", rows)
		}
	})
}

func TestVerifyFindsEachChange(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		for n := range 3 {
			r.record(change(n))
		}
		for _, column := range []string{
			"seq", "at", "until", "count", "person", "role", "via", "credential", "address", "action", "kind", "object", "outcome", "details", "hash", "key", "mac",
		} {
			for seq := range int64(3) {
				other := "'x'"
				switch column {
				case "seq":
					other = "seq + 10"
				case "at", "until", "count":
					other = column + " + 1"
				}
				back := fmt.Sprintf("UPDATE audit_rows SET %s = (SELECT %s FROM kept WHERE kept.hash = audit_rows.hash OR kept.mac = audit_rows.mac)", column, column)
				r.exec(`CREATE TABLE kept AS SELECT * FROM audit_rows`)
				r.exec(fmt.Sprintf("UPDATE audit_rows SET %s = %s WHERE seq = $1", column, other), seq+1)
				if v := r.verdict(); v.Broken == nil || v.Broken.Seq > seq+1 {
					t.Errorf("%s of row %d: got %+v", column, seq+1, v.Broken)
				}
				r.exec(back)
				r.exec(`DROP TABLE kept`)
				r.whole(3)
			}
		}
	})
}

func TestVerifyFindsOtherRows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   []string
		seq  int64
		code audit.Code
	}{
		"removed":           {[]string{`DELETE FROM audit_rows WHERE seq = 3`}, 3, audit.RowMissing},
		"the first removed": {[]string{`DELETE FROM audit_rows WHERE seq = 1`}, 1, audit.RowMissing},
		"the last removed":  {[]string{`DELETE FROM audit_rows WHERE seq = 5`}, 5, audit.EndMissing},
		"the last removed, with the head": {[]string{
			`DELETE FROM audit_rows WHERE seq = 5`, `UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit_rows WHERE seq = 4)`,
		}, 4, audit.EndMissing},
		"all removed":  {[]string{`DELETE FROM audit_rows`}, 1, audit.EndMissing},
		"all as never": {[]string{`DELETE FROM audit_rows`, `UPDATE audit_head SET seq = 0, hash = '', key = '', mac = ''`}, 1, audit.EndMissing},
		"swapped": {[]string{
			`UPDATE audit_rows SET seq = 99 WHERE seq = 2`, `UPDATE audit_rows SET seq = 2 WHERE seq = 3`, `UPDATE audit_rows SET seq = 3 WHERE seq = 99`,
		}, 2, audit.RowChanged},
		"appended": {[]string{
			`INSERT INTO audit_rows SELECT 6, at, until, count, person, role, via, credential, address, action, kind, object, outcome, details, hash, key, mac FROM audit_rows WHERE seq = 5`,
		}, 6, audit.RowChanged},
		"put before": {[]string{
			`INSERT INTO audit_rows SELECT -1, at, until, count, person, role, via, credential, address, action, kind, object, outcome, details, hash, key, mac FROM audit_rows WHERE seq = 5`,
		}, -1, audit.RowForged},
		"cut off with a made checkpoint": {[]string{
			`INSERT INTO audit_checkpoints SELECT seq, hash, at, key, mac FROM audit_rows WHERE seq = 2`, `DELETE FROM audit_rows WHERE seq < 3`,
		}, 2, audit.CheckpointMissing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, storetest.SQLite(t))
			anchor := filepath.Join(t.TempDir(), "end")
			r.Log = r.another(audit.Options{Anchor: anchor})
			for n := range 5 {
				r.record(change(n))
			}
			if err := r.Close(t.Context()); err != nil { // notes the end
				t.Fatal(err)
			}
			r.whole(5)
			for _, q := range c.do {
				r.exec(q)
			}
			v := r.verdict()
			if v.Broken == nil || v.Broken.Seq != c.seq || v.Broken.Code != c.code {
				t.Errorf("got %+v, want %s at row %d", v.Broken, c.code, c.seq)
			}
		})
	}
}

// Who can write the database and has another key can make a chain, but not ours.
func TestVerifyNeedsTheKey(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t))
	r.record(change(1))
	stranger := r.another(audit.Options{Keys: segment.NewKeyring().Derive(audit.Purpose)})
	if err := stranger.Record(t.Context(), change(2)); err != nil {
		t.Fatal(err)
	}
	if v := r.verdict(); v.Broken == nil || v.Broken.Code != audit.KeyMissing || v.Broken.Seq != 2 {
		t.Errorf("got %+v", v.Broken)
	}
	both := r.another(audit.Options{Keys: append(segment.NewKeyring().Derive(audit.Purpose), r.keys.Derive(audit.Purpose)...)})
	v, err := both.Verify(t.Context())
	if err != nil || v.Rows != 1 {
		t.Errorf("got %+v, %v: an older key reads", v, err)
	}
}

func TestPruneKeepsTheRestVerifiable(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRig(t, db)
		for n := range 10 {
			r.record(change(n))
			r.clock.add(50 * day)
		}
		for range 2 { // the second time there is nothing to do
			if err := r.Prune(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		v := r.verdict() // noon + 500 days: rows before day 300 are gone, the last one says so
		if v.Broken != nil || v.First != 7 || v.Last != 11 || v.Rows != 5 {
			t.Fatalf("got %+v, broken %+v", v, v.Broken)
		}
		if row := r.list(audit.Filter{Limit: 1})[0]; row.Action != "pruneAudit" || row.Details != `{"rows":6,"through":6}` {
			t.Errorf("got %+v", row)
		}
		r.exec(`UPDATE audit_rows SET person = '' WHERE seq = 7`)
		r.clock.add(400 * day)
		if err := r.Prune(t.Context()); err == nil {
			t.Error("a broken row was removed")
		}
		r.exec(`DELETE FROM audit_rows WHERE seq = 7`)
		if v := r.verdict(); v.Broken == nil || v.Broken.Seq != 7 {
			t.Errorf("got %+v", v.Broken)
		}
	})
}

func TestShortKeepIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := audit.New(audit.Options{Keys: [][]byte{{1}}, Keep: 179 * day}); err == nil {
		t.Error("179 days were taken")
	}
}

// A change that cannot be recorded is refused; so are views, once one could not be written.
func TestNothingGoesUnrecorded(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t))
	r.exec(`ALTER TABLE audit_head RENAME TO audit_gone`)
	if err := r.Record(t.Context(), change(1)); err == nil {
		t.Error("a change was taken")
	}
	if err := r.Record(t.Context(), look("m1")); err == nil {
		t.Error("a view was taken")
	}
	r.exec(`ALTER TABLE audit_gone RENAME TO audit_head`)
	r.record(look("m1"))
	open, err := r.Open(t.Context(), audit.Filter{})
	if err != nil || len(open) != 1 || open[0].Count != 2 {
		t.Errorf("got %+v, %v: what could not be written is not lost", open, err)
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t))
	e := change(1)
	e.Object = `=HYPERLINK("https://evil.example")`
	r.record(e, change(2))
	var text bytes.Buffer
	if err := r.ExportCSV(t.Context(), &text, audit.Filter{}); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text.String(), "\ufeff"))).ReadAll()
	if err != nil || len(records) != 3 {
		t.Fatalf("got %v, %v", records, err)
	}
	if got := records[1][11]; got != "'"+e.Object {
		t.Errorf("got %s, want no formula", got)
	}
	text.Reset()
	if err := r.ExportJSON(t.Context(), &text, audit.Filter{Object: "rule-2"}); err != nil {
		t.Fatal(err)
	}
	var line struct {
		Seq     int64
		Object  string
		Details map[string]any
		Hash    string
	}
	if err := json.Unmarshal(text.Bytes(), &line); err != nil || line.Seq != 2 || line.Object != "rule-2" || line.Details["reason"] != "complaints" || line.Hash == "" {
		t.Errorf("got %+v, %v of %s", line, err, text.String())
	}
}

func TestAnchorThatIsNotOurs(t *testing.T) {
	t.Parallel()
	r := newRig(t, storetest.SQLite(t))
	file := filepath.Join(t.TempDir(), "end")
	r.Log = r.another(audit.Options{Anchor: file})
	r.record(change(1))
	for _, text := range []string{"{", `{"seq":1,"hash":"x"}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if v := r.verdict(); v.Broken == nil || v.Broken.Code == "" {
			t.Errorf("%s: got %+v", text, v.Broken)
		}
	}
}
