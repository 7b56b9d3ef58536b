package exchange

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"heliograph/internal/store"
)

// The kinds of jobs.
const (
	kindImport = "import"
	kindExport = "export"
)

// silence is how long a job may say nothing before it counts as interrupted.
const silence = time.Minute

// jobs are the rows of imports and exports.
type jobs struct {
	db  *store.DB
	now func() time.Time
}

// row is a job with what the API shows of it.
type row[T any] struct {
	ID      string
	Person  string
	State   string
	Created time.Time
	Beat    time.Time
	Version int
	Body    T
}

var errNoJob = errors.New("there is no such job")

const jobColumns = `id, person, state, created_at, beat_at, version, body`

func scanJob[T any](scan func(...any) error) (r row[T], err error) {
	var created, beat int64
	var body string
	if err = scan(&r.ID, &r.Person, &r.State, &created, &beat, &r.Version, &body); err != nil {
		return r, err
	}
	r.Created, r.Beat = store.FromMicros(created), store.FromMicros(beat)
	return r, json.Unmarshal([]byte(body), &r.Body)
}

func newID() string { return rand.Text()[:16] }

func insertJob[T any](ctx context.Context, j jobs, kind string, r row[T]) error {
	body, err := json.Marshal(r.Body)
	if err != nil {
		return err
	}
	return j.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO exchange_jobs (id, kind, person, state, created_at, beat_at, version, body) VALUES ($1, $2, $3, $4, $5, $5, $6, $7)`,
			r.ID, kind, r.Person, r.State, store.Micros(r.Created), r.Version, string(body))
		return err
	})
}

func getJob[T any](ctx context.Context, q store.Querier, kind, id string) (row[T], error) {
	r, err := scanJob[T](q.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM exchange_jobs WHERE kind = $1 AND id = $2`, kind, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoJob
	}
	return r, err
}

// changeJob reads, changes and writes a job in one transaction.
func changeJob[T any](ctx context.Context, j jobs, kind, id string, change func(*row[T]) error) (out row[T], err error) {
	err = j.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		// Written first, so that nobody else reads it meanwhile.
		if _, err := tx.ExecContext(ctx, `UPDATE exchange_jobs SET beat_at = beat_at WHERE id = $1`, id); err != nil {
			return err
		}
		r, err := getJob[T](ctx, tx, kind, id)
		if err != nil {
			return err
		}
		if err := change(&r); err != nil {
			return err
		}
		body, err := json.Marshal(r.Body)
		if err != nil {
			return err
		}
		out = r
		_, err = tx.ExecContext(ctx, `UPDATE exchange_jobs SET state = $2, beat_at = $3, version = $4, body = $5 WHERE id = $1`,
			id, r.State, store.Micros(j.now()), r.Version, string(body))
		return err
	})
	return out, err
}

// listJobs returns a page, the newest first, behind a job; of one person, or of all where person is empty. PostgreSQL takes a parameter to be of the
// type that it is compared with first.
func listJobs[T any](ctx context.Context, j jobs, kind, person string, before int64, beforeID string, limit int) (out []row[T], err error) {
	rows, err := j.db.Reader().QueryContext(ctx, `
		SELECT `+jobColumns+` FROM exchange_jobs
		WHERE kind = $1 AND ($2 = '' OR person = $2) AND (created_at < $3 OR created_at = $3 AND id < $4 OR $3 = 0)
		ORDER BY created_at DESC, id DESC LIMIT $5`, kind, person, before, beforeID, limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scanJob[T](rows.Scan)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// oldJobs returns the ids of jobs of a kind that are older than a time.
func (j jobs) old(ctx context.Context, kind string, before time.Time) (ids []string, err error) {
	rows, err := j.db.Reader().QueryContext(ctx, `SELECT id FROM exchange_jobs WHERE kind = $1 AND created_at < $2 ORDER BY created_at LIMIT 100`, kind, store.Micros(before))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func (j jobs) remove(ctx context.Context, id string) error {
	return j.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM exchange_jobs WHERE id = $1`, id)
		return err
	})
}
