package limit

import "context"

// Flush makes the server forget its scripts.
func (r *Redis) Flush(ctx context.Context) error { return r.client.ScriptFlush(ctx).Err() }

// Sizes returns the number of keys of each kind.
func (m *Memory) Sizes() map[string]int {
	return map[string]int{
		"rates": m.rates.len(), "claims": m.claims.len(), "strikes": m.strikes.len(), "known": m.known.len(),
	}
}
