package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/store"
)

const (
	// window is how long repeated views are one row.
	window = 10 * time.Minute
	// maxPending bounds the different views that wait for the next batch: those of a second.
	maxPending = 5000
	// foldBatch is how many views join the chain in one transaction.
	foldBatch = 500
)

// view is a view that waits for the next batch.
type view struct {
	id string
	Row
}

// viewID is the same for views that are counted together.
func viewID(r *Row) string {
	text, err := json.Marshal([]string{
		r.Person, r.Role, string(r.Via), r.Credential, r.Address, r.Action, r.Kind, r.Object, string(r.Outcome),
	})
	if err != nil {
		panic(err) // texts only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// errBusy says that views come faster than they can be written.
var errBusy = errors.New("too many views wait to be recorded")

// view takes a view for the next batch. When there are too many, or when the last batch could not be written, the caller waits for the batch.
func (l *Log) view(ctx context.Context, r Row) error {
	id := viewID(&r)
	for range 3 {
		taken, wait := l.take(id, r)
		if taken && !wait {
			return nil
		}
		if err := l.Flush(ctx); err != nil || taken {
			return err
		}
	}
	return errBusy
}

// take puts a view into the next batch, if there is room, and says whether somebody must wait for the batch.
func (l *Log) take(id string, r Row) (taken, wait bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait = !l.started || l.failing != nil
	if v := l.pending[id]; v != nil {
		v.Count++
		v.Until = later(v.Until, r.At)
		return true, wait
	}
	if len(l.pending) >= maxPending {
		return false, true
	}
	l.pending[id] = &view{id, r}
	return true, wait
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Flush writes the views that wait.
func (l *Log) Flush(ctx context.Context) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	batch := l.pending
	l.pending = map[string]*view{}
	l.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := l.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := l.lock(ctx, tx); err != nil {
			return err
		}
		for _, v := range batch {
			if err := l.count(ctx, tx, *v); err != nil {
				return err
			}
		}
		return nil
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = err
	if err == nil {
		return nil
	}
	for id, v := range batch { // they are tried again with the next batch
		if newer := l.pending[id]; newer != nil {
			newer.Count += v.Count
			newer.At = v.At
		} else {
			l.pending[id] = v
		}
	}
	return fmt.Errorf("record views: %w", err)
}

// count adds a view to the one that is counted, or begins a new one. The caller holds the head.
func (l *Log) count(ctx context.Context, tx store.Querier, v view) error {
	var old Row
	err := old.scan(tx.QueryRowContext(ctx, `SELECT `+columns+`, key, mac FROM audit_views WHERE id = $1`, v.id), nil, &old.key, &old.mac)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return l.putView(ctx, tx, v)
	case err != nil:
		return err
	case v.At.Sub(old.At) >= window:
		if err := l.join(ctx, tx, v.id, old); err != nil {
			return err
		}
		return l.putView(ctx, tx, v)
	}
	if err := l.keys.check(macView, old.digest(v.id), 0, old.key, old.mac); err != nil {
		// What was there is not ours: it joins the chain as it is, marked, and counting begins again.
		if err := l.join(ctx, tx, v.id, old); err != nil {
			return err
		}
		return l.putView(ctx, tx, v)
	}
	old.Count += v.Count
	old.Until = later(old.Until, v.Until)
	return l.putView(ctx, tx, view{v.id, old})
}

func (l *Log) putView(ctx context.Context, tx store.Querier, v view) error {
	key, mac := l.keys.sign(macView, v.digest(v.id), 0)
	args := append([]any{v.id}, v.fields()...)
	_, err := tx.ExecContext(ctx, `INSERT INTO audit_views (id, `+columns+`, key, mac)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (id) DO UPDATE SET until = excluded.until, count = excluded.count, key = excluded.key, mac = excluded.mac`, append(args, key, mac)...)
	return err
}

// join makes a counted view a row of the chain. One that was changed in the database says so.
func (l *Log) join(ctx context.Context, tx store.Querier, id string, r Row) error {
	if err := l.keys.check(macView, r.digest(id), 0, r.key, r.mac); err != nil {
		r.Details = `{"not_as_recorded":true}`
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM audit_views WHERE id = $1`, id); err != nil {
		return err
	}
	return l.add(ctx, tx, r)
}

// fold makes the views whose time is over rows of the chain.
func (l *Log) fold(ctx context.Context) error {
	for {
		folded := 0
		err := l.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			folded = 0
			if _, err := l.lock(ctx, tx); err != nil {
				return err
			}
			ids, rows, err := readViews(ctx, tx, `WHERE at <= $1 ORDER BY at, id LIMIT $2`, store.Micros(l.now().Add(-window)), foldBatch)
			if err != nil {
				return err
			}
			for i := range rows {
				if err := l.join(ctx, tx, ids[i], rows[i]); err != nil {
					return err
				}
				folded++
			}
			return nil
		})
		if err != nil || folded < foldBatch {
			return err
		}
	}
}

// readViews reads views that are still counted.
func readViews(ctx context.Context, q store.Querier, where string, args ...any) (ids []string, rows []Row, err error) {
	result, err := q.QueryContext(ctx, `SELECT id, `+columns+`, key, mac FROM audit_views `+where, args...)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, result.Close()) }()
	for result.Next() {
		var id string
		var r Row
		if err := r.scan(result, []any{&id}, &r.key, &r.mac); err != nil {
			return nil, nil, err
		}
		r.Begun = strings.HasPrefix(id, begunPrefix)
		ids, rows = append(ids, id), append(rows, r)
	}
	return ids, rows, result.Err()
}
