package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"heliograph/internal/store"
)

// seedApproval stores what two people are asked: 1111 waits, and the run of 2222 has ended.
func seedApproval(t *testing.T, db *store.DB) {
	t.Helper()
	now := store.Micros(time.Now())
	tomorrow := store.Micros(time.Now().Add(24 * time.Hour))
	write(t, db, func(ctx context.Context, tx store.Querier) error {
		for id, state := range map[string]string{"1111": "waiting", "2222": "done"} {
			_, err := tx.ExecContext(ctx, `
				INSERT INTO rule_runs (id, rule, version, mode, state, title, event, why, reason, signals, made_at, changed_at, wake_at)
				VALUES ($1, 'order', 3, 'live', $2, '', '{"type":"manual","key":"k"}', '', '', 0, $3, $3, $3)`, "run"+id, state, now)
			if err != nil {
				return err
			}
			const shown = `{"title":"订单 SO-4","text":"金额 120,000\u001b[2J","facts":[["客户","华夏\u202e机械"]]}`
			sum := sha256.Sum256([]byte(id + "\n" + shown))
			_, err = tx.ExecContext(ctx, `
				INSERT INTO rule_approvals (id, kind, run, path, rule, version, need, shown, hash, initiators, comment, state, asked_at, expires_at, decided_at, changes)
				VALUES ($1, 'step', $2, '0', 'order', 3, 2, $3, $4, '["clerk@example.com"]', 1, 'open', $5, $6, 0, 0)`,
				id, "run"+id, shown, hex.EncodeToString(sum[:]), now, tomorrow)
			if err != nil {
				return err
			}
			for i, who := range []string{"cfo@example.com", "vp@example.com"} {
				_, err := tx.ExecContext(ctx, `
					INSERT INTO rule_approvers (approval, position, person, name, escalated, from_person, asked_at, nonce, token_hash, token_shows, decision, comment, via, decided_at)
					VALUES ($1, $2, $3, '', 0, '', $4, 'n', '', '', '', '', '', 0)`, id, i, who, now)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}
