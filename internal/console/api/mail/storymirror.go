package mail

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"heliograph/hooks"
	"heliograph/hooks/automail"
	"heliograph/hooks/mirror"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// message tells what came of a message: at targets, and by rules.
func (s *story) message(ctx context.Context, key string) error {
	var first int64
	err := s.p.each(ctx, `SELECT first_seen FROM messages WHERE key = $1`, []any{key}, func(scan func(...any) error) error { return scan(&first) })
	if err != nil {
		return fmt.Errorf("reading message %s: %w", key, err)
	}
	s.add(store.FromMicros(first), StoryEventCodeRecognised, Info, "Recognised; all its copies are one message.", data("message_key", key))
	var list []held
	err = s.p.each(ctx, `SELECT target, state, reason, remote_id, url, received_at, updated_at, held FROM deliveries WHERE message_key = $1 ORDER BY target`, []any{key}, func(scan func(...any) error) error {
		var d held
		err := scan(&d.target, &d.state, &d.reason, &d.remoteID, &d.url, &d.received, &d.updated, &d.held)
		list = append(list, d)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading deliveries of %s: %w", key, err)
	}
	for _, d := range list {
		jobs, err := s.p.o.Queue.List(ctx, queue.Filter{Kinds: []string{mirror.Kind(d.target), mirror.UpdateKind(d.target), mirror.WithdrawKind(d.target)}, Key: key})
		if err != nil {
			return err
		}
		s.delivery(&d)
		for _, j := range jobs {
			s.job(&j, target(d.target))
		}
	}
	return s.rules(ctx, key)
}

// held is a row of deliveries.
type held struct {
	target, state, reason, remoteID, url string
	received, updated                    int64
	held                                 int
}

// delivery tells what a target made of the message.
func (s *story) delivery(d *held) {
	at := store.FromMicros(d.updated)
	t, why := target(d.target), because(d.reason)
	s.add(store.FromMicros(d.received), StoryEventCodeDeliveryAsked, Info, "To be written to "+d.target+".", t)
	switch d.state {
	case "mirrored":
		s.add(at, StoryEventCodeDelivered, Good, d.target+" has it.", t, data("remote_id", d.remoteID, "url", value(link(d.url))))
	case "failed":
		s.add(at, StoryEventCodeDeliveryFailed, Bad, d.target+" did not take it, and it is not tried again by itself.", t, why,
			remedy("retry_delivery", "Correct what the reason names, then have it tried again in the list of dead letters."))
	case "excluded":
		s.add(at, StoryEventCodeExcludedAtTarget, Info, "Not for "+d.target+".", t, why, ruled(d.reason))
	case "withdrawing":
		s.add(at, StoryEventCodeWithdrawAsked, Warning, d.target+" is asked to delete it.", t, why)
	case "withdrawn":
		s.add(at, StoryEventCodeWithdrawn, Info, "Taken back from "+d.target+".", t, why)
	default:
		if d.held != 0 {
			s.add(at, StoryEventCodeDeliveryHeld, Warning, "Waits for a person before "+d.target+" gets it.", t, why, remedy("review", "Decide on the people in the list of reviews."))
			return
		}
		more := []func(*StoryEvent){t, why}
		level := Info
		if d.reason != "" {
			level = Warning
			more = append(more, remedy("wait_or_fix", "It is tried again by itself; where the reason names settings or credentials, correct those."))
		}
		s.add(at, StoryEventCodeDeliveryWaiting, level, "Not yet at "+d.target+".", more...)
	}
}

// job tells of a job of the queue that is not done.
func (s *story) job(j *queue.Job, t func(*StoryEvent)) {
	facts := data("attempts", strconv.Itoa(j.Attempt), "kind", j.Kind, "job", strconv.FormatInt(j.ID, 10))
	switch j.State {
	case queue.StateRunning:
		s.add(j.RunAt, StoryEventCodeJobRunning, Info, "It is being done at this moment.", t, facts, planned)
	case queue.StateRetryable:
		s.add(j.RunAt, StoryEventCodeJobRetry, Warning, "It is tried again.", t, facts, because(j.LastError), planned)
	case queue.StateAvailable, queue.StateScheduled:
		s.add(j.RunAt, StoryEventCodeJobWaiting, Info, "It waits for its time.", t, facts, because(j.LastError), planned)
	case queue.StateDiscarded:
		s.add(j.FinishedAt, StoryEventCodeJobDead, Bad, "Given up.", t, facts, because(j.LastError),
			remedy("retry_job", "Correct what the reason names, then have it tried again in the list of dead letters."))
	case queue.StateCompleted, queue.StateCancelled:
	}
}

// waiting tells of hooks that did not look at a copy yet.
func (s *story) waiting(ctx context.Context, item *LedgerItem) error {
	for _, kind := range []string{hooks.Kind(mirror.Name)} {
		jobs, err := s.p.o.Queue.List(ctx, queue.Filter{Kind: kind, Key: item.Entry})
		if err != nil {
			return err
		}
		for _, j := range jobs {
			s.job(&j, of(item.Entry, value(item.Account)))
		}
	}
	return nil
}

// outbox tells of mail that the gateway itself delivers.
func (s *story) outbox(ctx context.Context, id journal.ID, ours bool) error {
	if !ours {
		return nil
	}
	m, err := automail.Control{Store: s.p.o.Store, Queue: s.p.o.Queue, Now: s.p.o.Now}.Show(ctx, id)
	if errors.Is(err, automail.ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, r := range m.Recipients {
		facts := data("recipient", r.Address, "code", strconv.Itoa(r.Code), "attempts", strconv.Itoa(r.Attempts), "upstream", m.Upstream, "server", r.Remote)
		at := r.LastTry
		if at.IsZero() {
			at = m.QueuedAt
		}
		which := []func(*StoryEvent){of(id.String(), m.ReversePath), facts, because(r.Text)}
		switch state := string(r.State); {
		case state == "delivered" || state == "relayed":
			s.add(at, StoryEventCodeOutboxSent, Good, "The gateway sent it to "+r.Address+".", which...)
		case state == "failed" || state == "suppressed" || state == "unknown":
			s.add(at, StoryEventCodeOutboxFailed, Bad, "The gateway could not send it to "+r.Address+".", append(which, remedy("see_outbox", "The outbox says more, and can send it again."))...)
		case state == "bounced":
			s.add(at, StoryEventCodeBounced, Bad, "It came back from "+r.Address+".", append(which, remedy("check_recipient", "Look whether the address is right."))...)
		case !r.NextTry.IsZero():
			s.add(r.NextTry, StoryEventCodeOutboxWaiting, Info, "The gateway sends it to "+r.Address+".", append(which, planned)...)
		default:
			s.add(at, StoryEventCodeOutboxWaiting, Info, strings.TrimSpace("It waits in the outbox. "+m.Held), which...)
		}
	}
	return nil
}
