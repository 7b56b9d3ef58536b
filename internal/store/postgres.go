package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// pgWriters and pgReaders bound the connections of one node. Together they leave a
	// server with its default of 100 room for several nodes.
	pgWriters = 12
	pgReaders = 8
	// pgPatience is how long Open waits for a server that is not up yet.
	pgPatience = 20 * time.Second
	// pgStatement bounds a single statement, pgLock the wait for a row, and pgIdle a
	// transaction whose program hangs, so that none blocks other nodes for ever.
	pgStatement = "30s"
	pgLock      = "10s"
	pgIdle      = "60s"
	// pgWhole bounds a transaction from begin to commit.
	pgWhole = 5 * time.Minute
	// pgAttempts bounds how often a transaction that lost a race is run.
	pgAttempts = 8
)

// postgresEngine is a PostgreSQL database.
type postgresEngine struct {
	writes  *sql.DB
	reads   *sql.DB
	metrics *metrics
	closed  atomic.Bool
}

func openPostgres(ctx context.Context, rawURL string, o Options, m *metrics) (_ engine, err error) {
	config, err := pgx.ParseConfig(rawURL)
	if err != nil {
		return nil, fmt.Errorf("the PostgreSQL url cannot be read: %w", redact(err, rawURL))
	}
	e := &postgresEngine{metrics: m}
	defer func() {
		if err != nil {
			err = errors.Join(redact(explain(err), rawURL), e.close())
		}
	}()
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	setDefault(config.RuntimeParams, "application_name", "heliograph")
	if err := awaitPostgres(ctx, config, o); err != nil {
		return nil, err
	}
	if err := migratePostgres(ctx, config, o.Logger); err != nil {
		return nil, err
	}
	setDefault(config.RuntimeParams, "statement_timeout", pgStatement)
	setDefault(config.RuntimeParams, "lock_timeout", pgLock)
	setDefault(config.RuntimeParams, "idle_in_transaction_session_timeout", pgIdle)
	e.writes = pgPool(config, pgWriters)
	readOnly := config.Copy()
	readOnly.RuntimeParams["default_transaction_read_only"] = "on"
	e.reads = pgPool(readOnly, pgReaders)
	return e, e.reads.PingContext(ctx)
}

func setDefault(params map[string]string, key, value string) {
	if _, ok := params[key]; !ok {
		params[key] = value
	}
}

func pgPool(config *pgx.ConnConfig, size int) *sql.DB {
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	// Connections end now and then, so that a failover or a new address is noticed.
	pool.SetConnMaxLifetime(time.Hour)
	return pool
}

// awaitPostgres waits until the server answers, because at boot both start together.
func awaitPostgres(ctx context.Context, config *pgx.ConnConfig, o Options) error {
	pool := pgPool(config, 1)
	defer pool.Close()
	deadline := time.Now().Add(pgPatience)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := pool.PingContext(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !startingUp(err) || time.Now().Add(wait).After(deadline):
			return fmt.Errorf("PostgreSQL at %s:%d, database %q: %w: %s",
				config.Host, config.Port, config.Database, err, adviceFor(err))
		}
		o.Logger.Warn("postgresql does not answer, trying again", "host", config.Host, "wait", wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// startingUp says whether waiting may help.
func startingUp(err error) bool {
	code := pgCode(err)
	return code == "" || code == "57P03" || code == "53300"
}

// adviceFor says what to do about an error of the first connection.
func adviceFor(err error) string {
	switch code := pgCode(err); code {
	case "28P01", "28000":
		return "check user and password in store.url, and pg_hba.conf on the server"
	case "3D000":
		return "create the database first (createdb)"
	case "53300":
		return "the server has no free connection: raise its max_connections"
	case "":
		if strings.Contains(err.Error(), "tls") || strings.Contains(err.Error(), "certificate") {
			return "check sslmode and sslrootcert in store.url"
		}
		return "is the server running and reachable? check host and port in store.url"
	default:
		return "see the PostgreSQL error code " + code
	}
}

// redact hides the password of rawURL in the text of err and keeps its chain.
func redact(err error, rawURL string) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	secrets := []string{}
	if u, parseErr := url.Parse(rawURL); parseErr == nil {
		if password, ok := u.User.Password(); ok {
			secrets = append(secrets, password, url.QueryEscape(password), url.PathEscape(password))
		}
		secrets = append(secrets, u.Query().Get("password"), u.Query().Get("sslpassword"))
	} else if strings.Contains(text, "@") {
		// Not even the place of the password is known.
		return errors.New("it is not of the form postgres://user:password@host:port/database (percent-encode special characters)")
	}
	clean := text
	for _, secret := range secrets {
		if secret != "" {
			clean = strings.ReplaceAll(clean, secret, "<secret>")
		}
	}
	if clean == text {
		return err
	}
	return &redactedError{text: clean, err: err}
}

// redactedError shows text instead of what err would say.
type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string        { return e.text }
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }
func (e *redactedError) As(target any) bool   { return errors.As(e.err, target) }

func (e *postgresEngine) reader() Querier { return e.reads }

func (e *postgresEngine) pool() *sql.DB { return e.reads }

// write runs fn in a transaction, again when it lost a race.
func (e *postgresEngine) write(ctx context.Context, fn writeFunc) error {
	for attempt := 1; ; attempt++ {
		err := e.once(ctx, fn)
		if err == nil || !lostRace(err) || attempt == pgAttempts {
			return err
		}
		e.metrics.retries.Inc()
		// A random wait, so that the same two do not meet again at once.
		timer := time.NewTimer(rand.N(time.Duration(attempt) * 5 * time.Millisecond))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

func (e *postgresEngine) once(ctx context.Context, fn writeFunc) error {
	conn, err := e.writes.Conn(ctx)
	if err != nil {
		if e.closed.Load() {
			return ErrClosed
		}
		return fmt.Errorf("connecting: %w", err)
	}
	defer conn.Close()
	// The transaction does not end with ctx, so that a commit that was sent is waited for and
	// its outcome known. The statements inside do end with ctx.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), pgWhole)
	defer cancel()
	tx, err := conn.BeginTx(whole, nil)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	rollback := func(error) { _ = tx.Rollback() }
	if err := contain(ctx, tx, fn, rollback); err != nil {
		rollback(nil)
		return err
	}
	if err := ctx.Err(); err != nil {
		rollback(nil)
		return context.Cause(ctx)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

func (e *postgresEngine) close() error {
	e.closed.Store(true)
	var err error
	if e.writes != nil {
		err = e.writes.Close()
	}
	if e.reads != nil {
		err = errors.Join(err, e.reads.Close())
	}
	return err
}
