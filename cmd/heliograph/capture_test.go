package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// capture does what a gateway does with a mail that an employee reads.
func (s *script) capture(file, account string) (err error) {
	ctx := s.t.Context()
	raw, err := os.ReadFile(s.file(file))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.file("data"), 0o700); err != nil {
		return err
	}
	db, err := store.Open(ctx, "sqlite", store.Options{Dir: s.file("data")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	q := queue.Open(db, queue.Options{})
	defer q.Close()
	j, err := journal.Open(ctx, journal.Options{Dir: s.file("data/journal"), Store: db, Queue: q})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	env := &journal.Envelope{Kind: journal.KindFetch, Upstream: "main", Account: account, Mailbox: "INBOX", UIDValidity: 1, UID: 1}
	p := j.BeginTee(env)
	if _, err := p.Write([]byte(strings.ReplaceAll(string(raw), "\n", "\r\n"))); err != nil {
		return err
	}
	if err := p.Seal(ctx, env); err != nil {
		return err
	}
	mailtest.Eventually(s.t, 30*time.Second, func() error {
		_, err := j.Entry(ctx, env.ID)
		return err
	})
	s.entry = env.ID.String()
	_, id, _ := strings.Cut(string(raw), "Message-ID: <")
	id, _, found := strings.Cut(id, ">")
	if !found {
		return fmt.Errorf("%s has no Message-ID", file)
	}
	row := journal.LedgerRow{Entry: env.ID, MessageID: id, Account: account, State: journal.LedgerCaptured, At: time.Now()}
	return db.Write(ctx, func(ctx context.Context, tx store.Querier) error { return journal.WriteLedger(ctx, tx, row) })
}
