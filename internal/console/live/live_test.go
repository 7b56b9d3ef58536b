package live_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api/apitest"
	"heliograph/internal/console/live"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"

	"github.com/coder/websocket"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func newHub(t *testing.T, o live.Options) *live.Hub {
	t.Helper()
	if o.PollEvery == 0 {
		o.PollEvery = 5 * time.Millisecond
	}
	h := live.New(o)
	t.Cleanup(h.Close)
	return h
}

func who(role access.Role, scope access.Scope, accounts ...string) *access.Caller {
	return access.NewCaller(access.Person{ID: string(role) + string(scope), Email: "x@example.com", Role: role}, scope, accounts, nil)
}

var admin = who(access.Admin, access.ScopeAll)

func write(t *testing.T, db *store.DB, query string, args ...any) {
	t.Helper()
	err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// mail writes a row of the ledger as of now.
func mail(t *testing.T, db *store.DB, entry, target, account, state string) {
	t.Helper()
	write(t, db, `INSERT INTO ledger (entry, target, message_id, account, state, reason, at) VALUES ($1, $2, '', $3, $4, '', $5)`,
		entry, target, account, state, store.Micros(time.Now()))
}

// listen begins to listen, and takes the first event.
func listen(t *testing.T, h *live.Hub, c *access.Caller, after string, topics ...live.Topic) (*live.Listener, live.Event) {
	t.Helper()
	l, err := h.Listen(t.Context(), c, after, topics...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	list, err := l.Next(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("got %v, %v", list, err)
	}
	return l, list[0]
}

// take waits for n events.
func take(t *testing.T, l *live.Listener, n int) (all []live.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(all) < n {
		list, err := l.Next(ctx)
		if err != nil {
			t.Fatalf("after %d of %d events: %v: %v", len(all), n, err, all)
		}
		all = append(all, list...)
	}
	return all
}

func texts(list []live.Event) []string {
	var all []string
	for _, e := range list {
		all = append(all, fmt.Sprintf("%s %s %s%s %s", e.Topic, e.What, e.Object, e.Target, strings.Join(e.Accounts, ",")))
	}
	slices.Sort(all)
	return all
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// Each table that is looked at tells what happened, with those whose mail it is.
func TestEachSourceTells(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHub(t, live.Options{Store: db})
		l, _ := listen(t, h, admin, "")
		now := store.Micros(time.Now())
		mail(t, db, "e1", "", "Li@example.com", "captured")
		mail(t, db, "e1", "crm", "li@example.com", "failed")
		write(t, db, `INSERT INTO rules (id, state, version, latest, draft, held, updated_at, updated_by) VALUES ('vip', 'live', 1, 1, '', '', $1, '')`, now)
		write(t, db, `INSERT INTO rule_runs (id, rule, version, mode, state, title, event, why, reason, signals, made_at, changed_at, wake_at, entry, message, account)
			VALUES ('r1', 'vip', 1, 'live', 'waiting', '', '{}', '', '', 0, $1, $1, 0, 'e1', '', 'li@example.com')`, now)
		err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO rule_approvals (id, kind, run, path, rule, version, need, shown, hash, initiators, comment, state, asked_at, expires_at, decided_at, changes)
				VALUES ('a1', 'step', 'r1', '0', 'vip', 1, 1, '{}', '', '[]', 0, 'open', $1, $1, 0, 0)`, now)
			for i, p := range []string{"cfo@example.com", "vp@example.com"} {
				_, more := tx.ExecContext(ctx, `INSERT INTO rule_approvers (approval, position, person, name, escalated, from_person, asked_at, nonce, token_hash, token_shows, decision, comment, via, decided_at)
					VALUES ('a1', $1, $2, '', 0, '', $3, '', '', '', '', '', '', $4)`, i, p, now, int64(i)*now)
				err = errors.Join(err, more)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		write(t, db, `INSERT INTO reviews (subject, domain, name, first_seen, last_seen, state, decision, link, target, decided_at, suggestions)
			VALUES ('new@customer.example', '', '', $1, $1, 'open', '', '', '', 0, '')`, now)
		write(t, db, `INSERT INTO outbox_messages (entry, upstream, reverse_path, queued_at, expires_at, next_try, finished_at, attempts, warned, mirrored, retried, planned, planned_at, written)
			VALUES ('o1', '', '', $1, 0, 0, $2, 0, 0, 0, 0, 0, 0, 0)`, now, now+1)
		for id, state := range map[int]string{901: "discarded", 902: "cancelled", 903: "completed"} {
			write(t, db, `INSERT INTO jobs (id, kind, key, order_key, blocked, payload, priority, state, attempt, max_attempts, run_at, created_at, lease_until, fence, finished_at, last_error)
				VALUES ($1, 'deliver:crm', '', '', 0, $2, 0, $3, 1, 1, 0, 0, 0, 0, $4, '')`, id, []byte{}, state, now)
		}
		write(t, db, `INSERT INTO contact_syncs (target, step, phase, generation, list_cursor, change_cursor, started_at, listed_at, polled_at, not_before, failures, reason, ran_at)
			VALUES ('crm', 0, 'follow', 0, '', '', 0, 0, 0, 0, 2, 'no answer', $1)`, now)
		write(t, db, `INSERT INTO watches (account, mailbox, state, changed_at) VALUES ('support@example.com', 'INBOX', 'failing', $1)`, now)
		write(t, db, `INSERT INTO grants (name, kind, version, sealed, granted_at, failed_at) VALUES ('target:crm', 'token', 1, $1, 0, $2)`, []byte{1}, now)
		if err := h.Publish(t.Context(), live.Event{Topic: live.Settings, What: "changed"}); err != nil {
			t.Fatal(err)
		}
		same(t, texts(take(t, l, 15)), []string{
			"message captured e1 li@example.com", "message failed e1crm li@example.com", "rule live vip ", "run waiting r1 li@example.com",
			"approval open a1 cfo@example.com,vp@example.com", "approval voted a1 cfo@example.com,vp@example.com", "review open new@customer.example ",
			"outbox queued o1 ", "outbox finished o1 ", "queue dead 901 ", "queue dropped 902 ", "target failing crmcrm ",
			"account failing support@example.com ", "account access_lost target:crm ", "settings changed  ",
		})
	})
}

// Whoever goes on from a cursor, at any node, gets each event once: over a thousand events, with connections that are cut.
func TestResumeLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	const events = 1000
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var servers []*httptest.Server
		for range 2 {
			h := newHub(t, live.Options{Store: db})
			s := httptest.NewServer(apitest.New(t, h.API()).Handler(admin))
			t.Cleanup(s.Close)
			t.Cleanup(h.Close) // before the server, which waits for streams
			servers = append(servers, s)
		}
		first := make(chan struct{})
		var begin sync.Once
		var wg sync.WaitGroup
		wg.Go(func() {
			<-first
			for n := 0; n < events; n += 10 {
				var rows []string
				for i := range 10 {
					rows = append(rows, fmt.Sprintf("('e%04d', '', '', 'li@example.com', 'captured', '', %d)", n+i, store.Micros(time.Now())))
				}
				write(t, db, `INSERT INTO ledger (entry, target, message_id, account, state, reason, at) VALUES `+strings.Join(rows, ", "))
			}
		})
		got, after := map[string]int{}, ""
		for round := 0; len(got) < events; round++ {
			url := servers[round%2].URL + "/api/v1/live"
			some := watch(t, url, after, 30+round*17%100, func() { begin.Do(func() { close(first) }) })
			for _, e := range some {
				if e.Topic == "reset" {
					t.Fatalf("reset after %q", after)
				}
				if e.Topic == "message" {
					got[e.Object]++
				}
				after = e.ID
			}
		}
		wg.Wait()
		for object, n := range got {
			if n != 1 {
				t.Errorf("%s came %d times", object, n)
			}
		}
	})
}

// wire is an event as clients get it.
type wire struct {
	ID, Topic, What, Object string
	Accounts                []string
}

// watch takes at most n events from a WebSocket, and cuts the connection in the middle.
func watch(t *testing.T, url, after string, n int, open func()) (list []wire) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	conn, _, err := websocket.Dial(t.Context(), url+"?after="+after, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	for len(list) < n {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return list
		}
		var e wire
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatal(err)
		}
		if list = append(list, e); len(list) == 1 {
			open()
		}
	}
	return list
}

func TestScope(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHub(t, live.Options{Store: db})
		own, _ := listen(t, h, who(access.Agent, access.ScopeOwn, "li@example.com"), "")
		auditor, _ := listen(t, h, who(access.Auditor, access.ScopeAll), "")
		only, _ := listen(t, h, admin, "", live.Settings)
		mail(t, db, "e1", "", "wang@example.com", "captured")
		mail(t, db, "e2", "crm", "li@example.com", "mirrored")
		mail(t, db, "e3", "", "", "refused")
		shared := live.Event{Topic: live.Review, What: "open", Object: "new@customer.example", Accounts: []string{"wang@example.com", "li@example.com"}}
		for _, e := range []live.Event{{Topic: live.Queue, What: "dead", Object: "1"}, {Topic: live.Settings, What: "changed"}, shared} {
			if err := h.Publish(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		same(t, texts(take(t, auditor, 5)), []string{
			"message captured e1 wang@example.com", "message mirrored e2crm li@example.com", "message refused e3 ", "queue dead 1 ", "settings changed  ",
		})
		same(t, texts(take(t, own, 2)), []string{"message mirrored e2crm li@example.com", "review open new@customer.example wang@example.com,li@example.com"})
		same(t, texts(take(t, only, 1)), []string{"settings changed  "})
	})
}

// What others share is not told to whom it does not concern: not even who they are.
func TestStreamHidesOtherAccounts(t *testing.T) {
	t.Parallel()
	h := newHub(t, live.Options{Store: storetest.SQLite(t)})
	s := httptest.NewServer(apitest.New(t, h.API()).Handler(who(access.Agent, access.ScopeOwn, "li@example.com")))
	t.Cleanup(s.Close)
	t.Cleanup(h.Close)
	lines, hello := stream(t, s.URL, nil)
	if hello.Topic != "hello" {
		t.Fatalf("got %+v", hello)
	}
	for _, account := range []string{"wang@example.com", "li@example.com"} {
		if err := h.Publish(t.Context(), live.Event{Topic: live.Review, Object: account, Accounts: []string{"wang@example.com", account}}); err != nil {
			t.Fatal(err)
		}
	}
	e := next(t, lines)
	if e.Object != "li@example.com" || len(e.Accounts) != 1 {
		t.Errorf("got %+v", e)
	}
	// The browser goes on by itself.
	if err := h.Publish(t.Context(), live.Event{Topic: live.Review, Object: "later", Accounts: []string{"li@example.com"}}); err != nil {
		t.Fatal(err)
	}
	lines, again := stream(t, s.URL, http.Header{"Last-Event-Id": {e.ID}})
	if later := next(t, lines); again.Topic != "hello" || later.Object != "later" {
		t.Errorf("got %+v, %+v", again, later)
	}
}

// stream opens a stream of server-sent events, and takes the first.
func stream(t *testing.T, url string, header http.Header) (*bufio.Scanner, wire) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/v1/live/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %s", answer.Status)
	}
	lines := bufio.NewScanner(answer.Body)
	return lines, next(t, lines)
}

func next(t *testing.T, lines *bufio.Scanner) (e wire) {
	t.Helper()
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				t.Fatal(err)
			}
			return e
		}
	}
	t.Fatalf("the stream ended: %v", lines.Err())
	return e
}

func TestOldCursorIsReset(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHub(t, live.Options{Store: db})
		l, hello := listen(t, h, admin, "")
		cursor := fmt.Sprint(hello.Seq)
		mail(t, db, "e1", "", "li@example.com", "captured")
		take(t, l, 1)
		l.Close()
		if _, e := listen(t, h, admin, cursor); e.Topic != live.Hello {
			t.Errorf("got %+v", e)
		}
		for _, odd := range []string{"x", "-1", "999999"} {
			if _, e := listen(t, h, admin, odd); e.Topic != live.Reset {
				t.Errorf("%s: got %+v", odd, e)
			}
		}
		// Nobody watches for an hour, and somebody else begins.
		h.Close()
		later := newHub(t, live.Options{Store: db, Now: func() time.Time { return time.Now().Add(time.Hour) }})
		if _, e := listen(t, later, admin, cursor); e.Topic != live.Reset {
			t.Errorf("got %+v", e)
		}
		// A day later the events are gone.
		write(t, db, `UPDATE live_events SET noted_at = 0`)
		last := newHub(t, live.Options{Store: db, Now: func() time.Time { return time.Now().Add(time.Hour + time.Minute) }})
		listen(t, last, admin, "")
		var left int
		if err := db.Reader().QueryRowContext(t.Context(), `SELECT count(*) FROM live_events`).Scan(&left); err != nil || left != 0 {
			t.Errorf("%d events are left, %v", left, err)
		}
	})
}

func TestSlowListenerIsDropped(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	h := newHub(t, live.Options{Store: db})
	slow, _ := listen(t, h, admin, "")
	fast, _ := listen(t, h, admin, "")
	mail(t, db, "e0", "", "li@example.com", "captured")
	cursor := take(t, slow, 1)[0].Seq
	take(t, fast, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := slow.Next(ctx); !errors.Is(err, context.DeadlineExceeded) { // it has caught up
		t.Fatal(err)
	}
	for n := range 5 {
		write(t, db, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
			INSERT INTO ledger (entry, target, message_id, account, state, reason, at) SELECT 'x%d-' || i, '', '', 'li@example.com', 'captured', '', $1 + i FROM n`, n), store.Micros(time.Now()))
	}
	all := take(t, fast, 3000)
	if _, err := slow.Next(t.Context()); !errors.Is(err, live.ErrSlow) {
		t.Fatalf("got %v", err)
	}
	again, _ := listen(t, h, admin, fmt.Sprint(cursor))
	if got := take(t, again, 3000); !slices.Equal(texts(got), texts(all)) {
		t.Error("the second connection does not get the same")
	}
}

func TestConnections(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	var ended atomic.Bool
	h := newHub(t, live.Options{
		Store: db, MaxPerPerson: 2, PingEvery: 10 * time.Millisecond, Origins: []string{"gw.example.com"},
		Recheck: func(_ context.Context, c *access.Caller) (*access.Caller, error) {
			if ended.Load() {
				return nil, nil
			}
			return c, nil
		},
	})
	core := apitest.New(t, h.API())
	s := httptest.NewServer(core.Handler(admin))
	t.Cleanup(s.Close)
	t.Cleanup(h.Close)
	dial := func(origin string) (*websocket.Conn, error) {
		conn, _, err := websocket.Dial(t.Context(), s.URL+"/api/v1/live", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}})
		if err == nil {
			t.Cleanup(func() { _ = conn.CloseNow() })
		}
		return conn, err
	}
	if _, err := dial("https://evil.example"); err == nil {
		t.Error("a page of another origin may watch")
	}
	code := func(conn *websocket.Conn) websocket.StatusCode {
		for {
			if _, _, err := conn.Read(t.Context()); err != nil {
				return websocket.CloseStatus(err)
			}
		}
	}
	var open []*websocket.Conn
	for _, origin := range []string{s.URL, "https://gw.example.com", s.URL} {
		conn, err := dial(origin)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
		if len(open) == 3 {
			break
		}
		if _, _, err := conn.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := code(open[2]); got != 4403 {
		t.Errorf("the third connection: got %d", got)
	}
	core.As(admin).Get("/api/v1/live/events").Problem(http.StatusTooManyRequests, "too_many_connections")
	core.As(admin).Get("/api/v1/live/events?topics=weather").Problem(http.StatusUnprocessableEntity, "unknown_topic")
	core.As(admin).Get("/api/v1/live/events", "Sec-Fetch-Site", "cross-site").Problem(http.StatusForbidden, "other_origin")
	core.As(nil).Get("/api/v1/live").Problem(http.StatusUnauthorized, "sign_in")
	ended.Store(true)
	for _, conn := range open[:2] {
		if got := code(conn); got != 4401 {
			t.Errorf("the session ended: got %d", got)
		}
	}
	ended.Store(false)
	conn, err := dial(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Close()
	if got := code(conn); got != websocket.StatusGoingAway {
		t.Errorf("the gateway stops: got %d", got)
	}
	if _, err := h.Listen(t.Context(), admin, ""); !errors.Is(err, live.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestRecheck(t *testing.T) {
	t.Parallel()
	var ended atomic.Bool
	h := newHub(t, live.Options{
		Store: storetest.SQLite(t), PingEvery: time.Hour,
		Recheck: func(_ context.Context, c *access.Caller) (*access.Caller, error) {
			if ended.Load() {
				return nil, nil
			}
			return c, nil
		},
	})
	s := httptest.NewServer(apitest.New(t, h.API()).Handler(admin))
	t.Cleanup(s.Close)
	t.Cleanup(h.Close)
	conn, _, err := websocket.Dial(t.Context(), s.URL+"/api/v1/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	if _, _, err := conn.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.Recheck() // everybody is signed in still
	ended.Store(true)
	h.Recheck()
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != 4401 {
		t.Errorf("the session ended: got %v", err)
	}
}
