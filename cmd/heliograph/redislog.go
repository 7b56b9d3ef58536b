package main

import (
	"context"
	"fmt"
	"log/slog"
)

// redisLog takes the lines that go-redis would print by itself: it has one logger for the
// whole process, so it is set here and in no package.
type redisLog struct{ log *slog.Logger }

// Printf is called at each failed dial; package limit reports outages once.
func (l redisLog) Printf(ctx context.Context, format string, v ...any) {
	l.log.DebugContext(ctx, "redis client", "message", fmt.Sprintf(format, v...))
}
