package operations

import (
	"context"
	"slices"
	"strings"

	"heliograph/hooks"
	"heliograph/hooks/automail"
	"heliograph/hooks/contacts"
	"heliograph/hooks/mirror"
	"heliograph/internal/console/api"
	"heliograph/internal/journal"
	"heliograph/internal/queue"
)

// Work is sorted by the prefix of its kind.
var sorts = []struct {
	prefix string
	what   JobWhat
	target bool // the rest of the kind is a target
}{
	{mirror.Kind(""), JobWhatDelivery, true},
	{mirror.UpdateKind(""), JobWhatUpdate, true},
	{mirror.WithdrawKind(""), JobWhatWithdrawal, true},
	{contacts.SyncKind(""), JobWhatContacts, true},
	{contacts.WriteKind(""), JobWhatContacts, true},
	{hooks.Kind(""), JobWhatHook, false},
	{automail.Kind, JobWhatOutbox, false},
	{"rule", JobWhatRules, false},
}

// sortOf tells what a kind of jobs is about.
func sortOf(kind string) (what JobWhat, target string) {
	for _, s := range sorts {
		if rest, ok := strings.CutPrefix(kind, s.prefix); ok {
			if s.target {
				target = rest
			}
			return s.what, target
		}
	}
	return JobWhatOther, ""
}

// unfinished are the states in which a job still wants something.
var unfinished = []queue.State{
	queue.StateDiscarded, queue.StateRetryable, queue.StateRunning, queue.StateAvailable, queue.StateScheduled,
}

// kinds are all kinds that there is work of now or was lately.
func (p *Part) kinds(ctx context.Context) (kinds []string, err error) {
	err = p.rows(ctx, `SELECT DISTINCT kind FROM jobs ORDER BY kind`, nil, func(scan func(...any) error) error {
		var k string
		err := scan(&k)
		kinds = append(kinds, k)
		return err
	})
	return kinds, err
}

// choose makes the queue's filter of one of the API; false: nothing can match.
func (p *Part) choose(ctx context.Context, f JobFilter) (queue.Filter, bool, error) {
	q := queue.Filter{Kind: f.Kind}
	switch f.State {
	case "", JobStateFilterUnfinished:
		q.States = unfinished
	default:
		q.State = queue.State(f.State)
	}
	if f.What == "" && f.Target == "" {
		return q, true, nil
	}
	all, err := p.kinds(ctx)
	if err != nil {
		return q, false, err
	}
	for _, k := range all {
		what, target := sortOf(k)
		if (f.What == "" || f.What == what) && (f.Target == "" || f.Target == target) {
			q.Kinds = append(q.Kinds, k)
		}
	}
	return q, len(q.Kinds) > 0, nil
}

// subject is whose mail a job is about.
type subject struct {
	entry, message, messageID, account string
	seen                               bool // the caller sees it
}

// subjects finds what jobs are about, and whether the caller may know.
func (p *Part) subjects(ctx context.Context, jobs []queue.Job) (map[int64]subject, error) {
	_, some := limited(ctx)
	out := map[int64]subject{}
	for _, j := range jobs {
		s := subject{seen: !some}
		var err error
		switch what, _ := sortOf(j.Kind); what {
		case JobWhatDelivery, JobWhatUpdate, JobWhatWithdrawal:
			s.message = string(j.Payload)
			a := args{}
			query := `SELECT s.entry, s.account, m.message_id FROM sightings s JOIN messages m ON m.key = s.message_key WHERE s.message_key = ` + a.add(s.message) +
				within(ctx, &a, "s.account") + ` ORDER BY s.entry LIMIT 1`
			err = p.rows(ctx, query, a, func(scan func(...any) error) error {
				s.seen = true
				return scan(&s.entry, &s.account, &s.messageID)
			})
		case JobWhatHook, JobWhatOutbox:
			if _, bad := journal.ParseID(j.Key); bad != nil {
				break
			}
			s.entry = j.Key
			a := args{}
			query := `SELECT e.account, COALESCE(s.message_key, '') FROM entries e LEFT JOIN sightings s ON s.entry = e.id WHERE e.id = ` + a.add(s.entry) + within(ctx, &a, "e.account")
			err = p.rows(ctx, query, a, func(scan func(...any) error) error {
				s.seen = true
				return scan(&s.account, &s.message)
			})
		}
		if err != nil {
			return nil, err
		}
		out[j.ID] = s
	}
	return out, nil
}

// visible leaves those jobs that the caller sees.
func (p *Part) visible(ctx context.Context, jobs []queue.Job) ([]Job, error) {
	about, err := p.subjects(ctx, jobs)
	if err != nil {
		return nil, err
	}
	out := []Job{}
	for _, j := range jobs {
		if s := about[j.ID]; s.seen {
			out = append(out, jobOf(j, s))
		}
	}
	return out, nil
}

func jobOf(j queue.Job, s subject) Job {
	what, target := sortOf(j.Kind)
	out := Job{
		Id: j.ID, Kind: j.Kind, What: what, Target: target, State: JobState(j.State), Blocked: j.Blocked, Attempt: j.Attempt, RunAt: j.RunAt,
		CreatedAt: j.CreatedAt, FinishedAt: j.FinishedAt, Reason: j.LastError, Entry: s.entry, Message: s.message, MessageId: s.messageID, Account: s.account,
		Can: []JobCan{},
	}
	out.MaxAttempts = max(j.MaxAttempts, 0)
	if j.LastError != "" && j.State != queue.StateCompleted {
		out.Remedy = remedyOf(what, j.LastError)
	}
	if slices.Contains([]queue.State{queue.StateDiscarded, queue.StateCancelled, queue.StateScheduled, queue.StateRetryable}, j.State) {
		out.Can = append(out.Can, JobCanRetry)
	}
	if j.State.Live() || j.State == queue.StateDiscarded {
		out.Can = append(out.Can, JobCanDiscard)
		if what == JobWhatDelivery {
			out.Can = append(out.Can, JobCanSendTo)
		}
	}
	return out
}

// GetQueue counts work.
func (p *Part) GetQueue(ctx context.Context, _ GetQueueRequestObject) (GetQueueResponseObject, error) {
	stats, err := p.o.Queue.Stats(ctx)
	if err != nil {
		return nil, err
	}
	out := GetQueue200JSONResponse{Items: []QueueStat{}}
	for _, s := range stats {
		what, target := sortOf(s.Kind)
		if _, some := limited(ctx); some && what != JobWhatDelivery && what != JobWhatUpdate && what != JobWhatWithdrawal {
			continue // how much of it is the team's is not counted
		}
		out.Items = append(out.Items, QueueStat{Kind: s.Kind, What: what, Target: target, State: JobState(s.State), Count: s.Count, Blocked: s.Blocked, OldestAt: s.Oldest})
	}
	if _, some := limited(ctx); some {
		return out, p.countOwn(ctx, out.Items)
	}
	return out, nil
}

// countOwn replaces the counts by those of the caller's accounts.
func (p *Part) countOwn(ctx context.Context, items []QueueStat) error {
	for i := range items {
		s := &items[i]
		var a args
		s.OldestAt, s.Count, s.Blocked = stamp(0), 0, 0
		text := "encode(j.payload, 'escape')"
		if p.o.Store.Dialect() == "sqlite" {
			text = "CAST(j.payload AS TEXT)"
		}
		query := `SELECT COUNT(*), COALESCE(SUM(j.blocked), 0), COALESCE(MIN(j.created_at), 0) FROM jobs j WHERE j.kind = ` + a.add(s.Kind) + ` AND j.state = ` + a.add(string(s.State)) +
			withMessage(ctx, &a, text)
		var oldest int64
		if err := p.o.Store.Reader().QueryRowContext(ctx, query, a...).Scan(&s.Count, &s.Blocked, &oldest); err != nil {
			return err
		}
		s.OldestAt = stamp(oldest)
	}
	return nil
}

// maxLooked bounds how many jobs are looked at for one page of those that a caller sees.
const maxLooked = 2000

// ListJobs lists work.
func (p *Part) ListJobs(ctx context.Context, r ListJobsRequestObject) (ListJobsResponseObject, error) {
	f, some, err := p.choose(ctx, JobFilter{State: r.Params.State, Kind: r.Params.Kind, What: r.Params.What, Target: r.Params.Target})
	if err != nil {
		return nil, err
	}
	if _, err := api.DecodeCursor(r.Params.Cursor, &f.Before); err != nil {
		return nil, err
	}
	out := ListJobs200JSONResponse{Items: []Job{}}
	if !some {
		return out, nil
	}
	limit := api.PageLimit(r.Params.Limit)
	f.Limit = limit + 1
	for looked := 0; ; {
		jobs, err := p.o.Queue.List(ctx, f)
		if err != nil {
			return nil, err
		}
		page, err := p.visible(ctx, jobs)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, page...)
		looked += len(jobs)
		switch {
		case len(out.Items) > limit:
			out.Items = out.Items[:limit]
			out.Next, err = api.EncodeCursor(out.Items[limit-1].Id)
			return out, err
		case len(jobs) < f.Limit:
			return out, nil
		case looked >= maxLooked: // the next page goes on where this one stopped looking
			out.Next, err = api.EncodeCursor(jobs[len(jobs)-1].ID)
			return out, err
		}
		f.Before = jobs[len(jobs)-1].ID
	}
}

// job returns a job that the caller sees.
func (p *Part) job(ctx context.Context, id int64) (queue.Job, Job, error) {
	jobs, err := p.o.Queue.List(ctx, queue.Filter{IDs: []int64{id}})
	if err != nil {
		return queue.Job{}, Job{}, err
	}
	shown, err := p.visible(ctx, jobs)
	if err != nil {
		return queue.Job{}, Job{}, err
	}
	if len(shown) == 0 {
		return queue.Job{}, Job{}, api.NotFound("no_job", "there is no such job")
	}
	api.Named(ctx, jobs[0].Kind) // the mail that it is about has no name on record
	return jobs[0], shown[0], nil
}

// GetJob shows one job.
func (p *Part) GetJob(ctx context.Context, r GetJobRequestObject) (GetJobResponseObject, error) {
	_, j, err := p.job(ctx, r.Id)
	return GetJob200JSONResponse(j), err
}
