package mirror

import (
	"context"
	"strconv"
	"time"
)

const (
	// claimFor bounds how long others wait for a node that died with a claim; recording takes milliseconds.
	claimFor = 5 * time.Second
	// claimPatience is how long a node waits for another that is at the same message. Then it goes on all the
	// same: the store keeps the two apart, a claim only saves them from colliding there.
	claimPatience = time.Second
	claimPause    = 10 * time.Millisecond
)

// claim waits until no other node records a sighting of the same place, or of the same message where there is no place. It
// never fails: without Redis, or with one that loses claims, the unique keys of the store decide alone. release gives the claim back.
func (m *Mirror) claim(ctx context.Context, s sighting, key string) (release func()) {
	nothing := func() {}
	if m.o.Claims == nil {
		return nothing
	}
	name := "mirror:" + key
	if s.place != "" {
		name = "mirror:" + s.place + ":" + strconv.FormatUint(uint64(s.uid), 10)
	}
	owner := s.entry.String() + ":" + m.node
	patience := time.NewTimer(claimPatience)
	defer patience.Stop()
	for {
		has, err := m.o.Claims.Claim(ctx, name, owner, claimFor)
		switch {
		case err != nil:
			return nothing // which limit's backends never do
		case has:
			return func() { _ = m.o.Claims.Release(context.WithoutCancel(ctx), name, owner) } // else it ends by itself
		}
		pause := time.NewTimer(claimPause)
		select {
		case <-pause.C:
		case <-patience.C:
			pause.Stop()
			m.metrics.unclaimed.Inc()
			return nothing
		case <-ctx.Done():
			pause.Stop()
			return nothing
		}
	}
}
