package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"heliograph/config"
	"heliograph/internal/console/audit"
	"heliograph/internal/journal/segment"
	"heliograph/internal/store"
)

// auditOptions are those of the record of who saw or changed what. Its end is noted in the data directory.
func auditOptions(cfg *config.Config, db *store.DB, keys *segment.Keyring, log *slog.Logger) audit.Options {
	return audit.Options{
		Store: db, Keys: keys.Derive(audit.Purpose), Keep: cfg.Console.AuditKeep.D(), Anchor: filepath.Join(cfg.DataDir, "audit.end"), Logger: log,
	}
}

// OpenAudit opens the record of who saw or changed what for a command beside a gateway, which may be running: events are written
// at once. It makes no key file.
func OpenAudit(cfg *config.Config, db *store.DB) (*audit.Log, error) {
	file := keyFile(cfg)
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("the audit record needs the key file: %w: run this as the user of the gateway, which makes the file when it starts for the first time", err)
	}
	keys, _, err := segment.LoadKeyring(file)
	if err != nil {
		return nil, err
	}
	o := auditOptions(cfg, db, keys, nil)
	return audit.New(o)
}

// auditRecord verifies the record, where there can be one.
func (c *checker) auditRecord(ctx context.Context, db *store.DB) {
	if _, err := os.Stat(keyFile(c.cfg)); errors.Is(err, os.ErrNotExist) {
		return
	}
	log, err := OpenAudit(c.cfg, db)
	if err != nil {
		c.say("audit", "open", err, "", "give this command the journal's key file (journal.key_file), and read access to it")
		return
	}
	v, err := log.Verify(ctx)
	switch {
	case err != nil:
		c.say("audit", "verify", err, "", "see the message")
	case v.Broken != nil:
		c.say("audit", "verify", fmt.Errorf("row %d: %s", v.Broken.Seq, v.Broken.Reason), "",
			"somebody changed the database by hand, or it was restored: find out who could, and keep a copy of the database as it is")
	default:
		c.say("audit", "verify", nil, fmt.Sprintf("%d rows, whole", v.Rows), "")
	}
}
