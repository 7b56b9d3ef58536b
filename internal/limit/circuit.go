package limit

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The pauses between two tries of a server that is away. The first is short,
// because most outages are a restart.
const (
	firstPause = 250 * time.Millisecond
	maxPause   = 5 * time.Second
)

// circuit keeps callers away from a server that does not answer. Closed, all
// calls go through. After an error it is open: calls are turned away at once,
// but for one that goes through after each pause to try the server. The pauses
// double. A success closes it.
type circuit struct {
	// openUntil is when the next try is due, in Unix nanoseconds; zero means closed.
	openUntil atomic.Int64
	pause     atomic.Int64
	logger    *slog.Logger
	errors    prometheus.Counter
	up        prometheus.GaugeFunc
}

func (c *circuit) init(logger *slog.Logger) {
	c.logger = logger
	c.errors = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "heliograph_limit_redis_errors_total",
		Help: "Calls to Redis that got no usable answer. Limits and claims were then kept in the process.",
	})
	c.up = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "heliograph_limit_redis_up",
		Help: "Whether Redis answered last (1) or limits and claims are kept in the process (0).",
	}, func() float64 {
		if c.closed() {
			return 1
		}
		return 0
	})
}

func (c *circuit) register(r prometheus.Registerer) error {
	if err := r.Register(c.errors); err != nil {
		return err
	}
	return r.Register(c.up)
}

func (c *circuit) closed() bool { return c.openUntil.Load() == 0 }

// enter reports whether a call may go to the server, and whether it is the one
// that tries it.
func (c *circuit) enter() (ok, trial bool) {
	until := c.openUntil.Load()
	if until == 0 {
		return true, false
	}
	now := time.Now().UnixNano()
	if now < until {
		return false, false
	}
	// Whoever moves the time is the one that tries. He moves it by more than a
	// call may take, so that nobody else tries beside him.
	ok = c.openUntil.CompareAndSwap(until, now+int64(maxPause))
	return ok, ok
}

// leave notes how a call that entered ended.
func (c *circuit) leave(trial bool, err error) {
	if err == nil {
		if c.openUntil.Load() != 0 && c.openUntil.Swap(0) != 0 {
			c.logger.Info("redis answers again")
		}
		return
	}
	c.errors.Inc()
	switch {
	case trial:
		pause := min(2*c.pause.Load(), int64(maxPause))
		c.pause.Store(pause)
		c.openUntil.Store(time.Now().UnixNano() + pause)
	case c.openUntil.CompareAndSwap(0, time.Now().UnixNano()+int64(firstPause)):
		c.pause.Store(int64(firstPause))
		c.logger.Warn("redis is away, limits are kept in this process", "error", err)
	}
	// Else it is one of many calls that were under way when the server left.
}
