package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"heliograph/internal/journal/segment"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

const (
	// batchRecords bounds one transaction of the indexer.
	batchRecords = 500
	// gatherTime is how long the indexer lets records gather before it writes them: the
	// database shares the disk with the log, and nobody waits for the index.
	gatherTime = 20 * time.Millisecond
	// maxSweep is the longest time between two looks for entries without a verdict.
	maxSweep = 30 * time.Second
	// longestBatch bounds what of a batch counts as work, should the database be slow or away.
	longestBatch = 200 * time.Millisecond
	// maxRetry is the longest pause after a failure of the database.
	maxRetry = 5 * time.Second
)

// indexer follows the log. Its fields belong to its goroutine.
type indexer struct {
	*Journal
	tail *segment.Tail
	// caughtUp says that the end of the log was seen once. Jobs are added only then: a mark
	// further on may say that the outbox has sent a message already.
	caughtUp bool
	swept    time.Time
	closing  bool
}

func (j *Journal) runIndexer(ctx context.Context) {
	defer close(j.done)
	j.behindSince.Store(store.Micros(time.Now())) // until the end of the log was seen
	ix := &indexer{Journal: j}
	defer func() {
		if ix.tail != nil {
			_ = ix.tail.Close() // only read
		}
	}()
	if !ix.persist(ctx, "finding the checkpoint", ix.begin) {
		return
	}
	for !ix.closing {
		var end, ok bool
		var begun int64
		err := ix.pace.Do(ctx, longestBatch, func() {
			var b *batch
			begun = store.Micros(time.Now())
			b, end = ix.read(ctx)
			ok = ix.persist(ctx, "indexing the journal", func(ctx context.Context) error { return ix.write(ctx, b, end) })
		})
		if err != nil || !ok {
			return
		}
		if end {
			j.behindSince.Store(0)
			if j.sealed.Load() >= begun { // it may have come behind what was read
				j.behindSince.CompareAndSwap(0, begun)
			}
			ix.wait(ctx)
		}
		if ctx.Err() != nil {
			return
		}
	}
	// The log is closed: what came last is still read.
	for {
		b, end := ix.read(ctx)
		if !ix.persist(ctx, "indexing the journal", func(ctx context.Context) error { return ix.write(ctx, b, end) }) || end {
			return
		}
	}
}

// persist repeats do until it succeeds; it reports false when ctx ends first, or when do
// fails while the journal closes: the next start catches up.
func (ix *indexer) persist(ctx context.Context, what string, do func(context.Context) error) bool {
	pause := 50 * time.Millisecond
	for failed := false; ; failed = true {
		err := do(ctx)
		if err == nil {
			if failed {
				ix.logger.Info("the store takes the journal's index again")
			}
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		ix.metrics.failures.Inc()
		if !failed {
			ix.logger.Warn("the journal's index waits for the store; mail is not affected", "doing", what, "err", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ix.closed:
			timer.Stop()
			return false
		case <-ctx.Done():
			timer.Stop()
			return false
		}
		pause = min(2*pause, maxRetry)
	}
}

// begin finds the place in the log where the index ends. Without one, everything is read.
func (ix *indexer) begin(ctx context.Context) error {
	rows, err := ix.db.Reader().QueryContext(ctx, `SELECT segment, pos FROM journal_checkpoints WHERE node = $1`, ix.node)
	if err != nil {
		return err
	}
	var at segment.Position
	if rows.Next() {
		err = rows.Scan(&at.Segment, &at.Offset)
	}
	if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return err
	}
	ix.tail = ix.log.Tail(at)
	return nil
}

// read returns what has come to the log, up to a batch. end says that it was all.
func (ix *indexer) read(ctx context.Context) (b *batch, end bool) {
	b = &batch{}
	for b.records < batchRecords {
		rec, err := ix.tail.Next(ctx)
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			return b, true
		}
		if err != nil {
			// The disk cannot be read at the moment; the records stay where they are.
			ix.metrics.failures.Inc()
			ix.logger.Error("reading the journal", "err", err)
			return b, true
		}
		if b.records == 0 {
			ix.behindSince.CompareAndSwap(0, store.Micros(time.Now()))
		}
		if err := b.add(rec); err != nil {
			ix.logger.Error("journal record is not understood and is left out", "entry", ID(rec.ID), "at", rec.Loc, "err", err)
		}
	}
	return b, false
}

// write brings a batch, and the jobs that follow from it, into the database.
func (ix *indexer) write(ctx context.Context, b *batch, end bool) error {
	caughtUp := ix.caughtUp || end
	now := ix.now()
	sweep := end && now.Sub(ix.swept) >= ix.sweepTime()
	var kinds map[string]bool
	err := ix.db.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		kinds = map[string]bool{}
		if b.records > 0 {
			if err := b.store(ctx, tx, ix.Journal); err != nil {
				return err
			}
		}
		if !caughtUp {
			return nil
		}
		if sweep {
			if err := ix.unconfirm(ctx, tx, now); err != nil {
				return err
			}
		}
		return ix.enqueue(ctx, tx, kinds)
	})
	if err != nil {
		return err
	}
	ix.dropLive(b.settled...)
	ix.mailboxes.indexed(b.mailboxes())
	if caughtUp && !ix.caughtUp {
		close(ix.mailboxes.caughtUp)
	}
	ix.caughtUp = caughtUp
	if sweep {
		ix.swept = now
	}
	ix.metrics.indexed.Add(float64(b.records))
	for kind := range kinds {
		ix.queue.Wake(kind)
	}
	return nil
}

func (ix *indexer) sweepTime() time.Duration { return min(ix.unconfirmed/4, maxSweep) }

// wait returns when there is something to do.
func (ix *indexer) wait(ctx context.Context) {
	round, cancel := context.WithTimeout(ctx, max(ix.sweepTime(), time.Millisecond))
	defer cancel()
	err := ix.log.Wait(round, ix.tail.Position())
	if errors.Is(err, segment.ErrClosed) {
		ix.closing = true
		return
	}
	if err != nil {
		return // time for a sweep
	}
	timer := time.NewTimer(gatherTime)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// enqueue adds the jobs of all entries whose fate is known and that have none yet.
func (ix *indexer) enqueue(ctx context.Context, tx store.Querier, kinds map[string]bool) error {
	for {
		found, err := ix.unqueued(ctx, tx)
		if err != nil {
			return fmt.Errorf("finding entries without jobs: %w", err)
		}
		var jobs []queue.New
		for _, e := range found {
			switch {
			case e.kind != KindQueue || e.settled == settledMirrored:
				jobs = append(jobs, ix.consumerJobs(e.id)...)
			case e.settled == 0:
				jobs = append(jobs, ix.outboxJob(e))
			}
		}
		if len(jobs) > 0 {
			if _, err := ix.queue.Add(ctx, tx, jobs...); err != nil {
				return err
			}
			for _, job := range jobs {
				kinds[job.Kind] = true
			}
		}
		if len(found) < batchRecords {
			return nil
		}
	}
}

// outboxJob is the job of an entry that the outbox delivers: a rule's message has its own time and rank.
func (ix *indexer) outboxJob(e unqueuedEntry) queue.New {
	job := queue.New{Kind: OutboxKind, Key: e.id, Payload: []byte(e.id)}
	var env Envelope
	if err := json.Unmarshal([]byte(e.envelope), &env); err != nil {
		ix.logger.Error("the envelope of an entry is not understood, its message goes out at once", "entry", e.id, "err", err)
		return job
	}
	job.Priority, job.RunAt = env.Automation.Priority, env.Automation.NotBefore
	return job
}

type unqueuedEntry struct {
	id       string
	kind     Kind
	settled  int
	envelope string // of kind queue only
}

// unqueued takes entries that need jobs, oldest first, and notes that they got them.
func (ix *indexer) unqueued(ctx context.Context, tx store.Querier) (found []unqueuedEntry, err error) {
	rows, err := tx.QueryContext(ctx, `UPDATE entries SET queued = 1 WHERE id IN (
			SELECT id FROM entries WHERE node = $1 AND queued = 0 AND state <> 'sealed' ORDER BY node, id LIMIT $2)
		RETURNING id, kind, settled, CASE WHEN kind = 'queue' THEN envelope ELSE '' END`, ix.node, batchRecords)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var e unqueuedEntry
		if err := rows.Scan(&e.id, (*string)(&e.kind), &e.settled, &e.envelope); err != nil {
			return nil, err
		}
		found = append(found, e)
	}
	slices.SortFunc(found, func(a, b unqueuedEntry) int { return strings.Compare(a.id, b.id) })
	return found, rows.Err()
}

func (j *Journal) consumerJobs(id string) []queue.New {
	jobs := make([]queue.New, len(j.consumers))
	for i, c := range j.consumers {
		jobs[i] = queue.New{Kind: JobKind(c), Key: id, Payload: []byte(id)}
	}
	return jobs
}

// unconfirm gives up the wait for verdicts that no session will bring any more.
func (ix *indexer) unconfirm(ctx context.Context, tx store.Querier, now time.Time) error {
	rows, err := tx.QueryContext(ctx, `SELECT id, account FROM entries WHERE node = $1 AND state = 'sealed' AND sealed_at < $2
		ORDER BY sealed_at`, ix.node, store.Micros(now.Add(-ix.unconfirmed)))
	if err != nil {
		return err
	}
	var lost []LedgerRow
	for rows.Next() {
		var text string
		row := LedgerRow{State: LedgerCaptured, Reason: reasonUnconfirmed, At: now}
		if err = rows.Scan(&text, &row.Account); err != nil {
			break
		}
		if row.Entry, err = ParseID(text); err != nil {
			break
		}
		if !ix.isLive(row.Entry, now) {
			lost = append(lost, row)
		}
	}
	if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("finding entries without a verdict: %w", err)
	}
	for _, row := range lost {
		if _, err := tx.ExecContext(ctx, `UPDATE entries SET state = $1 WHERE id = $2`, string(StateUnconfirmed), row.Entry.String()); err != nil {
			return err
		}
	}
	return ix.Note(ctx, tx, lost...)
}

// Mirror gives an entry that the outbox delivered to the consumers, in the caller's
// transaction; wake the queue after the commit. It also settles the entry (see Settle).
func (j *Journal) Mirror(ctx context.Context, tx store.Querier, id ID) error {
	if _, err := j.queue.Add(ctx, tx, j.consumerJobs(id.String())...); err != nil {
		return fmt.Errorf("mirroring entry %s: %w", id, err)
	}
	return j.settle(ctx, tx, id, settledMirrored)
}

// Settle notes, in the caller's transaction, that the outbox gave an entry up. Mirror and
// Settle also mark the log, so that an index that is built anew does not send the message again.
func (j *Journal) Settle(ctx context.Context, tx store.Querier, id ID) error {
	return j.settle(ctx, tx, id, settledDropped)
}

func (j *Journal) settle(ctx context.Context, tx store.Querier, id ID, how int) error {
	if _, err := tx.ExecContext(ctx, `UPDATE entries SET settled = $1 WHERE id = $2`, how, id.String()); err != nil {
		return fmt.Errorf("settling entry %s: %w", id, err)
	}
	b, err := json.Marshal(how)
	if err == nil {
		err = j.log.Mark(id, segment.KindSettled, b)
	}
	if err != nil {
		// The caller's transaction knows it too; only an index that is built anew would not.
		j.logger.Warn("the log does not know that an entry is settled", "entry", id, "err", err)
	}
	return nil
}
