package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"heliograph/config"
	"heliograph/crmclient/catalog"
	"heliograph/internal/gateway"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/redis/go-redis/v9"
)

// configFlag is the file that most commands need.
type configFlag struct {
	Config string `short:"c" default:"${config}" env:"HELIOGRAPH_CONFIG" type:"path" help:"Configuration file. 配置文件"`
}

// load reads the configuration, the sections of the connectors included.
func (f configFlag) load() (*config.Config, error) {
	return config.Load(f.Config, catalog.Validate)
}

type serveCmd struct {
	configFlag
	Drain time.Duration `default:"30s" help:"How long sessions may finish when the gateway is told to stop."`
}

// Run serves until a signal: SIGHUP reloads, SIGTERM and SIGINT drain.
func (c *serveCmd) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	gateway.Tune()
	log := gateway.NewLogger(cfg.Log, os.Stderr)
	redis.SetLogger(redisLog{log})
	for _, w := range cfg.Warnings() {
		log.Warn("configuration", "warning", w)
	}
	g, err := gateway.New(ctx, cfg, gateway.Options{Version: buildVersion(), Logger: log, ConfigFile: c.Config})
	if err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	if err := g.Start(ctx); err != nil {
		_ = c.stop(g, log)
		return err
	}
	tellSystemd(log, daemon.SdNotifyReady)
	log.Info("heliograph is ready", "version", buildVersion(), "console", g.ConsoleAddr().String())
	for {
		select {
		case <-hup:
			c.reload(ctx, g, log)
		case <-ctx.Done():
			tellSystemd(log, daemon.SdNotifyStopping)
			log.Info("stopping", "drain", c.Drain.String())
			return c.stop(g, log)
		}
	}
}

// reload keeps the old state when the new file is not good, and says why.
func (c *serveCmd) reload(ctx context.Context, g *gateway.Gateway, log *slog.Logger) {
	tellSystemd(log, daemon.SdNotifyReloading)
	defer tellSystemd(log, daemon.SdNotifyReady)
	next, err := c.load()
	if err == nil {
		err = g.Reload(ctx, next)
	}
	if err != nil {
		log.Error("reload refused, the old configuration stays in force", "err", err)
		return
	}
	log.Info("configuration reloaded")
}

func (c *serveCmd) stop(g *gateway.Gateway, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.Drain)
	defer cancel()
	if err := g.Stop(ctx); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	log.Info("stopped")
	return nil
}

// tellSystemd tells systemd, where there is one.
func tellSystemd(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Debug("systemd not notified", "err", err)
	}
}
