package rules

import (
	"context"
	"errors"

	"heliograph/internal/store"
)

// Passage is how often runs came by a place of a rule.
type Passage struct {
	Times   int // each round of a loop counts
	Waiting int // now
	Failed  int
}

// Passages counts how often the runs of a filter came by each place of their rule, by the node of its graph (FlowPlace), and how many
// runs these are. The filter should name one version: places mean something else in another.
func Passages(ctx context.Context, q store.Querier, f RunFilter) (runs int, places map[string]Passage, err error) {
	where, args := f.where()
	if err := q.QueryRowContext(ctx, "SELECT count(*) FROM rule_runs WHERE "+where, args...).Scan(&runs); err != nil {
		return 0, nil, err
	}
	rows, err := q.QueryContext(ctx, "SELECT path, state, count(*) FROM rule_steps WHERE run IN (SELECT id FROM rule_runs WHERE "+where+") GROUP BY path, state", args...)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	places = map[string]Passage{}
	for rows.Next() {
		var path, state string
		var n int
		if err := rows.Scan(&path, &state, &n); err != nil {
			return 0, nil, err
		}
		at := FlowPlace(path)
		p := places[at]
		p.Times += n
		switch StepState(state) {
		case StepWaiting:
			p.Waiting += n
		case StepFailed:
			p.Failed += n
		default: // it went on
		}
		places[at] = p
	}
	return runs, places, rows.Err()
}
