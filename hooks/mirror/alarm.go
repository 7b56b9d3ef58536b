package mirror

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// alarmKinds are what an alarm may be about, and the label of its metric.
var alarmKinds = [...]string{"lag", "failures", "dead"}

// watchEvery is how often targets are compared with the thresholds of their alarms. It costs a few reads of an index.
const watchEvery = 30 * time.Second

// Alarm is a threshold that a target passed, or came back from.
type Alarm struct {
	Target string
	Kind   string // lag, failures or dead
	On     bool
	At     time.Time
}

// tellTime bounds how long telling people of one alarm may take, so that a dead channel does not stop the watch.
const tellTime = 20 * time.Second

// watch raises and ends alarms until ctx ends.
func (m *Mirror) watch(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if err := m.CheckAlarms(ctx); err != nil && ctx.Err() == nil {
			m.o.Logger.WarnContext(ctx, "targets not watched", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// CheckAlarms compares each target with the thresholds of its alarm. A change is in the metric, once in the log, and told
// to people, again and again until that worked; after a restart what lasts is told anew. Run calls it regularly.
func (m *Mirror) CheckAlarms(ctx context.Context) error {
	m.watching.Lock()
	defer m.watching.Unlock()
	for _, t := range m.targets {
		now, err := m.troubles(ctx, t)
		if err != nil {
			return fmt.Errorf("watching %s: %w", t.Name, err)
		}
		t.mu.Lock()
		before := t.alarms
		t.alarms = now
		t.mu.Unlock()
		for i, kind := range alarmKinds {
			m.metrics.alarm.WithLabelValues(t.Name, kind).Set(float64(number(now[i])))
			switch {
			case now[i] && !before[i]:
				m.o.Logger.ErrorContext(ctx, "target needs attention", "target", t.Name, "alarm", kind)
			case before[i] && !now[i]:
				m.o.Logger.InfoContext(ctx, "target is well again", "target", t.Name, "alarm", kind)
			}
			m.tell(ctx, t, i)
		}
	}
	return nil
}

// tell tells people of an alarm unless they know.
func (m *Mirror) tell(ctx context.Context, t *target, kind int) {
	on := t.alarms[kind]
	if on == t.known[kind] || m.o.Tell == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	if err := m.o.Tell(ctx, Alarm{Target: t.Name, Kind: alarmKinds[kind], On: on, At: m.o.Now()}); err != nil {
		m.o.Logger.WarnContext(ctx, "nobody was told of an alarm", "target", t.Name, "alarm", alarmKinds[kind], "error", err)
		return
	}
	t.known[kind] = on
}

// troubles tells which thresholds a target is past, in the order of alarmKinds.
func (m *Mirror) troubles(ctx context.Context, t *target) (out [len(alarmKinds)]bool, err error) {
	if lag := t.Alarm.Lag.D(); lag > 0 {
		var oldest sql.NullInt64
		err := m.o.Store.Reader().QueryRowContext(ctx, `
			SELECT MIN(received_at) FROM deliveries WHERE target = $1 AND state = 'pending' AND held = 0`, t.Name).Scan(&oldest)
		if err != nil {
			return out, err
		}
		// What waits for its hour is not late.
		out[0] = oldest.Valid && m.o.Now().Sub(next(t.Deliver, store.FromMicros(oldest.Int64))) >= lag
	}
	if t.Alarm.Failures > 0 {
		t.mu.Lock()
		out[1] = t.bad >= t.Alarm.Failures
		t.mu.Unlock()
	}
	if t.Alarm.Dead > 0 {
		dead := 0
		for _, kind := range []string{Kind(t.Name), UpdateKind(t.Name), WithdrawKind(t.Name)} {
			jobs, err := m.o.Queue.List(ctx, queue.Filter{Kind: kind, State: queue.StateDiscarded, Limit: t.Alarm.Dead})
			if err != nil {
				return out, err
			}
			dead += len(jobs)
		}
		out[2] = dead >= t.Alarm.Dead
	}
	return out, nil
}
