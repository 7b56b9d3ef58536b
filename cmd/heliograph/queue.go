package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"heliograph/config"
	"heliograph/hooks/automail"
	"heliograph/internal/console/api/operations"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// queueCmd are the commands for work that is waiting or was given up.
type queueCmd struct {
	configFlag
	List   queueListCmd   `cmd:"" default:"withargs" help:"List jobs that are not done, dead letters with their reasons included. 任务列表"`
	Retry  queueRetryCmd  `cmd:"" help:"Let jobs run again now: dead letters, and those that wait. 重试"`
	Drop   queueDropCmd   `cmd:"" help:"Give jobs up. 放弃任务"`
	Stats  queueStatsCmd  `cmd:"" help:"Count jobs by kind and state. 任务统计"`
	Outbox queueOutboxCmd `cmd:"" help:"List mail in the outbox with what the upstream said of each recipient. 发件箱"`
}

// openQueue is what the commands work on.
type openQueue struct {
	*queue.Queue
	cfg *config.Config
	db  *store.DB
}

func (c *queueCmd) with(ctx context.Context, do func(openQueue) error) (err error) {
	cfg, db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	q := openQueue{queue.Open(db, queue.Options{}), cfg, db}
	defer q.Close()
	return do(q)
}

func (q openQueue) jobs() operations.Jobs {
	return operations.Jobs{Store: q.db, Queue: q.Queue, ExpireIn: q.cfg.Outbox.ExpireIn.D()}
}

func (q openQueue) outbox() automail.Control {
	return automail.Control{Store: q.db, Queue: q.Queue, ExpireIn: q.cfg.Outbox.ExpireIn.D()}
}

type queueListCmd struct {
	IDs   []int64     `arg:"" optional:"" name:"id" help:"Numbers of jobs. 编号"`
	Kind  string      `help:"Only of this kind, such as hook:mirror, deliver:crm or outbox."`
	State queue.State `enum:"available,scheduled,running,retryable,completed,discarded,cancelled,unfinished" default:"unfinished" help:"Only in this state: available scheduled running retryable discarded completed cancelled. Dead letters are discarded."`
	listFlags
}

// unfinished are the states in which a job still wants something, those that need a
// person first.
var unfinished = []queue.State{
	queue.StateDiscarded, queue.StateRetryable, queue.StateRunning, queue.StateAvailable, queue.StateScheduled,
}

// Run lists jobs, the newest of each state first.
func (c *queueListCmd) Run(ctx context.Context, parent *queueCmd) error {
	return parent.with(ctx, func(q openQueue) error {
		f := queue.Filter{IDs: c.IDs, Kind: c.Kind}
		states := []queue.State{c.State}
		switch {
		case c.State == "unfinished" && len(c.IDs) > 0:
			states = []queue.State{""}
		case c.State == "unfinished":
			states = unfinished
		}
		var jobs []queue.Job
		for _, f.State = range states {
			f.Limit = c.Limit - len(jobs) + 1 // one more, to know of more
			some, err := q.List(ctx, f)
			if err != nil {
				return err
			}
			if jobs = append(jobs, some...); len(jobs) > c.Limit {
				break
			}
		}
		more := len(jobs) > c.Limit
		return printJobs(jobs[:min(len(jobs), c.Limit)], more, c.JSON)
	})
}

// jobLine is a job as JSON.
type jobLine struct {
	ID          int64       `json:"id"`
	Kind        string      `json:"kind"`
	State       queue.State `json:"state"`
	Key         string      `json:"key,omitempty"`
	OrderKey    string      `json:"order_key,omitempty"`
	Blocked     bool        `json:"blocked"`
	Attempt     int         `json:"attempt"`
	MaxAttempts int         `json:"max_attempts"`
	RunAt       string      `json:"run_at"`
	CreatedAt   string      `json:"created_at"`
	Reason      string      `json:"reason,omitempty"`
}

func printJobs(jobs []queue.Job, more, asJSON bool) error {
	if asJSON {
		lines := make([]jobLine, len(jobs))
		for i, j := range jobs {
			lines[i] = jobLine{
				j.ID, j.Kind, j.State, j.Key, j.OrderKey, j.Blocked, j.Attempt, j.MaxAttempts,
				stamp(j.RunAt), stamp(j.CreatedAt), j.LastError,
			}
		}
		return printJSON(lines...)
	}
	t := &table{head: []string{"ID", "KIND", "STATE", "ATTEMPTS", "CREATED", "NEXT", "KEY", "REASON"}, right: []int{0, 3}}
	return printList(jobs, more, false, "jobs", t, func(j queue.Job) []string {
		state, next := string(j.State), ""
		switch {
		case j.State == queue.StateDiscarded:
			state = "dead letter"
		case j.State == queue.StateRunning || !j.State.Live():
		case j.Blocked:
			next = "after the one before it"
		default:
			next = clock(j.RunAt)
		}
		attempts := fmt.Sprint(j.Attempt)
		if j.MaxAttempts >= 0 {
			attempts += fmt.Sprintf("/%d", j.MaxAttempts)
		}
		return []string{number(j.ID), j.Kind, state, attempts, clock(j.CreatedAt), next, cut(j.Key, 26), j.LastError}
	})
}

type queueStatsCmd struct {
	JSON bool `help:"Print JSON, one object a line."`
}

// statLine is a count as JSON.
type statLine struct {
	Kind    string      `json:"kind"`
	State   queue.State `json:"state"`
	Count   int         `json:"count"`
	Blocked int         `json:"blocked"`
	Oldest  string      `json:"oldest"`
}

// Run counts jobs. Those that are done are not counted.
func (c *queueStatsCmd) Run(ctx context.Context, parent *queueCmd) error {
	return parent.with(ctx, func(q openQueue) error {
		stats, err := q.Stats(ctx)
		if err != nil {
			return err
		}
		slices.SortStableFunc(stats, func(a, b queue.Stat) int { return cmp.Compare(a.Kind, b.Kind) })
		if c.JSON {
			lines := make([]statLine, len(stats))
			for i, s := range stats {
				lines[i] = statLine{s.Kind, s.State, s.Count, s.Blocked, stamp(s.Oldest)}
			}
			return printJSON(lines...)
		}
		t := &table{head: []string{"KIND", "STATE", "JOBS", "BLOCKED", "OLDEST"}, right: []int{2, 3}}
		return printList(stats, false, false, "jobs", t, func(s queue.Stat) []string {
			state := string(s.State)
			if s.State == queue.StateDiscarded {
				state = "dead letter"
			}
			return []string{s.Kind, state, fmt.Sprint(s.Count), number(int64(s.Blocked)), clock(s.Oldest)}
		})
	})
}

// chosenJobs are numbers, or all dead letters.
type chosenJobs struct {
	IDs  []int64 `arg:"" optional:"" name:"id" help:"Numbers of jobs, see heliograph queue. 编号"`
	All  bool    `help:"All dead letters. 全部死信"`
	Kind string  `help:"With --all: only of this kind, such as deliver:crm."`
}

// each calls do with each of the chosen jobs, the newest first, and returns for how many it said
// true. Those that are not there are an error.
func (c *chosenJobs) each(ctx context.Context, q openQueue, do func(queue.Job) (bool, error)) (done int, err error) {
	switch {
	case c.All == (len(c.IDs) > 0):
		return 0, errors.New("say which jobs: their numbers, or --all for all dead letters; heliograph queue lists them")
	case c.Kind != "" && !c.All:
		return 0, errors.New("--kind goes with --all")
	}
	f := queue.Filter{IDs: c.IDs, Kind: c.Kind, Limit: max(100, len(c.IDs))}
	if c.All {
		f.State = queue.StateDiscarded
	}
	for {
		jobs, err := q.List(ctx, f)
		if err != nil {
			return done, err
		}
		for _, j := range jobs {
			ok, err := do(j)
			if err != nil {
				return done, err
			}
			if ok {
				done++
			}
		}
		if len(jobs) < f.Limit {
			return done, nil
		}
		f.Before = jobs[len(jobs)-1].ID
	}
}

// report prints what was done. That a named job was not is an error.
func (c *chosenJobs) report(done int, what, why string) error {
	fmt.Printf("%d jobs %s\n", done, what)
	if left := len(c.IDs) - done; left > 0 {
		return fmt.Errorf("%d of the named jobs left as they were: %s", left, why)
	}
	return nil
}

type queueRetryCmd struct{ chosenJobs }

// Run makes jobs run again. A running gateway sees them within a second.
func (c *queueRetryCmd) Run(ctx context.Context, parent *queueCmd) error {
	return parent.with(ctx, func(q openQueue) error {
		done, err := c.each(ctx, q, func(j queue.Job) (bool, error) {
			err := q.jobs().Retry(ctx, j)
			if errors.Is(err, operations.ErrNotAgain) {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			return err
		}
		return c.report(done, "run again", "not there, running, done, or followed by another with the same key")
	})
}

type queueDropCmd struct {
	chosenJobs
	Reason string `required:"" help:"Why; it is kept. 原因"`
}

// Run gives jobs up.
func (c *queueDropCmd) Run(ctx context.Context, parent *queueCmd) error {
	if strings.TrimSpace(c.Reason) == "" {
		return errors.New("--reason must not be empty: it is all that will be known of the job")
	}
	return parent.with(ctx, func(q openQueue) error {
		done, err := c.each(ctx, q, func(j queue.Job) (bool, error) {
			if !j.State.Live() && j.State != queue.StateDiscarded {
				return false, nil
			}
			err := record(ctx, q.cfg, q.db, deed{"discardJob", "queue", number(j.ID), map[string]any{"name": j.Kind, "reason": c.Reason}})
			if err == nil {
				err = q.jobs().Discard(ctx, j, c.Reason)
			}
			if errors.Is(err, operations.ErrTooEarly) {
				err = fmt.Errorf("job %d: %w, then drop it", j.ID, err)
			}
			return err == nil, err
		})
		if err != nil {
			return err
		}
		return c.report(done, "dropped", "not there, or done")
	})
}
