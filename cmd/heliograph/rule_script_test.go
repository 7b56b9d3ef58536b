package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/store"
)

// sealedProgram has a program killed when it makes a socket (on Linux).
const sealedProgram = "HELIOGRAPH_NO_SOCKETS"

// mirrored captures a mail, and says what the mirror would have found out about it.
func (s *script) mirrored(file, account string) (err error) {
	if err := s.capture(file, account); err != nil {
		return err
	}
	raw, err := os.ReadFile(s.file(file))
	if err != nil {
		return err
	}
	msg, err := message.Parse(strings.NewReader(strings.ReplaceAll(string(raw), "\n", "\r\n")), message.Options{Salt: s.entry})
	if err != nil {
		return err
	}
	direction := "inbound"
	if strings.HasSuffix(msg.From[0].Address, "@example.com") {
		direction = "outbound"
	}
	db, err := store.Open(s.t.Context(), "sqlite", store.Options{Dir: s.file("data")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	id, err := journal.ParseID(s.entry)
	if err != nil {
		return err
	}
	// The mail is read when it comes, so that it is no old one.
	now := store.Micros(time.Now())
	return db.Write(s.t.Context(), func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO messages (key, message_id, thread, direction, sent_at, first_seen, last_seen) VALUES ($1, $2, $1, $3, $4, $4, $4)`,
			msg.Key, msg.MessageID, direction, now)
		if err != nil {
			return err
		}
		part, who := "wrote", msg.From
		if direction == "outbound" {
			part, who = "got", msg.To
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO correspondents (address, message_key, part, sent_at, seen_at) VALUES ($1, $2, $3, $4, $4)`, who[0].Address, msg.Key, part, now)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO sightings (entry, message_key, kind, account, seen_at, unconfirmed, excluded) VALUES ($1, $2, 'fetch', $3, $4, 0, '')`, id.String(), msg.Key, account, now)
		return err
	})
}
