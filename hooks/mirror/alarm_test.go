package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/mirror"
	"heliograph/internal/store/storetest"
)

// alarms fails the test unless the alarms of the target are these.
func alarms(t *testing.T, w *office, r *prometheus.Registry, lag, failures, dead int) {
	t.Helper()
	if err := w.mirror.CheckAlarms(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`# HELP heliograph_target_alarm 1 while a target is past a threshold of its alarm (lag, failures, dead).
# TYPE heliograph_target_alarm gauge
heliograph_target_alarm{kind="dead",target="crm"} %d
heliograph_target_alarm{kind="failures",target="crm"} %d
heliograph_target_alarm{kind="lag",target="crm"} %d
`, dead, failures, lag)
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "heliograph_target_alarm"); err != nil {
		t.Error(err)
	}
}

func TestAlarms(t *testing.T) {
	t.Parallel()
	c := newCRM()
	var answer error
	c.before = func(context.Context, int) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		return answer
	}
	say := func(err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		answer = err
	}
	o := oneTarget(c)
	o.Targets[0].Alarm = config.Alarm{Lag: config.Duration(time.Hour), Failures: 2, Dead: 1}
	registry := prometheus.NewRegistry()
	o.Registerer = registry
	var told []string
	deaf := true // the channel is away the first time
	o.Tell = func(_ context.Context, a mirror.Alarm) error {
		if deaf {
			deaf = false
			return errors.New("away")
		}
		told = append(told, fmt.Sprint(a.Target, " ", a.Kind, " ", a.On))
		return nil
	}
	w := open(t, storetest.SQLite(t), o)
	w.start()
	alarms(t, w, registry, 0, 0, 0)
	say(&crmclient.Error{Class: crmclient.ClassRetry, Message: "down"})
	w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
	w.awaitStates("crm", "pending: logging the mail: down")
	alarms(t, w, registry, 0, 0, 0) // once is bad luck
	w.clock.forward(2 * time.Hour)
	w.eventually("a second failure", func() bool { return c.called() == 2 && quiet(w) })
	alarms(t, w, registry, 1, 1, 0)
	say(nil)
	w.clock.forward(time.Hour)
	w.awaitStates("crm", "mirrored")
	alarms(t, w, registry, 0, 0, 0)
	say(&crmclient.Error{Class: crmclient.ClassPermanent, Message: "never"})
	w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(2)})
	w.awaitStates("crm", "failed: logging the mail: never", "mirrored")
	alarms(t, w, registry, 0, 0, 1)
	alarms(t, w, registry, 0, 0, 1) // people are told once
	if want := []string{"crm failures true", "crm failures false", "crm dead true"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// What waits for its hour is not late, and goes when the hour comes.
func TestScheduledDeliveryIsNoLag(t *testing.T) {
	t.Parallel()
	c := newCRM()
	o := oneTarget(c)
	registry := prometheus.NewRegistry()
	o.Registerer = registry
	at := time.Now().Add(12 * time.Hour).UTC()
	o.Targets[0].Deliver = config.Delivery{When: config.DeliverDaily, At: at.Format("15:04"), TimeZone: "UTC"}
	o.Targets[0].Alarm = config.Alarm{Lag: config.Duration(time.Hour)}
	w := open(t, storetest.SQLite(t), o)
	w.start()
	w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
	w.awaitStates("crm", "pending")
	w.clock.forward(11 * time.Hour)
	alarms(t, w, registry, 0, 0, 0)
	if jobs := w.jobs(mirror.Kind("crm")); len(jobs) != 1 || !jobs[0].RunAt.Equal(at.Truncate(time.Minute)) || c.called() != 0 {
		t.Errorf("jobs %+v, %d calls", jobs, c.called())
	}
	w.clock.forward(2 * time.Hour)
	w.awaitStates("crm", "mirrored")
}
