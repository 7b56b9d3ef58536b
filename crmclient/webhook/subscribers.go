package webhook

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/export"
	"heliograph/internal/oauth"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// Parts are what subscribers need besides.
type Parts struct {
	Store  *store.DB
	Queue  *queue.Queue
	Sealer oauth.Sealer
}

const (
	maxAddress = 2048 // bytes
	keyBytes   = 32   // of a secret

	reasonGone    = "gone"
	reasonAsked   = "unsubscribed"
	reasonFailing = "failing"
)

var events = []string{export.Type, TypeUpdated, TypeWithdrawn}

// subscribers keep who subscribed to a target.
type subscribers struct {
	Parts
	cfg Config
	d   crmclient.Deps
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex // guards roads
	roads map[string]*road
}

var (
	_ crmclient.Subscriber = subscriber{}
	_ crmclient.Runner     = subscriber{}
)

// WithSubscribers lets receivers subscribe, where the section has a token. It is called before the client is used.
func (c *Client) WithSubscribers(cfg Config, d crmclient.Deps, p Parts) error {
	if cfg.Subscriptions.Token.IsZero() {
		return nil
	}
	if p.Store == nil || p.Queue == nil || p.Sealer == nil {
		return errors.New("subscribers need a store, a queue and a key")
	}
	d.Registerer = nil // one target has one circuit in the metrics
	c.subs = &subscribers{Parts: p, cfg: cfg, d: d, log: d.Logger, now: d.Clock, roads: map[string]*road{}}
	if c.subs.log == nil {
		c.subs.log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// subscriber is the ability of a Client to have subscribers.
type subscriber struct{ *Client }

// Ability is that of crmclient.Selective: nobody can subscribe where the section has no token.
func (c *Client) Ability(ability any) any {
	switch ability.(type) {
	case *crmclient.Subscriber, *crmclient.Runner:
		if c.subs != nil {
			return subscriber{c}
		}
	}
	return nil
}

// AuthorizeSubscriber compares the token, in a time that does not tell how much of it is right.
func (c subscriber) AuthorizeSubscriber(token string) bool {
	want, got := sha256.Sum256([]byte(c.subs.cfg.Subscriptions.Token.Reveal())), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// sealed is what is encrypted of a subscription.
type sealed struct {
	Address string `json:"address"`
	Secret  string `json:"secret"`
}

// aad binds what is sealed to its subscription.
func aad(id string) []byte { return []byte("hook subscription " + id) }

// Subscribe connects to the address, to refuse at once what may not be posted to, and keeps it.
func (c subscriber) Subscribe(ctx context.Context, address, event string) (crmclient.Subscription, bool, error) {
	s := c.subs
	u, err := s.judge(ctx, address, event)
	if err != nil {
		return crmclient.Subscription{}, false, err
	}
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails: crypto/rand aborts the program instead
	made := crmclient.Subscription{
		ID: "sub_" + rand.Text(), Event: event, Host: u.Host, Secret: "whsec_" + base64.StdEncoding.EncodeToString(key), Created: s.now(),
	}
	plain, err := json.Marshal(sealed{address, made.Secret})
	if err != nil {
		return crmclient.Subscription{}, false, err
	}
	digest := sha256.Sum256([]byte(event + "\x00" + address))
	known := crmclient.Subscription{}
	err = s.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		known = crmclient.Subscription{}
		live, err := s.live(ctx, tx)
		if err != nil {
			return err
		}
		for _, one := range live {
			if one.digest == hex.EncodeToString(digest[:]) {
				known = one.Subscription
				return nil
			}
		}
		if len(live) >= s.cfg.Subscriptions.max() {
			return crmclient.ErrTooManySubscriptions
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO hook_subscriptions (id, target, event, sealed, host, digest, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			made.ID, s.d.Target, event, s.Sealer.Seal(plain, aad(made.ID)), made.Host, hex.EncodeToString(digest[:]), store.Micros(made.Created))
		return err
	})
	if err != nil {
		return crmclient.Subscription{}, false, fmt.Errorf("subscribe: %w", err)
	}
	if known.ID != "" {
		return known, false, nil
	}
	return made, true, nil
}

// judge says whether an address can be subscribed with. What is only away for now can: the deliveries wait for it.
func (s *subscribers) judge(ctx context.Context, address, event string) (*url.URL, error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", crmclient.ErrBadSubscription, fmt.Sprintf(format, args...))
	}
	if event != "" && !slices.Contains(events, event) {
		return nil, bad("the event must be one of %v, or left out", events)
	}
	u, err := crmclient.ParseURL(address)
	switch {
	case len(address) > maxAddress:
		return nil, bad("the address is longer than %d bytes", maxAddress)
	case err != nil:
		return nil, bad("the address: %v", err)
	case u.Scheme != "https" && !s.cfg.Subscriptions.AllowPrivate:
		return nil, bad("the address must be https")
	}
	t, err := s.transport(u, "")
	if err != nil {
		return nil, bad("%v", err)
	}
	defer func() { _ = t.Close() }()
	if _, err := t.Probe(ctx); crmclient.ClassOf(err) == crmclient.ClassConfiguration {
		return nil, bad("%v", err)
	}
	return u, nil
}

// transport is that of one subscriber.
func (s *subscribers) transport(u *url.URL, secret string) (*crmclient.Transport, error) {
	settings := s.cfg.settings()
	settings.AllowPrivate, settings.RequestsPerSecond = &s.cfg.Subscriptions.AllowPrivate, 0
	return s.d.Transport(settings, crmclient.Options{URL: u, NoRedirects: true, HidePath: true, Secrets: []string{secret}})
}

// Unsubscribe ends a subscription of the target. What waits for it is dropped when its turn comes.
func (c subscriber) Unsubscribe(ctx context.Context, id string) (bool, error) {
	ended, err := c.subs.end(ctx, id, reasonAsked)
	if err != nil {
		return false, fmt.Errorf("unsubscribe: %w", err)
	}
	return ended, nil
}

func (s *subscribers) end(ctx context.Context, id, reason string) (ended bool, err error) {
	err = s.Store.Write(ctx, func(ctx context.Context, tx store.Querier) error {
		r, err := tx.ExecContext(ctx, `UPDATE hook_subscriptions SET ended_at = $1, reason = $2 WHERE id = $3 AND target = $4 AND ended_at = 0`,
			store.Micros(s.now()), reason, id, s.d.Target)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		ended = n > 0
		return err
	})
	s.forget(id)
	return ended, err
}

// Subscriptions lists those in force.
func (c subscriber) Subscriptions(ctx context.Context) ([]crmclient.Subscription, error) {
	live, err := c.subs.live(ctx, c.subs.Store.Reader())
	if err != nil {
		return nil, fmt.Errorf("list subscriptions: %w", err)
	}
	out := make([]crmclient.Subscription, len(live))
	for i, one := range live {
		out[i] = one.Subscription
	}
	return out, nil
}

// row is a subscription with what is not shown.
type row struct {
	crmclient.Subscription
	digest string
	sealed []byte
	ended  bool
}

const columns = `id, event, host, digest, sealed, created_at, failed_at, trouble, ended_at`

func (s *subscribers) live(ctx context.Context, q store.Querier) (out []row, err error) {
	rows, err := q.QueryContext(ctx, `SELECT `+columns+` FROM hook_subscriptions WHERE target = $1 AND ended_at = 0 ORDER BY created_at, id`, s.d.Target)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// one returns a subscription, in force or not; false: there is none.
func (s *subscribers) one(ctx context.Context, id string) (row, bool, error) {
	r, err := scan(s.Store.Reader().QueryRowContext(ctx, `SELECT `+columns+` FROM hook_subscriptions WHERE id = $1 AND target = $2`, id, s.d.Target).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return row{}, false, nil
	}
	return r, err == nil, err
}

func scan(into func(...any) error) (r row, err error) {
	var created, failed, ended int64
	if err := into(&r.ID, &r.Event, &r.Host, &r.digest, &r.sealed, &created, &failed, &r.Trouble, &ended); err != nil {
		return row{}, err
	}
	r.Created, r.ended = store.FromMicros(created), ended != 0
	if failed != 0 {
		r.Failing = store.FromMicros(failed)
	}
	return r, nil
}
