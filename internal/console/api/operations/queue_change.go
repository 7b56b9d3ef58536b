package operations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"heliograph/hooks/mirror"
	"heliograph/internal/console/api"
	"heliograph/internal/queue"
)

func (p *Part) jobs() Jobs {
	return Jobs{Store: p.o.Store, Queue: p.o.Queue, ExpireIn: p.o.Config().Outbox.ExpireIn.D(), Now: p.o.Now}
}

// maxMany bounds how many jobs one request changes; the answer says how many are left.
const maxMany = 100_000

// each calls do with each chosen job that the caller sees.
func (p *Part) each(ctx context.Context, ids []int64, f *JobFilter, preview bool, do func(queue.Job) error) (out JobsDone, err error) {
	out.Skipped = []Skipped{}
	if (len(ids) > 0) == (f != nil) {
		return out, api.Invalid("choose_jobs", "the jobs are not chosen", api.Field{Pointer: "/ids", Detail: "either ids or filter has to be there", Remedy: "Name jobs by ids, or choose them by filter."})
	}
	q := queue.Filter{IDs: ids}
	if f != nil {
		var some bool
		if q, some, err = p.choose(ctx, *f); err != nil || !some {
			return out, err
		}
	}
	q.Limit = 500
	var kinds []string
	for out.Matched < maxMany {
		jobs, err := p.o.Queue.List(ctx, q)
		if err != nil {
			return out, err
		}
		seen, err := p.seen(ctx, jobs)
		if err != nil {
			return out, err
		}
		for _, j := range seen {
			out.Matched++
			if !slices.Contains(kinds, j.Kind) { // of which there are few
				kinds = append(kinds, j.Kind)
			}
			if preview {
				continue
			}
			if err := do(j); err != nil {
				if ctx.Err() != nil {
					return out, ctx.Err()
				}
				out.skip(j.ID, err.Error())
				continue
			}
			out.Done++
		}
		if len(jobs) < q.Limit {
			break
		}
		q.Before = jobs[len(jobs)-1].ID
	}
	api.Named(ctx, strings.Join(kinds, ", "))
	api.Note(ctx, "matched", out.Matched)
	api.Note(ctx, "done", out.Done)
	return out, nil
}

// seen leaves those jobs that the caller sees.
func (p *Part) seen(ctx context.Context, jobs []queue.Job) ([]queue.Job, error) {
	if _, some := limited(ctx); !some {
		return jobs, nil
	}
	about, err := p.subjects(ctx, jobs)
	return slices.DeleteFunc(slices.Clone(jobs), func(j queue.Job) bool { return !about[j.ID].seen }), err
}

func (d *JobsDone) skip(id int64, why string) {
	if len(d.Skipped) < 100 {
		d.Skipped = append(d.Skipped, Skipped{Id: id, Reason: why})
	}
}

// RetryJobs lets many jobs run again.
func (p *Part) RetryJobs(ctx context.Context, r RetryJobsRequestObject) (RetryJobsResponseObject, error) {
	done, err := p.each(ctx, r.Body.Ids, filterOf(r.Body.Filter), r.Body.Preview, func(j queue.Job) error { return p.jobs().Retry(ctx, j) })
	return RetryJobs200JSONResponse(done), err
}

// filterOf tells a filter that is not there.
func filterOf(f JobFilter) *JobFilter {
	if f == (JobFilter{}) {
		return nil
	}
	return &f
}

// DiscardJobs gives many jobs up.
func (p *Part) DiscardJobs(ctx context.Context, r DiscardJobsRequestObject) (DiscardJobsResponseObject, error) {
	reason, err := reasonOf(ctx, r.Body.Reason)
	if err != nil {
		return nil, err
	}
	done, err := p.each(ctx, r.Body.Ids, filterOf(r.Body.Filter), r.Body.Preview, func(j queue.Job) error { return p.jobs().Discard(ctx, j, reason) })
	return DiscardJobs200JSONResponse(done), err
}

// reasonOf returns a reason that says something, and puts it on record.
func reasonOf(ctx context.Context, text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", api.Invalid("no_reason", "the reason is empty", api.Field{Pointer: "/reason", Detail: "empty", Remedy: "Say why; it is kept."})
	}
	api.Note(ctx, "reason", text)
	return text, nil
}

// RetryJob lets a job run again.
func (p *Part) RetryJob(ctx context.Context, r RetryJobRequestObject) (RetryJobResponseObject, error) {
	j, _, err := p.job(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	if err := p.jobs().Retry(ctx, j); err != nil {
		return nil, unchanged(err)
	}
	_, now, err := p.job(ctx, r.Id)
	return RetryJob200JSONResponse(now), err
}

// unchanged tells why a job stays as it is.
func unchanged(err error) error {
	if errors.Is(err, ErrNotAgain) || errors.Is(err, ErrNotGivenUp) || errors.Is(err, ErrTooEarly) {
		return api.Conflict("job_state", "the job stays as it is: "+err.Error(), "Look at it again.")
	}
	return err
}

// DiscardJob gives a job up.
func (p *Part) DiscardJob(ctx context.Context, r DiscardJobRequestObject) (DiscardJobResponseObject, error) {
	reason, err := reasonOf(ctx, r.Body.Reason)
	if err != nil {
		return nil, err
	}
	j, _, err := p.job(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	if err := p.jobs().Discard(ctx, j, reason); err != nil {
		return nil, unchanged(err)
	}
	_, now, err := p.job(ctx, r.Id)
	return DiscardJob200JSONResponse(now), err
}

// SendJobTo delivers to another target.
func (p *Part) SendJobTo(ctx context.Context, r SendJobToRequestObject) (SendJobToResponseObject, error) {
	j, _, err := p.job(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	if _, err := p.target(r.Body.Target); err != nil {
		return nil, api.Invalid("no_target", "there is no such target", api.Field{Pointer: "/target", Detail: fmt.Sprintf("the configuration has no target %q", r.Body.Target)})
	}
	api.Note(ctx, "from", j.Kind)
	api.Note(ctx, "to", r.Body.Target)
	key, err := mirror.SendTo(ctx, p.o.Store, p.o.Queue, j, r.Body.Target, strings.TrimSpace(r.Body.Reason), p.o.Config().Mirror.MaxAttempts)
	switch {
	case errors.Is(err, mirror.ErrNoDelivery):
		return nil, api.Conflict("no_delivery", mirror.ErrNoDelivery.Error(), "Choose a delivery that waits or was given up, and another target than its own.")
	case errors.Is(err, mirror.ErrHasIt):
		return nil, api.Conflict("has_it", mirror.ErrHasIt.Error(), "Discard this one instead.")
	case errors.Is(err, mirror.ErrTakenBack):
		return nil, api.Conflict("taken_back", mirror.ErrTakenBack.Error(), "It stays away from there.")
	case err != nil:
		return nil, err
	}
	jobs, err := p.o.Queue.List(ctx, queue.Filter{Kind: mirror.Kind(r.Body.Target), Key: key, Limit: 1})
	if err != nil {
		return nil, err
	}
	shown, err := p.visible(ctx, jobs)
	if err != nil || len(shown) == 0 {
		return nil, errors.Join(err, api.NotFound("no_job", "the job is done already"))
	}
	return SendJobTo200JSONResponse(shown[0]), nil
}
