package operations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/journal"
	"heliograph/internal/store"
	"heliograph/proxy/backfill"
)

const (
	// noteEvery is how often the progress of a run is written down, and looked whether somebody wants it to stop.
	noteEvery = 2 * time.Second
	// lostRun is after what silence a run is lost: its node stopped.
	lostRun = time.Minute
	// maxRunRows bounds the mailboxes that are kept of a run.
	maxRunRows = 500
)

// runs are those of this process.
type runs struct {
	mu   sync.Mutex // guards live
	live map[string]context.CancelFunc
}

// progress is what is written down of a run.
type progress struct {
	DryRun  bool            `json:"dry_run,omitempty"`
	Mailbox string          `json:"mailbox,omitempty"`
	Total   int             `json:"total"`
	Counts  backfill.Counts `json:"counts"`
	Until   time.Time       `json:"until,omitzero"`
	Note    string          `json:"note,omitempty"`
	Rows    []backfill.Row  `json:"rows,omitempty"`
}

// take learns from an event.
func (g *progress) take(e backfill.Event) {
	if e.Mailbox != "" {
		g.Mailbox = e.Mailbox
	}
	if e.Counts != (backfill.Counts{}) {
		g.Counts = e.Counts
	}
	switch e.Kind {
	case backfill.EventPlan:
		g.Total = e.Total
	case backfill.EventMailbox:
		if e.Row != nil && len(g.Rows) < maxRunRows {
			g.Rows = append(g.Rows, *e.Row)
		}
	case backfill.EventWait, backfill.EventNote:
		g.Note, g.Until = e.Text, e.Until
	case backfill.EventProgress:
		g.Until = time.Time{}
	}
}

// StartRun begins a run.
func (p *Part) StartRun(ctx context.Context, r StartRunRequestObject) (StartRunResponseObject, error) {
	address, err := account(ctx, r.Address)
	if err != nil {
		return nil, err
	}
	if p.o.Runner == nil {
		return nil, unavailable("fetching mail")
	}
	req, err := p.request(ctx, address, *r.Body)
	if err != nil {
		return nil, err
	}
	now := p.o.Now()
	id := journal.NewID(now).String()
	by := access.From(ctx).Person.Email
	err = p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO account_runs (id, account, kind, state, node, started_by, started_at, finished_at, seen_at, cancelled, progress, error)
			VALUES ($1, $2, $3, 'running', $4, $5, $6, 0, $6, 0, '{}', '')`, id, address, string(r.Body.Kind), p.o.Node, by, store.Micros(now))
		return err
	})
	if err != nil {
		clear(req.Secret)
		return nil, err
	}
	do := p.o.Runner.Backfill
	if r.Body.Kind == Reconcile {
		do = p.o.Runner.Reconcile
	}
	work, cancel := context.WithCancel(p.ctx)
	p.runs.mu.Lock()
	p.runs.live[id] = cancel
	p.runs.mu.Unlock()
	p.work.Go(func() { p.run(work, id, req, do) })
	api.Note(ctx, "run", id)
	run, err := p.getRun(ctx, id)
	return StartRun202JSONResponse{Body: run, Headers: StartRun202ResponseHeaders{Location: "/api/v1/account-runs/" + id}}, err
}

// request makes the request of a run, with what to sign in with.
func (p *Part) request(ctx context.Context, address string, b RunRequest) (*backfill.Request, error) {
	invalid := func(pointer, detail, remedy string) error {
		return api.Invalid("bad_run", "the run cannot be started so", api.Field{Pointer: pointer, Detail: detail, Remedy: remedy})
	}
	req := &backfill.Request{
		Account: address, Mailboxes: b.Mailboxes, All: b.All, Since: b.Since.Time, Before: b.Before.Time, Limit: b.Limit,
		DryRun: b.DryRun && b.Kind == Backfill, Fix: b.Fix && b.Kind == Reconcile,
	}
	switch {
	case b.All && len(b.Mailboxes) > 0:
		return nil, invalid("/mailboxes", "given together with all", "Give mailboxes or all, not both.")
	case !req.Since.IsZero() && !req.Before.IsZero() && !req.Since.Before(req.Before):
		return nil, invalid("/before", "not after since", "Choose a later day.")
	}
	if b.Rate != "" {
		rate, err := backfill.ParseRate(b.Rate)
		if err != nil {
			return nil, invalid("/rate", err.Error(), "Write it as 5/s, 100/min or 2MB/s.")
		}
		req.Rate = rate
	}
	if b.Password != "" {
		req.Secret, req.Token = []byte(b.Password), b.Token
		return req, nil
	}
	return req, p.authorize(ctx, req)
}

// authorize signs in with what the employee gave at the enrolment.
func (p *Part) authorize(ctx context.Context, req *backfill.Request) error {
	book, err := p.book()
	if err != nil {
		return err
	}
	a, found, err := book.Account(ctx, req.Account)
	switch {
	case err != nil:
		return err
	case !found:
		return api.Conflict("not_enrolled", "the account is not enrolled", "Give its password for this run, or make an enrolment link for the employee.")
	case !strings.EqualFold(a.Login, req.Account):
		return api.Conflict("other_login", "the account signs in at the provider by another name, which a run cannot", "Watch the mailbox instead.")
	}
	c, err := a.Credential(ctx)
	if err != nil {
		return api.Conflict("no_credential", "the gateway cannot sign in for the account: "+err.Error(), "Make an enrolment link for the employee.")
	}
	req.Secret, req.Token = []byte(c.Password), c.OAuth()
	if req.Token {
		req.Secret = []byte(c.Token)
	}
	return nil
}

// run does the work and writes down how it goes.
func (p *Part) run(ctx context.Context, id string, req *backfill.Request, do func(context.Context, *backfill.Request, func(backfill.Event)) (backfill.Result, error)) {
	defer func() {
		p.runs.mu.Lock()
		defer p.runs.mu.Unlock()
		p.runs.live[id]()
		delete(p.runs.live, id)
	}()
	var mu sync.Mutex // guards g
	g := progress{DryRun: req.DryRun}
	noting, stop := context.WithCancel(ctx)
	var beats sync.WaitGroup
	beats.Go(func() { p.watchRun(noting, id, &mu, &g) })
	result, err := do(ctx, req, func(e backfill.Event) {
		mu.Lock()
		defer mu.Unlock()
		g.take(e)
	})
	stop()
	beats.Wait()
	g.Counts, g.Until, g.Mailbox = result.Counts, time.Time{}, ""
	if result.Total > 0 {
		g.Total = result.Total
	}
	if len(result.Rows) > 0 {
		g.Rows = result.Rows[:min(len(result.Rows), maxRunRows)]
	}
	state, text := RunStateDone, ""
	switch {
	case p.ctx.Err() != nil:
		state, text = RunStateLost, "the node stopped; start it again, it does what is left"
	case ctx.Err() != nil:
		state = RunStateCancelled
	case err != nil:
		state, text = RunStateFailed, err.Error()
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime*2)
	defer cancel()
	if err := p.noteRun(end, id, g, state, text); err != nil {
		p.log.Error("the end of a run is not in the store", "run", id, "err", err)
	}
}

// watchRun writes the progress down, and ends the run when somebody wants that.
func (p *Part) watchRun(ctx context.Context, id string, mu *sync.Mutex, g *progress) {
	tick := time.NewTicker(noteEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		mu.Lock()
		now := *g
		now.Rows = slices.Clone(g.Rows)
		mu.Unlock()
		err := p.noteRun(ctx, id, now, RunStateRunning, "")
		var cancelled int
		if err == nil {
			err = p.o.Store.Reader().QueryRowContext(ctx, `SELECT cancelled FROM account_runs WHERE id = $1`, id).Scan(&cancelled)
		}
		if err != nil && ctx.Err() == nil {
			p.log.Warn("the progress of a run is not in the store", "run", id, "err", err)
		}
		if cancelled == 1 {
			p.stop(id)
		}
	}
}

func (p *Part) stop(id string) {
	p.runs.mu.Lock()
	defer p.runs.mu.Unlock()
	if cancel := p.runs.live[id]; cancel != nil {
		cancel()
	}
}

func (p *Part) noteRun(ctx context.Context, id string, g progress, state RunState, text string) error {
	body, err := json.Marshal(g)
	if err != nil {
		return err
	}
	now, finished := store.Micros(p.o.Now()), int64(0)
	if state != RunStateRunning {
		finished = now
	}
	return p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `UPDATE account_runs SET state = $2, progress = $3, error = $4, seen_at = $5, finished_at = $6 WHERE id = $1`,
			id, string(state), string(body), text, now, finished)
		return err
	})
}

// listRuns reads runs of an account, the latest first.
func (p *Part) listRuns(ctx context.Context, address, before string, limit int) ([]Run, string, error) {
	a := args{address}
	query := `account = $1`
	if before != "" {
		query += ` AND id < ` + a.add(before)
	}
	list, err := p.readRuns(ctx, query+` ORDER BY id DESC LIMIT `+a.add(limit+1), a)
	if err != nil || len(list) <= limit {
		return list, "", err
	}
	return list[:limit], list[limit-1].Id, nil
}

func (p *Part) readRuns(ctx context.Context, where string, a args) ([]Run, error) {
	out := []Run{}
	now := p.o.Now()
	err := p.rows(ctx, `SELECT id, account, kind, state, node, started_by, started_at, finished_at, seen_at, progress, error FROM account_runs WHERE `+where, a, func(scan func(...any) error) error {
		var r Run
		var text string
		var started, finished, seen int64
		if err := scan(&r.Id, &r.Account, &r.Kind, &r.State, &r.Node, &r.StartedBy, &started, &finished, &seen, &text, &r.Error); err != nil {
			return err
		}
		var g progress
		if err := json.Unmarshal([]byte(text), &g); err != nil {
			return fmt.Errorf("progress of run %s: %w", r.Id, err)
		}
		r.StartedAt, r.FinishedAt = stamp(started), stamp(finished)
		if r.State == RunStateRunning && now.Sub(stamp(seen)) > lostRun {
			r.State, r.Error = RunStateLost, "the node stopped; start it again, it does what is left"
		}
		r.DryRun, r.Mailbox, r.Total, r.Note, r.WaitsUntil = g.DryRun, g.Mailbox, g.Total, g.Note, g.Until
		r.Captured, r.Excluded, r.Gone, r.Failed, r.Bytes = g.Counts.Captured, g.Counts.Excluded, g.Counts.Gone, g.Counts.Failed, g.Counts.Bytes
		r.Rows = []RunRow{}
		for _, row := range g.Rows {
			r.Rows = append(r.Rows, runRow(row))
		}
		out = append(out, r)
		return nil
	})
	return out, err
}

func runRow(r backfill.Row) RunRow {
	out := RunRow{
		Mailbox: r.Mailbox, Messages: r.Messages, Captured: r.Captured, Excluded: r.Excluded, Gone: r.Gone, Failed: r.Failed, Missing: r.Missing, Older: r.Older,
		MissingBytes: r.MissingBytes, Skipped: r.Skipped,
	}
	for _, f := range r.Failures {
		out.Failures = append(out.Failures, RunFailure{Uid: int64(f.UID), Reason: f.Reason})
	}
	return out
}

// getRun returns a run that the caller sees.
func (p *Part) getRun(ctx context.Context, id string) (Run, error) {
	list, err := p.readRuns(ctx, `id = $1`, args{id})
	if err != nil {
		return Run{}, err
	}
	if c := access.From(ctx); len(list) == 0 || c == nil || !c.Sees(list[0].Account) {
		return Run{}, api.NotFound("no_run", "there is no such run")
	}
	return list[0], nil
}

// ListAccountRuns lists runs.
func (p *Part) ListAccountRuns(ctx context.Context, r ListAccountRunsRequestObject) (ListAccountRunsResponseObject, error) {
	address, err := account(ctx, r.Address)
	if err != nil {
		return nil, err
	}
	var before string
	if _, err := api.DecodeCursor(r.Params.Cursor, &before); err != nil {
		return nil, err
	}
	list, next, err := p.listRuns(ctx, address, before, api.PageLimit(r.Params.Limit))
	out := ListAccountRuns200JSONResponse{Items: list}
	if err == nil && next != "" {
		out.Next, err = api.EncodeCursor(next)
	}
	return out, err
}

// GetRun shows one.
func (p *Part) GetRun(ctx context.Context, r GetRunRequestObject) (GetRunResponseObject, error) {
	run, err := p.getRun(ctx, r.Id)
	return GetRun200JSONResponse(run), err
}

var errRunEnded = errors.New("the run has ended")

// CancelRun stops one, on whichever node it is.
func (p *Part) CancelRun(ctx context.Context, r CancelRunRequestObject) (CancelRunResponseObject, error) {
	run, err := p.getRun(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	if run.State != RunStateRunning {
		return nil, api.Conflict("run_ended", errRunEnded.Error(), "")
	}
	err = p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `UPDATE account_runs SET cancelled = 1 WHERE id = $1`, r.Id)
		return err
	})
	if err != nil {
		return nil, err
	}
	p.stop(r.Id)
	run, err = p.getRun(ctx, r.Id)
	return CancelRun202JSONResponse(run), err
}
