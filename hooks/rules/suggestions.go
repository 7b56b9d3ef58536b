package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"heliograph/internal/store"
)

// Suggested is a label that a mail may have, on which a person decides.
type Suggested struct {
	Dimension   string      `json:"dimension"`
	Label       string      `json:"label"`
	Probability json.Number `json:"probability,omitempty"` // 0: nobody can tell
	Evidence    []string    `json:"evidence,omitempty"`    // words of the mail
	Model       string      `json:"model,omitempty"`       // what said so
}

// Suggestion is a Suggested that waits.
type Suggestion struct {
	Message string    `json:"message"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Suggested
}

// maxEvidence bounds the evidence that is kept with a suggestion, in bytes.
const maxEvidence = 4 << 10

// maxSuggestions bounds how many suggestions wait for people, the newest: more than anybody looks through.
const maxSuggestions = 20_000

// forgetSuggestions removes those that nobody decided on before a time, and the oldest of too many.
func forgetSuggestions(ctx context.Context, tx store.Querier, before int64, most int) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM message_suggestions WHERE suggested_at < $1`, before); err != nil {
		return fmt.Errorf("forget suggestions: %w", err)
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM message_suggestions WHERE suggested_at <= (
		SELECT suggested_at FROM message_suggestions ORDER BY suggested_at DESC LIMIT 1 OFFSET $1)`, most)
	if err != nil {
		return fmt.Errorf("forget suggestions: %w", err)
	}
	return nil
}

// Suggest keeps labels of a message for people to decide on, in the caller's transaction. It is idempotent; a later suggestion of the same
// label replaces the earlier one.
func Suggest(ctx context.Context, tx store.Querier, message string, list []Suggested, by string, now time.Time) error {
	for _, g := range list {
		evidence, err := json.Marshal(g.Evidence)
		if err != nil {
			return err
		}
		if len(evidence) > maxEvidence {
			evidence = []byte("[]")
		}
		if g.Dimension == "" || g.Label == "" || len(TagOf(g.Dimension, g.Label)) > maxTag {
			return Permanent(errors.New("a suggestion needs dimension and label of 200 bytes together at most"))
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO message_suggestions (message_key, dimension, label, probability, evidence, model, suggested_by, suggested_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (message_key, dimension, label) DO UPDATE SET
				probability = excluded.probability, evidence = excluded.evidence, model = excluded.model,
				suggested_by = excluded.suggested_by, suggested_at = excluded.suggested_at`,
			message, g.Dimension, g.Label, g.Probability.String(), string(evidence), g.Model, by, store.Micros(now))
		if err != nil {
			return fmt.Errorf("keep a suggestion: %w", err)
		}
	}
	return nil
}

// Suggestions returns what waits for people: of a message, or with an empty key of all, the newest first, at most limit.
func Suggestions(ctx context.Context, q store.Querier, message string, limit int) (out []Suggestion, err error) {
	rows, err := q.QueryContext(ctx, `
		SELECT message_key, dimension, label, probability, evidence, model, suggested_by, suggested_at FROM message_suggestions
		WHERE $1 = '' OR message_key = $1 ORDER BY suggested_at DESC, message_key, dimension, label LIMIT $2`, message, limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s Suggestion
		var probability, evidence string
		var at int64
		if err := rows.Scan(&s.Message, &s.Dimension, &s.Label, &probability, &evidence, &s.Model, &s.By, &at); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(evidence), &s.Evidence); err != nil {
			return nil, fmt.Errorf("evidence of a suggestion: %w", err)
		}
		s.Probability, s.At = json.Number(probability), time.UnixMicro(at).UTC()
		out = append(out, s)
	}
	return out, rows.Err()
}

// Decide notes what a person says a message is in a dimension: the labels become its tags, in place of those that were there, and nothing of the
// dimension waits any more. It does not teach the classifier; classify.Correct does.
func Decide(ctx context.Context, tx store.Querier, message, dimension string, labels []string, by string, now time.Time) error {
	waiting, err := Suggestions(ctx, tx, message, 1000)
	if err != nil {
		return err
	}
	tags, err := Tags(ctx, tx, message)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	var add, remove []string
	for _, l := range labels {
		add = append(add, TagOf(dimension, l))
		wanted[TagOf(dimension, l)] = true
	}
	prefix := TagOf(dimension, "")
	for _, t := range tags {
		if t, ok := t.(string); ok && prefix != "" && len(t) > len(prefix) && t[:len(prefix)] == prefix && !wanted[t] {
			remove = append(remove, t)
		}
	}
	for _, s := range waiting { // a tag that was suggested and refused
		if s.Dimension == dimension && !wanted[TagOf(dimension, s.Label)] {
			remove = append(remove, TagOf(dimension, s.Label))
		}
	}
	if err := SetTags(ctx, tx, message, add, remove, by, now); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM message_suggestions WHERE message_key = $1 AND dimension = $2`, message, dimension)
	return err
}
