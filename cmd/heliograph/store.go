package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"heliograph/config"
	"heliograph/internal/gateway"
	"heliograph/internal/store"
)

// openStore opens the database of a gateway, which may be running. It makes no new one:
// that would belong to the wrong user, or stand in the wrong folder.
func (f configFlag) openStore(ctx context.Context) (*config.Config, *store.DB, error) {
	cfg, err := f.load()
	if err != nil {
		return nil, nil, err
	}
	if err := f.storeExists(cfg); err != nil {
		return nil, nil, err
	}
	log := gateway.NewLogger(config.Log{Level: "warn", Format: "text"}, os.Stderr)
	db, err := gateway.OpenStore(ctx, cfg, log, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("open the database: %w", err)
	}
	return cfg, db, nil
}

func (f configFlag) storeExists(cfg *config.Config) error {
	if url := cfg.Store.URL.Reveal(); url != "" && url != "sqlite" {
		return nil
	}
	file := filepath.Join(cfg.DataDir, "heliograph.db")
	switch _, err := os.Stat(file); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no database at %s: start the gateway once (heliograph serve -c %s), or correct data_dir", file, f.Config)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run this as the user of the gateway, such as sudo -u heliograph heliograph …", err)
	default:
		return err
	}
}

// listFlags are what all lists have.
type listFlags struct {
	Limit int  `default:"50" help:"How many at most. 最多条数"`
	JSON  bool `help:"Print JSON, one object a line."`
}

// moment is a point in time on the command line: a date, a date and time, or how long ago.
type moment struct{ time.Time }

// UnmarshalText reads 2006-01-02, 2006-01-02T15:04, an RFC 3339 time, or a length of time such as 7d.
func (m *moment) UnmarshalText(b []byte) error {
	text := string(b)
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", time.DateTime, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			m.Time = t
			return nil
		}
	}
	if ago, err := config.ParseDuration(text); err == nil {
		m.Time = time.Now().Add(-ago.D())
		return nil
	}
	return fmt.Errorf("%q is no time: write 2026-01-31, 2026-01-31T15:04, or how long ago, such as 12h or 7d", text)
}
