package jiandaoyun

import (
	"sync"
	"time"
)

// maxEcho is how many of our own writings are remembered: more than the rates of the API allow in two minutes.
const maxEcho = 4096

// echo remembers when records were changed by us, by the vendor's own clock, so that a push or a poll which tells of just
// that change is known as our own. It knows the writings of this process only; api_member tells those of all nodes.
type echo struct {
	mu    sync.Mutex // guards those below
	times map[string]time.Time
	order []string // ids in the order of writing, a ring
	next  int
}

func newEcho() *echo { return &echo{times: map[string]time.Time{}, order: make([]string, maxEcho)} }

// wrote remembers a record as it is after our writing.
func (e *echo) wrote(r row) {
	id, at := r.id(), r.updated()
	if id == "" || at.IsZero() {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known := e.times[id]; !known {
		delete(e.times, e.order[e.next])
		e.order[e.next] = id
		e.next = (e.next + 1) % len(e.order)
	}
	e.times[id] = at
}

// own says whether the last change of a record is one that we made.
func (e *echo) own(r row) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	at, known := e.times[r.id()]
	return known && at.Equal(r.updated())
}

// isOwn says whether the last change of a record was this connection's.
func (c *Client) isOwn(r row) bool {
	return c.echo.own(r) || c.cfg.APIMember != "" && r.updater() == c.cfg.APIMember
}
