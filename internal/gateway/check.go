package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/catalog"
	"heliograph/internal/limit"
	"heliograph/internal/notify"
	"heliograph/internal/oauth"
	"heliograph/internal/store"
	"heliograph/proxy"
	"heliograph/proxy/upstream"
)

// Finding is one line of `heliograph check --network`.
type Finding struct {
	Part    string           `json:"part"`  // upstream main smtp, target crm …
	Check   string           `json:"check"` // dns, tls …
	Outcome upstream.Outcome `json:"outcome"`
	Detail  string           `json:"detail"`
	Remedy  string           `json:"remedy,omitempty"` // what to do, where something is wrong
}

// checkTimeout bounds each part's checks.
const checkTimeout = 45 * time.Second

// Check tries everything that the configuration names, over the network, and writes nothing
// to any of it. report is called for each finding as it comes.
func Check(ctx context.Context, cfg *config.Config, report func(Finding)) error {
	c := &checker{cfg: cfg, report: report}
	for _, part := range []func(context.Context){c.dataDir, c.certificate, c.listeners, c.upstreams, c.redis, c.notifiers, c.storeAndTargets, c.automation, c.onboarding} {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		part(ctx)
		cancel()
	}
	if c.failed > 0 {
		return fmt.Errorf("%d checks failed", c.failed)
	}
	return nil
}

type checker struct {
	cfg    *config.Config
	report func(Finding)
	failed int
}

func (c *checker) say(part, check string, err error, detail, remedy string) {
	f := Finding{Part: part, Check: check, Outcome: upstream.OutcomeOK, Detail: detail}
	if err != nil {
		f.Outcome, f.Detail, f.Remedy = upstream.OutcomeFailed, err.Error(), remedy
		c.failed++
	}
	c.report(f)
}

func (c *checker) warn(part, check, detail, remedy string) {
	c.report(Finding{Part: part, Check: check, Outcome: upstream.OutcomeWarning, Detail: detail, Remedy: remedy})
}

// minFree is the room on the journal's disk below which check warns.
const minFree = 1 << 30

func (c *checker) dataDir(context.Context) {
	dir := c.cfg.DataDir
	remedy := "create the folder and give it to the user that runs heliograph"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		c.say("data_dir", "write", err, "", remedy)
		return
	}
	f, err := os.CreateTemp(dir, ".check-*")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	c.say("data_dir", "write", err, dir, remedy)
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err == nil {
		free := int64(st.Bavail) * st.Bsize
		if free < minFree {
			c.warn("data_dir", "space", fmt.Sprintf("%d MB free", free>>20), "make room: the journal keeps a copy of each mail here")
		} else {
			c.say("data_dir", "space", nil, fmt.Sprintf("%d GB free", free>>30), "")
		}
	}
}

// certificateSoon is how long before its end a certificate is to be renewed.
const certificateSoon = 14 * 24 * time.Hour

func (c *checker) certificate(context.Context) {
	if c.cfg.TLS.CertFile == "" {
		return
	}
	t, err := proxy.LoadTLS(c.cfg.TLS)
	if err != nil {
		c.say("tls", "certificate", err, "", "check cert_file and key_file")
		return
	}
	leaf, err := x509.ParseCertificate(t.Certificates[0].Certificate[0])
	if err != nil {
		c.say("tls", "certificate", err, "", "check cert_file")
		return
	}
	left := time.Until(leaf.NotAfter)
	switch {
	case left < 0:
		c.say("tls", "certificate", fmt.Errorf("expired on %s", leaf.NotAfter.Format(time.DateOnly)), "", "renew it; mail programs refuse to connect")
	case left < certificateSoon:
		c.warn("tls", "certificate", fmt.Sprintf("expires on %s", leaf.NotAfter.Format(time.DateOnly)), "renew it, then reload with SIGHUP")
	default:
		c.say("tls", "certificate", nil, fmt.Sprintf("%v, until %s", leaf.DNSNames, leaf.NotAfter.Format(time.DateOnly)), "")
	}
}

func (c *checker) listeners(context.Context) {
	for _, l := range c.cfg.Listeners {
		ln, err := net.Listen("tcp", l.Address)
		if err == nil {
			err = ln.Close()
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			c.warn("listener "+l.Address, "bind", "in use", "fine if heliograph is running; else stop what listens there (ss -ltnp)")
			continue
		}
		c.say("listener "+l.Address, "bind", err, "free", "ports below 1024 need root or CAP_NET_BIND_SERVICE; the systemd unit grants it")
	}
}

func (c *checker) upstreams(ctx context.Context) {
	r, err := upstream.New(c.cfg.Upstreams, upstream.Options{Hostname: hostname(), Services: services(c.cfg)})
	if err != nil {
		c.say("upstreams", "build", err, "", "see the message")
		return
	}
	defer r.Close()
	for _, u := range r.Upstreams() {
		for _, f := range u.Probe(ctx) {
			if f.Outcome == upstream.OutcomeFailed {
				c.failed++
			}
			c.report(Finding{Part: "upstream " + u.Name() + " " + f.Service, Check: f.Check, Outcome: f.Outcome, Detail: f.Detail, Remedy: f.Remedy})
		}
	}
}

func (c *checker) redis(ctx context.Context) {
	if c.cfg.Redis == nil {
		return
	}
	b, err := limits(c.cfg.Redis, nil, nil)
	if err == nil {
		if r, ok := b.(*limit.Redis); ok {
			err = r.Ping(ctx)
		}
		err = errors.Join(err, b.Close())
	}
	c.say("redis", "ping", err, c.cfg.Redis.Address, "check address and password; without it, limits hold per process and no mail is lost")
}

// storeAndTargets opens the database, where it exists already, and tries each target.
func (c *checker) storeAndTargets(ctx context.Context) {
	db, err := c.openStore(ctx)
	if err != nil {
		c.say("store", "open", err, "", "check url and that the database takes connections")
	} else if db != nil {
		defer func() { _ = db.Close() }()
		c.say("store", "open", nil, string(db.Dialect()), "")
		c.rulesInForce(ctx, db)
		c.auditRecord(ctx, db)
	}
	tokens, err := c.openTokens(db)
	if err != nil {
		c.say("store", "tokens", err, "", "give this command the journal's key file (journal.key_file), and read access to it")
	} else if tokens != nil {
		defer func() { _ = tokens.Close() }()
	}
	for _, t := range c.cfg.Targets {
		part := "target " + t.Name
		client, err := catalog.New(t, catalog.Deps{Store: db, UserAgent: "Heliograph", Tokens: tokens})
		if err != nil {
			c.say(part, "build", err, "", "check the section of this target")
			continue
		}
		ch, ok := crmclient.As[crmclient.Checker](client)
		if !ok {
			c.warn(part, "check", "this type cannot be tried without writing", "")
			continue
		}
		detail, err := ch.Check(ctx)
		c.say(part, "check", err, detail, crmclient.Remedy(err))
	}
}

// openTokens opens the access that people gave, where there can be any: it makes no key file.
func (c *checker) openTokens(db *store.DB) (*oauth.Keeper, error) {
	if db == nil {
		return nil, nil //nolint:nilnil // without a store there is none
	}
	if _, err := os.Stat(keyFile(c.cfg)); errors.Is(err, os.ErrNotExist) {
		return nil, nil //nolint:nilnil // nor without a key
	}
	return OpenTokens(c.cfg, db, slog.New(slog.DiscardHandler), nil)
}

// openStore opens the database. An embedded one that is not there yet is made in a
// temporary folder, so that a check leaves nothing behind.
func (c *checker) openStore(ctx context.Context) (*store.DB, error) {
	dir := c.cfg.DataDir
	if c.cfg.Store.URL.Reveal() == config.StoreSQLite {
		if _, err := os.Stat(filepath.Join(dir, "heliograph.db")); errors.Is(err, os.ErrNotExist) {
			tmp, err := os.MkdirTemp("", "heliograph-check-*")
			if err != nil {
				return nil, err
			}
			defer func() { _ = os.RemoveAll(tmp) }()
			dir = tmp
		}
	}
	return store.Open(ctx, c.cfg.Store.URL.Reveal(), store.Options{Dir: dir})
}

// notifiers connects to them; a post would disturb people (heliograph notify makes one).
func (c *checker) notifiers(ctx context.Context) {
	for _, n := range c.cfg.Notifiers {
		channel, err := notify.New(n, notify.Deps{})
		detail := ""
		if err == nil {
			detail, err = channel.Check(ctx)
			err = errors.Join(err, channel.Close())
		}
		c.say("notifier "+n.Name, "connect", err, detail, "check url of this notifier, and that it can be reached from this machine")
	}
}
