package changes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/store"
)

const (
	// maxSteps bounds one turn, so that no watch keeps the others from theirs.
	maxSteps = 500
	// maxPage bounds what a CRM may put into one answer, in records.
	maxPage = 20_000
	// pageSize is how many records are asked for at once while all are read.
	pageSize = 200
	// wakesAtOnce and sweepAtOnce are how many records a step reads one by one.
	wakesAtOnce = 20
	sweepAtOnce = 20

	minWait    = 5 * time.Second // after a first failure; doubled each time
	maxWait    = 10 * time.Minute
	ratePause  = 30 * time.Second // where a CRM asks to slow down but not for how long
	minTrouble = time.Minute      // first wait when credentials or settings are wrong
	maxTrouble = time.Hour
	settle     = 8 * time.Second // to write down an outcome
)

// Follow looks at an object until the target has nothing newer, whether it is due or not. It goes on where the last call stopped or failed.
func (w *Watcher) Follow(ctx context.Context, target, object string) error {
	client := w.clients[target]
	if client == nil {
		return fmt.Errorf("target %q does not tell changes of records", target)
	}
	r := &round{w: w, client: client, d: watch{target, object}, met: map[string]bool{}}
	r.querier, _ = crmclient.As[crmclient.RecordQuerier](client)
	err := r.run(ctx)
	if errors.Is(err, errRaced) || errors.Is(err, errUnwatched) {
		return nil
	}
	outcome := "ok"
	if err != nil {
		outcome = string(crmclient.ClassOf(err))
	}
	if ctx.Err() == nil {
		w.metrics.polled(target, outcome)
		if err != nil {
			w.failed(ctx, r.d, err)
		}
	}
	return err
}

// round is one turn of a watch.
type round struct {
	w       *Watcher
	client  crmclient.RecordChanges
	querier crmclient.RecordQuerier // nil where records cannot be listed
	d       watch
	met     map[string]bool // what the polls of this turn brought: polls that overlap repeat it for ever
	again   bool            // the cursor was refused once
}

func (r *round) run(ctx context.Context) error {
	for range maxSteps {
		s, err := readState(ctx, r.w.o.Store.Reader(), r.d)
		if err != nil {
			return err
		}
		done, err := r.step(ctx, s)
		if errors.Is(err, crmclient.ErrCursorExpired) && !r.again {
			r.again = true
			r.w.o.Logger.WarnContext(ctx, "records are compared: the CRM refused the cursor", "target", r.d.target)
			err = r.restart(ctx, s)
		}
		if err != nil || done {
			return err
		}
	}
	return nil
}

// step does the next thing and says whether nothing is left.
func (r *round) step(ctx context.Context, s state) (done bool, err error) {
	wakes, err := readWakes(ctx, r.w.o.Store.Reader(), r.d)
	if err != nil {
		return false, err
	}
	if len(wakes) > 0 && s.phase != "" {
		return false, r.answer(ctx, s, wakes)
	}
	switch s.phase {
	case phaseLearn, phaseCompare:
		return false, r.page(ctx, s)
	case phaseSweep:
		return false, r.sweep(ctx, s)
	case phaseFollow:
		return r.poll(ctx, s)
	}
	return false, r.start(ctx, s)
}

// ask bounds a question to the target.
func (r *round) ask(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, r.w.o.Timeout, fmt.Errorf("the target took longer than %v", r.w.o.Timeout))
}

// cursor returns the target's cursor of this moment.
func (r *round) cursor(ctx context.Context, s state) (string, error) {
	ctx, cancel := r.ask(ctx)
	defer cancel()
	_, cursor, err := r.client.RecordChanges(ctx, s.object, s.fields, "")
	if err == nil && cursor == "" {
		err = &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the CRM gave no cursor of its changes"}
	}
	return cursor, err
}

// start takes the cursor of this moment; then all records are learnt, where they can be listed.
func (r *round) start(ctx context.Context, s state) error {
	cursor, err := r.cursor(ctx, s)
	if err != nil {
		return err
	}
	next := s
	next.changeCursor, next.pageCursor, next.generation = cursor, "", s.generation+1
	next.phase = phaseFollow
	if r.querier != nil {
		next.phase = phaseLearn
	}
	return r.w.put(ctx, s, next, nil, nil)
}

// restart takes a new cursor; then all records are compared, or those that are known where they cannot be listed.
func (r *round) restart(ctx context.Context, s state) error {
	cursor, err := r.cursor(ctx, s)
	if err != nil {
		return err
	}
	next := s
	next.changeCursor, next.pageCursor, next.generation = cursor, "", s.generation+1
	next.phase = phaseSweep
	if r.querier != nil {
		next.phase = phaseCompare
		if !s.learned {
			next.phase = phaseLearn
		}
	}
	return r.w.put(ctx, s, next, nil, nil)
}

// page reads the next page of all records.
func (r *round) page(ctx context.Context, s state) error {
	next := s
	if r.querier == nil { // the connector was another when this began
		next.phase, next.pageCursor = phaseSweep, ""
		return r.w.put(ctx, s, next, nil, nil)
	}
	limited, cancel := r.ask(ctx)
	page, cursor, err := r.querier.QueryRecords(limited, crmclient.Query{Object: s.object, Fields: s.fields, Limit: pageSize}, s.pageCursor)
	cancel()
	if err != nil {
		return err
	}
	if cursor != "" && cursor == s.pageCursor {
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the CRM's pages of records do not move on"}
	}
	records := make([]crmclient.RecordChange, 0, len(page))
	for _, record := range page {
		records = append(records, crmclient.RecordChange{Record: record})
	}
	if records, err = r.valid(records); err != nil {
		return err
	}
	next.pageCursor = cursor
	if cursor == "" {
		next.phase = phaseSweep // learning has met a record through a wake, too, that was deleted meanwhile
		next.learned = true
	}
	return r.w.put(ctx, s, next, records, nil)
}

// valid checks what a CRM returned.
func (r *round) valid(records []crmclient.RecordChange) ([]crmclient.RecordChange, error) {
	if len(records) > maxPage {
		return nil, &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("the CRM put %d records into one answer", len(records))}
	}
	out := records[:0]
	for _, record := range records {
		if record.ID != "" && len(record.ID) <= maxName {
			out = append(out, record)
		}
	}
	return out, nil
}

// poll asks for changes.
func (r *round) poll(ctx context.Context, s state) (done bool, err error) {
	limited, cancel := r.ask(ctx)
	changes, cursor, err := r.client.RecordChanges(limited, s.object, s.fields, s.changeCursor)
	cancel()
	if err != nil {
		return false, err
	}
	if changes, err = r.valid(changes); err != nil {
		return false, err
	}
	done = cursor == s.changeCursor || !r.fresh(changes)
	next := s
	next.changeCursor = cursor
	if done {
		next.polledAt = store.Micros(r.w.o.Now())
	}
	return done, r.w.put(ctx, s, next, changes, nil)
}

// maxMet bounds what a turn remembers of what it met.
const maxMet = 100_000

// fresh says whether there is anything that this turn has not met yet.
func (r *round) fresh(changes []crmclient.RecordChange) bool {
	fresh := false
	for _, c := range changes {
		key := echoHash([]any{c.ID, c.UpdatedAt, c.Deleted, c.Fields})
		if !r.met[key] {
			fresh = true
			if len(r.met) >= maxMet {
				clear(r.met)
			}
			r.met[key] = true
		}
	}
	return fresh
}

// read reads one record. One that is gone is a change, too.
func (r *round) read(ctx context.Context, id string) (crmclient.RecordChange, error) {
	limited, cancel := r.ask(ctx)
	defer cancel()
	record, err := r.client.ReadRecord(limited, r.d.object, id)
	if errors.Is(err, crmclient.ErrNoRecord) {
		return crmclient.RecordChange{Record: crmclient.Record{Object: r.d.object, ID: id}, Deleted: true}, nil
	}
	record.ID = id
	return crmclient.RecordChange{Record: record}, err
}

// sweep reads records that comparing did not meet.
func (r *round) sweep(ctx context.Context, s state) error {
	ids, err := r.unmet(ctx, s)
	if err != nil {
		return err
	}
	next := s
	if len(ids) == 0 {
		next.phase = phaseFollow
	}
	var records []crmclient.RecordChange
	for _, id := range ids {
		record, err := r.read(ctx, id)
		if err != nil {
			return err
		}
		records = append(records, record)
	}
	return r.w.put(ctx, s, next, records, nil)
}

// unmet returns records that were last seen before this generation.
func (r *round) unmet(ctx context.Context, s state) ([]string, error) {
	rows, err := r.w.o.Store.Reader().QueryContext(ctx, `
		SELECT record FROM change_records WHERE target = $1 AND object = $2 AND generation < $3 ORDER BY generation, record LIMIT $4`,
		s.target, s.object, s.generation, sweepAtOnce)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// wake is a record that is to be read at once.
type wake struct {
	record string
	asked  int64
}

func readWakes(ctx context.Context, q store.Querier, d watch) ([]wake, error) {
	rows, err := q.QueryContext(ctx, `SELECT record, asked FROM change_wakes WHERE target = $1 AND object = $2 ORDER BY at, record LIMIT $3`,
		d.target, d.object, wakesAtOnce)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []wake
	for rows.Next() {
		var k wake
		if err := rows.Scan(&k.record, &k.asked); err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, rows.Err()
}

// answer reads the records of wakes.
func (r *round) answer(ctx context.Context, s state, wakes []wake) error {
	var records []crmclient.RecordChange
	for _, k := range wakes {
		record, err := r.read(ctx, k.record)
		if crmclient.ClassOf(err) == crmclient.ClassPermanent {
			continue // whoever made the delivery named a record that cannot be; the polls find what there is
		}
		if err != nil {
			return err
		}
		records = append(records, record)
	}
	return r.w.put(ctx, s, s, records, wakes)
}

// answered deletes wakes, but not those that came again during the reading.
func answered(ctx context.Context, tx store.Querier, d watch, wakes []wake) error {
	for _, k := range wakes {
		_, err := tx.ExecContext(ctx, `DELETE FROM change_wakes WHERE target = $1 AND object = $2 AND record = $3 AND asked = $4`,
			d.target, d.object, k.record, k.asked)
		if err != nil {
			return err
		}
	}
	return nil
}

// failed notes a failure and when to try again.
func (w *Watcher) failed(ctx context.Context, d watch, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle)
	defer cancel()
	writeErr := w.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		s, stateErr := readState(ctx, tx, d)
		if stateErr != nil {
			return stateErr
		}
		_, e := tx.ExecContext(ctx, `UPDATE change_watches SET failures = failures + 1, reason = $3, not_before = $4 WHERE target = $1 AND object = $2`,
			d.target, d.object, reason(err), store.Micros(w.o.Now().Add(pause(err, s.failures))))
		return e
	})
	if writeErr != nil && !errors.Is(writeErr, errUnwatched) {
		w.o.Logger.WarnContext(ctx, "a failure was not noted", "target", d.target, "error", writeErr)
	}
}

func reason(err error) string {
	const most = 500
	text := err.Error()
	if r := []rune(text); len(r) > most {
		text = string(r[:most-1]) + "…"
	}
	return text
}

func pause(err error, failures int) time.Duration {
	after := crmclient.RetryAfter(err)
	shift := min(failures, 12)
	switch crmclient.ClassOf(err) {
	case crmclient.ClassRate:
		if after == 0 {
			after = ratePause
		}
		return after
	case crmclient.ClassAuth, crmclient.ClassConfiguration, crmclient.ClassPermanent:
		return min(minTrouble<<shift, maxTrouble)
	}
	return max(min(minWait<<shift, maxWait), after)
}
