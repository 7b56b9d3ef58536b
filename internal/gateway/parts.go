package gateway

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"heliograph/config"
	"heliograph/hooks/automail"
	"heliograph/internal/accounts"
	"heliograph/internal/limit"
	"heliograph/proxy/upstream"

	"github.com/prometheus/client_golang/prometheus"
)

// lockDir takes the lock of a data directory, so that two processes never share one.
// The kernel gives it back however the process ends.
func lockDir(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.New("another heliograph runs on it; stop that one first, or give this one its own data_dir")
		}
		return nil, err
	}
	return f, nil
}

// nodeName returns the name of this data directory among the nodes that share a
// database. It is made once, because host names change and entries must be found again.
func nodeName(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(b))) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read the node's name: %w", err)
	}
	var id [8]byte
	_, _ = rand.Read(id[:])
	name := hex.EncodeToString(id[:])
	f, err := os.CreateTemp(filepath.Dir(path), ".node-*")
	if err != nil {
		return "", fmt.Errorf("write the node's name: %w", err)
	}
	_, werr := f.WriteString(name + "\n")
	err = errors.Join(werr, f.Sync(), f.Close(), os.Rename(f.Name(), path))
	if err != nil {
		return "", fmt.Errorf("write the node's name: %w", err)
	}
	return name, nil
}

func hostname() string {
	if h, err := os.Hostname(); err == nil {
		return h
	}
	return "localhost"
}

func buildInfo(version string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "heliograph_build_info", Help: "Always 1; the label is the version.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	g.Set(1)
	return g
}

// limits opens the home of claims and rates.
func limits(c *config.Redis, log *slog.Logger, r prometheus.Registerer) (limit.Backend, error) {
	if c == nil {
		return limit.NewMemory(limit.MemoryOptions{}), nil
	}
	o := limit.RedisOptions{
		Address: c.Address, User: c.User, Password: c.Password.Reveal(), DB: c.DB, Prefix: c.Prefix, Logger: log, Registerer: r,
	}
	if c.TLS {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		if c.CAFile != "" {
			pem, err := os.ReadFile(c.CAFile)
			if err != nil {
				return nil, fmt.Errorf("redis: ca_file: %w", err)
			}
			o.TLS.RootCAs = x509.NewCertPool()
			o.TLS.RootCAs.AppendCertsFromPEM(pem)
		}
	}
	return limit.NewRedis(o)
}

// swapRouter holds the upstreams in force, which a reload replaces.
type swapRouter struct {
	log        *slog.Logger
	registerer prometheus.Registerer
	open       func(*config.Config) (*accounts.Book, error) // nil: nobody is enrolled
	current    atomic.Pointer[upstream.Router]
	book       atomic.Pointer[accounts.Book]
}

// accounts is the book of enrolled accounts in force, whichever that is when it is asked.
func (s *swapRouter) accounts() automail.Accounts { return currentBook{s} }

type currentBook struct{ s *swapRouter }

// Account implements automail.Accounts.
func (c currentBook) Account(ctx context.Context, address string) (*accounts.Account, bool, error) {
	book := c.s.book.Load()
	if book == nil {
		return nil, false, nil
	}
	return book.Account(ctx, address)
}

func (s *swapRouter) get() *upstream.Router { return s.current.Load() }

// set builds the upstreams of cfg and puts them in force. Sessions keep the ones they began with.
func (s *swapRouter) set(cfg *config.Config) error {
	var book *accounts.Book
	if s.open != nil {
		var err error
		if book, err = s.open(cfg); err != nil {
			return err
		}
	}
	r, err := upstream.New(cfg.Upstreams, upstream.Options{
		Logger: s.log, Registerer: s.registerer, Hostname: hostname(), Services: services(cfg), Accounts: book,
	})
	if err != nil {
		if book != nil {
			_ = book.Close() // err says more
		}
		return fmt.Errorf("upstreams: %w", err)
	}
	if old := s.book.Swap(book); old != nil {
		_ = old.Close() // of idle connections; sessions that still use it open new ones
	}
	if old := s.current.Swap(r); old != nil {
		old.Close()
	}
	return nil
}

// learn asks each upstream for its capabilities.
func (s *swapRouter) learn() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.get().Refresh(ctx); err != nil {
		s.log.Warn("an upstream is not reachable yet; it is tried again when a client comes", "err", err)
	}
}

func (s *swapRouter) close() {
	if r := s.current.Load(); r != nil {
		r.Close()
	}
	if b := s.book.Load(); b != nil {
		_ = b.Close() // of idle connections
	}
}

// generation registers the metrics of parts that a reload builds anew, and takes them back.
type generation struct {
	to   prometheus.Registerer
	mine []prometheus.Collector
}

// Register implements prometheus.Registerer.
func (g *generation) Register(c prometheus.Collector) error {
	if err := g.to.Register(c); err != nil {
		return err
	}
	g.mine = append(g.mine, c)
	return nil
}

// MustRegister implements prometheus.Registerer.
func (g *generation) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := g.Register(c); err != nil {
			panic(err)
		}
	}
}

// Unregister implements prometheus.Registerer.
func (g *generation) Unregister(c prometheus.Collector) bool { return g.to.Unregister(c) }

func (g *generation) drop() {
	for _, c := range g.mine {
		g.to.Unregister(c)
	}
}
