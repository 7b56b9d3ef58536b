package crmclient

import (
	"context"
	"time"

	"heliograph/internal/limit"
)

// Limiters are several limits that all hold, such as a second's and a day's. A nil one is none.
type Limiters []RateLimiter

// Allow takes one request from each.
func (l Limiters) Allow(ctx context.Context) (time.Duration, error) {
	for _, one := range l {
		if one == nil {
			continue
		}
		if wait, err := one.Allow(ctx); err != nil || wait > 0 {
			return wait, err
		}
	}
	return 0, nil
}

// Rate is what the section says with requests_per_second, else another.
func (s Settings) Rate(otherwise limit.Rate) limit.Rate {
	if s.RequestsPerSecond > 0 {
		return perSecond(s.RequestsPerSecond)
	}
	return otherwise
}
