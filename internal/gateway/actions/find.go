package actions

import (
	"context"
	"errors"
	"strings"

	"heliograph/hooks/rules"
	"heliograph/internal/journal"
)

// Found is a stored message, of which the first copy that is an event counts.
type Found struct {
	Key     string // of the message; empty where no copy is an event and it was looked for by entry
	Entry   journal.ID
	Event   rules.Event
	Skipped *Skipped // why no copy is an event
}

// Find looks for a message by entry, Message-ID or key; nil: there is none.
func (s *Stored) Find(ctx context.Context, which string) (*Found, error) {
	which = strings.Trim(strings.TrimSpace(which), "<>")
	out := &Found{}
	copies, err := s.copiesOf(ctx, which, out)
	if err != nil {
		return nil, err
	}
	for _, id := range copies {
		ev, _, err := s.MailEvent(ctx, id)
		var skipped *Skipped
		switch {
		case errors.As(err, &skipped):
			out.Entry, out.Skipped = id, skipped
			continue
		case err != nil:
			return nil, err
		}
		return &Found{Key: ev.Key, Entry: id, Event: ev}, nil
	}
	if out.Skipped == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	return out, nil
}

// copiesOf are the copies of the message that is meant.
func (s *Stored) copiesOf(ctx context.Context, which string, out *Found) ([]journal.ID, error) {
	if id, err := journal.ParseID(which); err == nil {
		return []journal.ID{id}, nil
	}
	var err error
	if out.Key, err = s.MessageKey(ctx, which); err != nil {
		return nil, err
	}
	if out.Key != "" {
		return s.Copies(ctx, out.Key)
	}
	copies, err := s.Copies(ctx, which)
	if len(copies) > 0 {
		out.Key = which
	}
	return copies, err
}
