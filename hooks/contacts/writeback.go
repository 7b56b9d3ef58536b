package contacts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// writeOrder is what a job that writes to a target has to do: write the values of a contact that wait for it, or a merge.
type writeOrder struct {
	Contact string `json:"contact"`
	Merge   int64  `json:"merge,omitempty"`
}

// addWrite adds the job. It has no key: one that comes while another runs must run after it.
func (b *Book) addWrite(ctx context.Context, tx store.Querier, target string, o writeOrder) error {
	payload, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = b.o.Queue.Add(ctx, tx, queue.New{Kind: WriteKind(target), OrderKey: o.Contact, Payload: payload})
	return err
}

// changedWait is how long to wait for the value that somebody else has just written.
const changedWait = 15 * time.Second

func (b *Book) writeJob(ctx context.Context, t *target, job queue.Job) queue.Result {
	var o writeOrder
	if err := json.Unmarshal(job.Payload, &o); err != nil {
		return queue.Result{Action: queue.Discard, Reason: "the job is damaged"}
	}
	var r queue.Result
	var err error
	if o.Merge != 0 {
		r, err = b.mergeJob(ctx, t, o.Merge)
	} else {
		r, err = b.writeValues(ctx, t, o.Contact)
	}
	if err == nil || ctx.Err() != nil {
		if err != nil {
			r = queue.Result{Action: queue.Snooze, Reason: "stopped meanwhile"}
		}
		return r
	}
	class := crmclient.ClassOf(err)
	b.metrics.writes.WithLabelValues(t.Name, string(class)).Inc()
	b.o.Logger.WarnContext(ctx, "contact not written", "target", t.Name, "attempt", job.Attempt, "class", string(class), "error", clip(err.Error(), maxReason))
	return b.judge(job, class, err)
}

// judge decides by the class of an error when to try again.
func (b *Book) judge(job queue.Job, class crmclient.Class, err error) queue.Result {
	r := queue.Result{Action: queue.Retry, Reason: clip(err.Error(), maxReason)}
	now, after := b.o.Now(), crmclient.RetryAfter(err)
	switch {
	case errors.Is(err, crmclient.ErrCircuitOpen), class == crmclient.ClassRate:
		if after == 0 {
			after = ratePause
		}
		r.Action, r.At = queue.Snooze, now.Add(after)
	case class == crmclient.ClassAuth || class == crmclient.ClassConfiguration:
		r.Action, r.At = queue.Snooze, now.Add(pauseOf(class, job.Attempt))
	case class == crmclient.ClassPermanent || errors.Is(err, crmclient.ErrContactGone):
		r.Action = queue.Discard
	default:
		r.At = now.Add(max(queue.Backoff(job.Attempt), after))
	}
	return r
}

// writeValues writes the values that wait for it. It is idempotent, as WriteContact is.
func (b *Book) writeValues(ctx context.Context, t *target, contact string) (queue.Result, error) {
	if t.writer == nil {
		return queue.Result{Action: queue.Cancel, Reason: "the target takes no changes of contacts"}, nil
	}
	waiting, err := readValues(ctx, b.o.Store.Reader(), t.Name, contact, `push = 1`)
	if err != nil {
		return queue.Result{}, fmt.Errorf("reading what is to be written: %w", err)
	}
	// One by one, so that a field that the target refuses holds up no other.
	for _, v := range waiting {
		limited, cancel := b.ask(ctx)
		err := t.writer.WriteContact(limited, contact, map[string]string{v.field: v.text}, map[string]string{v.field: v.base})
		cancel()
		outcome, refused := "written", ""
		switch {
		case err == nil:
		case errors.Is(err, crmclient.ErrContactChanged):
			// The sync brings what is there now, and then it is decided anew whose value holds.
			b.metrics.writes.WithLabelValues(t.Name, "changed").Inc()
			b.poke(ctx, t.Name)
			return queue.Result{Action: queue.Retry, At: b.o.Now().Add(changedWait), Reason: err.Error()}, nil
		case errors.Is(err, crmclient.ErrContactGone):
			outcome, refused = "gone", "the contact is gone"
		case crmclient.ClassOf(err) == crmclient.ClassPermanent:
			outcome, refused = string(crmclient.ClassPermanent), clip(err.Error(), maxReason)
		default:
			return queue.Result{}, fmt.Errorf("writing a contact: %w", err)
		}
		b.metrics.writes.WithLabelValues(t.Name, outcome).Inc()
		if err := b.written(ctx, t.Name, contact, v, refused); err != nil {
			return queue.Result{}, err
		}
	}
	return queue.Result{Action: queue.Complete}, nil
}

// written notes that a value waits no more. The copy is left to the sync: only the CRM says what the CRM has.
func (b *Book) written(ctx context.Context, target, contact string, v value, refused string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleAfter)
	defer cancel()
	err := b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `
			UPDATE contact_values SET push = 0, refused = $7
			WHERE target = $1 AND contact = $2 AND field = $3 AND origin = $4 AND value = $5 AND base = $6`,
			target, contact, v.field, v.origin, v.text, v.base, refused)
		return err
	})
	if err != nil {
		return fmt.Errorf("noting what was written: %w", err)
	}
	return nil
}

// poke has the target asked for changes soon. That it cannot be now costs only time.
func (b *Book) poke(ctx context.Context, target string) {
	if err := b.Poke(ctx, target); err != nil {
		b.o.Logger.WarnContext(ctx, "contacts not asked for", "target", target, "error", err)
	}
}
