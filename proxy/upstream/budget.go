package upstream

import (
	"context"
	"time"

	"heliograph/internal/limit"
)

// budgetBytes is the unit in which budgets are counted and taken.
const budgetBytes = 4 << 20

// Budget is what may be fetched of an account on our own behalf in a day, so that enough of what the provider allows
// is left for the user. All who fetch of the account share it, as long as they ask the same limiter.
type Budget struct {
	limiter limit.Limiter
	key     string
	rate    limit.Rate // of units; zero for no limit
}

// Budget returns the budget of an account, perDay bytes; 0 means what the provider is known to allow. Without a
// limit, and without a limiter, it is not Limited.
func (u *Upstream) Budget(l limit.Limiter, account string, perDay int64) Budget {
	if perDay == 0 {
		perDay = u.FetchBytesPerDay()
	}
	if perDay <= 0 || l == nil {
		return Budget{}
	}
	units := int(max(perDay/budgetBytes, 1))
	return Budget{
		limiter: l, key: "imap-fetch:" + u.Name() + ":" + account,
		rate: limit.Rate{Count: units, Per: 24 * time.Hour, Burst: units},
	}
}

// Limited reports whether there is any limit.
func (b *Budget) Limited() bool { return b.limiter != nil }

// Take takes a part of the budget. It returns the bytes that may be fetched now, or, when they are used up, how long
// to wait before the next try. The error is that of a limiter that cannot decide. It must be Limited.
func (b *Budget) Take(ctx context.Context) (bytes int64, wait time.Duration, err error) {
	d, err := b.limiter.Allow(ctx, b.key, b.rate, 1)
	switch {
	case err != nil:
		return 0, 0, err
	case !d.Allowed:
		return 0, d.RetryAfter, nil
	}
	return budgetBytes, 0, nil
}
