package classify

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"heliograph/internal/store"
)

// Correction is what a person says about a mail. The last one for a mail and a dimension counts.
type Correction struct {
	Mail      Mail // with its Key
	Dimension string
	// Labels is one label, or for a dimension of many all labels of the mail, which may be none.
	Labels []string
	By     string // who says so
	// TrainAutomated learns from the mail even if a machine sent it.
	TrainAutomated bool
}

const (
	maxKey  = 256 // octets of a message key
	maxWho  = 320 // octets of an address
	maxTags = 32  // labels of one mail
)

// Correct stores a correction and learns from it at once. The dimension and its labels must be known (ErrUnknown).
func (c *Classifier) Correct(ctx context.Context, co Correction) error {
	dim := c.dimension(co.Dimension)
	if dim == nil {
		return fmt.Errorf("correcting %q: %w", co.Dimension, ErrUnknown)
	}
	if err := dim.check(&co); err != nil {
		return fmt.Errorf("correcting %s: %w", co.Dimension, err)
	}
	labels, err := json.Marshal(co.Labels)
	if err != nil {
		return err
	}
	r := row{doc: c.read(co.Mail), labels: co.Labels}
	trains := 1
	if co.Mail.Automated && !co.TrainAutomated {
		trains = 0
	}
	c.correcting.Lock() // so that memory learns in the order of the rows
	defer c.correcting.Unlock()
	var old *row
	err = c.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if old, err = lastRow(ctx, tx, co.Mail.Key, co.Dimension); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `
			INSERT INTO classify_corrections (message_key, dimension, labels, corrected_by, corrected_at, trains, scheme, features)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
			co.Mail.Key, co.Dimension, string(labels), co.By, store.Micros(c.o.Now()), trains, scheme, r.doc.encode()).Scan(&r.id)
	})
	if err != nil {
		return fmt.Errorf("correcting %s: %w", co.Dimension, err)
	}
	dim.learn(old, &r, trains == 1)
	return nil
}

// check refuses what cannot be stored, and puts the labels in order.
func (d *dimension) check(co *Correction) error {
	switch {
	case co.Mail.Key == "" || len(co.Mail.Key) > maxKey:
		return fmt.Errorf("the mail's key has not between 1 and %d octets", maxKey)
	case len(co.By) > maxWho:
		return fmt.Errorf("who corrects has more than %d octets", maxWho)
	case !d.Many && len(co.Labels) != 1:
		return fmt.Errorf("%d labels where a mail has one", len(co.Labels))
	case len(co.Labels) > maxTags:
		return fmt.Errorf("more than %d labels", maxTags)
	}
	labels := slices.Clone(co.Labels)
	slices.Sort(labels)
	co.Labels = slices.Compact(labels)
	if co.Labels == nil {
		co.Labels = []string{}
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	fresh := 0
	for _, l := range co.Labels {
		if !d.allows(l) {
			return fmt.Errorf("the label %q: %w", l, ErrUnknown)
		}
		if !slices.ContainsFunc(d.model.classes, func(c *class) bool { return c.label == l }) {
			fresh++
		}
	}
	if len(d.model.classes)+fresh > maxLabels {
		return fmt.Errorf("more than %d labels", maxLabels)
	}
	return nil
}

// learn changes the model in memory, until the next training makes a better one. The old row counts no more; it is nil
// where there was none.
func (d *dimension) learn(old, r *row, trains bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if old != nil && d.model.ids[old.id] {
		d.model.remove(*old)
		d.fresh++
	}
	if trains && len(d.model.ids) < maxRows {
		d.model.add(*r)
		d.fresh++
	}
}

// Forget removes all that was stored about a mail: what was said, by whom, and its features. The models forget it with the
// next training.
func (c *Classifier) Forget(ctx context.Context, key string) error {
	err := c.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM classify_corrections WHERE message_key = $1", key)
		return err
	})
	if err != nil {
		return fmt.Errorf("forgetting the corrections of a mail: %w", err)
	}
	return nil
}
