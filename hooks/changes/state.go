package changes

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

// The phases of a watch.
const (
	phaseLearn   = "learn"   // all records are read, and nothing is told
	phaseFollow  = "follow"  // the CRM tells what changed
	phaseCompare = "compare" // all records are read, and differences are told
	phaseSweep   = "sweep"   // those that comparing did not meet are read one by one
)

// errRaced says that somebody else made the step meanwhile.
var errRaced = errors.New("another node has made this step")

// errUnwatched says that there is no such watch any more.
var errUnwatched = errors.New("the object is not watched")

// maxCursor bounds a cursor, in bytes; a CRM may put anything into it.
const maxCursor = 64 << 10

// state is how far a watch has come.
type state struct {
	watch
	fields                   []string
	step, generation         int64
	phase                    string
	changeCursor, pageCursor string
	learned                  bool
	polledAt                 int64 // microseconds
	failures                 int
}

func readState(ctx context.Context, q store.Querier, d watch) (state, error) {
	s := state{watch: d}
	var fields string
	var learned int64
	err := q.QueryRowContext(ctx, `
		SELECT fields, step, phase, generation, change_cursor, page_cursor, learned, polled_at, failures
		FROM change_watches WHERE target = $1 AND object = $2`, d.target, d.object).
		Scan(&fields, &s.step, &s.phase, &s.generation, &s.changeCursor, &s.pageCursor, &learned, &s.polledAt, &s.failures)
	if errors.Is(err, sql.ErrNoRows) {
		return s, errUnwatched
	}
	if err == nil {
		s.learned = learned == 1
		err = json.Unmarshal([]byte(fields), &s.fields)
	}
	if err != nil {
		return s, fmt.Errorf("reading how far %s of %s was followed: %w", d.object, d.target, err)
	}
	return s, nil
}

// Follows tells whether changes of these fields are told: what the CRM has has been read, so that there is something to compare with. Trouble is
// why the last try to read from the CRM failed, if it did. It needs nothing but the store.
func Follows(ctx context.Context, q store.Querier, target, object string, fields []string) (follows bool, trouble string, err error) {
	s, err := readState(ctx, q, watch{target, object})
	if errors.Is(err, errUnwatched) {
		return false, "", nil
	}
	if err != nil {
		return false, "", err
	}
	missing := slices.ContainsFunc(fields, func(f string) bool { return !slices.Contains(s.fields, f) })
	err = q.QueryRowContext(ctx, `SELECT reason FROM change_watches WHERE target = $1 AND object = $2`, target, object).Scan(&trouble)
	return s.phase == phaseFollow && !missing, trouble, err
}

// advance stores the next state, in which all is well, unless somebody has stored one since was was read.
func advance(ctx context.Context, tx store.Querier, was, next state) error {
	if len(next.pageCursor) > maxCursor || len(next.changeCursor) > maxCursor {
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("the CRM's cursor is longer than %d bytes", maxCursor)}
	}
	fields, err := json.Marshal(next.fields)
	if err != nil {
		return err
	}
	learned := 0
	if next.learned {
		learned = 1
	}
	r, err := tx.ExecContext(ctx, `
		UPDATE change_watches SET step = $3 + 1, fields = $4, phase = $5, generation = $6, change_cursor = $7, page_cursor = $8,
			learned = $9, polled_at = $10, not_before = 0, failures = 0, reason = ''
		WHERE target = $1 AND object = $2 AND step = $3`,
		was.target, was.object, was.step, string(fields), next.phase, next.generation, next.changeCursor, next.pageCursor, learned, next.polledAt)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errRaced)
	}
	return nil
}
