package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/internal/store"
)

// Sealer encrypts what is stored: the journal's keyring.
type Sealer interface {
	// Seal encrypts plain and binds it to aad.
	Seal(plain, aad []byte) []byte
	// Open undoes Seal.
	Open(sealed, aad []byte) ([]byte, error)
}

// Options are what a Keeper needs. Store and Sealer are required.
type Options struct {
	Store      *store.DB
	Sealer     Sealer
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	// fetchTime bounds one request for a token, from the lease to the answer.
	fetchTime = 20 * time.Second
	// leaseTime is how long a node that died while it asked keeps others away. It is longer than fetchTime by more than
	// the clocks of nodes may differ.
	leaseTime = 30 * time.Second
	// renewTime bounds how long one renewal waits for other nodes: for one that died, and for the one that came next.
	renewTime = leaseTime + fetchTime
	// tokenWait is how long a token that can be got twice without harm is left to another node.
	tokenWait = 3 * time.Second
	// pollTime is how often a node looks whether another one is done.
	pollTime = 100 * time.Millisecond
	// checkTime is how long a node may not notice what another one, or a command, did to a grant.
	checkTime = 3 * time.Second
	// refusedTime is how long a refusal that needs a person is repeated from memory, so that
	// no vendor sees a client that tries a dead grant all day.
	refusedTime = 30 * time.Second
	// storeTime bounds one look at the store.
	storeTime = 5 * time.Second
)

// Keeper makes Sources whose tokens are stored, encrypted and shared among nodes. A nil Keeper makes Sources that
// share nothing and forget all with the process. It must be closed.
type Keeper struct {
	*keeper
	settings string // digest of the settings that tokens are got by
}

type keeper struct {
	db      *store.DB
	sealer  Sealer
	log     *slog.Logger
	tokens  *prometheus.CounterVec
	now     func() time.Time
	waiting context.Context // ends with Close
	stop    context.CancelFunc

	mu     sync.Mutex // guards the fields below, and work against its Wait
	closed bool
	work   sync.WaitGroup
	made   []*kept // with something to write at the end
}

// NewKeeper returns a Keeper over a store.
func NewKeeper(o Options) (*Keeper, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	k := &keeper{
		db: o.Store, sealer: o.Sealer, log: o.Logger, now: time.Now,
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_oauth_tokens_total",
			Help: "Access tokens asked for, by what for (target, account, upstream) and outcome: ok, or the kind of error: grant (a person must connect again), client, request, passing.",
		}, []string{"of", "outcome"}),
	}
	k.waiting, k.stop = context.WithCancel(context.Background())
	if o.Registerer != nil {
		if err := o.Registerer.Register(k.tokens); err != nil {
			k.stop()
			return nil, fmt.Errorf("register metrics of tokens: %w", err)
		}
	}
	return &Keeper{keeper: k}, nil
}

// Close waits for requests under way, whose answers must not be lost, and writes what could not be written before.
// They take at most fetchTime. It may be called more than once.
func (k *Keeper) Close() error {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	k.closed = true
	k.stop()
	made := k.made
	k.made = nil
	k.mu.Unlock()
	k.work.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	var errs []error
	for _, s := range made {
		_, _, err := s.flush(ctx)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// For returns a Keeper whose tokens are used only as long as the settings stay the same: a token that was got with other
// scopes or from another data centre is not what the new settings mean. Settings is any value whose secrets, config.Secret, count too.
func (k *Keeper) For(settings any) *Keeper {
	if k == nil {
		return nil
	}
	return &Keeper{keeper: k.keeper, settings: digest(fingerprint(settings))}
}

// Source returns the Source of a connection. Name tells it from all others of the company: "target:" or "account:" and its name.
func (k *Keeper) Source(name string, fetch Fetch) Source {
	if k == nil {
		return newMemory(fetch)
	}
	return k.source(name, KindToken, "", func(ctx context.Context, _ row) (secrets, error) {
		asked := k.now()
		t, err := fetch(ctx)
		return secrets{Token: t, Got: asked}, err
	})
}

// Refreshing returns the Source of a connection whose consent a person gave (RFC 6749, 6): by "heliograph account connect",
// or by a refresh token in the configuration, which is configured then and otherwise empty. A configured one that was not seen
// before replaces what is stored. Where the vendor answers with another refresh token, that is stored before the access token is used.
// A nil Keeper knows only what is configured, and forgets a replacement with the process.
func (k *Keeper) Refreshing(name string, p Poster, app App, configured string) Source {
	if k == nil {
		refresh := configured
		return newMemory(func(ctx context.Context) (Token, error) {
			if refresh == "" {
				return Token{}, explain(p, &Error{Code: CodeNotConnected})
			}
			token, next, err := app.refresh(ctx, p, refresh)
			if err == nil {
				refresh = next
			}
			return token, err
		})
	}
	return k.source(name, KindConsent, Seed(configured), func(ctx context.Context, r row) (secrets, error) {
		refresh, seed := r.Refresh, r.Seed
		if configured != "" && Seed(configured) != seed {
			refresh, seed = configured, Seed(configured)
		}
		if refresh == "" {
			return secrets{}, explain(p, &Error{Code: CodeNotConnected})
		}
		asked := k.now()
		token, next, err := app.refresh(ctx, p, refresh)
		if err != nil && r.busyBy != "" && KindOf(err) == Grant {
			err = explain(p, cutOff(err))
		}
		return secrets{Token: token, Got: asked, Refresh: next, Seed: seed}, err
	})
}

// cutOff says of a refused grant why it may be refused.
func cutOff(err error) error {
	e := &Error{Code: "invalid_grant"}
	errors.As(err, &e)
	c := *e
	c.Description = strings.TrimSpace(c.Description + " (the refresh before this one was cut off, and the vendor may have replaced the grant then)")
	return &c
}

// Seed tells configured refresh tokens apart without showing them. That of none is empty.
func Seed(configured string) string {
	if configured == "" {
		return ""
	}
	return digest("seed\x00" + configured)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

func (k *Keeper) source(name, kind, seed string, get func(context.Context, row) (secrets, error)) *kept {
	return &kept{
		k: k.keeper, name: name, kind: kind, seed: seed, settings: k.settings, get: get,
		owner: rand.Text(), turn: make(chan struct{}, 1),
	}
}

// begin registers work that Close waits for. It is false once the keeper is closed.
func (k *keeper) begin(f func()) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return false
	}
	k.work.Go(f)
	return true
}

// remember has Close write what s holds.
func (k *keeper) remember(s *kept) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, have := range k.made {
		if have == s {
			return
		}
	}
	k.made = append(k.made, s)
}

var (
	errClosed = errors.New("the keeper of tokens is closed")
	errBusy   = errors.New("other nodes are getting the token and do not end")
)

func (k *keeper) count(name string, err error) {
	of, _, _ := strings.Cut(name, ":")
	if of != "target" && of != "account" && of != "upstream" {
		of = "other"
	}
	outcome := "ok"
	if err != nil {
		outcome = string(KindOf(err))
	}
	k.tokens.WithLabelValues(of, outcome).Inc()
}
