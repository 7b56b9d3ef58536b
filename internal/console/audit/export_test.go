package audit

import "context"

// Fold does what Start does every minute: views and changes whose time is over join the chain.
func (l *Log) Fold(ctx context.Context) error { return l.fold(ctx) }
