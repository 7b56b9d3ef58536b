package automation

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

const (
	// replayKind is the kind of the queue's jobs of replays: key and payload are the replay's id.
	replayKind = "rule-replay"
	// keepReplays is how long what a replay found is kept.
	keepReplays = 24 * time.Hour
	// longestReplay bounds the time that is replayed.
	longestReplay = 400 * 24 * time.Hour
	// itemsDiffer is the kind under which differences are stored. "difference" was that of lines in one language, which nobody reads any more.
	itemsDiffer = "differs"
	// replayLimit is how many runs are listed where nobody says it.
	replayLimit = 1000
)

// replayWanted is what a replay was asked for, with the rules as they were then.
type replayWanted struct {
	Rule     rules.Rule   `json:"rule"`
	Number   int          `json:"number"`
	Name     string       `json:"name"` // of the version: a number or draft
	Diff     *rules.Rule  `json:"diff,omitempty"`
	DiffNo   int          `json:"diff_number,omitempty"`
	DiffName string       `json:"diff_name,omitempty"`
	WithAll  bool         `json:"with_all,omitempty"`
	Since    time.Time    `json:"since"`
	Until    time.Time    `json:"until"`
	Limit    int          `json:"limit"`
	Accounts []string     `json:"accounts"` // whose mail the person sees; null: of all
	Others   bool         `json:"others"`
	Hidden   bool         `json:"hidden"`
	Masks    []string     `json:"masks,omitempty"`
	Role     access.Role  `json:"role"`
	Scope    access.Scope `json:"scope"`
}

// StartReplay begins a replay.
func (p *Part) StartReplay(ctx context.Context, request StartReplayRequestObject) (StartReplayResponseObject, error) {
	c, b := access.From(ctx), request.Body
	if !b.Since.Before(b.Until) || b.Until.Sub(b.Since) > longestReplay {
		return nil, api.Invalid("bad_time", "the time must end behind its beginning, and be 400 days long at most", api.Field{Pointer: "/until", Detail: "behind since, at most 400 days"})
	}
	w, err := p.wanted(ctx, c, request.Id, b)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	id, now := strings.ToLower(rand.Text()), p.o.Now()
	err = p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM rule_replays WHERE made_at < $1 AND state IN ('done', 'failed', 'cancelled')`, store.Micros(now.Add(-keepReplays))); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM rule_replays WHERE person = $1 AND state IN ('queued', 'running')`, c.Person.ID).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return api.Conflict("replay_running", "one of your replays is under way", "Wait for it, or cancel it.")
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO rule_replays (id, person, rule, request, state, progress, events, error, result, made_at, finished_at) VALUES ($1, $2, $3, $4, 'queued', 0, 0, '', '', $5, 0)`,
			id, c.Person.ID, request.Id, string(text), store.Micros(now)); err != nil {
			return err
		}
		_, err := p.o.Queue.Add(ctx, tx, queue.New{Kind: replayKind, Key: id, Payload: []byte(id), MaxAttempts: 5, Priority: 50})
		return err
	})
	if err != nil {
		return nil, err
	}
	p.o.Queue.Wake(replayKind)
	out, err := p.replay(ctx, id)
	return StartReplay202JSONResponse{Body: out, Headers: StartReplay202ResponseHeaders{Location: "/api/v1/replays/" + id}}, err
}

// wanted is what a replay is asked for.
func (p *Part) wanted(ctx context.Context, c *access.Caller, id string, b *ReplayRequest) (w replayWanted, err error) {
	v := viewOf(c)
	w = replayWanted{
		WithAll: b.WithAll, Since: b.Since, Until: b.Until, Limit: b.Limit, Accounts: v.accounts, Others: v.others, Hidden: v.hidden, Role: c.Person.Role, Scope: c.Scope,
	}
	for kind := range maskNames {
		if c.Masked(kind) {
			w.Masks = append(w.Masks, kind)
		}
	}
	if w.Limit <= 0 {
		w.Limit = replayLimit
	}
	first, err := p.version(ctx, id, b.Version)
	if err != nil {
		return w, err
	}
	if w.Rule, w.Number, w.Name, err = p.replayable(first); err != nil || b.Diff == "" {
		return w, err
	}
	second, err := p.version(ctx, id, b.Diff)
	if err != nil {
		return w, err
	}
	other, number, name, err := p.replayable(second)
	w.Diff, w.DiffNo, w.DiffName = &other, number, name
	return w, err
}

// replayable is a version that can run.
func (p *Part) replayable(v rules.Version) (r rules.Rule, number int, name string, err error) {
	if _, err := rules.NewTrial([]rules.Version{v}, rules.TrialOptions{World: rules.Given(nil)}); err != nil {
		return v.Body, 0, "", api.Invalid("rule_invalid", err.Error())
	}
	name = "draft"
	if v.Number > 0 {
		name = strconv.Itoa(v.Number)
	}
	return v.Body, v.Number, name, nil
}

// ListReplays lists the caller's replays.
func (p *Part) ListReplays(ctx context.Context, _ ListReplaysRequestObject) (ListReplaysResponseObject, error) {
	found, err := p.readReplays(ctx, `person = $1 AND made_at >= $2 ORDER BY made_at DESC, id LIMIT 50`, access.From(ctx).Person.ID, store.Micros(p.o.Now().Add(-keepReplays)))
	return ListReplays200JSONResponse{Items: list(found)}, err
}

// replay is one of the caller's.
func (p *Part) replay(ctx context.Context, id string) (Replay, error) {
	found, err := p.readReplays(ctx, `id = $1 AND person = $2`, id, access.From(ctx).Person.ID)
	if err == nil && len(found) == 0 {
		err = api.NotFound("no_replay", "there is no such replay of yours, or not any more")
	}
	if err != nil {
		return Replay{}, err
	}
	api.Named(ctx, found[0].Rule)
	return found[0], nil
}

// GetReplay shows a replay.
func (p *Part) GetReplay(ctx context.Context, request GetReplayRequestObject) (GetReplayResponseObject, error) {
	out, err := p.replay(ctx, request.Replay)
	return GetReplay200JSONResponse(out), err
}

// CancelReplay ends a replay.
func (p *Part) CancelReplay(ctx context.Context, request CancelReplayRequestObject) (CancelReplayResponseObject, error) {
	if _, err := p.replay(ctx, request.Replay); err != nil {
		return nil, err
	}
	err := p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `UPDATE rule_replays SET state = 'cancelled', finished_at = $2 WHERE id = $1 AND state IN ('queued', 'running')`, request.Replay, store.Micros(p.o.Now()))
		return err
	})
	if err != nil {
		return nil, err
	}
	out, err := p.replay(ctx, request.Replay)
	return CancelReplay200JSONResponse(out), err
}

// DeleteReplay forgets a replay.
func (p *Part) DeleteReplay(ctx context.Context, request DeleteReplayRequestObject) (DeleteReplayResponseObject, error) {
	if _, err := p.replay(ctx, request.Replay); err != nil {
		return nil, err
	}
	err := p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM rule_replays WHERE id = $1`, request.Replay)
		return err
	})
	return DeleteReplay204Response{}, err
}

// ListReplayRuns lists what would have happened.
func (p *Part) ListReplayRuns(ctx context.Context, request ListReplayRunsRequestObject) (ListReplayRunsResponseObject, error) {
	items, next, err := replayItems[TrialRun](ctx, p, request.Replay, "run", request.Params.Cursor, request.Params.Limit)
	return ListReplayRuns200JSONResponse{Items: items, Next: next}, err
}

// ListReplayDifferences lists what two versions would have done differently.
func (p *Part) ListReplayDifferences(ctx context.Context, request ListReplayDifferencesRequestObject) (ListReplayDifferencesResponseObject, error) {
	items, next, err := replayItems[Difference](ctx, p, request.Replay, itemsDiffer, request.Params.Cursor, request.Params.Limit)
	return ListReplayDifferences200JSONResponse{Items: items, Next: next}, err
}

// replayItems reads a page of what a replay found.
func replayItems[T any](ctx context.Context, p *Part, replay, kind, cursor string, asked int) (items []T, next string, err error) {
	if _, err := p.replay(ctx, replay); err != nil {
		return nil, "", err
	}
	after := -1
	if _, err := api.DecodeCursor(cursor, &after); err != nil {
		return nil, "", err
	}
	limit := api.PageLimit(asked)
	found, err := p.o.Store.Reader().QueryContext(ctx, `
		SELECT place, body FROM rule_replay_items WHERE replay = $1 AND kind = $2 AND place > $3 ORDER BY place LIMIT `+strconv.Itoa(limit+1), replay, kind, after)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	items = []T{}
	for found.Next() {
		var body string
		if len(items) == limit {
			next, err = api.EncodeCursor(after)
			return items, next, err
		}
		if err := found.Scan(&after, &body); err != nil {
			return nil, "", err
		}
		var one T
		if err := json.Unmarshal([]byte(body), &one); err != nil {
			return nil, "", err
		}
		items = append(items, one)
	}
	return items, "", found.Err()
}

// readReplays reads replays by a condition.
func (p *Part) readReplays(ctx context.Context, where string, args ...any) (out []Replay, err error) {
	found, err := p.o.Store.Reader().QueryContext(ctx, `SELECT id, rule, request, state, progress, events, error, result, made_at, finished_at FROM rule_replays WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		var r Replay
		var state, request, result string
		var progress, made, finished int64
		if err := found.Scan(&r.Id, &r.Rule, &request, &state, &progress, &r.Events, &r.Error, &result, &made, &finished); err != nil {
			return nil, err
		}
		if result != "" {
			if err := json.Unmarshal([]byte(result), &r); err != nil {
				return nil, err
			}
		}
		var w replayWanted
		if err := json.Unmarshal([]byte(request), &w); err != nil {
			return nil, err
		}
		r.Version, r.Diff, r.Since, r.Until = w.Name, w.DiffName, w.Since, w.Until
		r.State, r.Progress, r.MadeAt, r.FinishedAt = ReplayState(state), float32(progress)/1000, store.FromMicros(made), store.FromMicros(finished)
		r.ExpiresAt = r.MadeAt.Add(keepReplays)
		out = append(out, r)
	}
	return out, found.Err()
}
