package actions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/hooks/contacts"
	"heliograph/hooks/rules"
	"heliograph/internal/journal"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// then is when the stored things of these tests happened.
var then = time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)

const storedMail = "From: Li Lei <li@customer.org>\r\nTo: sales@example.com\r\nSubject: =?utf-8?b?6K+i5Lu3?=\r\nDate: Mon, 02 Mar 2026 10:00:00 +0800\r\nMessage-ID: <m1@customer.org>\r\n\r\nSO-1\r\n"

// keep puts a message into the store as journal and mirror do.
func keep(t *testing.T, db *store.DB, id journal.ID, key string, kind journal.Kind, at time.Time) {
	t.Helper()
	envelope := `{"id":"` + id.String() + `","kind":"` + string(kind) + `","account":"sales@example.com","upstream":"main","mailbox":"INBOX","received":"` + at.Format(time.RFC3339) + `"}`
	statements := []struct {
		query string
		args  []any
	}{
		{
			`INSERT INTO entries (id, node, segment, pos, kind, account, upstream, state, reverse_path, received, sealed_at, size, envelope, code, reply, verdict_at, queued, settled, mailbox, uidvalidity, uid)
			VALUES ($1, 'main', 1, 64, $2, 'sales@example.com', 'main', 'confirmed', '', $3, $3, 100, $4, 0, '', $3, 1, 0, 'INBOX', 1, 1)`, []any{id.String(), string(kind), store.Micros(at), envelope},
		},
		{
			`INSERT INTO messages (key, message_id, thread, direction, sent_at, first_seen, last_seen) VALUES ($1, $2, 't1', 'inbound', $3, $4, $4) ON CONFLICT (key) DO NOTHING`,
			[]any{key, key + "@customer.org", store.Micros(at), store.Micros(at.Add(time.Second))},
		},
		{`INSERT INTO sightings (entry, message_key, kind, account, seen_at, unconfirmed, excluded) VALUES ($1, $2, $3, 'sales@example.com', $4, 0, '')`, []any{id.String(), key, string(kind), store.Micros(at)}},
	}
	err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
		for _, s := range statements {
			if _, err := tx.ExecContext(ctx, s.query, s.args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func change(t *testing.T, db *store.DB, seq int, kind, fields string, at time.Time) {
	t.Helper()
	err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO change_events (seq, target, object, record, kind, fields, who, url, changed_at, seen_at) VALUES ($1, 'crm', 'deal', '7', $2, $3, '', '', 0, $4)`,
			seq, kind, fields, store.Micros(at))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func storedWorld(db *store.DB, now time.Time) *Stored {
	w := NewStored(StoredOptions{
		Store: db, Book: contacts.New(contacts.Options{Store: db, Config: config.Contacts{}}), Target: "crm",
		Internal: func(a string) bool { return strings.HasSuffix(a, "@example.com") },
		Body: func(context.Context, journal.Entry) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(storedMail)), nil
		},
	})
	w.Clock(func() time.Time { return now })
	return w
}

func TestThePastInItsOrder(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keep(t, db, journal.NewID(then), "m1", journal.KindFetch, then)
		keep(t, db, journal.NewID(then.Add(time.Hour)), "m2", journal.KindFetch, then.Add(time.Hour))
		keep(t, db, journal.NewID(then.Add(2*time.Hour)), "m3", journal.KindBackfill, then.Add(2*time.Hour))
		keep(t, db, journal.NewID(then.Add(-time.Hour)), "before", journal.KindFetch, then.Add(-time.Hour))
		change(t, db, 4, "changed", `{"stage":{"old":"new","new":"open"}}`, then.Add(30*time.Minute))
		change(t, db, 5, "changed", `{"stage":{"old":"open","new":"won"}}`, then.Add(90*time.Minute))
		change(t, db, 6, "changed", `{"stage":{"old":"won","new":"lost"}}`, then.Add(5*time.Hour))
		past, err := storedWorld(db, then).Past(t.Context(), then, then.Add(4*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for {
			one, err := past.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, one.Event.Type+" "+one.Event.Key+" "+one.At.UTC().Format("15:04:05"))
			if one.Event.Type == rules.TypeMail && (one.Event.Title != "询价" || one.Event.Thread != "t1" || one.Event.Message != one.Event.Key) {
				t.Errorf("the event is %+v", one.Event)
			}
		}
		want := "mail m1 02:00:01, record change 4 02:30:00, mail m2 03:00:01, record change 5 03:30:00"
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("the past is %s, want %s", text, want)
		}
		if past.Skipped[skipBackfill.En] != 1 || len(past.Skipped) != 1 {
			t.Errorf("skipped are %v, want the old mail", past.Skipped)
		}
	})
}

func TestStoredRecordsAreAsOfTheTime(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO change_records (target, object, record, vals, generation) VALUES ('crm', 'deal', '7', '{"stage":"won","amount":5}', 0)`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		change(t, db, 1, "made", `{"stage":{"old":null,"new":"new"}}`, then.Add(-time.Hour))
		change(t, db, 2, "changed", `{"stage":{"old":"new","new":"won"}}`, then.Add(time.Hour))
		for at, want := range map[time.Duration]any{0: "new", 2 * time.Hour: "won"} {
			r, err := storedWorld(db, then.Add(at)).Record(t.Context(), "crm", "deal", "7")
			if err != nil || r["stage"] != want || r["_id"] != "7" {
				t.Errorf("after %s the record is %v, %v, want stage %v", at, r, err, want)
			}
		}
		for name, ask := range map[string]func(w *Stored) error{
			"a record before it was made": func(w *Stored) error { _, err := w.Record(t.Context(), "crm", "deal", "7"); return err },
			"a record of another object":  func(w *Stored) error { _, err := w.Record(t.Context(), "crm", "order", "7"); return err },
			"a query":                     func(w *Stored) error { _, err := w.Query(t.Context(), "crm", "deal", nil, nil, 1); return err },
			"a contact":                   func(w *Stored) error { _, err := w.Contact(t.Context(), "x@customer.org"); return err },
			"a company":                   func(w *Stored) error { _, err := w.Company(t.Context(), "x@customer.org"); return err },
			"a thread of later":           func(w *Stored) error { _, err := w.Thread(t.Context(), "t1", "m1"); return err },
		} {
			if err := ask(storedWorld(db, then.Add(-2*time.Hour))); !unknowable(err) {
				t.Errorf("%s: error is %v, want that nobody knows", name, err)
			}
		}
	})
}

func TestStoredSeesWhatIsImagined(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := storedWorld(db, then)
		w.Follow(&rules.Effect{Kind: rules.EffectUpdate, Record: &rules.RecordWrite{Target: "crm", Object: "deal", ID: "7", Fields: map[string]any{"stage": "won"}}}, nil)
		w.Follow(&rules.Effect{Kind: rules.EffectCreate, Record: &rules.RecordWrite{Target: "crm", Object: "task", Fields: map[string]any{"name": "call"}}}, map[string]any{"id": "imagined-1"})
		w.Follow(&rules.Effect{Kind: rules.EffectTag, Tags: &rules.Tagging{Message: "m1", Add: []string{"b", "a"}}}, nil)
		w.Follow(&rules.Effect{Kind: rules.EffectTag, Tags: &rules.Tagging{Message: "m1", Remove: []string{"b"}}}, nil)
		if r, err := w.Record(t.Context(), "crm", "deal", "7"); err != nil || r["stage"] != "won" {
			t.Errorf("the changed record is %v, %v", r, err)
		}
		if r, err := w.Record(t.Context(), "crm", "task", "imagined-1"); err != nil || r["name"] != "call" {
			t.Errorf("the new record is %v, %v", r, err)
		}
		if tags, err := w.Tags(t.Context(), "m1"); err != nil || len(tags) != 1 || tags[0] != "a" {
			t.Errorf("tags are %v, %v", tags, err)
		}
	})
}

func TestMailFiles(t *testing.T) {
	t.Parallel()
	w := NewStored(StoredOptions{
		Internal: func(a string) bool { return strings.HasSuffix(a, "@example.com") },
		Groups:   map[string][]string{"sales": {"Sales@example.com"}, "all": {"*@example.com"}, "others": {"x@example.com"}},
	})
	open := func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(storedMail)), nil }
	ev, err := w.FileEvent(t.Context(), open, FileOptions{Mailbox: "INBOX", ID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	mail, _ := ev.Data["mail"].(map[string]any)
	if mail["direction"] != "in" || mail["account"] != "sales@example.com" || mail["subject"] != "询价" || mail["correspondent"] != "li@customer.org" || !ev.At.Equal(then) {
		t.Errorf("the event is %+v", ev)
	}
	if groups := fmt.Sprint(mail["groups"]); groups != "[all sales]" {
		t.Errorf("the account is in the groups %s", groups)
	}
	if ev, err = w.FileEvent(t.Context(), open, FileOptions{Direction: "out", Account: "x@example.com", Received: then.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if mail, _ := ev.Data["mail"].(map[string]any); mail["direction"] != "out" || mail["account"] != "x@example.com" || !ev.At.Equal(then.Add(time.Hour)) {
		t.Errorf("the event is %+v", ev)
	}
}
