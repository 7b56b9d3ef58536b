package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/gateway"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/internal/store/storetest"

	"github.com/redis/go-redis/v9"
)

// redisAnswers waits until the gateway has found out that Redis is there, or is not.
func redisAnswers(t *testing.T, g *gateway.Gateway, up float64) {
	t.Helper()
	mailtest.Eventually(t, 30*time.Second, func() error {
		if got := crashMetric(t, g, "heliograph_limit_redis_up"); got != up {
			return fmt.Errorf("heliograph_limit_redis_up is %v, want %v", got, up)
		}
		return nil
	})
}

// redisKeys counts what is in a Redis.
func redisKeys(t *testing.T, addr string) int64 {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr})
	n, err := c.DBSize(t.Context()).Result()
	if err := errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRedisGoesAndComes kills Redis twice while people log in and send. Each message has
// crashPatience for each step; none may be refused or lost.
func TestRedisGoesAndComes(t *testing.T) {
	t.Parallel()
	r := mailtest.Redis(t)
	p := newCrashProvider(t, nil)
	g := crashGateway(t, crashConfig(t, t.TempDir(), p.addr, fmt.Sprintf(
		"redis: {address: %q}\nlimits: {login_per_minute: 1000, messages_per_hour: 100000, recipients_per_hour: 100000}\n", r.Addr)), nil, nil)
	var sent atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("s%d-%d.500", i, n)
				if code, err := crashSend(g.Addr(0).String(), id); err != nil || code != 250 || p.has(id) != 1 {
					t.Errorf("%s: code %d, error %v, the provider has it %d times", id, code, err, p.has(id))
					return
				}
				sent.Add(1)
			}
		})
	}
	defer wg.Wait()
	defer cancel()
	more := func(n int64) { // waits for n more messages
		t.Helper()
		until := sent.Load() + n
		mailtest.Eventually(t, time.Minute, func() error {
			if got := sent.Load(); got < until {
				return fmt.Errorf("%d messages were sent, want %d", got, until)
			}
			return nil
		})
	}
	for range 2 {
		more(15)
		redisAnswers(t, g, 1)
		mailtest.Eventually(t, 30*time.Second, func() error { // the first message after Redis came back writes them
			if redisKeys(t, r.Addr) == 0 {
				return errors.New("the limits are not in Redis")
			}
			return nil
		})
		r.Stop()
		more(15)
		redisAnswers(t, g, 0)
		r.Start()
		more(5)
	}
	redisAnswers(t, g, 1)
	cancel()
	wg.Wait()
	crashSettled(t, g, sent.Load())
	entries := crashEntries(t, g)
	for id, e := range entries {
		if e.State != journal.StateConfirmed {
			t.Errorf("%s is %s", id, e.State)
		}
	}
	if int64(len(entries)) != sent.Load() {
		t.Errorf("%d messages were sent, the journal has %d", sent.Load(), len(entries))
	}
	crashCheckCRM(t, g, entries)
	t.Logf("%d messages", sent.Load())
}

// TestLimitsHoldWithoutRedis reaches a limit with Redis, without it, and with a new and empty one.
func TestLimitsHoldWithoutRedis(t *testing.T) {
	t.Parallel()
	const limit = 3
	r := mailtest.Redis(t)
	p := newCrashProvider(t, nil)
	g := crashGateway(t, crashConfig(t, t.TempDir(), p.addr, fmt.Sprintf(
		"redis: {address: %q}\nlimits: {messages_per_hour: %d}\n", r.Addr, limit)), nil, nil)
	sent := 0
	reach := func(when string) {
		t.Helper()
		for n := range limit + 1 {
			sent++
			id := fmt.Sprintf("l%d.500", sent)
			code, err := crashSend(g.Addr(0).String(), id)
			switch {
			case err != nil:
				t.Fatalf("%s: %v", when, err)
			case code == 450 && p.has(id) == 0:
				if n == 0 {
					t.Errorf("%s: no message is allowed", when)
				}
				return
			case code != 250 || p.has(id) != 1:
				t.Fatalf("%s: code %d, the provider has the message %d times", when, code, p.has(id))
			}
		}
		t.Errorf("%s: %d messages were allowed, the limit is %d", when, limit+1, limit)
	}
	reach("with Redis")
	r.Stop()
	reach("without Redis")
	r.Start()
	redisAnswersAgain(t, g)
	reach("with Redis again")
}

// redisAnswersAgain sends logins, which ask Redis, until it answers.
func redisAnswersAgain(t *testing.T, g *gateway.Gateway) {
	t.Helper()
	mailtest.Eventually(t, 30*time.Second, func() error {
		c, err := crashDial(g.Addr(0).String())
		if err != nil {
			return err
		}
		defer c.close()
		if crashMetric(t, g, "heliograph_limit_redis_up") == 1 {
			return nil
		}
		if _, err := c.command("MAIL FROM:<" + crashUser + ">"); err != nil {
			return err
		}
		return errors.New("Redis is not used")
	})
}

// awayDatabase is a door to the PostgreSQL of the test kit that can be shut, as if the server were stopped.
type awayDatabase struct {
	t      *testing.T
	server string // its socket
	file   string // ours

	wg   sync.WaitGroup
	door net.Listener
	mu   sync.Mutex // guards open
	open map[net.Conn]bool
}

// newAwayDatabase returns an open door and the URL that leads through it.
func newAwayDatabase(t *testing.T) (*awayDatabase, string) {
	t.Helper()
	const socket = ".s.PGSQL.5432"
	u, err := url.Parse(storetest.PostgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	d := &awayDatabase{t: t, open: map[net.Conn]bool{}}
	d.server = filepath.Join(q.Get("host"), socket)
	if u.Host != "" || !strings.HasPrefix(d.server, "/") {
		t.Fatalf("this test needs the kit's own server: unset %s", storetest.Variable)
	}
	dir := t.TempDir()
	d.file = filepath.Join(dir, socket)
	q.Set("host", dir)
	u.RawQuery = q.Encode()
	d.start()
	t.Cleanup(d.stop)
	return d, u.String()
}

func (d *awayDatabase) start() {
	d.t.Helper()
	var err error
	if d.door, err = net.Listen("unix", d.file); err != nil {
		d.t.Fatal(err)
	}
	door := d.door
	d.wg.Go(func() {
		for {
			c, err := door.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("unix", d.server)
			if err != nil {
				_ = c.Close()
				continue
			}
			d.mu.Lock()
			d.open[c], d.open[s] = true, true
			d.mu.Unlock()
			d.wg.Go(func() { d.copy(c, s) })
			d.wg.Go(func() { d.copy(s, c) })
		}
	})
}

func (d *awayDatabase) copy(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = to.Close(), from.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, to)
	delete(d.open, from)
}

// stop shuts the door and cuts all connections. It may be called twice.
func (d *awayDatabase) stop() {
	_ = d.door.Close()
	d.mu.Lock()
	for c := range d.open {
		_ = c.Close()
	}
	d.mu.Unlock()
	d.wg.Wait()
}

// TestPostgreSQLGoesAndComes runs on PostgreSQL and takes it away for a while. Mail flows
// and is kept; the CRM gets it when the database is back.
func TestPostgreSQLGoesAndComes(t *testing.T) {
	t.Parallel()
	db, dbURL := newAwayDatabase(t)
	p := newCrashProvider(t, nil)
	g := crashGateway(t, crashConfig(t, t.TempDir(), p.addr, ""), nil, func(c *config.Config) {
		c.Store.URL = config.NewSecret(dbURL)
	})
	sent := 0
	send := func(n int) {
		t.Helper()
		for range n {
			sent++
			id := fmt.Sprintf("p%d.%d", sent, sent%3*80_000)
			if code, err := crashSend(g.Addr(0).String(), id); err != nil || code != 250 || p.has(id) != 1 {
				t.Fatalf("%s: code %d, error %v, the provider has it %d times", id, code, err, p.has(id))
			}
		}
	}
	check := func() {
		t.Helper()
		crashSettled(t, g, int64(sent))
		entries := crashEntries(t, g)
		if len(entries) != sent {
			t.Errorf("%d messages were sent, the journal has %d", sent, len(entries))
		}
		for id, e := range entries {
			if e.State != journal.StateConfirmed {
				t.Errorf("%s is %s", id, e.State)
			}
		}
		crashCheckCRM(t, g, entries)
	}
	send(1)
	check()
	for range 2 {
		failures := crashMetric(t, g, crashIndex)
		db.stop()
		send(10)
		mailtest.Eventually(t, 30*time.Second, func() error {
			if crashMetric(t, g, crashIndex) == failures {
				return errors.New("the index does not notice that the database is away")
			}
			return nil
		})
		send(5)
		db.start()
		send(1)
		check()
	}
	if n := crashMetric(t, g, crashGaps); n != 0 {
		t.Errorf("%v messages have no copy", n)
	}
}
