package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

func newStore(t *testing.T, dir string) *store.DB {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite", store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(filepath.Join(dir, "heliograph.db")); err != nil {
		t.Fatal(err)
	}
	return db
}

// seed stores what a small company has after a day: two mails, jobs that are done, wait and
// failed, the ledger of four entries, and that of two mailboxes.
func seed(t *testing.T, db *store.DB) {
	t.Helper()
	crm, err := builtin.New(db, builtin.Config{})
	if err != nil {
		t.Fatal(err)
	}
	wang := crmclient.Person{Name: "王芳", Address: "wang@example.com"}
	li := crmclient.Person{Name: "李雷", Address: "li.lei@acme.com.cn"}
	if _, err := crm.CreateContact(t.Context(), li, wang.Address); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	for _, a := range []*crmclient.Activity{
		{
			Key: "aaaa1111", MessageID: "offer-1@example.com", Thread: "t1", Direction: crmclient.Outbound, Subject: "报价单：光学平台 20 套",
			Date: at, From: wang, To: []crmclient.Person{li}, CC: []crmclient.Person{{Address: "boss@acme.com.cn"}},
			BCC: []crmclient.Person{{Address: "archive@example.com"}}, Accounts: []string{wang.Address},
			Text:        "李经理，您好：\r\n\r\n报价见附件。\x1b[2J\u202e\r\n",
			Attachments: []crmclient.Attachment{{Name: "报价.xlsx", Type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Size: 23456}},
			Sightings:   []crmclient.Sighting{{Entry: "01", Kind: "submission", Account: wang.Address, At: at}},
		},
		{
			Key: "bbbb2222", MessageID: "re-1@acme.com.cn", Thread: "t1", Direction: crmclient.Inbound, Subject: "Re: 报价单：光学平台 20 套",
			Date: at.Add(2 * time.Hour), From: li, To: []crmclient.Person{wang}, Accounts: []string{wang.Address}, Text: "价格可以再谈吗？\n",
		},
	} {
		if _, err := crm.LogEmail(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	seedJobs(t, db)
	seedLedger(t, db, at)
}

func seedJobs(t *testing.T, db *store.DB) {
	t.Helper()
	q := queue.Open(db, queue.Options{})
	defer q.Close()
	write(t, db, func(ctx context.Context, tx store.Querier) error {
		_, err := q.Add(ctx, tx,
			queue.New{Kind: "deliver:crm", Key: "aaaa1111"},
			queue.New{Kind: "deliver:hook", Key: "aaaa1111", OrderKey: "t1"},
			queue.New{Kind: "deliver:hook", Key: "bbbb2222", OrderKey: "t1", Payload: []byte("bbbb2222")},
			queue.New{Kind: "hook:mirror", Key: entryMachine, Payload: []byte(entryMachine), RunAt: time.Now().Add(time.Hour)},
			queue.New{Kind: "outbox", Key: entryMachine, Payload: []byte(entryMachine), RunAt: time.Now().Add(time.Hour)},
			queue.New{Kind: "outbox", Key: entryMirrored, Payload: []byte(entryMirrored)})
		return err
	})
	for kind, result := range map[string]queue.Result{
		"deliver:crm": {Action: queue.Complete}, "deliver:hook": {Action: queue.Discard, Reason: "401 Unauthorized: 密钥无效"},
	} {
		jobs, err := q.Claim(t.Context(), kind, 1, time.Minute)
		if err != nil || len(jobs) != 1 {
			t.Fatalf("claim %s: %v, %v", kind, jobs, err)
		}
		result.Job = jobs[0]
		write(t, db, func(ctx context.Context, tx store.Querier) error { return q.Finish(ctx, tx, result) })
	}
}

// The entries of the ledger that seedLedger writes. Their ids say when they came.
const (
	entryMirrored = "06d5bv9t0400000000000000a0"
	entryExcluded = "06d5bv9t0400000000000000b0"
	entryMachine  = "06d5bv9t0400000000000000c0"
	entryFetched  = "06d5bv9t0400000000000000d0"
)

// The mailboxes of the ledger.
var (
	boxInbox = journal.MailboxKey{Upstream: "main", Account: "wang@example.com", Mailbox: "INBOX", UIDValidity: 1700000000}
	boxSent  = journal.MailboxKey{Upstream: "main", Account: "wang@example.com", Mailbox: "已发送", UIDValidity: 1700000001}
)

func seedLedger(t *testing.T, db *store.DB, at time.Time) {
	t.Helper()
	micros := func(minutes int) int64 { return store.Micros(at.Add(time.Duration(minutes) * time.Minute)) }
	statements := []struct {
		query string
		args  []any
	}{
		{`INSERT INTO messages (key, message_id, thread, direction, sent_at, first_seen, last_seen) VALUES ('aaaa1111', 'offer-1@example.com', 't1', 'outbound', $1, $1, $1)`, []any{micros(0)}},
		{`INSERT INTO sightings (entry, message_key, kind, account, seen_at, unconfirmed, excluded) VALUES ($1, 'aaaa1111', 'submission', 'wang@example.com', $2, 0, '')`, []any{entryMirrored, micros(0)}},
		{`INSERT INTO outbox_messages (entry, upstream, reverse_path, queued_at, expires_at, next_try, finished_at, attempts, warned, mirrored, retried, planned, planned_at, written)
			VALUES ($1, 'main', 'erp@example.com', $2, $3, $3, 0, 1, 0, 0, 0, 0, 0, 0)`, []any{entryMachine, micros(120), micros(7200)}},
		{`INSERT INTO outbox_recipients (entry, position, recipient, params, state, code, enhanced, reply, remote, attempts, last_try, next_try, notice, notice_action)
			VALUES ($1, 0, 'li.lei@acme.com.cn', '', 'pending', 451, '4.7.1', 'try again later', 'mx.example.com', 1, $2, $3, 0, '')`, []any{entryMachine, micros(121), micros(180)}},
		{`INSERT INTO deliveries (message_key, target, state, reason, remote_id, url, received_at, updated_at) VALUES ('aaaa1111', 'crm', 'mirrored', '', '42', '', $1, $1)`, []any{micros(1)}},
		{
			`INSERT INTO entries (id, node, segment, pos, kind, account, upstream, state, reverse_path, received, sealed_at, size, envelope, code, reply, verdict_at, queued, settled, mailbox, uidvalidity, uid)
			VALUES ($1, 'main', 1, 64, 'fetch', 'wang@example.com', 'main', 'confirmed', '', $2, $2, 100, $3, 0, '', $2, 1, 0, 'INBOX', 1700000000, 17)`,
			[]any{entryFetched, micros(180), `{"id":"` + entryFetched + `","kind":"fetch","account":"wang@example.com","upstream":"main","mailbox":"INBOX","uidvalidity":1700000000,"uid":17}`},
		},
		{
			`INSERT INTO mailboxes (id, upstream, account, mailbox, uidvalidity, since, enrolled_at, changed_at)
			VALUES ($1, 'main', 'wang@example.com', 'INBOX', 1700000000, 15, $2, $3), ($4, 'main', 'wang@example.com', '已发送', 1700000001, 0, 0, $3)`,
			[]any{boxInbox.ID().String(), micros(0), micros(180), boxSent.ID().String()},
		},
		{
			`INSERT INTO reviews (subject, domain, name, first_seen, last_seen, state, decision, link, target, decided_at, suggestions) VALUES
			('li@new.example', 'new.example', 'Li Lei', $1, $2, 'open', '', '', '', 0, '[{"target":"crm","kind":"contact","id":"7","name":"李雷","address":"lei@old.example","percent":80}]'),
			('kim@done.example', 'done.example', '', $1, $1, 'decided', 'ignore', '', '', $2, '[]')`, []any{micros(0), micros(60)},
		},
		{`INSERT INTO review_messages (subject, message_key, target, state, decision, at) VALUES ('li@new.example', 'aaaa1111', 'crm', 'waiting', '', $1)`, []any{micros(0)}},
		{
			`INSERT INTO mailbox_uids (mailbox, low, high, state, reason) VALUES ($1, 15, 17, 'captured', ''), ($1, 18, 18, 'excluded', 'draft'),
			($1, 20, 29, 'gone', ''), ($1, 30, 30, 'failed', 'the server has no such message'), ($2, 3, 3, 'captured', '')`,
			[]any{boxInbox.ID().String(), boxSent.ID().String()},
		},
	}
	for _, r := range []struct {
		entry, target, messageID, account, state, reason string
		minutes                                          int
	}{
		{entryMirrored, "", "", "wang@example.com", "captured", "", 0},
		{entryMirrored, "crm", "offer-1@example.com", "wang@example.com", "mirrored", "", 1},
		{entryMirrored, "hook", "offer-1@example.com", "wang@example.com", "failed", "401 Unauthorized: 密钥无效", 2},
		{entryExcluded, "", "lunch@example.com", "li@example.com", "excluded", "internal mail", 60},
		{entryMachine, "", "", "", "captured", "", 120},
		{entryMachine, "crm", "scan-7@erp.example.com", "", "pending", "", 121},
		{entryFetched, "", "re-1@acme.com.cn", "wang@example.com", "captured", "", 180},
		{entryFetched, "crm", "re-1@acme.com.cn", "wang@example.com", "mirrored", "", 181},
	} {
		statements = append(statements, struct {
			query string
			args  []any
		}{
			`INSERT INTO ledger (entry, target, message_id, account, state, reason, at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			[]any{r.entry, r.target, r.messageID, r.account, r.state, r.reason, micros(r.minutes)},
		})
	}
	write(t, db, func(ctx context.Context, tx store.Querier) error {
		var errs []error
		for _, s := range statements {
			_, err := tx.ExecContext(ctx, s.query, s.args...)
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

func write(t *testing.T, db *store.DB, fn func(context.Context, store.Querier) error) {
	t.Helper()
	if err := db.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}
