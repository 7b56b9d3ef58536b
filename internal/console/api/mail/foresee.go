package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"heliograph/hooks/archive"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/console/api"
	"heliograph/internal/journal"
	"heliograph/internal/store"
)

const (
	// foreseeDays is how far back a preview looks, maxForeseen at how many copies, maxExamples how many of them it shows.
	foreseeDays = 90
	maxForeseen = 2000
	maxExamples = 10
)

// seenCopy is a copy in scope.
type seenCopy struct {
	key, mailbox string
	at           time.Time
}

// PreviewMyPrivacy shows what choices would have kept out of late.
func (p *Part) PreviewMyPrivacy(ctx context.Context, r PreviewMyPrivacyRequestObject) (PreviewMyPrivacyResponseObject, error) {
	_, account, err := p.mine(ctx, r.Body.Account)
	if err != nil {
		return nil, err
	}
	choices := make([]scope.Choice, len(r.Body.Choices))
	for i, c := range r.Body.Choices {
		if choices[i], err = choice(c, fmt.Sprintf("/choices/%d/value", i)); err != nil {
			return nil, err
		}
	}
	since := p.o.Now().AddDate(0, 0, -foreseeDays)
	copies, err := p.copiesOf(ctx, account, since)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(copies))
	for i, c := range copies {
		keys[i] = c.key
	}
	list, err := p.o.Archive.Summaries(ctx, []string{account}, keys...)
	if err != nil {
		return nil, err
	}
	known := map[string]*archive.Summary{}
	for i := range list {
		known[list[i].Key] = &list[i]
	}
	out := PrivacyPreview{Examples: []PrivacyExample{}, Since: since.UTC()}
	for _, c := range copies {
		m := known[c.key]
		if m == nil {
			continue
		}
		out.Looked++
		keeps, err := scope.Keeps(choices, factsOf(account, c.mailbox, m), p.o.Now())
		switch {
		case errors.Is(err, scope.ErrInvalid):
			return nil, api.Invalid("bad_choice", err.Error(), api.Field{Pointer: "/choices/0/value", Detail: err.Error()})
		case err != nil:
			return nil, err
		case !keeps:
			continue
		}
		if out.KeptOut++; len(out.Examples) < maxExamples {
			out.Examples = append(out.Examples, PrivacyExample{MessageKey: some(c.key), Subject: m.Subject, At: m.SentAt.UTC()})
		}
	}
	if len(copies) == maxForeseen {
		out.Since = copies[maxForeseen-1].at.UTC()
	}
	return PreviewMyPrivacy200JSONResponse(out), nil
}

// copiesOf returns the copies of an account that are in scope, the latest first.
func (p *Part) copiesOf(ctx context.Context, account string, since time.Time) (out []seenCopy, err error) {
	err = p.each(ctx, `SELECT s.message_key, s.seen_at, COALESCE(e.envelope, '') FROM sightings s LEFT JOIN entries e ON e.id = s.entry
		WHERE s.account = $1 AND s.excluded = '' AND s.seen_at >= $2 ORDER BY s.seen_at DESC LIMIT $3`, []any{account, store.Micros(since), maxForeseen}, func(scan func(...any) error) error {
		var c seenCopy
		var at int64
		var envelope string
		if err := scan(&c.key, &at, &envelope); err != nil {
			return err
		}
		c.at = store.FromMicros(at)
		if envelope != "" {
			var e journal.Envelope
			if err := json.Unmarshal([]byte(envelope), &e); err != nil {
				return err
			}
			c.mailbox = e.Mailbox
		}
		out = append(out, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the copies of an account: %w", err)
	}
	return out, nil
}

// factsOf says of a copy what choices look at.
func factsOf(account, mailbox string, m *archive.Summary) *scope.Facts {
	f := &scope.Facts{Account: account, Mailbox: mailbox, Subject: m.Subject, Size: m.Size}
	for _, person := range m.People {
		if person.Role == archive.From {
			f.From = append(f.From, person.Address)
		} else {
			f.To = append(f.To, person.Address)
		}
	}
	return f
}
