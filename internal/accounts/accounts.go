// Package accounts knows the mail accounts that the gateway may sign in for: those that their owners enrolled.
//
// Two things belong to an enrolment. The grant is what the provider wants: a consent of OAuth 2.0, or an app password or authorization
// code; it is kept, encrypted, by internal/oauth. The gateway password is what a mail program says that knows only passwords: it is made
// here, shown once, stored as a hash, and good at this gateway only. It begins with a prefix of its own, so that all
// other passwords pass through to the provider as if nobody were enrolled, and none of them costs a look at the store.
//
// An account whose upstream has an application with rights of its own (client_credentials, service_account) needs no grant, only a
// gateway password.
//
//   - accounts.go: the Book, and who is enrolled. password.go: gateway passwords. credential.go: what the provider is shown.
//     enroll.go: how an enrolment is made and ended.
//
// The package speaks no mail protocol.
package accounts

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"heliograph/config"
	"heliograph/internal/oauth"
	"heliograph/internal/store"
)

// Options are what a Book needs. Store and Keeper are required.
type Options struct {
	Store     *store.DB
	Keeper    *oauth.Keeper
	Upstreams []config.Upstream
	Logger    *slog.Logger // nil discards
}

// Book is all enrolments. It may be used concurrently. It must be closed; the Keeper is the caller's.
type Book struct {
	db        *store.DB
	keeper    *oauth.Keeper
	upstreams map[string]*provider
	log       *slog.Logger
	key       []byte // of digests that are in memory only

	mu    sync.Mutex // guards cache
	cache map[string]*cached
}

// Enrolment is one account.
type Enrolment struct {
	Address  string    `json:"address"`  // lower case
	Upstream string    `json:"upstream"` // name in the configuration
	Login    string    `json:"login"`    // user name at the provider
	Password bool      `json:"password"` // whether mail programs may use it with a gateway password
	Enrolled time.Time `json:"enrolled"`
	Changed  time.Time `json:"changed"`
	hash     string
}

const (
	// knownFor is how long a change by a command may go unseen.
	knownFor = 3 * time.Second
	// maxCached bounds how many accounts are in memory; past it all are read anew.
	maxCached = 20_000
	// lookTime bounds one look at the store during a login.
	lookTime = 3 * time.Second
)

// cached is what is known of one account.
type cached struct {
	at    time.Time
	found bool
	Enrolment
	proven []byte       // digest of the gateway password that was right last, with this hash
	source oauth.Source // of its tokens
	secret string       // its stored password
	// refusals are how often in a row the provider took nothing of what it was shown; until held nothing is shown to it.
	refusals int
	held     time.Time
}

// Open returns the book of the enrolments in a store, without using the network.
func Open(o Options) (*Book, error) {
	b := &Book{db: o.Store, keeper: o.Keeper, upstreams: map[string]*provider{}, log: o.Logger, cache: map[string]*cached{}, key: make([]byte, 32)}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	_, _ = rand.Read(b.key) // never fails: crypto/rand aborts the program instead
	for _, u := range o.Upstreams {
		p, err := newProvider(u, o.Keeper)
		if err != nil {
			_ = b.Close()
			return nil, fmt.Errorf("upstream %s: oauth2: %w", u.Name, err)
		}
		b.upstreams[u.Name] = p
	}
	return b, nil
}

// Close closes idle connections to token endpoints.
func (b *Book) Close() error {
	var errs []error
	for _, p := range b.upstreams {
		errs = append(errs, p.close())
	}
	return errors.Join(errs...)
}

// Address is the form in which accounts are known.
func Address(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

func grantName(address string) string { return "account:" + address }

const enrolmentColumns = `address, upstream, login, hash, enrolled_at, changed_at`

func scan(row interface{ Scan(...any) error }) (e Enrolment, err error) {
	var enrolled, changed int64
	err = row.Scan(&e.Address, &e.Upstream, &e.Login, &e.hash, &enrolled, &changed)
	e.Enrolled, e.Changed, e.Password = store.FromMicros(enrolled), store.FromMicros(changed), e.hash != ""
	return e, err
}

// Get returns one enrolment.
func (b *Book) Get(ctx context.Context, address string) (e Enrolment, found bool, err error) {
	e, err = scan(b.db.Reader().QueryRowContext(ctx, `SELECT `+enrolmentColumns+` FROM enrolments WHERE address = $1`, Address(address)))
	if errors.Is(err, sql.ErrNoRows) {
		return Enrolment{}, false, nil
	}
	if err != nil {
		return Enrolment{}, false, fmt.Errorf("read enrolment: %w", err)
	}
	return e, true, nil
}

// List returns all enrolments, by address.
func (b *Book) List(ctx context.Context) (list []Enrolment, err error) {
	rows, err := b.db.Reader().QueryContext(ctx, `SELECT `+enrolmentColumns+` FROM enrolments ORDER BY address`)
	if err != nil {
		return nil, fmt.Errorf("list enrolments: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("list enrolments: %w", err)
		}
		list = append(list, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list enrolments: %w", err)
	}
	return list, nil
}

// find returns what is known of an account, from memory where that is fresh, or where the store is away.
func (b *Book) find(ctx context.Context, address string) (*cached, error) {
	b.mu.Lock()
	have := b.cache[address]
	b.mu.Unlock()
	if have != nil {
		if age := time.Since(have.at); age >= 0 && age < knownFor {
			return have, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	asked := time.Now()
	e, found, err := b.Get(ctx, address)
	if err != nil {
		if have != nil {
			b.log.WarnContext(ctx, "the store is away: an account signs in as it was known", "err", err)
			return have, nil
		}
		return nil, err
	}
	next := &cached{at: asked, found: found, Enrolment: e}
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.cache[address]; now != nil && now.Enrolment == e { // what was learnt of it still holds
		next.proven, next.source, next.secret, next.refusals, next.held = now.proven, now.source, now.secret, now.refusals, now.held
	}
	if len(b.cache) >= maxCached {
		clear(b.cache)
	}
	b.cache[address] = next
	return next, nil
}

// forget drops what is in memory of an account.
func (b *Book) forget(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.cache, address)
}
