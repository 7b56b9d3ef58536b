package gateway

import (
	"context"
	"errors"

	"heliograph/internal/console"
	"heliograph/internal/limit"
)

// ready says whether mail can be taken. Only the listeners decide that: mail first. The
// others are named for whoever looks.
func (g *Gateway) ready(ctx context.Context) []console.Check {
	checks := []console.Check{{Name: "listeners", Err: g.serving()}}
	checks = append(checks, console.Check{Name: "journal", Optional: true, Err: g.journal.Err()})
	var one int
	checks = append(checks, console.Check{Name: "store", Optional: true, Err: g.store.Reader().QueryRowContext(ctx, "SELECT 1").Scan(&one)})
	if len(g.watch.Rows()) > 0 {
		checks = append(checks, console.Check{Name: "watch", Optional: true, Err: g.watch.Err()})
	}
	if r, ok := g.limits.(*limit.Redis); ok {
		checks = append(checks, console.Check{Name: "redis", Optional: true, Err: r.Ping(ctx)})
	}
	return checks
}

func (g *Gateway) serving() error {
	if !g.serves.Load() {
		return errors.New("not listening")
	}
	return nil
}
