package archive_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/hooks"
	"heliograph/hooks/archive"
	"heliograph/hooks/mirror"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// office is a gateway's second half without a CRM: journal, mirror and archive.
type office struct {
	t       *testing.T
	db      *store.DB
	journal *journal.Journal
	queue   *queue.Queue
	mirror  *mirror.Mirror
	archive *archive.Archive
	choices *scope.Choices
	offers  bool // messages are given to the archive as they are parsed
}

func internal(address string) bool { return strings.HasSuffix(address, "@corp.example") }

func open(t *testing.T, db *store.DB) *office {
	t.Helper()
	w := &office{t: t, db: db}
	dir := t.TempDir()
	w.queue = queue.Open(db, queue.Options{Poll: 10 * time.Millisecond})
	t.Cleanup(w.queue.Close)
	var err error
	w.journal, err = journal.Open(t.Context(), journal.Options{
		Dir: filepath.Join(dir, "journal"), KeyFile: filepath.Join(dir, "master.key"), Store: db, Queue: w.queue, Sync: config.SyncAlways,
		SegmentBytes: 1 << 20, Consumers: []string{mirror.Name},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.journal.Close(); err != nil {
			t.Error(err)
		}
	})
	w.choices = scope.NewChoices(db, nil)
	inScope, err := scope.New(scope.Options{Privacy: config.Privacy{}, Internal: config.InternalMirror, Choices: w.choices})
	if err != nil {
		t.Fatal(err)
	}
	w.archive = archive.New(archive.Options{Store: db, Journal: w.journal, Internal: internal, Rest: -1})
	w.mirror = mirror.New(mirror.Options{
		Store: db, Journal: w.journal, Queue: w.queue, Internal: internal, Scope: inScope, InternalMail: config.InternalMirror,
		Announce: func(e journal.Entry, msg *message.Message) []string {
			if w.offers {
				w.archive.Offer(e, msg)
			}
			return nil
		},
	})
	runner := hooks.NewRunner(w.journal, w.queue, []hooks.Hook{w.mirror}, hooks.Options{Store: db, Workers: 2})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

// submit puts a mail into the journal and has the mirror look at it.
func (w *office) submit(account, raw string, recipients ...string) journal.ID {
	w.t.Helper()
	raw = strings.ReplaceAll(raw, "\n", "\r\n")
	env := &journal.Envelope{
		ID: journal.NewID(time.Now()), Kind: journal.KindSubmission, Account: account, Upstream: "main", Listener: ":587", ReversePath: account,
		Received: time.Now(), Size: int64(len(raw)),
	}
	for _, r := range recipients {
		env.Recipients = append(env.Recipients, journal.Recipient{Address: r, Code: 250})
	}
	return w.capture(env, raw)
}

// find puts a mail into the journal that was seen in a mailbox.
func (w *office) find(account string, uid uint32, raw string) journal.ID {
	w.t.Helper()
	raw = strings.ReplaceAll(raw, "\n", "\r\n")
	return w.capture(&journal.Envelope{
		ID: journal.NewID(time.Now()), Kind: journal.KindFetch, Account: account, Upstream: "main", Listener: ":993", Mailbox: "INBOX",
		UIDValidity: 1, UID: uid, Received: time.Now(), Size: int64(len(raw)),
	}, raw)
}

func (w *office) capture(env *journal.Envelope, raw string) journal.ID {
	w.t.Helper()
	p := w.journal.Begin(env)
	if _, err := p.Write([]byte(raw)); err != nil {
		w.t.Fatal(err)
	}
	if err := p.Seal(w.t.Context(), env); err != nil {
		w.t.Fatal(err)
	}
	p.Commit(journal.Verdict{Code: 250, Text: "2.0.0 queued", At: time.Now()})
	w.eventually(func() bool {
		_, known, err := mirror.Identify(w.t.Context(), w.db.Reader(), env.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		return known
	})
	return env.ID
}

// eventually polls until done holds.
func (w *office) eventually(done func() bool) {
	w.t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline.C:
			w.t.Fatal("waited in vain")
		case <-tick.C:
		}
	}
}

// settle has the archive look at all that is noted.
func (w *office) settle() {
	w.t.Helper()
	for {
		n, err := w.archive.Step(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	if n, err := w.archive.Waiting(w.t.Context()); err != nil || n != 0 {
		w.t.Fatalf("%d messages wait, %v", n, err)
	}
}

func (w *office) search(f archive.Filter) []string {
	w.t.Helper()
	page, _, err := w.archive.Search(w.t.Context(), f, 0, 50)
	if err != nil {
		w.t.Fatal(err)
	}
	out := []string{}
	for _, s := range page {
		out = append(out, s.Subject)
	}
	slices.Sort(out)
	return out
}

func (w *office) wants(f archive.Filter, want ...string) {
	w.t.Helper()
	slices.Sort(want)
	if got := w.search(f); !slices.Equal(got, want) {
		w.t.Errorf("%+v: got %q, want %q", f, got, want)
	}
}

var quote = strings.ReplaceAll(`From: Li Lei <li@kunde.example>
To: Anna <anna@corp.example>, Ben <ben@corp.example>
Subject: 合同条款与报价 "draft"
Date: Mon, 2 Nov 2026 10:00:00 +0800
Message-ID: <1@kunde.example>
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8

请看附件里的报价单。 The delivery date is fixed.
> older words about bananas
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename="../..BIDI采购合同 v2.pdf"

x
--b--
`, "BIDI", "\u202e/") // a name that looks like another

const answer = `From: Anna <anna@corp.example>
To: li@kunde.example
Subject: Re: terms
Date: Mon, 2 Nov 2026 11:00:00 +0800
Message-ID: <2@corp.example>
In-Reply-To: <1@kunde.example>

The date of delivery is fine.
`

const note = `From: Ben <ben@corp.example>
To: Anna <anna@corp.example>
Subject: lunch
Date: Mon, 2 Nov 2026 12:00:00 +0800
Message-ID: <3@corp.example>

noodles
`

func TestSearch(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := open(t, db)
		w.find("anna@corp.example", 7, quote)
		w.find("ben@corp.example", 3, quote)
		w.submit("anna@corp.example", answer, "li@kunde.example", "secret@other.example")
		w.submit("ben@corp.example", note, "anna@corp.example")
		w.settle()
		const first, second, third = `合同条款与报价 "draft"`, "Re: terms", "lunch"
		yes, no := true, false
		w.wants(archive.Filter{}, first, second, third)
		for _, words := range []string{"报价单", "合同", "同", "delivery", "DRAFT", `"delivery date"`, "li@kunde.example bananas", "采购合同", "报价单 -noodles", "“delivery date”"} {
			w.wants(archive.Filter{Words: words, Direction: "inbound"}, first)
		}
		w.wants(archive.Filter{Words: `"date delivery"`})
		w.wants(archive.Filter{Words: "合报"})
		w.wants(archive.Filter{Words: "!!"})
		w.wants(archive.Filter{Words: "-noodles"}, first, second)
		w.wants(archive.Filter{Words: "delivery"}, first, second)
		w.wants(archive.Filter{Attachment: "采购合同"}, first)
		w.wants(archive.Filter{Attachment: "报价"})
		w.wants(archive.Filter{HasFiles: &yes}, first)
		w.wants(archive.Filter{HasFiles: &no, Words: "delivery"}, second)
		w.wants(archive.Filter{From: "LI@kunde.example"}, first)
		w.wants(archive.Filter{To: "li@kunde.example"}, second)
		w.wants(archive.Filter{Persons: []string{"li@kunde.example"}}, first, second)
		w.wants(archive.Filter{Domains: []string{"kunde.example"}}, first, second)
		w.wants(archive.Filter{Account: "ben@corp.example"}, first, third)
		w.wants(archive.Filter{Direction: "internal"}, third)
		w.wants(archive.Filter{Since: time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC)}, second, third)
		w.wants(archive.Filter{Until: time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC)}, first)
		w.wants(archive.Filter{Automated: &yes})
		w.wants(archive.Filter{State: "failed"})
		w.wants(archive.Filter{Tag: "x"})
		id, _, err := mirror.Identify(t.Context(), db.Reader(), w.submit("anna@corp.example", answer, "li@kunde.example"))
		if err != nil {
			t.Fatal(err)
		}
		w.settle()
		w.wants(archive.Filter{Thread: id.Thread}, first, second)
		// Words, and a condition that few messages fulfil.
		w.wants(archive.Filter{Thread: id.Thread, Words: "delivery"}, first, second)
		w.wants(archive.Filter{Thread: id.Thread, Words: "报价单", Direction: "inbound", Automated: &no}, first)
		w.wants(archive.Filter{Thread: id.Thread, Words: "delivery", Until: time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC)}, first)
		w.wants(archive.Filter{Thread: id.Thread, Words: "noodles"})
		w.wants(archive.Filter{State: "failed", Target: "crm", Words: "delivery"})
		w.wants(archive.Filter{Tag: "x", Words: "delivery"})

		ben := []string{"ben@corp.example"}
		w.wants(archive.Filter{Scope: ben}, first, third)
		w.wants(archive.Filter{Scope: ben, Words: "delivery"}, first)
		w.wants(archive.Filter{Scope: ben, Account: "anna@corp.example"})
		w.wants(archive.Filter{Scope: []string{}})
		w.wants(archive.Filter{Scope: []string{"ben@corp.example", "eva@corp.example"}}, first, third)
		// A blind recipient is found by who sees the sender's mail.
		w.wants(archive.Filter{Persons: []string{"secret@other.example"}}, second)
		w.wants(archive.Filter{Scope: []string{"anna@corp.example"}, Persons: []string{"secret@other.example"}}, second)
		w.wants(archive.Filter{Scope: ben, Persons: []string{"secret@other.example"}})

		page, _, err := w.archive.Search(t.Context(), archive.Filter{HasFiles: &yes, Scope: ben}, 0, 10)
		if err != nil || len(page) != 1 {
			t.Fatal(page, err)
		}
		s := page[0]
		if !slices.Equal(s.Accounts, ben) || !slices.Equal(s.Files, []string{"采购合同 v2.pdf"}) || s.MessageID != "1@kunde.example" ||
			s.Preview != "请看附件里的报价单。 The delivery date is fixed." || s.Attachments != 1 || s.People[0].Address != "li@kunde.example" {
			t.Errorf("%+v", s)
		}
	})
}

func TestPages(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := open(t, db)
		for i := range 7 {
			w.submit("anna@corp.example", strings.ReplaceAll(answer, "<2@", "<p"+string(rune('a'+i))+"@"), "li@kunde.example") // all of one second
		}
		w.settle()
		for _, f := range []archive.Filter{{}, {Words: "delivery"}, {Scope: []string{"anna@corp.example"}}} {
			seen := map[string]bool{}
			before, pages := int64(0), 0
			for {
				page, next, err := w.archive.Search(t.Context(), f, before, 3)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range page {
					seen[s.MessageID] = true
				}
				pages++
				if before = next; next == 0 {
					break
				}
			}
			if len(seen) != 7 || pages != 3 {
				t.Errorf("%+v: %d messages on %d pages", f, len(seen), pages)
			}
		}
	})
}

// dump is all that the archive has, but for the words.
func (w *office) dump() string {
	w.t.Helper()
	var b strings.Builder
	for _, query := range []string{
		`SELECT key || ' ' || direction || ' ' || sender || ' ' || subject || ' ' || preview || ' ' || files || ' ' || people FROM archive_messages ORDER BY 1`,
		`SELECT account || ' ' || key FROM archive_seen s JOIN archive_messages m ON m.id = s.id ORDER BY 1`,
		`SELECT p.subject || ' ' || key || ' ' || part FROM archive_people p JOIN archive_messages m ON m.id = p.id ORDER BY 1`,
		`SELECT subject || ' ' || account || ' ' || name || ' ' || messages || ' ' || last_at || ' ' || last_in || ' ' || last_out FROM archive_talks ORDER BY 1`,
		`SELECT CAST(COUNT(*) AS TEXT) FROM archive_tokens`,
	} {
		rows, err := w.db.Reader().QueryContext(w.t.Context(), query)
		if err != nil {
			w.t.Fatal(err)
		}
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				w.t.Fatal(err)
			}
			b.WriteString(line + "\n")
		}
		if err := rows.Err(); err != nil {
			w.t.Fatal(err)
		}
		rows.Close()
	}
	return b.String()
}

// However often a message is looked at, and in whatever order its copies come, the index is the same.
func TestRebuildChangesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := open(t, db)
		w.offers = true
		w.find("anna@corp.example", 7, quote)
		w.settle()
		w.find("ben@corp.example", 3, quote)
		w.settle()
		w.submit("anna@corp.example", answer, "li@kunde.example", "secret@other.example")
		w.find("li@corp.example", 9, strings.Replace(quote, "Li Lei", "Li 雷", 1)) // another copy: names do not count
		w.settle()
		before := w.dump()
		for range 2 {
			if err := w.archive.Rebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.settle()
		}
		if after := w.dump(); after != before {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
		for _, table := range []string{"archive_messages", "archive_seen", "archive_people", "archive_talks", "archive_tokens"} {
			err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
				if db.Dialect() == store.Postgres && table == "archive_messages" {
					_, err := tx.ExecContext(ctx, `DELETE FROM archive_tokens`)
					if err != nil {
						return err
					}
				}
				_, err := tx.ExecContext(ctx, `DELETE FROM `+table)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.archive.Rebuild(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if after := w.dump(); after != before {
			t.Errorf("before\n%s\nbuilt from nothing\n%s", before, after)
		}
	})
}

// What must not be looked at leaves no word, neither in the index nor in what is read before the index follows.
func TestWithdrawnAndExcluded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := open(t, db)
		if err := w.choices.Set(t.Context(), "eva@corp.example", scope.Choice{Kind: scope.ChoiceOptOut}); err != nil {
			t.Fatal(err)
		}
		w.find("eva@corp.example", 1, strings.ReplaceAll(quote, "<1@", "<eva@"))
		w.settle()
		if got := w.dump(); got != "0\n" {
			t.Errorf("of excluded mail there is %q", got)
		}
		w.find("anna@corp.example", 7, quote)
		w.settle()
		w.wants(archive.Filter{Words: "报价单"}, `合同条款与报价 "draft"`)
		if _, err := mirror.Withdraw(t.Context(), db, w.queue, mirror.Withdrawal{MessageID: "1@kunde.example", Reason: "private"}); err != nil {
			t.Fatal(err)
		}
		w.wants(archive.Filter{Words: "报价单"}) // at once
		w.settle()
		if got := w.dump(); got != "0\n" {
			t.Errorf("of withdrawn mail there is %q", got)
		}
	})
}

func TestTalks(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := open(t, db)
		w.find("anna@corp.example", 7, quote)
		w.find("ben@corp.example", 3, quote)
		w.submit("anna@corp.example", answer, "li@kunde.example", "secret@other.example")
		w.settle()
		for _, c := range []struct {
			name string
			f    archive.TalkFilter
			want string
		}{
			{"all", archive.TalkFilter{}, "secret@other.example 1, li@kunde.example 2"},
			{"companies", archive.TalkFilter{Companies: true}, "@other.example 1, @kunde.example 2"},
			{"one account", archive.TalkFilter{Scope: []string{"ben@corp.example"}}, "li@kunde.example 1"},
			{"the sender", archive.TalkFilter{Scope: []string{"anna@corp.example"}}, "secret@other.example 1, li@kunde.example 2"},
			{"by name", archive.TalkFilter{Match: "lei"}, "li@kunde.example 2"},
			{"by no pattern", archive.TalkFilter{Match: "%"}, ""},
			{"another's", archive.TalkFilter{Scope: []string{"ben@corp.example"}, Account: "anna@corp.example"}, ""},
			{"one subject", archive.TalkFilter{Subjects: []string{"@kunde.example"}, Scope: []string{"ben@corp.example"}}, "@kunde.example 1"},
		} {
			list, err := w.archive.Talks(t.Context(), c.f)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, one := range list {
				got = append(got, one.Subject+" "+string(rune('0'+one.Messages)))
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
		}
		n, err := w.archive.Count(t.Context(), []string{"anna@corp.example", "ben@corp.example"}, []string{"li@kunde.example", "@kunde.example"})
		if err != nil || n != 2 {
			t.Errorf("%d messages, %v", n, err)
		}
		who, err := w.archive.Colleagues(t.Context(), nil, []string{"li@kunde.example"}, 10)
		if err != nil || len(who) != 2 || who[0].Account != "anna@corp.example" || who[0].Messages != 2 || who[0].LastOut.IsZero() || who[1].Messages != 1 {
			t.Errorf("%+v, %v", who, err)
		}
	})
}
