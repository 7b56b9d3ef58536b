package watch

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/uidset"
)

// account is one watched account: a lease, and while this node has it, some connections.
type account struct {
	w       *Watcher
	cfg     config.Watch
	up      config.Upstream // as it was when the watch began
	address string
	session string // names the watch in logs and entries
	log     *slog.Logger
	gate    gate

	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	fewer  atomic.Int32 // connections that the provider does not want

	mu    sync.Mutex                        // guards the fields below
	names []string                          // mailboxes that are known
	fresh map[journal.MailboxKey]uidset.Set // captured, not seen in the store yet
}

var (
	errLease   = errors.New("another node watches the account now")
	errFolders = errors.New("the mailboxes of the account are others now")
)

func newAccount(w *Watcher, cfg config.Watch, up config.Upstream) *account {
	a := &account{w: w, cfg: cfg, up: up, address: accountOf(cfg.Address), session: "watch-" + strings.ToLower(rand.Text()[:12]), done: make(chan struct{}), fresh: map[journal.MailboxKey]uidset.Set{}}
	a.log = w.log.With("account", a.address, "session", a.session)
	a.ctx, a.cancel = context.WithCancel(w.ctx)
	a.names = slices.Clone(cfg.Mailboxes)
	for i, name := range a.names {
		a.names[i] = fold(name)
	}
	a.gate.init()
	return a
}

// start begins the watch, after the end of another one of the same account; nil: there is none.
func (a *account) start(before *account) {
	a.w.work.Go(func() {
		defer close(a.done)
		defer a.cancel()
		if before != nil {
			<-before.done
		}
		a.w.record.keep(a.address, a.names)
		a.state(StateConnecting, "")
		a.run(a.ctx)
	})
}

// leaseKey names the claim on the account.
func (a *account) leaseKey() string { return "watch:" + a.up.Name + ":" + a.address }

// owner is who has the claim: an account that a reload began anew is another owner than the one that ends.
func (a *account) owner() string { return a.w.owner + "-" + a.session }

// run watches while this node has the lease.
func (a *account) run(ctx context.Context) {
	lease := a.w.times.lease
	for ctx.Err() == nil {
		ours, err := a.w.opts.Claims.Claim(ctx, a.leaseKey(), a.owner(), lease)
		if err == nil && ours {
			a.hold(ctx)
			continue
		}
		if ctx.Err() == nil {
			a.state(StateStandby, "")
		}
		_ = sleep(ctx, jitter(lease/3)) // the loop looks at ctx
	}
}

// hold watches until ctx ends or the lease is lost.
func (a *account) hold(parent context.Context) {
	ctx, cancel := context.WithCancelCause(parent)
	var keeper sync.WaitGroup
	keeper.Go(func() { a.extend(ctx, cancel) })
	a.serve(ctx)
	cancel(nil)
	keeper.Wait()
	if !errors.Is(context.Cause(ctx), errLease) {
		last, done := context.WithTimeout(context.WithoutCancel(parent), goodbye)
		defer done()
		a.settle(last)
		_ = a.w.opts.Claims.Release(last, a.leaseKey(), a.owner()) // else it runs out
	}
	a.log.Info("watch of a mailbox ended on this node", "err", context.Cause(ctx))
}

const (
	// goodbye bounds what is done after the end of a watch.
	goodbye = 3 * time.Second
	// settlePoll is how often the store is asked whether it knows all that this node captured.
	settlePoll = 20 * time.Millisecond
)

// extend keeps the lease.
func (a *account) extend(ctx context.Context, lost context.CancelCauseFunc) {
	lease := a.w.times.lease
	held := time.Now()
	for sleep(ctx, lease/3) == nil {
		asked := time.Now()
		ours, err := a.w.opts.Claims.Extend(ctx, a.leaseKey(), a.owner(), lease)
		switch {
		case err == nil && ours:
			held = asked
		case err == nil || time.Since(held) > lease*2/3:
			lost(errLease)
			return
		}
	}
}

// settle waits until the store knows what was captured, so that the next node does not capture it again.
func (a *account) settle(ctx context.Context) {
	a.mu.Lock()
	fresh := maps.Clone(a.fresh)
	a.mu.Unlock()
	for key, set := range fresh {
		for ctx.Err() == nil {
			if known, err := a.stored(ctx, key); err == nil && set.Sub(known.Sets[journal.UIDCaptured]).Empty() {
				break
			}
			_ = sleep(ctx, settlePoll) // the loop looks at ctx
		}
	}
}

// stored reads what the store knows of a mailbox. The sets of one that it does not know are empty.
func (a *account) stored(ctx context.Context, key journal.MailboxKey) (known journal.MailboxState, err error) {
	states, err := a.w.opts.Journal.Mailboxes(ctx, journal.MailboxFilter{
		Upstream: key.Upstream, Account: key.Account, Mailbox: key.Mailbox, UIDValidity: key.UIDValidity,
	})
	if err != nil || len(states) == 0 {
		return known, err
	}
	known = states[0] // the filter names one
	a.mu.Lock()
	defer a.mu.Unlock()
	if left := a.fresh[key].Sub(known.Sets[journal.UIDCaptured]); left.Empty() {
		delete(a.fresh, key)
	} else {
		a.fresh[key] = left
	}
	return known, nil
}

// paused says that nothing of the account is to be captured for now.
func (a *account) paused() bool { return a.w.opts.Paused != nil && a.w.opts.Paused(a.address) }

// captured notes an entry of this node that the store may not know yet.
func (a *account) captured(key journal.MailboxKey, uid uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	set := a.fresh[key].Clone()
	set.Add(uid, uid)
	a.fresh[key] = set
}

// serve runs the connections until ctx ends.
func (a *account) serve(ctx context.Context) {
	for ctx.Err() == nil {
		names, first, err := a.mailboxes(ctx)
		if err != nil {
			return // only ctx ends it
		}
		lines := a.spread(names)
		if len(lines) == 0 {
			first.close(true)
			a.state(StateFailed, "the account has no mailbox that mailboxes: names")
			_ = sleep(ctx, jitter(a.w.times.whole)) // the loop looks at ctx
			continue
		}
		lines[0].link = first
		a.watch(ctx, lines)
	}
}

// watch runs lines until ctx ends or one of them finds that the mailboxes are others.
func (a *account) watch(parent context.Context, lines []*line) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var work sync.WaitGroup
	for _, l := range lines {
		work.Go(func() {
			if errors.Is(l.run(ctx), errFolders) {
				cancel(errFolders)
			}
		})
	}
	work.Wait()
	for _, l := range lines {
		l.closeBoxes()
	}
}

// mailboxes connects and finds the mailboxes that are meant. The connection is the first line's.
func (a *account) mailboxes(ctx context.Context) ([]string, *link, error) {
	failed := backoff{first: a.w.times.backoff}
	for {
		l, err := a.connect(ctx)
		if err != nil {
			return nil, nil, err
		}
		names, err := a.list(ctx, l)
		if err == nil {
			a.known(names)
			return names, l, nil
		}
		l.close(false)
		if err := a.pause(ctx, a.cfg.Mailboxes, err, &failed); err != nil {
			return nil, nil, err
		}
	}
}

// list finds the mailboxes that the configuration means, INBOX first.
func (a *account) list(ctx context.Context, l *link) ([]string, error) {
	if !slices.ContainsFunc(a.cfg.Mailboxes, isPattern) {
		var names []string
		for _, name := range a.cfg.Mailboxes {
			if name = fold(name); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return names, nil
	}
	uses, err := l.folders(ctx)
	if err != nil {
		return nil, err
	}
	folders := config.Folders{Include: a.cfg.Mailboxes}
	names := slices.Sorted(maps.Keys(uses))
	names = slices.DeleteFunc(names, func(name string) bool { return !folders.Takes(name, uses[name]) })
	if i := slices.Index(names, "INBOX"); i > 0 {
		names = slices.Concat([]string{"INBOX"}, names[:i], names[i+1:])
	}
	return names, nil
}

// isPattern reports whether an entry may mean other mailboxes than one of this name.
func isPattern(entry string) bool {
	return strings.ContainsAny(entry, "*%") || strings.HasPrefix(entry, `\`)
}

// known notes the mailboxes of the account.
func (a *account) known(names []string) {
	a.mu.Lock()
	a.names = slices.Clone(names)
	a.mu.Unlock()
	a.w.record.keep(a.address, names)
	a.state(StateConnecting, "")
}

// state puts all mailboxes into a state.
func (a *account) state(s State, detail string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.w.record.set(a.address, a.up.Name, a.names, s, detail)
}

// spread gives mailboxes to connections: the first ones have one each, the last one polls the rest.
func (a *account) spread(names []string) []*line {
	most := max(1, a.cfg.Connections-int(a.fewer.Load()))
	var lines []*line
	for i, name := range names {
		b := &box{account: a, name: name, tries: map[uint32]int{}, atOnce: describeAtOnce}
		if i < most {
			lines = append(lines, &line{account: a, boxes: []*box{b}, lost: backoff{first: a.w.times.backoff}})
			continue
		}
		last := lines[most-1]
		last.boxes = append(last.boxes, b)
	}
	return lines
}

// key names the ledger of a mailbox.
func (a *account) key(mailbox string, validity uint32) journal.MailboxKey {
	return journal.MailboxKey{Upstream: a.up.Name, Account: a.address, Mailbox: mailbox, UIDValidity: validity}
}

// backoff is a pause that grows.
type backoff struct{ first, last time.Duration }

// next returns the next pause.
func (b *backoff) next() time.Duration {
	b.last = min(max(b.first, 2*b.last), maxBackoff)
	return jitter(b.last)
}

// reset makes the next pause the first.
func (b *backoff) reset() { b.last = 0 }
