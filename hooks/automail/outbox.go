package automail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/proxy/upstream"
)

// Kind is the kind of the outbox's jobs in the queue. The journal adds one for each entry of
// kind queue; key and payload are the text of the entry's id.
const Kind = "outbox"

const (
	// defaultPerUpstream is how many connections to one upstream deliver at a time.
	// Providers allow a handful per account.
	defaultPerUpstream = 4
	// verdictGrace is how long a stop waits for the verdict on a message whose final dot is
	// out: without it the message would be sent twice.
	verdictGrace = 20 * time.Second
	// workerGrace leaves time to write the verdict down.
	workerGrace = verdictGrace + 10*time.Second
	// internalDelay is the wait after trouble of our own (store, journal).
	internalDelay = 30 * time.Second
	// elsewhereDelay is the wait before another node may find that a message is its own.
	elsewhereDelay = time.Second
	// minRetry is the least wait between two attempts of one message.
	minRetry = time.Second
	// maxText bounds a reply that is kept, in bytes.
	maxText = 500
	// retention is how long finished messages are listed. Longer than the queue keeps
	// their jobs.
	retention  = 30 * 24 * time.Hour
	pruneEvery = time.Hour
)

// Options are what an Outbox needs.
type Options struct {
	Store   *store.DB
	Queue   *queue.Queue
	Journal *journal.Journal
	// Router returns the upstreams in force; a reload may change them.
	Router func() *upstream.Router
	// Identity returns who we are at the upstream for mail of a listener: the upstream's name
	// (empty: by the user's domain, or the default), the login (empty: none) and the name in
	// EHLO and in bounces (empty: the machine's). A listener that is no longer
	// configured gets zero values.
	Identity func(listenerAddress string) (upstreamName, user string, password config.Secret, hostname string)
	Config   config.Outbox
	// PerUpstream is how many connections to one upstream deliver at a time; zero means 4.
	PerUpstream int
	Logger      *slog.Logger          // nil discards
	Registerer  prometheus.Registerer // nil registers nothing
	Now         func() time.Time      // nil is time.Now; the queue must have the same clock
}

// Outbox delivers queued mail. Its methods may be called concurrently.
type Outbox struct {
	o       Options
	log     *slog.Logger
	metrics *metrics
	pace    *pacer
}

// New returns an outbox that does nothing until Run.
func New(o Options) (*Outbox, error) {
	if o.Store == nil || o.Queue == nil || o.Journal == nil || o.Router == nil || o.Identity == nil {
		return nil, errors.New("making the outbox: store, queue, journal, router and identity must be given")
	}
	if o.Config.ExpireIn.D() <= 0 {
		return nil, errors.New("making the outbox: expire_in must be above zero")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.PerUpstream <= 0 {
		o.PerUpstream = defaultPerUpstream
	}
	ob := &Outbox{o: o, log: o.Logger, pace: newPacer(o.PerUpstream, o.Now)}
	ob.metrics = newMetrics(ob)
	if err := ob.metrics.register(o.Registerer); err != nil {
		return nil, fmt.Errorf("making the outbox: %w", err)
	}
	return ob, nil
}

// Close takes the metrics off the registerer. Run ends with its own ctx.
func (o *Outbox) Close() { o.metrics.unregister(o.o.Registerer) }

// Run delivers until ctx ends. A delivery whose message is completely sent waits up to
// 20 s for the verdict then; all others are broken off and tried again by the next Run.
func (o *Outbox) Run(ctx context.Context) error {
	pruned := make(chan struct{})
	go func() {
		defer close(pruned)
		o.pruneAll(ctx)
	}()
	err := o.o.Queue.Work(ctx, queue.Worker{
		Kind: Kind, Concurrency: max(o.o.Config.Workers, 1), Grace: workerGrace, Handle: o.handle,
	})
	<-pruned
	if err != nil {
		return fmt.Errorf("running the outbox: %w", err)
	}
	return nil
}

// handle is one step in the life of a message.
func (o *Outbox) handle(ctx context.Context, job queue.Job) queue.Result {
	id, err := journal.ParseID(string(job.Payload))
	if err != nil {
		return queue.Result{Action: queue.Discard, Reason: err.Error()}
	}
	e, err := o.o.Journal.Entry(ctx, id)
	if errors.Is(err, journal.ErrNotFound) {
		return queue.Result{Action: queue.Discard, Reason: "the message is not in the journal"}
	}
	if err != nil {
		return o.later(ctx, id, "entry not read", err)
	}
	m, err := o.load(ctx, e)
	if err != nil {
		return o.later(ctx, id, "state not read", err)
	}
	// A crash may have left a DSN decided on but not written.
	if err := o.writeNotices(ctx, e, &m); err != nil {
		return o.later(ctx, id, "notice not written", err)
	}
	if m.count(StatePending) > 0 {
		if result, done := o.try(ctx, e, &m); !done {
			return result
		}
	}
	return o.finish(ctx, e, &m)
}

// try makes one attempt. done is true when nobody is pending any more.
func (o *Outbox) try(ctx context.Context, e journal.Entry, m *OutboxMessage) (result queue.Result, done bool) {
	route, err := o.route(e)
	name := e.Upstream
	if route != nil {
		name = route.up.Name()
	}
	leave, back := o.pace.enter(ctx, name)
	now := o.o.Now()
	expired := !now.Before(m.ExpiresAt)
	var out outcome
	switch {
	case leave == nil && ctx.Err() != nil:
		return queue.Result{Action: queue.Snooze, Reason: "stopped"}, false
	case leave == nil && !expired:
		// Not an attempt: the message did nothing wrong.
		return queue.Result{Action: queue.Snooze, At: back.Add(spread()), Reason: "waits for upstream " + name}, false
	case leave == nil:
		out = outcome{kind: outcomeUnreachable, trouble: fmt.Errorf("upstream %s did not take mail", name)}
	case err != nil:
		leave()
		out = outcome{kind: outcomeUnreachable, trouble: err}
	default:
		out = o.attempt(ctx, route, e, m)
		leave()
	}
	o.notePace(name, out)
	o.metrics.attempt(name, out.kind)
	switch out.kind {
	case outcomeStopped:
		return queue.Result{Action: queue.Snooze, Reason: "stopped"}, false
	case outcomeElsewhere:
		return queue.Result{Action: queue.Snooze, At: o.o.Now().Add(elsewhereDelay + spread()), Reason: out.trouble.Error()}, false
	case outcomeInternal:
		if !expired {
			return o.later(ctx, e.ID, "message not read", out.trouble), false
		}
	}
	m.Upstream = name
	return o.settle(ctx, e, m, out)
}

// settle writes the outcome down.
func (o *Outbox) settle(ctx context.Context, e journal.Entry, m *OutboxMessage, out outcome) (result queue.Result, done bool) {
	first := m.count(StateDelivered, StateRelayed) == 0
	o.apply(m, out)
	mirror := first && m.count(StateDelivered, StateRelayed) > 0 && !m.mirrored
	row, note := o.ledgerRow(e, m)
	note = note && m.count(StatePending) > 0 // the end is noted at the end
	err := o.commit(ctx, func(ctx context.Context, tx store.Querier) error {
		if note {
			if err := o.o.Journal.Note(ctx, tx, row); err != nil {
				return err
			}
		}
		if mirror {
			if err := o.o.Journal.Mirror(ctx, tx, m.Entry); err != nil {
				return err
			}
			m.mirrored = true
		}
		return save(ctx, tx, m)
	})
	o.logAttempt(ctx, m, out)
	if err != nil {
		return o.later(ctx, e.ID, "outcome not written", err), false
	}
	for i := range m.Recipients {
		m.Recipients[i].changed = false
	}
	if mirror {
		o.o.Queue.Wake()
	}
	if err := o.writeNotices(context.WithoutCancel(ctx), e, m); err != nil {
		return o.later(ctx, e.ID, "notice not written", err), false
	}
	if m.count(StatePending) > 0 {
		return queue.Result{Action: queue.Snooze, At: m.NextTry, Reason: m.waitsFor()}, false
	}
	return queue.Result{}, true
}

// apply works the outcome of an attempt into the message, decides when to go on, and
// plans the notices that follow from it.
func (o *Outbox) apply(m *OutboxMessage, out outcome) {
	now := o.o.Now()
	expired := !now.Before(m.ExpiresAt)
	m.Attempts++
	next := now.Add(retryDelay(m.Attempts))
	if out.progress && out.crowded {
		next = now.Add(minRetry) // RFC 5321, 4.5.3.1.10: the rest at once, in a transaction of its own
	}
	if next.After(m.ExpiresAt) {
		next = m.ExpiresAt
	}
	next = later(next, now.Add(minRetry))
	for _, r := range m.pending() {
		r.changed = true
		r.Attempts++
		r.LastTry = now
		o.applyReply(r, out)
		if r.State == StatePending && expired {
			r.State, r.Enhanced = StateFailed, "4.4.7" // RFC 3463, 3.5: delivery time expired
			o.metrics.recipients.WithLabelValues("expired").Inc()
		}
		r.NextTry = time.Time{}
		if r.State == StatePending {
			r.NextTry = next
			o.metrics.recipients.WithLabelValues("deferred").Inc()
		}
	}
	m.NextTry = time.Time{}
	if m.count(StatePending) > 0 {
		m.NextTry = next
	}
	o.planNotice(m, now)
}

// applyReply sets what the upstream said of one recipient.
func (o *Outbox) applyReply(r *OutboxRecipient, out outcome) {
	rep, said := out.replies[r.position]
	r.Remote = out.remote
	switch {
	case !said:
		// Trouble before anything was said of it.
		r.Code, r.Enhanced, r.Text = 0, "4.4.1", "no verdict"
		if out.trouble != nil {
			r.Text = clip(out.trouble.Error())
		}
		if out.kind == outcomeInternal {
			r.Enhanced, r.Text = "4.3.0", "the message could not be read here"
		}
		return
	case rep.ours:
		r.Remote = ""
	}
	r.Code, r.Enhanced, r.Text = rep.code, rep.enhanced, clip(rep.text)
	switch {
	case rep.code < 300 && out.noDSN:
		r.State = StateRelayed
	case rep.code < 300:
		r.State = StateDelivered
	case rep.code >= 500 && !rep.retry:
		r.State = StateFailed
	}
	if r.State != StatePending {
		o.metrics.recipients.WithLabelValues(string(r.State)).Inc()
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// waitsFor is the reason of the last deferral, for the job.
func (m *OutboxMessage) waitsFor() string {
	for _, r := range m.pending() {
		return fmt.Sprintf("%d pending: %s", len(m.pending()), strings.TrimSpace(fmt.Sprintf("%s %s", r.Enhanced, r.Text)))
	}
	return ""
}

// finish ends the life of a message of which nobody is pending. Each step may be
// repeated after a crash.
func (o *Outbox) finish(ctx context.Context, e journal.Entry, m *OutboxMessage) queue.Result {
	ctx = context.WithoutCancel(ctx)
	failed, dropped := m.count(StateFailed), m.dropped()
	outcome := "delivered"
	switch {
	case dropped:
		outcome = "dropped"
	case failed == len(m.Recipients) && failed > 0:
		outcome = "bounced"
	}
	row, note := o.ledgerRow(e, m)
	fresh := m.FinishedAt.IsZero()
	if fresh {
		m.FinishedAt = o.o.Now()
	}
	err := o.commit(ctx, func(ctx context.Context, tx store.Querier) error {
		if note {
			if err := o.o.Journal.Note(ctx, tx, row); err != nil {
				return err
			}
		}
		if !m.mirrored { // mirroring has settled it
			if err := o.o.Journal.Settle(ctx, tx, m.Entry); err != nil {
				return err
			}
		}
		return save(ctx, tx, m)
	})
	if err != nil {
		return o.later(ctx, m.Entry, "end of the message not written", err)
	}
	doubleBounce := failed > 0 && m.ReversePath == "" && !dropped
	if fresh {
		o.metrics.finished(m, o.o.Now(), doubleBounce)
		o.logEnd(ctx, m, outcome, doubleBounce)
	}
	if dropped {
		return queue.Result{Action: queue.Cancel, Reason: m.failure()}
	}
	if doubleBounce {
		return queue.Result{Action: queue.Discard, Reason: "not delivered, and there is nobody to tell (null reverse path): " + m.failure()}
	}
	if failed > 0 {
		return queue.Result{Action: queue.Complete, Reason: outcome + ": " + m.failure()}
	}
	return queue.Result{Action: queue.Complete}
}

// dropped says whether an operator gave somebody up.
func (m *OutboxMessage) dropped() bool {
	for i := range m.Recipients {
		if m.Recipients[i].State == StateFailed && m.Recipients[i].action == actionDropped {
			return true
		}
	}
	return false
}

// failure names the first recipient's reason and how many there are.
func (m *OutboxMessage) failure() string {
	for i := range m.Recipients {
		if r := &m.Recipients[i]; r.State == StateFailed {
			return fmt.Sprintf("%d of %d recipients failed: %s", m.count(StateFailed), len(m.Recipients), r.diagnosis())
		}
	}
	return ""
}

// diagnosis is the reply in one line.
func (r *OutboxRecipient) diagnosis() string {
	if r.Code == 0 {
		return strings.TrimSpace(r.Enhanced + " " + r.Text)
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text))
}

// ledgerRow says in the ledger that recipients failed, and that they did not after
// all when an operator made it run again.
func (o *Outbox) ledgerRow(e journal.Entry, m *OutboxMessage) (journal.LedgerRow, bool) {
	row := journal.LedgerRow{Entry: m.Entry, Account: e.Account, Target: ledgerTarget(m.Upstream), At: o.o.Now()}
	switch {
	case m.count(StateFailed) > 0 && m.count(StatePending) == 0:
		row.State, row.Reason = journal.LedgerFailed, m.failure()
		return row, true
	case m.retried && m.count(StatePending) > 0:
		row.State, row.Reason = journal.LedgerPending, "retried: "+m.waitsFor()
		return row, true
	case m.retried:
		row.State, row.Reason = journal.LedgerCaptured, "accepted by the upstream after a retry"
		return row, true
	}
	return row, false
}

func ledgerTarget(upstream string) string { return "upstream:" + upstream }

// later answers trouble of our own: it is never a reason to give a mail up.
func (o *Outbox) later(ctx context.Context, id journal.ID, what string, err error) queue.Result {
	if ctx.Err() == nil {
		o.log.ErrorContext(ctx, "outbox is in trouble, the message waits", "entry", id.String(), "what", what, "err", err)
		o.metrics.internal.Inc()
	}
	return queue.Result{Action: queue.Snooze, At: o.o.Now().Add(internalDelay), Reason: what + ": " + err.Error()}
}

// commit writes in spite of a stop, and tries for a while: what was said over the wire must
// not be forgotten.
func (o *Outbox) commit(ctx context.Context, fn func(context.Context, store.Querier) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), workerGrace-verdictGrace-time.Second)
	defer cancel()
	for pause := 100 * time.Millisecond; ; pause *= 2 {
		err := o.o.Store.Write(ctx, fn)
		if err == nil {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

func (o *Outbox) notePace(name string, out outcome) {
	switch out.kind {
	case outcomeDelivered, outcomePartly, outcomeFailed:
		o.pace.succeeded(name)
	case outcomeUnreachable:
		o.pace.pause(name, firstUnreachable, maxUnreachable)
	case outcomeRate:
		o.pace.pause(name, firstRate, maxRate)
	}
}

func (o *Outbox) logAttempt(ctx context.Context, m *OutboxMessage, out outcome) {
	level := slog.LevelInfo
	if m.count(StatePending) > 0 {
		level = slog.LevelWarn
	}
	o.log.Log(ctx, level, "delivery attempted", "entry", m.Entry.String(), "upstream", m.Upstream, "outcome", string(out.kind),
		"attempt", m.Attempts, "delivered", m.count(StateDelivered, StateRelayed), "pending", m.count(StatePending), "failed", m.count(StateFailed),
		"next", m.NextTry, "err", out.trouble)
}

func (o *Outbox) logEnd(ctx context.Context, m *OutboxMessage, outcome string, doubleBounce bool) {
	if doubleBounce {
		o.log.ErrorContext(ctx, "a notice could not be delivered, nobody is told", "entry", m.Entry.String(), "reason", m.failure())
		return
	}
	o.log.InfoContext(ctx, "message left the outbox", "entry", m.Entry.String(), "outcome", outcome)
}
