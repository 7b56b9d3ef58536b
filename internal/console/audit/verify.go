package audit

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"time"
)

// Code is what is wrong with a chain, as a word.
type Code string

// What can be wrong.
const (
	RowChanged        Code = "row_changed"
	RowMissing        Code = "row_missing"
	RowForged         Code = "row_forged"
	EndMissing        Code = "end_missing"
	CheckpointMissing Code = "checkpoint_missing"
	KeyMissing        Code = "key_missing"
)

// Break is the first place where a chain is broken.
type Break struct {
	Seq    int64
	Code   Code
	Reason string // for people
}

// Verdict is what Verify found.
type Verdict struct {
	Rows        int64 // that were checked
	First, Last int64 // 0 without rows
	Broken      *Break
	At          time.Time
}

// verifyPage is how many rows are read at a time.
const verifyPage = 1000

// Verify follows the chain from its beginning to its end. That it is broken is in the verdict; an error says that it could not be read.
func (l *Log) Verify(ctx context.Context) (Verdict, error) {
	for {
		start, err := l.checkpoint(ctx)
		if err != nil {
			return Verdict{}, err
		}
		w := &walk{log: l, next: start.seq + 1, before: start.hash, verdict: Verdict{At: l.now()}}
		if err := w.anchored(); err != nil {
			return Verdict{}, err
		}
		if !start.untouched {
			w.sign(macCheckpoint, start.hash, start.seq, start.key, start.mac, CheckpointMissing, "the note of what was removed")
		}
		if err := w.follow(ctx); err != nil {
			return Verdict{}, fmt.Errorf("verify the audit record: %w", err)
		}
		again, err := l.checkpoint(ctx)
		if err != nil {
			return Verdict{}, err
		}
		if again == start {
			return w.verdict, nil
		} // old rows were removed meanwhile
	}
}

// checkpoint reads where the chain begins.
func (l *Log) checkpoint(ctx context.Context) (head, error) {
	var h head
	err := h.scan(l.db.Reader().QueryRowContext(ctx, `SELECT `+headColumns+` FROM audit_checkpoints ORDER BY seq DESC LIMIT 1`))
	if errors.Is(err, sql.ErrNoRows) {
		return head{untouched: true}, nil
	}
	h.untouched = false
	return h, err
}

// walk follows a chain.
type walk struct {
	log     *Log
	next    int64  // the row that must come next
	before  string // hash of the row before it
	anchor  *anchor
	verdict Verdict
}

func (w *walk) broken(seq int64, code Code, reason string) {
	if w.verdict.Broken == nil {
		w.verdict.Broken = &Break{seq, code, reason}
	}
}

// sign checks a MAC.
func (w *walk) sign(what, hash string, seq int64, key, mac string, code Code, name string) {
	switch err := w.log.keys.check(what, hash, seq, key, mac); {
	case errors.Is(err, errNoKey):
		w.broken(seq, KeyMissing, name+" cannot be checked: "+err.Error())
	case err != nil:
		w.broken(seq, code, name+" was not written by this gateway: "+err.Error())
	}
}

func (w *walk) follow(ctx context.Context) error {
	tries := 0
	for w.verdict.Broken == nil {
		n, err := w.page(ctx)
		if err != nil || w.verdict.Broken != nil {
			return err
		}
		if n == verifyPage {
			continue
		}
		var end head
		if err := end.scan(w.log.db.Reader().QueryRowContext(ctx, `SELECT `+headColumns+` FROM audit_head WHERE one = 1`)); err != nil {
			return err
		}
		if last := w.next - 1; end.seq > last && tries < 3 { // rows came meanwhile
			if n == 0 {
				tries++
			}
			continue
		}
		w.end(end)
		return nil
	}
	return nil
}

// page checks the next rows.
func (w *walk) page(ctx context.Context) (n int, err error) {
	from := w.next
	if w.verdict.Rows == 0 {
		from = math.MinInt64 // rows before the beginning were put there by hand
	}
	rows, err := w.log.db.Reader().QueryContext(ctx, `SELECT seq, `+columns+`, hash, key, mac FROM audit_rows WHERE seq >= $1 ORDER BY seq LIMIT $2`, from, verifyPage)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() && w.verdict.Broken == nil {
		var r Row
		if err := r.scan(rows, []any{&r.Seq}, &r.Hash, &r.key, &r.mac); err != nil {
			return n, err
		}
		w.row(&r)
		n++
	}
	return n, rows.Err()
}

func (w *walk) row(r *Row) {
	switch {
	case r.Seq > w.next:
		w.broken(w.next, RowMissing, fmt.Sprintf("row %d is missing; the next one is %d", w.next, r.Seq))
		return
	case r.Seq < w.next:
		w.broken(r.Seq, RowForged, "the row lies before the beginning of the chain")
		return
	case r.digest(w.before) != r.Hash:
		w.broken(r.Seq, RowChanged, "the row, or the one before it, is not as it was recorded")
		return
	}
	w.sign(macRow, r.Hash, r.Seq, r.key, r.mac, RowForged, "the row")
	if a := w.anchor; a != nil && a.Seq == r.Seq && a.Hash != r.Hash {
		w.broken(r.Seq, RowForged, "this machine has noted another row with this number")
	}
	if w.verdict.Broken != nil {
		return
	}
	if w.verdict.First == 0 {
		w.verdict.First = r.Seq
	}
	w.verdict.Rows++
	w.verdict.Last, w.next, w.before = r.Seq, r.Seq+1, r.Hash
}

// end compares the last row with the head, and with what this machine noted.
func (w *walk) end(h head) {
	last := w.next - 1
	switch {
	case h.seq > last:
		w.broken(w.next, EndMissing, fmt.Sprintf("the last rows are missing: the chain was %d rows long, and ends with row %d", h.seq, last))
	case h.seq < last:
		w.broken(h.seq+1, RowForged, "the row lies behind the end of the chain")
	case h.untouched:
	case h.hash != w.before:
		w.broken(last, EndMissing, "the note of the chain's end does not fit the last row")
	default:
		w.sign(macHead, h.hash, h.seq, h.key, h.mac, EndMissing, "the note of the chain's end")
	}
	if a := w.anchor; a != nil && a.Seq > last {
		w.broken(w.next, EndMissing, fmt.Sprintf("this machine has seen row %d, and the chain ends with row %d: rows were removed, or the database is an older copy", a.Seq, last))
	}
}

// anchor is the end of the chain as a gateway noted it outside of the database.
type anchor struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
	Key  string `json:"key"`
	MAC  string `json:"mac"`
}

// anchored reads the anchor.
func (w *walk) anchored() error {
	if w.log.anchor == "" {
		return nil
	}
	text, err := os.ReadFile(w.log.anchor)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the note of the audit record's end: %w", err)
	}
	var a anchor
	if err := json.Unmarshal(text, &a); err != nil {
		w.broken(0, EndMissing, "the note of the chain's end at "+w.log.anchor+" cannot be read")
		return nil
	}
	w.sign(macAnchor, a.Hash, a.Seq, a.Key, a.MAC, EndMissing, "the note of the chain's end at "+w.log.anchor)
	w.anchor = &a
	return nil
}

// note writes the anchor, when the chain has grown. It never goes back.
func (l *Log) note(ctx context.Context) error {
	if l.anchor == "" {
		return nil
	}
	var h head
	if err := h.scan(l.db.Reader().QueryRowContext(ctx, `SELECT `+headColumns+` FROM audit_head WHERE one = 1`)); err != nil {
		return err
	}
	w := &walk{log: l}
	if err := w.anchored(); err != nil {
		return err
	}
	if w.verdict.Broken != nil || w.anchor != nil && w.anchor.Seq >= h.seq || h.seq == 0 {
		return nil // Verify tells
	}
	if l.keys.check(macHead, h.hash, h.seq, h.key, h.mac) != nil {
		return nil // Verify tells
	}
	a := anchor{Seq: h.seq, Hash: h.hash}
	a.Key, a.MAC = l.keys.sign(macAnchor, h.hash, h.seq)
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return replaceFile(l.anchor, text)
}
