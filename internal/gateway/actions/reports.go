package actions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"heliograph/config"
	"heliograph/hooks/rules"
	"heliograph/internal/message"
	"heliograph/internal/report"
	"heliograph/internal/tables"
)

// Documents is what reports and documents need of a configuration: the font, and the tables that somebody uploaded. Worlds have it as a part. It
// may be used concurrently.
type Documents struct {
	reports config.Reports
	tables  []config.RuleTable
	// imported are the tables that people import in the console; nil: there are none.
	imported *tables.Shelf

	mu   sync.Mutex // guards font
	font *report.Font
}

var (
	_ rules.Fonts  = (*Documents)(nil)
	_ rules.Tables = (*Documents)(nil)
	_ rules.Files  = (*Actions)(nil)
)

// NewDocuments returns the documents of a configuration. It reads nothing yet.
func NewDocuments(c config.Rules) *Documents { return &Documents{reports: c.Reports, tables: c.Tables} }

// Font implements rules.Fonts. A font that was found is not looked for again.
func (d *Documents) Font() (report.Font, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.font != nil {
		return *d.font, nil
	}
	f, err := report.FindFont(report.Font{Regular: d.reports.Font, Bold: d.reports.BoldFont})
	if err != nil {
		return f, err
	}
	d.font = &f
	return f, nil
}

// Table implements rules.Tables. The file is read each time, so that a new one counts at once.
func (d *Documents) Table(_ context.Context, name string) (*report.Table, error) {
	for _, t := range d.tables {
		if t.Name == name {
			table, err := ReadTable(t)
			if err != nil {
				return nil, fmt.Errorf("table %s: %w", name, err)
			}
			return table, nil
		}
	}
	if d.imported != nil {
		table, err := d.imported.Read(name, 0)
		if !errors.Is(err, tables.ErrNotFound) {
			return table, err
		}
	}
	return nil, rules.Permanent(fmt.Errorf("there is no table %s: neither in rules.tables of the configuration, nor imported", name))
}

// ReadTable reads a table that the configuration names.
func ReadTable(t config.RuleTable) (_ *report.Table, err error) {
	f, err := os.Open(t.File)
	if err != nil { // somebody may be about to put a new one there: an error of the system's own would count as lasting
		return nil, errors.New("the file cannot be read at present: " + err.Error())
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, int64(report.DefaultLimits().InputBytes)+1)) // one byte more is too many, which the reader says
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(filepath.Ext(t.File), ".xlsx") {
		return report.ReadXLSX(data, t.Sheet, report.Limits{})
	}
	return report.ReadCSV(data, report.Limits{})
}

// Files implements rules.Files.
func (a *Actions) Files(ctx context.Context, entry string) ([]rules.MailFile, error) {
	m, open, err := a.parse(ctx, entry)
	if err != nil {
		return nil, err
	}
	return mailFiles(m, entry, open), nil
}

// mailFiles are the files of a message, whose bytes are read when they are asked for.
func mailFiles(m *message.Message, entry string, open func(context.Context) (io.ReadCloser, error)) []rules.MailFile {
	var out []rules.MailFile
	for i, f := range m.Attachments {
		out = append(out, rules.MailFile{
			Name: f.Name, Type: f.Type, Size: f.Size, Inline: f.Inline, Digest: f.SHA256,
			Open: func(ctx context.Context) (io.ReadCloser, error) {
				raw, err := open(ctx)
				if err != nil {
					return nil, err
				}
				return message.OpenAttachment(raw, i, message.Options{Salt: entry}), nil
			},
		})
	}
	return out
}
