package automail

import (
	"context"
	"strings"
	"sync"
	"time"
)

const (
	// slotWait is how long a message waits for a connection of its upstream to come free, before
	// it makes room for messages of other upstreams.
	slotWait = 2 * time.Second
	// crowdedDelay is how much later it comes back.
	crowdedDelay = 5 * time.Second
)

// The pauses of an upstream: the first, doubled with each that follows without a success between.
const (
	firstUnreachable = 15 * time.Second
	maxUnreachable   = 10 * time.Minute
	firstRate        = time.Minute
	maxRate          = 30 * time.Minute
)

// pacer keeps what this process knows of each upstream's patience.
type pacer struct {
	limit int // connections per upstream
	now   func() time.Time

	mu    sync.Mutex // guards all below
	lanes map[string]*lane
}

type lane struct {
	slots   chan struct{}
	until   time.Time // paused before this
	strikes int       // pauses since the last success
}

func newPacer(limit int, now func() time.Time) *pacer {
	return &pacer{limit: limit, now: now, lanes: map[string]*lane{}}
}

// lane returns the lane of an upstream. The caller holds mu.
func (p *pacer) lane(name string) *lane {
	l := p.lanes[name]
	if l == nil {
		l = &lane{slots: make(chan struct{}, p.limit)}
		p.lanes[name] = l
	}
	return l
}

// enter waits a moment for a place at the upstream. Without one it returns a nil leave
// and the time when to come back.
func (p *pacer) enter(ctx context.Context, name string) (leave func(), back time.Time) {
	p.mu.Lock()
	l, until := p.lane(name), p.lane(name).until
	p.mu.Unlock()
	if p.now().Before(until) {
		return nil, until
	}
	timer := time.NewTimer(slotWait)
	defer timer.Stop()
	select {
	case l.slots <- struct{}{}:
		return func() { <-l.slots }, time.Time{}
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil, p.now().Add(crowdedDelay)
}

// pause keeps all messages from the upstream for a while, which grows until succeeded.
func (p *pacer) pause(name string, first, longest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, now := p.lane(name), p.now()
	if now.Before(l.until) {
		return // attempts that ran side by side are one strike
	}
	l.until = now.Add(min(first<<min(l.strikes, 12), longest))
	l.strikes++
}

// succeeded ends the pause: the upstream is there and takes mail.
func (p *pacer) succeeded(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lane(name)
	l.until, l.strikes = time.Time{}, 0
}

// slowDown are words with which providers ask a sender to wait.
var slowDown = []string{
	"rate limit", "rate-limit", "ratelimit", "rate exceed", "sending rate", "sending limit", "too many messages", "too many mails",
	"too many connections", "too much mail", "too fast", "too frequent", "frequency", "throttl", "limit exceeded", "频率", "频繁", "过快",
}

// asksToSlowDown says whether a 4xx reply is about how much we send, not about the
// message or a recipient.
func asksToSlowDown(r reply) bool {
	if r.code < 400 || r.code > 499 {
		return false
	}
	if r.enhanced == "4.7.28" { // Gmail: an unusual rate from this address
		return true
	}
	if strings.HasPrefix(r.enhanced, "4.2.") { // the mailbox's own limit
		return false
	}
	text := strings.ToLower(r.text)
	for _, words := range slowDown {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}
