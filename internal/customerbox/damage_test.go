package customerbox_test

import (
	"context"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/internal/customerbox"
	"heliograph/internal/limit"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
	"heliograph/proxy/upstream"
)

// change writes to the store what must not be there.
func (w *world) change(query string, args ...any) {
	w.t.Helper()
	must(w.t, w.db.Write(w.t.Context(), func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	}))
}

func TestDamage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t), nil)
	w.fill()
	all := &imap.FetchOptions{RFC822Size: true, BodySection: []*imap.FetchItemBodySection{{}}}
	fetch := func() (int, error) {
		c := w.openZoe(chef)
		messages, err := c.Fetch(imap.SeqSetNum(1), all).Collect()
		if err != nil {
			return len(messages), err
		}
		return len(messages), c.Noop().Wait()
	}
	if n, err := fetch(); n != 1 || err != nil {
		t.Fatal(n, err)
	}

	// What is known of a message says that it is longer than it is: its end must not look like one.
	w.change(`UPDATE customerbox_entries SET structure = replace(structure, '"size":', '"size":9')`)
	if n, err := fetch(); err == nil {
		t.Errorf("a message whose end is missing is fetched as %d messages", n)
	}
	w.change(`UPDATE customerbox_entries SET structure = '{'`)
	if n, err := fetch(); n != 0 || err == nil {
		t.Errorf("%d messages of a structure that is none, %v", n, err)
	}
	// Without it the message is read again.
	w.change(`DELETE FROM customerbox_entries`)
	if n, err := fetch(); n != 1 || err != nil {
		t.Errorf("%d messages, %v", n, err)
	}

	// The journal has lost the bytes of one of two messages: the other is there.
	w.receive(bert, letter(9, "zoe@gmail.com", bert, "second", "second"))
	w.mirrored(4, 4)
	w.change(`DELETE FROM customerbox_entries`)
	w.change(`UPDATE entries SET pos = pos + 1 WHERE id = (SELECT MIN(s.entry) FROM sightings s JOIN crm_activities m ON m.key = s.message_key WHERE m.subject = 'Hello Zoe')`)
	c := w.openZoe(chef)
	messages, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, all).Collect()
	if len(messages) != 1 || err == nil {
		t.Errorf("%d messages, %v; want one and an answer that others are missing", len(messages), err)
	}
	must(t, c.Noop().Wait())

	// When the journal gives a message up, the mailbox does.
	w.change(`DELETE FROM entries WHERE id = (SELECT MIN(s.entry) FROM sightings s JOIN crm_activities m ON m.key = s.message_key WHERE m.subject = 'Hello Zoe')`)
	if got := subjects(t, w.login(chef, nil), "Customers/Zoe"); len(got) != 1 || got[0] != "second" {
		t.Errorf("the mailbox has %q", got)
	}
}

func TestNewAndClose(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t), nil)
	back := limit.NewMemory(limit.MemoryOptions{})
	defer back.Close()
	router, err := upstream.New([]config.Upstream{{Name: "main"}}, upstream.Options{})
	must(t, err)
	defer router.Close()
	o := customerbox.Options{
		Settings: customerbox.Settings{Router: router}, Store: w.db, Journal: w.journal, Failures: limit.NewFailures(back, 1),
		Registerer: prometheus.NewRegistry(),
	}
	s, err := customerbox.New(o)
	must(t, err)
	if twice, err := customerbox.New(o); err == nil {
		twice.Close()
		t.Error("two servers register the same metrics")
	}
	s.Close()
	s.Close()
	s, err = customerbox.New(o) // the first has left nothing behind
	must(t, err)
	s.Close()
	o.Store = nil
	if _, err := customerbox.New(o); err == nil {
		t.Error("a server without a store")
	}
}

// Without the store a session lives on, and says what is the matter.
func TestStoreIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t), nil)
	w.fill()
	c := w.openZoe(chef)
	w.change(`ALTER TABLE crm_companies RENAME TO gone`)
	w.change(`ALTER TABLE customerbox_mailboxes RENAME TO gone_too`)
	if _, err := c.Status("Customers/Zoe", &imap.StatusOptions{NumMessages: true}).Wait(); err == nil {
		t.Error("STATUS of a mailbox that cannot be read")
	}
	w.change(`INSERT INTO crm_contacts (name, title, phone, mobile, owner, source, note, custom, last_activity_at, version, created_at, updated_at, search)
		VALUES ('x', '', '', '', '', '', '', '{}', 0, 1, 0, 0, '')`) // makes the pulse beat
	for range 50 {
		must(t, c.Noop().Wait())
	}
	w.change(`ALTER TABLE gone RENAME TO crm_companies`)
	w.change(`ALTER TABLE gone_too RENAME TO customerbox_mailboxes`)
	w.eventually("the store answers again", func() bool {
		data, err := c.Status("Customers/Zoe", &imap.StatusOptions{NumMessages: true}).Wait()
		return err == nil && *data.NumMessages == 1
	})
}
