package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

const (
	// maxFailing is how long a subscriber may refuse or be away until its subscription ends.
	maxFailing = 5 * 24 * time.Hour
	// toldFor is how long it is known that a subscriber was given an event. The target gets none again after that.
	toldFor = 90 * 24 * time.Hour
	// workers is how many subscribers are posted to at once; each gets one event at a time.
	workers    = 4
	maxTrouble = 300 // bytes
)

func (s *subscribers) kind() string { return "subscribers:" + s.d.Target }

// delivery is a job, sealed: it holds the mail.
type delivery struct {
	Subscription string `json:"subscription"`
	Event        event  `json:"event"`
}

// add gives each subscriber the event, once: the row that says so and the job are one transaction.
func (s *subscribers) add(ctx context.Context, e event) error {
	err := s.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		now := s.now()
		if _, err := tx.ExecContext(ctx, `DELETE FROM hook_deliveries WHERE at < $1`, store.Micros(now.Add(-toldFor))); err != nil {
			return err
		}
		live, err := s.live(ctx, tx)
		if err != nil {
			return err
		}
		var jobs []queue.New
		for _, one := range live {
			if one.Event != "" && one.Event != e.Name {
				continue
			}
			r, err := tx.ExecContext(ctx, `INSERT INTO hook_deliveries (subscription, event_id, at) VALUES ($1, $2, $3) ON CONFLICT (subscription, event_id) DO NOTHING`,
				one.ID, e.ID, store.Micros(now))
			if err != nil {
				return err
			}
			if n, err := r.RowsAffected(); err != nil || n == 0 {
				if err != nil {
					return err
				}
				continue
			}
			plain, err := json.Marshal(delivery{one.ID, e})
			if err != nil {
				return err
			}
			key := one.ID + " " + e.ID
			jobs = append(jobs, queue.New{Kind: s.kind(), Key: key, OrderKey: one.ID, Payload: s.Sealer.Seal(plain, aad(key)), MaxAttempts: -1})
		}
		_, err = s.Queue.Add(ctx, tx, jobs...)
		return err
	})
	if err != nil {
		return fmt.Errorf("give the event to subscribers: %w", err)
	}
	s.Queue.Wake(s.kind())
	return nil
}

// Run delivers to the subscribers until ctx ends.
func (c subscriber) Run(ctx context.Context) error {
	defer c.subs.closeRoads()
	return c.subs.Queue.Work(ctx, queue.Worker{Kind: c.subs.kind(), Concurrency: workers, Handle: c.subs.deliver})
}

// deliver posts one event to one subscriber.
func (s *subscribers) deliver(ctx context.Context, job queue.Job) queue.Result {
	plain, err := s.Sealer.Open(job.Payload, aad(job.Key))
	var d delivery
	if err == nil {
		err = json.Unmarshal(plain, &d)
	}
	if err != nil {
		return queue.Result{Action: queue.Discard, Reason: "the delivery cannot be read: the key of the journal is another"}
	}
	sub, there, err := s.one(ctx, d.Subscription)
	switch {
	case err != nil:
		return queue.Result{Action: queue.Snooze, At: s.now().Add(time.Second), Reason: err.Error()}
	case !there, sub.ended:
		return queue.Result{Action: queue.Cancel, Reason: "the subscription has ended"}
	}
	to, err := s.road(sub)
	if err != nil {
		return queue.Result{Action: queue.Discard, Reason: err.Error()}
	}
	_, err = send(ctx, to.transport, to.url, [][]byte{to.key}, s.now(), d.Event)
	if err == nil {
		if !sub.Failing.IsZero() {
			err = s.note(ctx, sub.ID, time.Time{}, "")
		}
		if err != nil {
			s.log.WarnContext(ctx, "a subscriber's recovery is not noted", "target", s.d.Target, "error", err)
		}
		return queue.Result{Action: queue.Complete}
	}
	return s.failed(ctx, sub, job, err)
}

// failed decides what becomes of a delivery that did not arrive.
func (s *subscribers) failed(ctx context.Context, sub row, job queue.Job, failure error) queue.Result {
	if ctx.Err() != nil { // stopped
		return queue.Result{Action: queue.Snooze, Reason: "stopped"}
	}
	reason := failure.Error()
	end := ""
	var e *crmclient.Error
	switch {
	case errors.As(failure, &e) && e.Status == http.StatusGone:
		end = reasonGone
	case !sub.Failing.IsZero() && s.now().Sub(sub.Failing) > maxFailing:
		end = reasonFailing
	}
	if end != "" {
		if _, err := s.end(ctx, sub.ID, end); err != nil {
			return queue.Result{Action: queue.Retry, Reason: err.Error()}
		}
		s.log.WarnContext(ctx, "a subscription has ended", "target", s.d.Target, "subscription", sub.ID, "host", sub.Host, "reason", end)
		return queue.Result{Action: queue.Cancel, Reason: end}
	}
	since := sub.Failing
	if since.IsZero() {
		since = s.now()
	}
	if err := s.note(ctx, sub.ID, since, reason); err != nil {
		s.log.WarnContext(ctx, "a subscriber's failure is not noted", "target", s.d.Target, "error", err)
	}
	wait := max(queue.Backoff(min(job.Attempt, 12)), crmclient.RetryAfter(failure))
	action := queue.Retry
	if errors.Is(failure, crmclient.ErrCircuitOpen) || crmclient.ClassOf(failure) == crmclient.ClassRate {
		action = queue.Snooze
	}
	return queue.Result{Action: action, At: s.now().Add(wait), Reason: reason}
}

func (s *subscribers) note(ctx context.Context, id string, since time.Time, trouble string) error {
	at := int64(0)
	if !since.IsZero() {
		at = store.Micros(since)
	}
	return s.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `UPDATE hook_subscriptions SET failed_at = $1, trouble = $2 WHERE id = $3`, at, trouble[:min(len(trouble), maxTrouble)], id)
		return err
	})
}

// road leads to one subscriber.
type road struct {
	url       *url.URL
	key       []byte
	transport *crmclient.Transport
}

func (s *subscribers) road(sub row) (*road, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.roads[sub.ID]; ok {
		return r, nil
	}
	plain, err := s.Sealer.Open(sub.sealed, aad(sub.ID))
	var what sealed
	if err == nil {
		err = json.Unmarshal(plain, &what)
	}
	if err != nil {
		return nil, errors.New("the subscription cannot be read: the key of the journal is another")
	}
	r := &road{}
	if r.url, err = crmclient.ParseURL(what.Address); err != nil {
		return nil, errors.New("the address of the subscription cannot be read")
	}
	if r.key, err = crmclient.WebhookKey(what.Secret); err != nil {
		return nil, errors.New("the secret of the subscription cannot be read")
	}
	if r.transport, err = s.transport(r.url, what.Secret); err != nil {
		return nil, err
	}
	s.roads[sub.ID] = r
	return r, nil
}

func (s *subscribers) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.roads[id]; ok {
		_ = r.transport.Close() // requests under way end by themselves
		delete(s.roads, id)
	}
}

func (s *subscribers) closeRoads() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.roads {
		_ = r.transport.Close()
		delete(s.roads, id)
	}
}
