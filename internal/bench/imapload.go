package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Kind is what the clients of an IMAP load do.
type Kind string

// The kinds of IMAP loads.
const (
	kindPrime    Kind = "prime"    // one client reads all that the others know, and looks at each byte
	kindFetch    Kind = "fetch"    // whole messages, a hundred at a time, which were read before
	kindFresh    Kind = "fresh"    // likewise, which nobody has ever read
	kindCommands Kind = "commands" // FETCH of flags, UID FETCH of an envelope
	kindMix      Kind = "mix"      // twenty of those, ten whole messages, one that is appended, IDLE
	kindLogin    Kind = "login"    // connect, LOGIN, LOGOUT
	kindIdle     Kind = "idle"     // IDLE
)

// What the clients do at a time.
const (
	fetchAtOnce = 100
	mixCommands = 20
	mixFetch    = 10
	mixUnits    = mixCommands + 3 // commands: FETCH, APPEND, IDLE
	// opening is how many sessions are opened at the same time.
	opening = 32
)

// The buffers of a client. Only whole messages are worth a large one.
const (
	fetchBuffer = 256 << 10
	smallBuffer = 1 << 10
)

// imapWorker is one client of a load.
type imapWorker struct {
	t         *traffic
	c         *imapClient // nil between logins
	next      uint32      // message
	count     int         // small commands until now
	body, id  []byte      // to append; id is the part of body that makes its Message-ID unique
	units     int64       // what was done
	appended  int64
	latencies []time.Duration
}

// runIMAP opens all sessions, which is not measured unless that is the load, and lets them
// work. The sessions stay open, in IDLE, until leave is called, so that a gateway can finish on
// them what it has begun; leave is nil after an error.
func (t *traffic) runIMAP(ctx context.Context) (m measured, leave func() error, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.Duration+stuck)
	defer cancel()
	workers := make([]*imapWorker, t.Clients)
	defer func() {
		for _, w := range workers {
			if err != nil && w != nil && w.c != nil {
				_ = w.c.conn.Close()
			}
		}
	}()
	start := time.Now()
	var open errgroup.Group
	open.SetLimit(opening)
	for i := range workers {
		open.Go(func() (err error) {
			workers[i], err = t.worker(ctx, i)
			return err
		})
	}
	if err := open.Wait(); err != nil {
		return m, nil, err
	}
	if t.Kind != kindIdle {
		start = time.Now()
		if err := t.work(ctx, workers); err != nil {
			return m, nil, err
		}
	}
	m = t.sum(workers, time.Since(start))
	var rest errgroup.Group
	for _, w := range workers {
		if w.c != nil {
			rest.Go(w.c.idle)
		}
	}
	return m, func() error { return leaveAll(workers) }, rest.Wait()
}

func (t *traffic) worker(ctx context.Context, i int) (*imapWorker, error) {
	w := &imapWorker{t: t, next: 1}
	mailbox, buffer := inbox, smallBuffer
	switch t.Kind {
	case kindLogin:
		return w, nil
	case kindFresh:
		mailbox, buffer = fmt.Sprintf("%s%s-%d", fresh, t.Fresh, i), fetchBuffer
	case kindPrime, kindFetch:
		buffer = fetchBuffer
	case kindMix:
		buffer = fetchBuffer / 4
		l := newLetter(t.Size)
		w.body, w.id = l.body, l.body[l.id:l.id+len(idPlace)]
	}
	c, err := dialSelected(ctx, t, buffer, mailbox)
	if err != nil {
		return nil, err
	}
	if t.Kind == kindPrime {
		c.digest = &Digest{}
	}
	if t.Kind == kindFetch || t.Kind == kindMix || t.Kind == kindCommands { // not all the same at the same time
		w.next += uint32(i) * 7 * fetchAtOnce % c.exists
	}
	w.c = c
	return w, nil
}

// work lets all workers work until the time is over.
func (t *traffic) work(ctx context.Context, workers []*imapWorker) error {
	var over atomic.Bool
	var units atomic.Int64
	end := time.AfterFunc(t.Duration, func() { over.Store(true) })
	defer end.Stop()
	var all errgroup.Group
	for _, w := range workers {
		all.Go(func() error {
			for {
				before := w.units
				if err := w.step(ctx); err != nil {
					return err
				}
				done := units.Add(w.units - before)
				if over.Load() || t.Duration == 0 || t.Most > 0 && done >= t.Most {
					return nil
				}
			}
		})
	}
	return all.Wait()
}

func (w *imapWorker) step(ctx context.Context) error {
	switch w.t.Kind {
	case kindPrime:
		w.units += int64(w.c.exists)
		return w.timed(func() error { return w.c.fetch(1, w.c.exists) })
	case kindFetch, kindFresh:
		w.units += fetchAtOnce
		return w.timed(func() error { return w.fetch(fetchAtOnce) })
	case kindCommands:
		w.units++
		return w.timed(w.small)
	case kindMix:
		w.units += mixUnits
		return w.mix()
	case kindLogin:
		w.units++
		return w.timed(func() error { return w.login(ctx) })
	}
	return fmt.Errorf("no such load: %s", w.t.Kind)
}

// timed notes how long f takes.
func (w *imapWorker) timed(f func() error) error {
	start := time.Now()
	err := f()
	w.latencies = append(w.latencies, time.Since(start))
	return err
}

// fetch reads the next n messages whole.
func (w *imapWorker) fetch(n uint32) error {
	if w.next+n-1 > w.c.exists {
		w.next = 1
	}
	first := w.next
	w.next += n
	return w.c.fetch(first, first+n-1)
}

func (w *imapWorker) small() error {
	w.next = w.next%w.c.exists + 1
	if w.count++; w.count%2 == 0 {
		return w.c.do("UID FETCH %d (ENVELOPE)", w.next)
	}
	return w.c.do("FETCH %d (FLAGS)", w.next)
}

func (w *imapWorker) mix() error {
	for range mixCommands {
		if err := w.timed(w.small); err != nil {
			return err
		}
	}
	if err := w.fetch(mixFetch); err != nil {
		return err
	}
	copy(w.id, placed(rand.Text()))
	if err := w.c.put("Sent", w.body); err != nil {
		return err
	}
	w.appended++
	if err := w.c.idle(); err != nil {
		return err
	}
	return w.c.done()
}

func (w *imapWorker) login(ctx context.Context) error {
	c, err := dialIMAP(ctx, w.t, smallBuffer)
	if err != nil {
		return err
	}
	if err := c.login(); err != nil {
		_ = c.conn.Close()
		return err
	}
	return c.logout()
}

// sum adds up what all workers have done.
func (t *traffic) sum(workers []*imapWorker, elapsed time.Duration) measured {
	m := measured{Elapsed: elapsed}
	var all []time.Duration
	for _, w := range workers {
		m.Messages += w.units
		m.Stored += w.appended
		all = append(all, w.latencies...)
		if w.c == nil {
			continue
		}
		m.Bytes += w.c.bytes + w.appended*int64(len(w.body))
		if w.c.digest != nil {
			m.Digest = w.c.digest.String()
		}
	}
	switch t.Kind {
	case kindPrime, kindFresh:
		m.Stored = m.Messages
	case kindIdle:
		m.Messages = int64(len(workers))
	}
	slices.Sort(all)
	m.P50, m.P99 = quantile(all, 0.5), quantile(all, 0.99)
	return m
}

// leaveAll ends all sessions, which are in IDLE.
func leaveAll(workers []*imapWorker) error {
	var all errgroup.Group
	all.SetLimit(opening)
	for _, w := range workers {
		if w.c == nil {
			continue
		}
		all.Go(func() error {
			defer w.c.conn.Close()
			if err := w.c.conn.SetDeadline(time.Now().Add(stuck)); err != nil {
				return err
			}
			if err := w.c.done(); err != nil {
				return fmt.Errorf("end of IDLE: %w", err)
			}
			return w.c.logout()
		})
	}
	return all.Wait()
}
