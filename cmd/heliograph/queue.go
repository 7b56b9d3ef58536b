package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"heliograph/config"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// queueCmd are the commands for work that is waiting or was given up.
type queueCmd struct {
	configFlag
	List  queueListCmd  `cmd:"" default:"withargs" help:"List jobs that are not done, dead letters with their reasons included. 任务列表"`
	Retry queueRetryCmd `cmd:"" help:"Let jobs run again now: dead letters, and those that wait. 重试"`
	Drop  queueDropCmd  `cmd:"" help:"Give jobs up. 放弃任务"`
	Stats queueStatsCmd `cmd:"" help:"Count jobs by kind and state. 任务统计"`
}

func (c *queueCmd) with(ctx context.Context, do func(*config.Config, *store.DB, *queue.Queue) error) error {
	cfg, db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	q := queue.Open(db, queue.Options{})
	defer q.Close()
	return do(cfg, db, q)
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
	return parent.with(ctx, func(_ *config.Config, _ *store.DB, q *queue.Queue) error {
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
	return parent.with(ctx, func(_ *config.Config, _ *store.DB, q *queue.Queue) error {
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

// each calls do with batches of the chosen jobs.
func (c *chosenJobs) each(ctx context.Context, q *queue.Queue, do func([]queue.Job) error) error {
	switch {
	case c.All == (len(c.IDs) > 0):
		return errors.New("say which jobs: their numbers, or --all for all dead letters; heliograph queue lists them")
	case c.Kind != "" && !c.All:
		return errors.New("--kind goes with --all")
	}
	f := queue.Filter{IDs: c.IDs, Kind: c.Kind, Limit: max(100, len(c.IDs))}
	if c.All {
		f.State = queue.StateDiscarded
	}
	for {
		jobs, err := q.List(ctx, f)
		if err != nil {
			return err
		}
		if len(jobs) > 0 {
			if err := do(jobs); err != nil {
				return err
			}
		}
		if len(jobs) < f.Limit {
			return nil
		}
		f.Before = jobs[len(jobs)-1].ID
	}
}

func idsOf(jobs []queue.Job) []int64 {
	ids := make([]int64, len(jobs))
	for i, j := range jobs {
		ids[i] = j.ID
	}
	return ids
}

type queueRetryCmd struct{ chosenJobs }

// Run makes jobs run again. A running gateway sees them within a second.
func (c *queueRetryCmd) Run(ctx context.Context, parent *queueCmd) error {
	return parent.with(ctx, func(_ *config.Config, _ *store.DB, q *queue.Queue) error {
		done := 0
		err := c.each(ctx, q, func(jobs []queue.Job) error {
			n, err := q.Redrive(ctx, idsOf(jobs)...)
			done += n
			return err
		})
		if err != nil {
			return err
		}
		fmt.Printf("%d jobs run again\n", done)
		return c.missed(done, "run again: a job that is running or done cannot, nor one with a successor")
	})
}

// missed makes it an error that a named job was not changed.
func (c *chosenJobs) missed(done int, why string) error {
	if left := len(c.IDs) - done; left > 0 {
		return fmt.Errorf("%d of the jobs are not there or do not %s", left, why)
	}
	return nil
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
	return parent.with(ctx, func(_ *config.Config, _ *store.DB, q *queue.Queue) error {
		done := 0
		err := c.each(ctx, q, func(jobs []queue.Job) error {
			n, err := q.Drop(ctx, "dropped: "+c.Reason, idsOf(jobs)...)
			done += n
			return err
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stdout, "%d jobs dropped\n", done)
		return c.missed(done, "need to be dropped: they are done")
	})
}
