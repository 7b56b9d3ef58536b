package automation_test

import (
	"context"

	"heliograph/hooks/rules"
)

// nobody takes effects, and does nothing.
type nobody struct{}

func (nobody) Perform(context.Context, *rules.Effect) (map[string]any, error) {
	return map[string]any{"id": "1"}, nil
}

// running runs an engine until the returned func is called.
func (r *rig) running(e *rules.Engine) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := e.Run(ctx); err != nil && ctx.Err() == nil {
			r.t.Error(err)
		}
	}()
	return func() { cancel(); <-done }
}
