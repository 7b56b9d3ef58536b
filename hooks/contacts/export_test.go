package contacts

import (
	"context"
	"time"

	"heliograph/internal/store"
)

// WriteAll does the work of all jobs that write to a target and are due, as Run does it.
func (b *Book) WriteAll(ctx context.Context, name string) error {
	for {
		jobs, err := b.o.Queue.Claim(ctx, WriteKind(name), 10, time.Minute)
		if err != nil || len(jobs) == 0 {
			return err
		}
		for _, j := range jobs {
			r := b.writeJob(ctx, b.targets[name], j)
			r.Job = j
			err := b.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error { return b.o.Queue.Finish(ctx, tx, r) })
			if err != nil {
				return err
			}
		}
	}
}

// SyncJob does the work of the job that follows a target once, and tells when the target is to be asked again.
func (b *Book) SyncJob(ctx context.Context, name string) (at time.Time) {
	b.syncJob(ctx, b.targets[name])
	s, err := readState(ctx, b.o.Store.Reader(), name)
	if err != nil {
		panic(err)
	}
	return b.due(s)
}
