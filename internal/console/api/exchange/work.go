package exchange

import (
	"context"
	"errors"
	"os"
	"time"
)

var (
	errInterrupted = errors.New("the gateway was stopped")
	errCanceled    = errors.New("somebody stopped it")
)

// launch runs a job of its own. Another of the same id must not run here.
func (p *Part) launch(id string, work func(ctx context.Context)) {
	ctx, cancel := context.WithCancelCause(p.ctx)
	p.mu.Lock()
	p.running[id] = cancel
	p.mu.Unlock()
	p.worker.Go(func() {
		defer func() {
			p.mu.Lock()
			delete(p.running, id)
			p.mu.Unlock()
			cancel(nil)
		}()
		select {
		case p.seats <- struct{}{}:
			defer func() { <-p.seats }()
		case <-ctx.Done():
		}
		work(ctx)
	})
}

// cancel stops a job that runs here, and tells whether one does.
func (p *Part) cancel(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	stop := p.running[id]
	if stop != nil {
		stop(errCanceled)
	}
	return stop != nil
}

// silent tells whether nobody works on a job that says it runs.
func (p *Part) silent(id string, beat time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running[id] == nil && p.o.Now().Sub(beat) > silence
}

// Clean removes files and jobs whose time is over. The gateway calls it now and then.
func (p *Part) Clean(ctx context.Context) error {
	uploads, err := p.jobs.old(ctx, kindImport, p.o.Now().Add(-p.o.Config.KeepUploads.D()))
	exports, err2 := p.jobs.old(ctx, kindExport, p.o.Now().Add(-p.o.Config.KeepExports.D()))
	err = errors.Join(err, err2)
	for _, id := range uploads {
		p.cancel(id)
		err = errors.Join(err, os.RemoveAll(p.importFolder(id)), p.jobs.remove(ctx, id))
	}
	for _, id := range exports {
		p.cancel(id)
		err = errors.Join(err, removeFile(p.exportFile(id)), p.jobs.remove(ctx, id))
	}
	return err
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
