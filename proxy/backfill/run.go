package backfill

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/proxy/upstream"
)

const (
	// giveUpAfter is how long a run tries without bringing one message to an end.
	giveUpAfter = 15 * time.Minute
	maxBackoff  = time.Minute
	// progressEvery is the time between two events that only tell of progress.
	progressEvery = 200 * time.Millisecond
	// defaultChunk and minChunk bound what is asked for at a time.
	defaultChunk = 256 << 10
	minChunk     = 16 << 10
)

// run is one backfill or reconciliation.
type run struct {
	r       *Runner
	req     *Request
	account string
	session string // names the run in logs and entries
	log     *slog.Logger
	report  func(Event)
	result  Result

	set  Settings // as of the connection
	up   *upstream.Upstream
	rule config.CaptureRule
	side *side // nil while there is none

	met       bool      // there was a connection once, so trouble is likely to pass
	left      int       // messages that may still be fetched; -1 means all
	allowance int64     // bytes taken from the day's budget and not fetched yet
	due       time.Time // when the rate allows the next command
	progress  time.Time // when a message last came to an end
	told      time.Time // when progress was last reported
	at        string    // mailbox
	refusal   string    // what the server said when it refused the last FETCH
}

func newRun(r *Runner, req *Request, account string, report func(Event)) *run {
	w := &run{r: r, req: req, account: account, session: "side-" + strings.ToLower(rand.Text()[:12]), report: report, left: -1}
	w.log = r.log.With("account", account, "session", w.session)
	if req.Limit > 0 {
		w.left = req.Limit
	}
	return w
}

// backfill is the whole of it: folders, plan, then one mailbox after the other.
func (w *run) backfill(ctx context.Context) error {
	boxes, err := w.choose(ctx)
	if err != nil {
		return err
	}
	defer closeAll(boxes)
	for _, b := range boxes {
		if err := w.retry(ctx, func(ctx context.Context) error { return w.plan(ctx, b, !w.req.DryRun) }); err != nil {
			return err
		}
		w.result.Total += b.row.Missing
	}
	if w.left >= 0 {
		w.result.Total = min(w.result.Total, w.left)
	}
	w.tell(Event{Kind: EventPlan})
	work := w.fill
	if w.req.DryRun {
		work = w.measure
	}
	return w.each(ctx, boxes, work)
}

// each works on one mailbox after the other, and reports each one's row.
func (w *run) each(ctx context.Context, boxes []*box, work func(context.Context, *box) error) error {
	for _, b := range boxes {
		w.at = b.name
		if b.row.Skipped == "" {
			err := w.retry(ctx, func(ctx context.Context) error { return work(ctx, b) })
			w.tell(Event{Kind: EventProgress})
			if err != nil {
				return err
			}
		}
		w.tell(Event{Kind: EventMailbox, Row: b.row})
		b.close()
	}
	return nil
}

func closeAll(boxes []*box) {
	for _, b := range boxes {
		b.close()
	}
}

// choose connects and decides which mailboxes are meant.
func (w *run) choose(ctx context.Context) ([]*box, error) {
	uses, err := w.folders(ctx)
	if err != nil {
		return nil, err
	}
	names := w.req.Mailboxes
	switch {
	case w.req.All:
		names = slices.Sorted(maps.Keys(uses))
	case len(names) == 0:
		names = []string{"INBOX"}
	}
	var boxes []*box
	w.result.Rows = make([]Row, 0, len(names)) // boxes point into it
	for _, name := range names {
		name = fold(name)
		use, there := uses[name]
		takes := w.rule.Folders.Takes(name, use)
		switch {
		case slices.ContainsFunc(boxes, func(b *box) bool { return b.name == name }):
			continue
		case !there && uses != nil:
			return nil, fmt.Errorf("there is no mailbox %q; there are %s", name, someOf(uses))
		case !takes && !w.req.All:
			return nil, fmt.Errorf("mailbox %q is not to be captured: drafts never are, others by capture.folders of the configuration", name)
		}
		w.result.Rows = append(w.result.Rows, Row{Mailbox: name})
		b := &box{name: name, row: &w.result.Rows[len(w.result.Rows)-1], lost: map[uint32]int{}}
		if !takes {
			b.row.Skipped = "left out by the configuration"
		}
		boxes = append(boxes, b)
	}
	return boxes, nil
}

// folders lists the mailboxes; nil where the list cannot be read, which one name that breaks the rules is
// enough for, and mailboxes were named.
func (w *run) folders(ctx context.Context) (uses map[string]string, err error) {
	const tries = 3 // the connection may also be lost by chance
	failed := 0
	err = w.retry(ctx, func(ctx context.Context) error {
		var lost *lostError
		uses, err = w.side.folders(ctx)
		if !errors.As(err, &lost) {
			return err
		}
		if failed++; failed < tries {
			return err
		}
		if w.req.All {
			return fmt.Errorf("the list of mailboxes cannot be read (%w): name those that you want with --mailbox", lost.err)
		}
		w.drop()
		return nil
	})
	return uses, err
}

// fold writes INBOX as the ledger does: it is the one name without case (RFC 9051, 5.1).
func fold(name string) string {
	if strings.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	return name
}

// someOf names mailboxes for a person who mistyped one.
func someOf(uses map[string]string) string {
	const most = 20 // what still reads as one sentence
	names := slices.Sorted(maps.Keys(uses))
	more := ""
	if len(names) > most {
		names, more = names[:most], fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ") + more
}

// connect makes the connection, if there is none, with the settings now in force.
func (w *run) connect(ctx context.Context) error {
	if w.side != nil {
		return nil
	}
	w.set = w.r.opts.Settings()
	up, err := w.set.Router.Route("", "", w.account)
	if err != nil {
		return err
	}
	if !up.HasIMAP() {
		return fmt.Errorf("upstream %s has no IMAP server: name it as imap.address", up.Name())
	}
	w.up, w.rule = up, w.set.Capture.For(w.account)
	if w.rule.Policy == config.CaptureNone {
		return fmt.Errorf("nothing of %s is to be captured: capture.policy is none for this account", w.account)
	}
	if w.r.opts.Paused != nil && w.r.opts.Paused(w.account) {
		return fmt.Errorf("capture of %s is paused: resume it first", w.account)
	}
	if err := w.r.mayLogIn(ctx, w.account); err != nil {
		return err
	}
	s, err := dial(ctx, up, w.req)
	w.r.loggedIn(ctx, w.account, err)
	if err != nil {
		return remedied(err)
	}
	w.side, w.met = s, true
	return nil
}

// remedied adds what an operator can do.
func remedied(err error) error {
	var e *upstream.Error
	if !errors.As(err, &e) {
		return err
	}
	if len(e.Bye) > 0 {
		err = fmt.Errorf("%w: %s", err, quote(string(e.Bye)))
	}
	return fmt.Errorf("%w; %s", err, e.Remedy())
}

func (w *run) disconnect() {
	if w.side != nil {
		w.side.logout()
		w.side = nil
	}
}

// drop closes a connection that is of no use any more, without a word.
func (w *run) drop() {
	if w.side != nil {
		w.side.close()
		w.side = nil
	}
}

// retry runs f with a connection, again after each lost one. Since f begins with what the ledger does not know the
// end of, nothing is done twice.
func (w *run) retry(ctx context.Context, f func(context.Context) error) error {
	backoff := w.r.opts.Backoff
	w.progress = time.Now()
	for {
		before := w.progress
		err := w.connect(ctx)
		if err == nil {
			err = f(ctx)
		}
		var p *pauseError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &p):
			w.disconnect()
			w.tell(Event{Kind: EventWait, Until: p.until, Text: p.why})
			if err := sleep(ctx, time.Until(p.until)); err != nil {
				return err
			}
			w.progress = time.Now()
			continue
		case !w.met || !passes(err):
			return err
		case time.Since(w.progress) > giveUpAfter:
			return fmt.Errorf("%w: given up after %v; the same command goes on where this one ended", err, giveUpAfter)
		}
		w.drop()
		w.r.metrics.reconnects.Inc()
		if w.progress != before {
			backoff = w.r.opts.Backoff
		}
		w.log.Warn("side session lost its connection, trying again", "err", err, "in", backoff.String())
		w.tell(Event{Kind: EventWait, Until: time.Now().Add(backoff), Text: err.Error()})
		if err := sleep(ctx, backoff); err != nil {
			return err
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// passes reports whether trying again with a new connection may help.
func passes(err error) bool {
	var lost *lostError
	var busy *trouble
	var up *upstream.Error
	return errors.As(err, &lost) || errors.As(err, &busy) || errors.As(err, &up)
}

// chunk is how much of a message is asked for at a time.
func (w *run) chunk() int64 {
	if c := int64(w.set.Capture.ChunkBytes); c > 0 {
		return max(c, minChunk)
	}
	return defaultChunk
}

// tell completes and reports an event. Progress is told a few times a second at most.
func (w *run) tell(e Event) {
	now := time.Now()
	if e.Kind == EventProgress {
		if now.Sub(w.told) < progressEvery {
			return
		}
		w.told = now
	}
	e.Mailbox, e.Total, e.Counts = w.at, w.result.Total, w.result.Counts
	if e.Row != nil {
		row := *e.Row
		e.Row = &row
	}
	w.report(e)
}
