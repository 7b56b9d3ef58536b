// Package file writes each message into a folder: for companies without a CRM, for other programs to pick up, and as an
// archive that anything can read.
//
// A day has a file with a line for each message, 2026-03-04.jsonl or .csv, and a folder with the messages
// themselves, mail/2026/03/04/….eml, built anew from what may leave. The day is that of the message, so that a
// message that is written again, after a crash or an unknown outcome, meets its own line. The lines of a day are read once and
// remembered; a line that was cut short by a crash is removed before the next is added. A lock on the folder keeps nodes
// that share it apart.
//
// A message that is withdrawn loses its line and its file. Later sightings are not noted. There are no contacts.
package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/export"
)

// Format says how the file of a day is written.
type Format string

// The formats. Empty means JSONLines.
const (
	JSONLines Format = "jsonl" // an object a line, as webhooks post it
	CSV       Format = "csv"   // with a heading, for spreadsheets
)

// Allowed lists the values.
func (Format) Allowed() []string { return []string{string(JSONLines), string(CSV)} }

// Config is the section of a file target.
type Config struct {
	// OutputDir is made where it is not there, unless its parent is missing too.
	OutputDir string `yaml:"output_dir" file:"created"`
	Format    Format `yaml:"format"`
	// EML says whether each message is also written as a mail file; nil means yes.
	EML *bool `yaml:"eml"`
	// TimeZone is that of the days, as the IANA names it; empty means UTC.
	TimeZone string `yaml:"time_zone"`
}

// Validate returns all that is wrong with the section. It uses no files.
func (c Config) Validate() error {
	var errs []error
	if c.OutputDir == "" {
		errs = append(errs, errors.New("output_dir is missing: name the folder for the mail"))
	}
	if _, err := time.LoadLocation(c.TimeZone); err != nil {
		errs = append(errs, fmt.Errorf("time_zone: %q is not a time zone, such as Asia/Shanghai", c.TimeZone))
	}
	return errors.Join(errs...)
}

// Client writes into one folder.
type Client struct {
	cfg  Config
	zone *time.Location
	mu   sync.Mutex // guards days and all writing
	days map[string]*day
}

var (
	_ crmclient.Client             = (*Client)(nil)
	_ crmclient.Checker            = (*Client)(nil)
	_ crmclient.ActivityWithdrawer = (*Client)(nil)
)

// New builds a Client without touching the folder.
func New(cfg Config, _ crmclient.Deps) (crmclient.Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(cfg.TimeZone)
	if err != nil {
		return nil, err
	}
	if cfg.Format == "" {
		cfg.Format = JSONLines
	}
	return &Client{cfg: cfg, zone: zone, days: map[string]*day{}}, nil
}

// FindContacts finds nobody: a folder has no contacts.
func (c *Client) FindContacts(context.Context, []string) ([]crmclient.Contact, error) {
	return nil, nil
}

// Check looks whether the folder can be written.
func (c *Client) Check(context.Context) (string, error) {
	dir := c.cfg.OutputDir
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		dir = filepath.Dir(dir)
		info, err = os.Stat(dir)
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", dir)
	}
	if err == nil {
		err = syscall.Access(dir, writable)
	}
	if err != nil {
		return "", classified("the folder cannot be written", err)
	}
	return c.cfg.OutputDir + " can be written", nil
}

// writable is W_OK and X_OK of access(2).
const writable = 2 | 1

// classified tells what a failed write means.
func classified(what string, err error) error {
	e := &crmclient.Error{Class: crmclient.ClassRetry, Message: what + ": " + err.Error(), Err: err}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Remedy = "make room on the disk of output_dir"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		e.Class, e.Remedy = crmclient.ClassConfiguration, "give output_dir to the user that runs heliograph"
	case errors.Is(err, errForeign):
		e.Class, e.Remedy = crmclient.ClassConfiguration, "move the file of that day away; a new one is begun"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		e.Class, e.Remedy = crmclient.ClassConfiguration, "make the folder above output_dir"
	}
	return e
}

// name is what the file of a message is called: by its time, so that a folder is in order, and by its key.
func (c *Client) name(a *crmclient.Activity) (day, path string) {
	at := a.Date
	if at.IsZero() && len(a.Sightings) > 0 {
		at = a.Sightings[0].At
	}
	at = at.In(c.zone)
	return at.Format(time.DateOnly), filepath.Join("mail", at.Format("2006"), at.Format("01"), at.Format("02"), at.Format("150405")+"-"+short(a.Key)+".eml")
}

func short(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:12])
}

// LogEmail writes the message, unless its key is in the file of its day.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassRetry, Message: "request stopped: " + context.Cause(ctx).Error(), Err: err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	unlock, err := c.lock()
	if err != nil {
		return crmclient.Receipt{}, classified("the folder cannot be locked", err)
	}
	defer unlock()
	name, path := c.name(a)
	d, err := c.open(name)
	if err != nil {
		return crmclient.Receipt{}, classified("the file of the day cannot be read", err)
	}
	r := crmclient.Receipt{RemoteID: name + "/" + short(a.Key)}
	if d.has(a.Key) {
		r.Duplicate = true
		return r, nil
	}
	if c.cfg.EML == nil || *c.cfg.EML {
		if err := c.writeEML(ctx, a, path); err != nil {
			return crmclient.Receipt{}, classified("the mail file cannot be written", err)
		}
	} else {
		path = ""
	}
	line, err := c.line(a, path)
	if err != nil {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the message cannot be written as a line", Err: err}
	}
	if err := d.add(a.Key, line); err != nil {
		return crmclient.Receipt{}, classified("the file of the day cannot be written", err)
	}
	return r, nil
}

// lock keeps other processes from the folder.
func (c *Client) lock() (unlock func(), err error) {
	if err := os.Mkdir(c.cfg.OutputDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(c.cfg.OutputDir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil // which unlocks
}

// writeEML writes the mail file at once as a whole. One that is there already is written again: it may be of a try that was
// cut short before its line, and is the same.
func (c *Client) writeEML(ctx context.Context, a *crmclient.Activity, path string) error {
	path = filepath.Join(c.cfg.OutputDir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	id := a.MessageID
	if id == "" {
		id = short(a.Key) + "@heliograph.invalid"
	}
	return replace(path, func(w io.Writer) error { return export.EML(ctx, w, a, id) })
}

// replace writes a file under another name, makes it durable, and gives it its name.
func replace(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// WithdrawEmail removes line and file of a message.
func (c *Client) WithdrawEmail(_ context.Context, remoteID, key string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	unlock, err := c.lock()
	if err != nil {
		return classified("the folder cannot be locked", err)
	}
	defer unlock()
	names := []string{}
	if len(remoteID) >= len(time.DateOnly) {
		names = append(names, remoteID[:len(time.DateOnly)])
	}
	paths, err := filepath.Glob(filepath.Join(c.cfg.OutputDir, "mail", "*", "*", "*", "*-"+short(key)+".eml"))
	if err != nil {
		return classified("the mail file cannot be found", err)
	}
	for _, path := range paths {
		dir := filepath.Dir(path)
		day, month, year := filepath.Base(dir), filepath.Base(filepath.Dir(dir)), filepath.Base(filepath.Dir(filepath.Dir(dir)))
		names = append(names, year+"-"+month+"-"+day)
	}
	for _, name := range names {
		if _, err := time.Parse(time.DateOnly, name); err != nil {
			continue
		}
		d, err := c.open(name)
		if err == nil {
			err = d.remove(key)
		}
		if err != nil {
			return classified("the file of the day cannot be written", err)
		}
	}
	for _, path := range paths { // last: they lead to the lines
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return classified("the mail file cannot be removed", err)
		}
	}
	return nil
}
