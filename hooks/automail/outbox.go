package automail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/limit"
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
	// effectRetention is how long effects and reports are kept.
	effectRetention = 400 * 24 * time.Hour
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
	// Accounts are the employees' accounts that rules may send as besides Config.Senders; nil: none.
	Accounts Accounts
	// Settled tells of final states of rules' mail, in the transaction that writes them: an error undoes it, and it is tried again. It
	// must do nothing but queries, since a transaction may run more than once. Nil: nobody wants to know.
	Settled func(ctx context.Context, tx store.Querier, s Settlement) error
	// Mailboxes finds and stores messages in the mailboxes of senders; nil: by IMAP at their upstreams.
	Mailboxes Mailboxes
	// Limiter counts what accounts send, together with the other nodes; nil: nothing is counted.
	Limiter limit.Limiter
	// PerUpstream is how many connections to one upstream (for rules' mail: of one account) deliver at a time; zero means 4.
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
	sending keyed // by effect
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
	if o.Mailboxes == nil {
		o.Mailboxes = imapMailboxes{}
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

// Run delivers until ctx ends, and stores copies of what was sent. A delivery whose message is completely sent waits up to
// 20 s for the verdict then; all others are broken off and tried again by the next Run.
func (o *Outbox) Run(ctx context.Context) error {
	var side sync.WaitGroup
	side.Go(func() { o.pruneAll(ctx) })
	var copies error
	side.Go(func() {
		copies = o.o.Queue.Work(ctx, queue.Worker{Kind: CopyKind, Concurrency: copyWorkers, Handle: o.handleCopy})
	})
	err := o.o.Queue.Work(ctx, queue.Worker{
		Kind: Kind, Concurrency: max(o.o.Config.Workers, 1), Grace: workerGrace, Handle: o.handle,
	})
	side.Wait()
	if err = errors.Join(err, copies); err != nil {
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
	if len(m.dotted()) > 0 {
		if result, done := o.resolve(ctx, e, &m); !done {
			return result
		}
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
	route, err := o.route(ctx, e)
	name, lane := e.Upstream, e.Upstream
	if route != nil {
		name = route.up.Name()
		lane = name
		if route.who != nil {
			lane = route.who.lane()
		}
	}
	if m.Effect.ID != "" {
		if result, free := o.mayGo(ctx, e, m, route); !free {
			return result, m.count(StatePending) == 0
		}
	}
	leave, back := o.pace.enter(ctx, lane)
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
	o.notePace(lane, out)
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
	m.Upstream, m.Held = name, ""
	return o.settle(ctx, e, m, out)
}

// mayGo looks for what keeps a rule's message back: its time, opt-outs, holds, the budget of its account. free is true when an attempt may begin.
func (o *Outbox) mayGo(ctx context.Context, e journal.Entry, m *OutboxMessage, r *route) (result queue.Result, free bool) {
	now := o.o.Now()
	if now.Before(m.Effect.NotBefore) {
		return queue.Result{Action: queue.Snooze, At: m.Effect.NotBefore, Reason: "not before its time"}, false
	}
	suppressed, err := o.suppress(ctx, m)
	if err != nil {
		return o.later(ctx, e.ID, "opt-outs not read", err), false
	}
	if suppressed {
		if m.NextTry = (time.Time{}); m.count(StatePending) > 0 {
			m.NextTry = now // for the others
		}
		result, _ := o.write(ctx, e, m, false)
		return result, false
	}
	why, err := o.withheld(ctx, m)
	if err != nil {
		return o.later(ctx, e.ID, "holds not read", err), false
	}
	at := now.Add(heldDelay)
	if why == "" && r != nil {
		wait, used, err := o.spend(ctx, r.who, len(m.pending()), m.Effect.bulk())
		if err != nil {
			return o.later(ctx, e.ID, "budget not read", err), false
		}
		why, at = used, now.Add(wait+spread())
	}
	if why == "" {
		return result, true
	}
	if !now.Before(m.ExpiresAt) {
		m.Held = ""
		result, _ := o.settle(ctx, e, m, outcome{kind: outcomeUnreachable, trouble: errors.New(why)})
		return result, false
	}
	if at.After(m.ExpiresAt) {
		at = m.ExpiresAt
	}
	if why != m.Held || !m.NextTry.Equal(at) {
		m.Held, m.NextTry = why, at
		err := o.commit(ctx, func(ctx context.Context, tx store.Querier) error {
			_, err := tx.ExecContext(ctx, `UPDATE outbox_messages SET held = $2, next_try = $3 WHERE entry = $1`, m.Entry.String(), why, store.Micros(at))
			return err
		})
		if err != nil {
			return o.later(ctx, e.ID, "hold not written", err), false
		}
	}
	return queue.Result{Action: queue.Snooze, At: at, Reason: why}, false
}

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
	case outcomeUnreachable, outcomeUnknown:
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
