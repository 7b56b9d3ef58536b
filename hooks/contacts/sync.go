package contacts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"heliograph/crmclient"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

const (
	phaseList   = "list"
	phaseFollow = "follow"

	// maxPage bounds what a CRM may put into one answer, in contacts.
	maxPage = 20_000
	// chunk is how many contacts one transaction takes, so that on SQLite no mail waits for long.
	chunk = 100
	// maxSteps bounds one round, so that the job's place in the queue and the logs move on. The next one goes on at once.
	maxSteps = 1000
	// maxCursor bounds a cursor, in bytes; a CRM may put anything into it.
	maxCursor = 64 << 10

	minWait     = 5 * time.Second // after a first failure; doubled each time
	maxWait     = 10 * time.Minute
	ratePause   = 30 * time.Second // where a CRM asks to slow down but not for how long
	minTrouble  = time.Minute      // first wait when credentials or settings are wrong
	maxTrouble  = time.Hour
	settleAfter = 8 * time.Second // to write down an outcome; below the grace that the queue gives
)

// errRaced says that somebody else made the step meanwhile.
var errRaced = errors.New("another node has made this step")

// syncState is how far a target was followed.
type syncState struct {
	step                                     int64
	phase                                    string
	generation                               int64
	listCursor, changeCursor                 string
	startedAt, listedAt, polledAt, notBefore time.Time
	failures                                 int
	reason                                   string
	asked                                    int64 // how often somebody wanted the target asked at once
	ranAt, nextAt                            time.Time
}

func readState(ctx context.Context, q store.Querier, target string) (s syncState, err error) {
	var started, listed, polled, notBefore, ran, next int64
	err = q.QueryRowContext(ctx, `
		SELECT step, phase, generation, list_cursor, change_cursor, started_at, listed_at, polled_at, not_before, failures, reason,
			asked, ran_at, next_at
		FROM contact_syncs WHERE target = $1`, target).
		Scan(&s.step, &s.phase, &s.generation, &s.listCursor, &s.changeCursor, &started, &listed, &polled, &notBefore, &s.failures, &s.reason,
			&s.asked, &ran, &next)
	if errors.Is(err, sql.ErrNoRows) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("reading how far %s was followed: %w", target, err)
	}
	s.startedAt, s.listedAt = store.FromMicros(started), store.FromMicros(listed)
	s.polledAt, s.notBefore = store.FromMicros(polled), store.FromMicros(notBefore)
	s.ranAt, s.nextAt = store.FromMicros(ran), store.FromMicros(next)
	return s, nil
}

// advance stores the next state, in which all is well, unless somebody has stored one since was was read.
func advance(ctx context.Context, tx store.Querier, target string, was, next syncState) error {
	if len(next.listCursor) > maxCursor || len(next.changeCursor) > maxCursor {
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("the CRM's cursor is longer than %d bytes", maxCursor)}
	}
	query := `
		UPDATE contact_syncs SET step = $2 + 1, phase = $3, generation = $4, list_cursor = $5, change_cursor = $6,
			started_at = $7, listed_at = $8, polled_at = $9, not_before = 0, failures = 0, reason = ''
		WHERE target = $1 AND step = $2`
	if was.step == 0 {
		query = `
			INSERT INTO contact_syncs (target, step, phase, generation, list_cursor, change_cursor, started_at, listed_at, polled_at,
				not_before, failures, reason)
			VALUES ($1, $2 + 1, $3, $4, $5, $6, $7, $8, $9, 0, 0, '')
			ON CONFLICT (target) DO UPDATE SET step = excluded.step, phase = excluded.phase, generation = excluded.generation,
				list_cursor = excluded.list_cursor, change_cursor = excluded.change_cursor, started_at = excluded.started_at,
				not_before = 0, failures = 0, reason = ''
			WHERE contact_syncs.step = 0`
	}
	r, err := tx.ExecContext(ctx, query, target, was.step, next.phase, next.generation, next.listCursor, next.changeCursor,
		store.Micros(next.startedAt), store.Micros(next.listedAt), store.Micros(next.polledAt))
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errRaced)
	}
	return nil
}

// Sync follows a target until nothing is newer there. It goes on where the last call stopped or failed.
func (b *Book) Sync(ctx context.Context, name string) error {
	t := b.targets[name]
	if t == nil || t.lister == nil {
		return fmt.Errorf("target %q does not list its contacts", name)
	}
	_, err := b.round(ctx, t)
	return err
}

// round makes steps until the target has nothing newer. caughtUp is false where there is more to do at once.
func (b *Book) round(ctx context.Context, t *target) (caughtUp bool, err error) {
	again := false // a new listing was begun
	for n := range maxSteps {
		s, err := readState(ctx, b.o.Store.Reader(), t.Name)
		if err != nil {
			return false, err
		}
		done := false
		switch {
		case s.phase == phaseList:
			done, err = b.listPage(ctx, t, s)
		case s.phase == phaseFollow && t.changes != nil && s.changeCursor != "":
			done, err = b.poll(ctx, t, s)
		default: // never listed, or nothing but listing tells what is new
			err = b.begin(ctx, t, s)
		}
		if errors.Is(err, crmclient.ErrCursorExpired) && !again {
			again = true
			s.polledAt = time.Time{} // something was missed
			b.o.Logger.WarnContext(ctx, "contacts are listed again: the CRM refused the cursor", "target", t.Name)
			err = b.begin(ctx, t, s)
		}
		if err != nil {
			return false, err
		}
		if done {
			return true, b.check(ctx, t.Name)
		}
		if n%100 == 99 {
			b.o.Logger.InfoContext(ctx, "following contacts", "target", t.Name, "phase", s.phase)
		}
	}
	return false, nil
}

// ask bounds one question to a target.
func (b *Book) ask(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, b.o.Timeout, fmt.Errorf("the target took longer than %v", b.o.Timeout))
}

// begin starts a listing. The cursor is taken before it, so that the changes tell what happens while it lasts.
func (b *Book) begin(ctx context.Context, t *target, was syncState) error {
	next := was
	next.phase, next.generation, next.listCursor, next.changeCursor = phaseList, was.generation+1, "", ""
	next.startedAt = b.o.Now()
	if t.changes != nil {
		limited, cancel := b.ask(ctx)
		_, cursor, err := t.changes.ContactChanges(limited, "")
		cancel()
		if err != nil {
			return fmt.Errorf("asking for the cursor of now: %w", err)
		}
		next.changeCursor = cursor
	}
	return b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error { return advance(ctx, tx, t.Name, was, next) })
}

// listPage takes one page. done says that it was the last and there are no changes to ask for.
func (b *Book) listPage(ctx context.Context, t *target, was syncState) (done bool, err error) {
	limited, cancel := b.ask(ctx)
	page, cursor, err := t.lister.ListContacts(limited, was.listCursor)
	cancel()
	if err != nil {
		return false, fmt.Errorf("listing contacts: %w", err)
	}
	if cursor != "" && cursor == was.listCursor {
		return false, errors.New("listing contacts: the CRM gives the same page again and again")
	}
	next := was
	if next.listCursor = cursor; cursor == "" {
		next.phase, next.listedAt = phaseFollow, b.o.Now()
		if done = next.changeCursor == ""; done {
			// There is nothing else to ask; what is known is as old as the listing's beginning.
			next.polledAt = was.startedAt
		}
	}
	return done, b.applyPage(ctx, t.Name, page, was.generation, func(ctx context.Context, tx store.Querier) error {
		if err := advance(ctx, tx, t.Name, was, next); err != nil {
			return err
		}
		if cursor != "" {
			return nil
		}
		return b.sweep(ctx, tx, t.Name, was.generation)
	})
}

// poll takes one batch of changes. done says that there were none.
func (b *Book) poll(ctx context.Context, t *target, was syncState) (done bool, err error) {
	asked := b.o.Now()
	limited, cancel := b.ask(ctx)
	changes, cursor, err := t.changes.ContactChanges(limited, was.changeCursor)
	cancel()
	if err != nil {
		return false, fmt.Errorf("asking for changes: %w", err)
	}
	next := was
	if cursor != "" {
		next.changeCursor = cursor
	}
	if done = len(changes) == 0; done {
		next.polledAt = asked
	} else if next.changeCursor == was.changeCursor {
		return false, errors.New("asking for changes: the CRM tells the same ones again and again")
	}
	return done, b.applyPage(ctx, t.Name, changes, was.generation, func(ctx context.Context, tx store.Querier) error {
		return advance(ctx, tx, t.Name, was, next)
	})
}

// applyPage stores contacts in small transactions; last is part of the last one. A crash between them repeats the page.
func (b *Book) applyPage(ctx context.Context, target string, page []crmclient.ContactRecord, generation int64, last func(context.Context, store.Querier) error) error {
	if len(page) > maxPage {
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("the CRM gave %d contacts at once, more than %d", len(page), maxPage)}
	}
	var parts [][]crmclient.ContactRecord
	for part := range slices.Chunk(page, chunk) {
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		parts = append(parts, nil)
	}
	for i, part := range parts {
		var pushed bool
		err := b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			var err error
			if pushed, err = b.apply(ctx, tx, target, generation, part); err != nil || i < len(parts)-1 {
				return err
			}
			return last(ctx, tx)
		})
		if err != nil {
			return fmt.Errorf("storing contacts of %s: %w", target, err)
		}
		if pushed {
			b.o.Queue.Wake(WriteKind(target))
		}
	}
	return nil
}

// Apply takes changes that a CRM tells by itself, such as by a webhook. Those may come late and in any order, and
// the sync tells them in any case. So only a newer state of a contact that is known to be there is taken at once; for
// all else the target is asked.
func (b *Book) Apply(ctx context.Context, target string, changes []crmclient.ContactRecord) error {
	pushed, ask := false, false
	for part := range slices.Chunk(changes, chunk) {
		err := b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
			s, err := readState(ctx, tx, target)
			if err != nil {
				return err
			}
			newer, err := b.newer(ctx, tx, target, part)
			if err != nil {
				return err
			}
			ask = ask || len(newer) < len(part)
			some, err := b.apply(ctx, tx, target, s.generation, newer)
			pushed = pushed || some
			return err
		})
		if err != nil {
			return fmt.Errorf("applying changes of contacts: %w", err)
		}
	}
	if pushed {
		b.o.Queue.Wake(WriteKind(target))
	}
	if ask {
		return b.Poke(ctx, target)
	}
	return nil
}

// newer returns the changes that are later than what is known of their contacts.
func (b *Book) newer(ctx context.Context, tx store.Querier, target string, changes []crmclient.ContactRecord) ([]crmclient.ContactRecord, error) {
	ids := make([]string, 0, len(changes))
	for _, r := range changes {
		ids = append(ids, r.ID)
	}
	if err := lock(ctx, tx, target, ids...); err != nil {
		return nil, err
	}
	known, err := load(ctx, tx, target, ids)
	if err != nil {
		return nil, err
	}
	var out []crmclient.ContactRecord
	latest := map[string]int64{}
	for id, s := range known {
		latest[id] = s.remoteAt
	}
	for _, r := range changes {
		at := store.Micros(r.UpdatedAt)
		if s := known[r.ID]; s == nil || s.Deleted || at == 0 || at <= latest[r.ID] {
			continue
		}
		latest[r.ID] = at
		out = append(out, r)
	}
	return out, nil
}

// follow has the target asked in time, and runs the jobs that ask it, until ctx ends.
func (b *Book) follow(ctx context.Context, t *target) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.remind(ctx, t) })
	g.Go(func() error {
		err := b.o.Queue.Work(ctx, queue.Worker{
			Kind:   SyncKind(t.Name),
			Handle: func(ctx context.Context, _ queue.Job) queue.Result { return b.syncJob(ctx, t) },
		})
		if err != nil {
			return fmt.Errorf("following the contacts of %s: %w", t.Name, err)
		}
		return nil
	})
	return g.Wait()
}

const (
	// syncKey is the key of the one job that a target has while it is asked or is to be asked now: unique among live
	// jobs, so that one node asks however many nodes remind.
	syncKey = "sync"
	// remindEvery is how often the store is looked at for whether a target is due.
	remindEvery = time.Second
)

// remind adds a job each time that the target is due, until ctx ends. When that is stands in the store, for all nodes.
func (b *Book) remind(ctx context.Context, t *target) error {
	tick := time.NewTicker(remindEvery)
	defer tick.Stop()
	for {
		s, err := readState(ctx, b.o.Store.Reader(), t.Name)
		if err == nil && !b.due(s).After(b.o.Now()) {
			err = b.addSync(ctx, t.Name, false)
		}
		if err != nil && ctx.Err() == nil {
			b.o.Logger.WarnContext(ctx, "contacts not asked for", "target", t.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// due is when the target is to be asked next. The interval may have become shorter since that was written down.
func (b *Book) due(s syncState) time.Time {
	if s.notBefore.After(s.nextAt) {
		return s.notBefore
	}
	if latest := s.ranAt.Add(b.o.Config.Interval.D()); s.failures == 0 && s.nextAt.After(latest) {
		return latest
	}
	return s.nextAt
}

// addSync adds the job that asks a target, unless there is one. now says that the target is to be asked even if it is not due.
func (b *Book) addSync(ctx context.Context, name string, now bool) error {
	err := b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if now { // a job that is just at it may have asked already: see ran
			_, err := tx.ExecContext(ctx, `UPDATE contact_syncs SET asked = asked + 1, next_at = 0 WHERE target = $1`, name)
			if err != nil {
				return err
			}
		}
		_, err := b.o.Queue.Add(ctx, tx, queue.New{Kind: SyncKind(name), Key: syncKey, MaxAttempts: -1})
		return err
	})
	if err != nil {
		return fmt.Errorf("asking for the contacts of %s: %w", name, err)
	}
	b.o.Queue.Wake(SyncKind(name))
	return nil
}

// syncJob asks the target until nothing is newer there, and writes down when it is to be asked again. The job ends, whatever came of it.
func (b *Book) syncJob(ctx context.Context, t *target) queue.Result {
	s, err := readState(ctx, b.o.Store.Reader(), t.Name)
	if err == nil && b.due(s).After(b.o.Now()) {
		return queue.Result{Action: queue.Complete} // another node was quicker
	}
	caughtUp := false
	if err == nil {
		caughtUp, err = b.round(ctx, t)
	}
	switch {
	case ctx.Err() != nil:
		return queue.Result{Action: queue.Snooze, Reason: "stopped meanwhile"}
	case errors.Is(err, errRaced):
		return queue.Result{Action: queue.Complete} // whoever made the step goes on, or it stays due
	case err != nil:
		b.failed(ctx, t.Name, s, err)
		return queue.Result{Action: queue.Complete}
	}
	b.metrics.synced(t.Name, "ok")
	b.count(ctx, t.Name)
	if !caughtUp {
		return queue.Result{Action: queue.Snooze, Reason: "there is more"}
	}
	if err := b.ran(ctx, t.Name, s.asked); err != nil {
		b.o.Logger.WarnContext(ctx, "contacts are followed, but not noted when", "target", t.Name, "error", err)
	}
	return queue.Result{Action: queue.Complete}
}

// ran writes down that the target was asked, and when it is to be asked again: at once if somebody wanted it asked since the round began.
func (b *Book) ran(ctx context.Context, name string, asked int64) error {
	now := b.o.Now()
	next := now.Add(jitter(b.o.Config.Interval.D()))
	return b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `UPDATE contact_syncs SET ran_at = $2, next_at = CASE WHEN asked = $4 THEN $3 ELSE next_at END WHERE target = $1`,
			name, store.Micros(now), store.Micros(next), asked)
		return err
	})
}

// jitter takes a random fifth off, so that the targets and nodes do not ask all at once.
func jitter(d time.Duration) time.Duration {
	if d < 5 {
		return d
	}
	return d - rand.N(d/5)
}

// failed decides by the class of the error when to try again, and writes down why.
func (b *Book) failed(ctx context.Context, name string, s syncState, cause error) {
	class := crmclient.ClassOf(cause)
	wait := max(pauseOf(class, s.failures), crmclient.RetryAfter(cause))
	if errors.Is(cause, crmclient.ErrCircuitOpen) {
		class, wait = crmclient.ClassRetry, max(ratePause, crmclient.RetryAfter(cause))
	}
	now, reason := b.o.Now(), clip(cause.Error(), maxReason)
	b.metrics.synced(name, string(class))
	b.o.Logger.WarnContext(ctx, "contacts not followed", "target", name, "class", string(class), "wait", wait, "error", reason)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleAfter)
	defer cancel()
	err := b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO contact_syncs (target, step, phase, generation, list_cursor, change_cursor, started_at, listed_at, polled_at,
				not_before, failures, reason, ran_at)
			VALUES ($1, 0, '', 0, '', '', 0, 0, 0, $2, 1, $3, $4)
			ON CONFLICT (target) DO UPDATE SET not_before = $2, failures = contact_syncs.failures + 1, reason = $3, ran_at = $4`,
			name, store.Micros(now.Add(wait)), reason, store.Micros(now))
		return err
	})
	if err != nil {
		b.o.Logger.WarnContext(ctx, "failure not written down", "target", name, "error", err)
	}
}

// maxReason bounds the stored reason, in bytes.
const maxReason = 500

// pauseOf is how long to leave a target alone after so many failures before this one.
func pauseOf(class crmclient.Class, failures int) time.Duration {
	shift := min(failures, 10)
	switch class {
	case crmclient.ClassRate:
		return ratePause
	case crmclient.ClassAuth, crmclient.ClassConfiguration, crmclient.ClassPermanent:
		return min(minTrouble<<shift, maxTrouble)
	}
	return min(minWait<<shift, maxWait)
}
