package actions

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/hooks/contacts"
	"heliograph/hooks/rules"
	"heliograph/internal/calendar"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/internal/queue"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

const unanswered = `
id: unanswered
name: 无人联系
owner: lead@example.com
trigger: {type: absence, within: 4 business hours, answered_by: contact}
steps: [{id: tell, do: notify, with: {channel: sales, title: '{{.mail.subject}}'}}]
`

// talk is a mail of the test below.
type talk struct {
	id        journal.ID
	key, mail string
	direction string
	customer  string
	part      string
	at        time.Time
}

func (c *talk) keep(t *testing.T, db *store.DB) {
	t.Helper()
	keep(t, db, c.id, c.key, journal.KindFetch, c.at)
	err := db.Write(t.Context(), func(ctx context.Context, tx store.Querier) error {
		if _, err := tx.ExecContext(ctx, `UPDATE messages SET thread = key, direction = $2, first_seen = $3 WHERE key = $1`, c.key, c.direction, store.Micros(c.at)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO correspondents (address, message_key, part, sent_at, seen_at) VALUES ($1, $2, $3, $4, $4)`, c.customer, c.key, c.part, store.Micros(c.at))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// journalless is the live world of a gateway whose journal is what the test keeps.
type journalless struct {
	*Actions
	stored func() *Stored
}

func (w journalless) Mail(ctx context.Context, entry string) (map[string]any, error) {
	return w.stored().Mail(ctx, entry)
}

// chat is where effects go.
type chat struct {
	mu     sync.Mutex
	titles []string
}

// Perform implements rules.Performer.
func (c *chat) Perform(_ context.Context, e *rules.Effect) (map[string]any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.titles = append(c.titles, e.Title)
	return nil, nil
}

// TestAFreshMailLiveAndReplayed: who was written to anew counts as answered, and a replay of what was stored says what happened, twice alike.
func TestAFreshMailLiveAndReplayed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		letter := func(from, to, subject string) string {
			return "From: " + from + "\r\nTo: " + to + "\r\nSubject: " + subject + "\r\nMessage-ID: <" + subject + "@x>\r\n\r\nx\r\n"
		}
		mails := []talk{
			{key: "old", direction: "outbound", customer: "sun@customer.org", part: "got", at: then.Add(-time.Hour), mail: letter("wang@example.com", "sun@customer.org", "old")},
			{key: "li", direction: "inbound", customer: "li@customer.org", part: "wrote", at: then, mail: letter("li@customer.org", "sales@example.com", "li")},
			{key: "sun", direction: "inbound", customer: "sun@customer.org", part: "wrote", at: then, mail: letter("sun@customer.org", "sales@example.com", "sun")},
			{key: "fresh", direction: "outbound", customer: "li@customer.org", part: "got", at: then.Add(time.Hour), mail: letter("wang@example.com", "li@customer.org", "fresh")},
		}
		bodies := map[journal.ID]string{}
		for i := range mails {
			mails[i].id = journal.NewID(mails[i].at)
			bodies[mails[i].id] = mails[i].mail
		}
		body := func(_ context.Context, e journal.Entry) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(bodies[e.ID])), nil
		}
		stored := func() *Stored {
			return NewStored(StoredOptions{
				Store: db, Book: contacts.New(contacts.Options{Store: db}), Body: body, Internal: func(a string) bool { return strings.HasSuffix(a, "@example.com") },
			})
		}
		titles, runs := liveTalks(t, db, mails, stored)
		if !slices.Equal(titles, []string{"sun"}) || !slices.Equal(runs, []string{"li done it was answered in time", "sun done "}) {
			t.Errorf("live, %q are told of and the runs are %q", titles, runs)
		}
		first, found := replayTalks(t, stored())
		if again, _ := replayTalks(t, stored()); !bytes.Equal(first, again) {
			t.Errorf("two replays differ:\n%s\n%s", first, again)
		}
		var told, ended []string
		for _, f := range found.Fired {
			ended = append(ended, fmt.Sprintf("%s %s %s", f.Title, f.State, f.Reason))
			for _, e := range f.Effects {
				told = append(told, e.Title)
			}
		}
		slices.Sort(ended)
		if !slices.Equal(told, titles) || !slices.Equal(ended, runs) {
			t.Errorf("in a replay %q are told of and the runs are %q; live %q and %q", told, ended, titles, runs)
		}
	})
}

// liveTalks has the mails come in their time, and returns what was told and how the runs ended.
func liveTalks(t *testing.T, db *store.DB, mails []talk, stored func() *Stored) (titles, runs []string) {
	t.Helper()
	var mu sync.Mutex // guards now
	now := then
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	set, err := calendar.NewSet(nil)
	if err != nil {
		t.Fatal(err)
	}
	q := queue.Open(db, queue.Options{Now: clock, Poll: 10 * time.Millisecond})
	defer q.Close()
	out := &chat{}
	world := journalless{New(Options{Store: db, Book: contacts.New(contacts.Options{Store: db}), Now: clock}), stored}
	e := rules.New(rules.Options{Store: db, Queue: q, World: world, Performer: out, Calendars: set, Calendar: "cn", Now: clock})
	if _, _, err := e.Book().Publish(t.Context(), unansweredRule(t), rules.StateLive, -1, "", "test", rules.Surroundings{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	states := func(want int, state rules.RunState) {
		t.Helper()
		mailtest.Eventually(t, 30*time.Second, func() error {
			list, err := rules.Runs(t.Context(), db.Reader(), rules.RunFilter{})
			if err != nil {
				return err
			}
			runs = nil
			n := 0
			for _, r := range list {
				runs = append(runs, fmt.Sprintf("%s %s %s", r.Title, r.State, r.Reason))
				if r.State == state {
					n++
				}
			}
			slices.Sort(runs)
			if n != want {
				return fmt.Errorf("the runs are %q, want %d %s", runs, want, state)
			}
			return nil
		})
	}
	for i := range mails {
		m := &mails[i]
		mu.Lock()
		now = m.at
		mu.Unlock()
		m.keep(t, db)
		ev, _, err := stored().MailEvent(t.Context(), m.id)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Offer(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
		if m.key == "sun" {
			states(2, rules.RunWaiting)
		}
	}
	states(1, rules.RunDone) // the fresh mail woke it
	mu.Lock()
	now = then.AddDate(0, 0, 1)
	mu.Unlock()
	e.Wake()
	states(2, rules.RunDone)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	return out.titles, runs
}

func unansweredRule(t *testing.T) rules.Rule {
	t.Helper()
	rule, err := rules.Parse([]byte(unanswered))
	if err != nil {
		t.Fatal(err)
	}
	return rule
}

// replayTalks replays what is stored.
func replayTalks(t *testing.T, world *Stored) ([]byte, rules.Report) {
	t.Helper()
	set, err := calendar.NewSet(nil)
	if err != nil {
		t.Fatal(err)
	}
	past, err := world.Past(t.Context(), then.Add(-2*time.Hour), then.AddDate(0, 0, 2))
	if err != nil {
		t.Fatal(err)
	}
	r := rules.Replay{
		Rule:    rules.Version{Rule: "unanswered", Number: 1, Body: unansweredRule(t)},
		Options: func() rules.TrialOptions { return rules.TrialOptions{World: world, Calendars: set, Calendar: "cn"} },
		Since:   then.Add(-2 * time.Hour), Until: then.AddDate(0, 0, 2),
		Next: func(ctx context.Context) (time.Time, rules.Event, error) {
			told, err := past.Next(ctx)
			return told.At, told.Event, err
		},
	}
	found, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(found.Report)
	if err != nil {
		t.Fatal(err)
	}
	return text, found.Report
}
