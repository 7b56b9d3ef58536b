package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/crmclient"
	"heliograph/internal/limit"
)

const (
	// maxWaiting bounds what waits for one channel. Who comes later is told to come again.
	maxWaiting = 500
	// maxDigest is how many messages a post has at most: nobody reads more.
	maxDigest = 20
	// gather is how long a message waits for company after others had to wait.
	gather = 200 * time.Millisecond
)

// waiter is a message with somebody who wants to know what becomes of it.
type waiter struct {
	message Message
	ctx     context.Context //nolint:containedctx // of the one who waits, not of the work
	result  chan error      // has room for one
}

// Send posts a message, alone or with others, and returns when it was taken. Errors are of package crmclient, with a class and,
// where a person must do something, a remedy.
func (c *Channel) Send(ctx context.Context, m Message) error {
	switch {
	case len(m.To) > 0 && c.caller == nil:
		return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: ErrNotPersonal.Error(), Err: ErrNotPersonal, Remedy: "add app to the notifier, or name a group"}
	case len(m.To) > 0:
		return c.caller.sendTo(ctx, bounded(m, c.now()))
	case c.transport == nil:
		return &crmclient.Error{Class: crmclient.ClassConfiguration, Message: "this notifier reaches people only, and the message is for nobody", Remedy: "add url, the address of a group's robot"}
	}
	w := &waiter{message: bounded(m, c.now()), ctx: ctx, result: make(chan error, 1)}
	if err := c.enqueue(w); err != nil {
		return err
	}
	select {
	case err := <-w.result:
		return err
	case <-ctx.Done():
		return &crmclient.Error{Class: crmclient.ClassRetry, Message: "the message waited too long for its turn", Err: context.Cause(ctx)}
	}
}

func (c *Channel) enqueue(w *waiter) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return &crmclient.Error{Class: crmclient.ClassRetry, Message: "the message was not sent", Err: errClosed}
	case len(c.waiting) >= maxWaiting:
		return &crmclient.Error{Class: crmclient.ClassRate, RetryAfter: time.Minute, Message: fmt.Sprintf("%d messages wait for this channel already", maxWaiting)}
	}
	c.waiting = append(c.waiting, w)
	select {
	case c.more <- struct{}{}:
	default:
	}
	return nil
}

// run posts what waits until ctx ends.
func (c *Channel) run(ctx context.Context) {
	defer close(c.done)
	defer c.giveUp()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.more:
		}
		for c.step(ctx) {
		}
	}
}

// step posts once, and says whether anything is left.
func (c *Channel) step(ctx context.Context) bool {
	if !c.turn(ctx) {
		return false
	}
	batch := c.batch()
	if len(batch) == 0 {
		return false
	}
	ms := make([]Message, len(batch))
	for i, w := range batch {
		ms[i] = w.message
	}
	taken, err := c.post(ctx, ms)
	c.finish(batch[:taken], err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(batch[taken:len(batch):len(batch)], c.waiting...)
	return len(c.waiting) > 0 && ctx.Err() == nil
}

// turn waits until the vendor allows a post. A limiter that is away is none: the vendor has its own.
func (c *Channel) turn(ctx context.Context) bool {
	waited := false
	for {
		d, err := c.limiter.Allow(ctx, "notify:"+c.name, c.vendor.rate(), 1)
		switch {
		case ctx.Err() != nil:
			return false
		case err != nil:
			c.log.WarnContext(ctx, "rate limiter is away", "notifier", c.name, "error", err)
			return true
		case d.Allowed && !waited:
			return true
		case d.Allowed:
			return pause(ctx, gather)
		}
		waited = true
		if !pause(ctx, max(d.RetryAfter, time.Millisecond)) {
			return false
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// batch takes what is to be posted next. Those who have gone are left out.
func (c *Channel) batch() []*waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*waiter
	for len(c.waiting) > 0 && len(out) < maxDigest {
		w := c.waiting[0]
		c.waiting = c.waiting[1:]
		if w.ctx.Err() == nil {
			out = append(out, w)
		}
	}
	return out
}

func (c *Channel) finish(batch []*waiter, err error) {
	outcome := "sent"
	if err != nil {
		outcome = string(crmclient.ClassOf(err))
		c.log.Warn("notification not sent", "notifier", c.name, "messages", len(batch), "error", err)
	}
	c.metrics.messages.WithLabelValues(c.name, outcome).Add(float64(len(batch)))
	for _, w := range batch {
		w.result <- err
	}
}

func (c *Channel) giveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, w := range c.waiting {
		w.result <- &crmclient.Error{Class: crmclient.ClassRetry, Message: "the message was not sent", Err: errClosed}
	}
	c.waiting = nil
}

// perMinute is the rate of robots that count by the minute. A little is left for clocks that differ.
func perMinute(n int) limit.Rate { return limit.Rate{Count: n, Per: time.Minute, Burst: 5} }

type metrics struct{ messages *prometheus.CounterVec }

// newMetrics registers the metrics, which all channels share.
func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "heliograph_notifications_total", Help: "Notifications by channel and outcome: sent, or the class of the error.",
	}, []string{"notifier", "outcome"})}
	if r == nil {
		return m, nil
	}
	err := r.Register(m.messages)
	if there := (prometheus.AlreadyRegisteredError{}); errors.As(err, &there) {
		if v, ok := there.ExistingCollector.(*prometheus.CounterVec); ok {
			m.messages, err = v, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("metrics of notifications: %w", err)
	}
	return m, nil
}
