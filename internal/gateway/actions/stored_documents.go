package actions

import (
	"context"
	"errors"
	"io"

	"heliograph/hooks/rules"
	"heliograph/hooks/rules/classify"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/report"
)

var (
	_ rules.Fonts     = (*Stored)(nil)
	_ rules.Tables    = (*Stored)(nil)
	_ rules.Files     = (*Stored)(nil)
	_ rules.Suggester = (*Stored)(nil)
)

// Font implements rules.Fonts.
func (s *Stored) Font() (report.Font, error) { return s.a.Font() }

// Table implements rules.Tables.
func (s *Stored) Table(ctx context.Context, name string) (*report.Table, error) {
	return s.a.Table(ctx, name)
}

// Files implements rules.Files. Without an entry they are those of the file that FileEvent read last.
func (s *Stored) Files(ctx context.Context, entry string) ([]rules.MailFile, error) {
	open := func(context.Context) (io.ReadCloser, error) { return s.file() }
	if entry != "" && entry != fileEntry {
		id, err := journal.ParseID(entry)
		if err != nil {
			return nil, rules.Permanent(err)
		}
		e, err := journal.ReadEntry(ctx, s.o.Store.Reader(), id)
		if errors.Is(err, journal.ErrNotFound) {
			return nil, rules.Permanent(err)
		}
		if err != nil {
			return nil, err
		}
		open = func(ctx context.Context) (io.ReadCloser, error) { return s.o.Body(ctx, e) }
	} else if s.file == nil {
		return nil, rules.Permanent(errors.New("there is no mail to take files from"))
	}
	body, err := open(ctx)
	if err != nil {
		return nil, err
	}
	m, err := message.Parse(body, message.Options{Salt: entry})
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, err
	}
	return mailFiles(m, entry, open), nil
}

// Suggest implements rules.Suggester: with what was learned up to now, and without the chat endpoint, since a replay opens no connection.
func (s *Stored) Suggest(ctx context.Context, m classify.Mail) ([]classify.Suggestion, error) {
	if s.classifier == nil {
		if s.o.Store == nil {
			return nil, unknown("labels", "what the classifier learned is in the database")
		}
		c, err := NewClassifier(ClassifierOptions{Store: s.o.Store, Config: s.o.Config.Classifier})
		if err != nil {
			return nil, rules.Permanent(err)
		}
		if err := c.Load(ctx); err != nil {
			return nil, err
		}
		s.classifier = c
	}
	return s.classifier.Suggest(ctx, m)
}
