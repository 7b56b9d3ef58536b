package operations

import (
	"context"
	"encoding/json"
	"time"

	"heliograph/config"
	"heliograph/internal/store"
)

const (
	// beat is how often a node gives a sign of life, and lostAfter how long without one it counts as lost.
	beat      = 15 * time.Second
	lostAfter = time.Minute
	// forgetNode is when one that stopped is not shown any more.
	forgetNode = 7 * 24 * time.Hour
	// goodbyeTime bounds the last write of a node.
	goodbyeTime = 2 * time.Second
)

// node is this one.
type node struct {
	p       *Part
	started time.Time
}

// roles are what a node with a configuration does.
func roles(cfg *config.Config) []string {
	out := []string{}
	seen := map[string]bool{}
	add := func(role string) {
		if !seen[role] {
			seen[role] = true
			out = append(out, role)
		}
	}
	for _, l := range cfg.Listeners {
		switch l.Mode {
		case config.ModeQueue:
			add("queue")
		case config.ModeCustomers:
			add("customers")
		default:
			add(l.Protocol)
		}
	}
	if len(cfg.Watch) > 0 {
		add("watch")
	}
	if len(cfg.Targets) > 0 {
		add("mirror")
	}
	add("rules")
	add("console")
	return out
}

// beat says that the node is alive.
func (n node) beat(ctx context.Context) error {
	list, err := json.Marshal(roles(n.p.o.Config()))
	if err != nil {
		return err
	}
	now := n.p.o.Now()
	return n.p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO nodes (name, host, version, roles, started_at, seen_at, stopped_at) VALUES ($1, $2, $3, $4, $5, $6, 0)
			ON CONFLICT (name) DO UPDATE SET host = excluded.host, version = excluded.version, roles = excluded.roles,
				started_at = excluded.started_at, seen_at = excluded.seen_at, stopped_at = 0`,
			n.p.o.Node, n.p.o.Host, n.p.o.Version, string(list), store.Micros(n.started), store.Micros(now))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM nodes WHERE seen_at < $1`, store.Micros(now.Add(-forgetNode)))
		return err
	})
}

// goodbye says that the node stops.
func (n node) goodbye() {
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTime)
	defer cancel()
	err := n.p.o.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		_, err := tx.ExecContext(ctx, `UPDATE nodes SET stopped_at = $2 WHERE name = $1`, n.p.o.Node, store.Micros(n.p.o.Now()))
		return err
	})
	if err != nil {
		n.p.log.Debug("the end of this node is not in the store", "err", err)
	}
}

// nodes lists all that shared this database lately.
func (p *Part) nodes(ctx context.Context) ([]Node, error) {
	out := []Node{}
	now := p.o.Now()
	err := p.rows(ctx, `SELECT name, host, version, roles, started_at, seen_at, stopped_at FROM nodes ORDER BY host, name`, nil, func(scan func(...any) error) error {
		var n Node
		var list string
		var started, seen, stopped int64
		if err := scan(&n.Name, &n.Host, &n.Version, &list, &started, &seen, &stopped); err != nil {
			return err
		}
		n.StartedAt, n.SeenAt, n.Self, n.State = stamp(started), stamp(seen), n.Name == p.o.Node, NodeStateUp
		switch {
		case stopped != 0:
			n.State = NodeStateStopped
		case now.Sub(n.SeenAt) > lostAfter:
			n.State = NodeStateLost
		}
		n.Roles = []string{}
		err := json.Unmarshal([]byte(list), &n.Roles)
		out = append(out, n)
		return err
	})
	return out, err
}
