package limit

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// The scripts. Each runs as one step of the server, by EVALSHA with a fallback
// to EVAL; several keys in one script mean one server, not a cluster.
var (
	//go:embed gcra.lua
	gcraLua string
	//go:embed claim.lua
	claimLua string
	//go:embed extend.lua
	extendLua string
	//go:embed release.lua
	releaseLua string
	//go:embed guard.lua
	guardLua string
	//go:embed failed.lua
	failedLua string
	//go:embed succeeded.lua
	succeededLua string
)

const (
	defaultTimeout = 200 * time.Millisecond
	defaultPrefix  = "heliograph:"
	longestKey     = 128
)

// RedisOptions are the settings of a [Redis].
type RedisOptions struct {
	Address  string // host:port
	User     string
	Password string
	DB       int
	TLS      *tls.Config // nil means plain
	Prefix   string      // of every key; empty means "heliograph:"
	// Timeout bounds each call, all of it. Zero means 200 ms.
	Timeout time.Duration
	// Fallback answers while Redis is away. Nil means a Memory of its own.
	Fallback *Memory
	// Now is the clock of rates and login guards. Nil means the Redis server's own, so
	// that nodes need not agree on the time.
	Now        func() time.Time
	Logger     *slog.Logger          // nil means none
	Registerer prometheus.Registerer // nil means not registered
}

// Redis keeps counters in a Redis server that all nodes share. While the server
// is away, slow or refuses (a full memory, a replica, a wrong password), calls
// are answered by the fallback at once; one call now and then tries the server.
// Counters are not carried over in either direction.
type Redis struct {
	client   *redis.Client
	scripts  scripts
	prefix   string
	timeout  time.Duration
	now      func() time.Time
	fallback *Memory
	circuit  circuit
}

type scripts struct {
	gcra, claim, extend, release, guard, failed, succeeded *redis.Script
}

// NewRedis returns a Redis. It does not connect: a server that is away at start
// is a server that is away.
func NewRedis(o RedisOptions) (*Redis, error) {
	if o.Address == "" {
		return nil, errors.New("redis: no address")
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.Fallback == nil {
		o.Fallback = NewMemory(MemoryOptions{Now: o.Now})
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Redis{
		client:   redis.NewClient(clientOptions(o)),
		prefix:   o.Prefix,
		timeout:  o.Timeout,
		now:      o.Now,
		fallback: o.Fallback,
		scripts: scripts{
			gcra:      redis.NewScript(gcraLua),
			claim:     redis.NewScript(claimLua),
			extend:    redis.NewScript(extendLua),
			release:   redis.NewScript(releaseLua),
			guard:     redis.NewScript(guardLua),
			failed:    redis.NewScript(failedLua),
			succeeded: redis.NewScript(succeededLua),
		},
	}
	r.circuit.init(o.Logger)
	if o.Registerer != nil {
		if err := r.circuit.register(o.Registerer); err != nil {
			return nil, errors.Join(fmt.Errorf("register metrics: %w", err), r.client.Close())
		}
	}
	return r, nil
}

func clientOptions(o RedisOptions) *redis.Options {
	return &redis.Options{
		Addr:                  o.Address,
		Username:              o.User,
		Password:              o.Password,
		DB:                    o.DB,
		TLSConfig:             o.TLS,
		DialTimeout:           o.Timeout,
		ReadTimeout:           o.Timeout,
		WriteTimeout:          o.Timeout,
		PoolTimeout:           o.Timeout,
		ContextTimeoutEnabled: true,
		// The circuit is the retry: a repeat here would only double the wait.
		MaxRetries:      -1,
		DialerRetries:   1,
		DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
}

// Close closes the connections to the server.
func (r *Redis) Close() error {
	if err := r.client.Close(); err != nil {
		return fmt.Errorf("close redis client: %w", err)
	}
	return nil
}

// Ping asks the server whether it is there, past the circuit. For checks of the
// configuration and of readiness.
func (r *Redis) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	if err := r.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping redis: %w", err)
	}
	return nil
}

// Up reports whether the server answered last.
func (r *Redis) Up() bool { return r.circuit.closed() }

// run runs one script and reports whether its answer counts; if not, the
// fallback is to answer.
func (r *Redis) run(ctx context.Context, s *redis.Script, keys []string, args ...any) (*redis.Cmd, bool) {
	ok, trial := r.circuit.enter()
	if !ok {
		return nil, false
	}
	for i, k := range keys {
		keys[i] = r.prefix + k
	}
	// A caller who leaves says nothing about the server, so the call does not end
	// with him; it is short anyhow.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.timeout)
	defer cancel()
	cmd := s.Run(ctx, r.client, keys, args...)
	r.circuit.leave(trial, cmd.Err())
	return cmd, cmd.Err() == nil
}

func (r *Redis) clock() int64 {
	if r.now == nil {
		return 0
	}
	return r.now().UnixMicro()
}

// Allow is [Limiter].Allow.
func (r *Redis) Allow(ctx context.Context, key string, rate Rate, n int) (Decision, error) {
	p, limited := planOf(rate)
	if !limited {
		return unlimited(), nil
	}
	cmd, ok := r.run(ctx, r.scripts.gcra, []string{"rate:" + shortKey(key)}, p.step, p.burst, max(n, 0), r.clock())
	if !ok {
		return r.fallback.Allow(ctx, key, rate, n)
	}
	v, err := cmd.Int64Slice()
	if err != nil || len(v) != 3 {
		return r.fallback.Allow(ctx, key, rate, n)
	}
	d := Decision{Allowed: v[0] == 1, RetryAfter: time.Duration(v[1]) * time.Microsecond, Remaining: int(v[2])}
	if v[1] < 0 {
		d.RetryAfter = -1
	}
	return d, nil
}

// Claim is [Claimer].Claim. While the server is away two nodes may both have a claim.
func (r *Redis) Claim(ctx context.Context, key, owner string, ttl time.Duration) (bool, error) {
	if cmd, ok := r.run(ctx, r.scripts.claim, []string{"claim:" + shortKey(key)}, owner, millis(ttl)); ok {
		return cmd.Bool()
	}
	return r.fallback.Claim(ctx, key, owner, ttl)
}

// Extend is [Claimer].Extend. A claim that was taken before the server went away
// cannot be extended until it is back.
func (r *Redis) Extend(ctx context.Context, key, owner string, ttl time.Duration) (bool, error) {
	if cmd, ok := r.run(ctx, r.scripts.extend, []string{"claim:" + shortKey(key)}, owner, millis(ttl)); ok {
		return cmd.Bool()
	}
	return r.fallback.Extend(ctx, key, owner, ttl)
}

// Release is [Claimer].Release.
func (r *Redis) Release(ctx context.Context, key, owner string) error {
	// The claim may be at the server, in the fallback, or in both.
	r.run(ctx, r.scripts.release, []string{"claim:" + shortKey(key)}, owner)
	return r.fallback.Release(ctx, key, owner)
}

func (r *Redis) guardWait(ctx context.Context, k guardKeys) (time.Duration, error) {
	if cmd, ok := r.run(ctx, r.scripts.guard, k.list(), r.clock()); ok {
		if us, err := cmd.Int64(); err == nil {
			return time.Duration(us) * time.Microsecond, nil
		}
	}
	return r.fallback.guardWait(ctx, k)
}

func (r *Redis) guardFailed(ctx context.Context, k guardKeys, g guardRules) error {
	if _, ok := r.run(ctx, r.scripts.failed, k.list(), r.clock(), g.step, g.free,
		firstDelay.Microseconds(), maxDelay.Microseconds(), doublings); ok {
		return nil
	}
	return r.fallback.guardFailed(ctx, k, g)
}

func (r *Redis) guardSucceeded(ctx context.Context, k guardKeys) error {
	// Known places are kept in both, so that users keep them when the server goes away.
	r.run(ctx, r.scripts.succeeded, k.list(), knownFor.Milliseconds())
	return r.fallback.guardSucceeded(ctx, k)
}

func (k guardKeys) list() []string {
	return []string{k.known, k.pair, k.address, k.user}
}

// millis is ttl in whole milliseconds, at least one: zero would be an error to
// the server.
func millis(ttl time.Duration) int64 {
	return max(ttl.Milliseconds(), 1)
}

// shortKey bounds a key that a peer may have had a hand in.
func shortKey(key string) string {
	if len(key) <= longestKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + base64.RawURLEncoding.EncodeToString(sum[:])
}
