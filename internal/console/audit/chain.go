package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"heliograph/internal/store"
)

// Row is one link of the chain.
type Row struct {
	Seq        int64 // from 1; 0: a view that is still counted
	At, Until  time.Time
	Count      int64
	Person     string
	Role       string
	Via        Via
	Credential string
	Address    string
	Action     string
	Kind       string
	Object     string
	Outcome    Outcome
	Details    string // JSON object; empty: none
	Begun      bool   // not in the chain yet: a change that is being made
	Hash       string

	key, mac string
}

// columns of a row, but for seq, as fields gives them and scan reads them.
const columns = `at, until, count, person, role, via, credential, address, action, kind, object, outcome, details`

func (r *Row) fields() []any {
	return []any{
		store.Micros(r.At), store.Micros(r.Until), r.Count, r.Person, r.Role, string(r.Via), r.Credential, r.Address, r.Action, r.Kind, r.Object,
		string(r.Outcome), r.Details,
	}
}

// scanner is a row of a result.
type scanner interface{ Scan(into ...any) error }

// scan reads the columns, and more behind or before them.
func (r *Row) scan(s scanner, before []any, behind ...any) error {
	var at, until int64
	into := append(before, &at, &until, &r.Count, &r.Person, &r.Role, &r.Via, &r.Credential, &r.Address, &r.Action, &r.Kind, &r.Object, &r.Outcome, &r.Details)
	if err := s.Scan(append(into, behind...)...); err != nil {
		return err
	}
	r.At, r.Until = store.FromMicros(at), store.FromMicros(until)
	return nil
}

// digest is the hash of a row that follows the one with the hash before.
func (r *Row) digest(before string) string {
	text, err := json.Marshal(append([]any{"heliograph audit row 1", r.Seq, before}, r.fields()...))
	if err != nil {
		panic(err) // texts and numbers only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// keyring makes and checks MACs.
type keyring []macKey

type macKey struct {
	id  string
	key []byte
}

func newKeyring(keys [][]byte) (keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("audit: no key")
	}
	var k keyring
	for _, key := range keys {
		sum := sha256.Sum256(append([]byte("heliograph audit key\x00"), key...))
		k = append(k, macKey{hex.EncodeToString(sum[:4]), key})
	}
	return k, nil
}

func (m macKey) sum(what, hash string, seq int64) string {
	h := hmac.New(sha256.New, m.key)
	fmt.Fprintf(h, "%s\x00%d\x00%s", what, seq, hash)
	return hex.EncodeToString(h.Sum(nil))
}

// sign makes the MAC of a hash with the newest key. What it is for is part of it, so that none can stand in for another.
func (k keyring) sign(what, hash string, seq int64) (key, mac string) {
	return k[0].id, k[0].sum(what, hash, seq)
}

// The purposes of MACs.
const (
	macRow        = "row"
	macHead       = "head"
	macCheckpoint = "checkpoint"
	macView       = "view"
	macAnchor     = "anchor"
)

var (
	errNoKey  = errors.New("the key that it was signed with is not in the key file")
	errForged = errors.New("its signature is not ours")
)

func (k keyring) check(what, hash string, seq int64, key, mac string) error {
	for _, m := range k {
		if m.id != key {
			continue
		}
		if hmac.Equal([]byte(m.sum(what, hash, seq)), []byte(mac)) {
			return nil
		}
		return errForged
	}
	return errNoKey
}

// head is the end of the chain.
type head struct {
	seq       int64
	hash      string
	key, mac  string
	untouched bool // nothing was ever recorded
}

const headColumns = `seq, hash, key, mac`

func (h *head) scan(s scanner) error {
	err := s.Scan(&h.seq, &h.hash, &h.key, &h.mac)
	h.untouched = h.seq == 0 && h.mac == ""
	return err
}

// add appends rows. It holds the head until the transaction ends.
func (l *Log) add(ctx context.Context, tx store.Querier, rows ...Row) error {
	h, err := l.lock(ctx, tx)
	if err != nil || len(rows) == 0 {
		return err
	}
	for i := range rows {
		r := &rows[i]
		r.Seq = h.seq + 1
		r.Hash = r.digest(h.hash)
		r.key, r.mac = l.keys.sign(macRow, r.Hash, r.Seq)
		args := append([]any{r.Seq}, r.fields()...)
		if _, err := tx.ExecContext(ctx, `INSERT INTO audit_rows (seq, `+columns+`, hash, key, mac)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`, append(args, r.Hash, r.key, r.mac)...); err != nil {
			return err
		}
		h.seq, h.hash = r.Seq, r.Hash
	}
	key, mac := l.keys.sign(macHead, h.hash, h.seq)
	_, err = tx.ExecContext(ctx, `UPDATE audit_head SET seq = $1, hash = $2, key = $3, mac = $4 WHERE one = 1`, h.seq, h.hash, key, mac)
	return err
}

// lock reads the head and keeps all others from adding rows until the transaction ends.
func (l *Log) lock(ctx context.Context, tx store.Querier) (head, error) {
	var h head
	err := h.scan(tx.QueryRowContext(ctx, `UPDATE audit_head SET seq = seq WHERE one = 1 RETURNING `+headColumns))
	if err != nil {
		return h, fmt.Errorf("read the end of the audit record: %w", err)
	}
	return h, nil
}
