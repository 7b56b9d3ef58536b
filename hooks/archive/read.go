package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/internal/store"
)

// Summary is a message as lists show it.
type Summary struct {
	ID          int64 // its place in lists
	Key         string
	MessageID   string
	Thread      string
	Direction   string
	Subject     string
	Preview     string
	SentAt      time.Time
	Size        int64
	Automated   bool
	Unconfirmed bool // nobody knows whether it was really sent
	Attachments int
	Files       []string // the first of them
	People      []Person // the first of them
	PeopleCount int
	Accounts    []string // who has a copy and may be seen, sorted
}

func summaries(ctx context.Context, q store.Querier, query string, args []any) (out []Summary, err error) {
	err = each(ctx, q, query, args, func(scan func(...any) error) error {
		var s Summary
		var files, people string
		var automated int
		err := scan(&s.ID, &s.Key, &s.Direction, &s.Subject, &s.Preview, &s.Size, &automated, &s.Attachments, &files, &people, &s.PeopleCount)
		if err != nil {
			return err
		}
		s.SentAt, s.Automated = store.FromMicros(s.ID), automated == 1
		if err := json.Unmarshal([]byte(files), &s.Files); err != nil {
			return fmt.Errorf("message %s: %w", s.Key, err)
		}
		if err := json.Unmarshal([]byte(people), &s.People); err != nil {
			return fmt.Errorf("message %s: %w", s.Key, err)
		}
		out = append(out, s)
		return nil
	})
	return out, err
}

// visible fills in what the mirror's tables know now, and leaves out what nobody may see any more: the index follows a moment later.
func (a *Archive) visible(ctx context.Context, list []Summary, scope []string) ([]Summary, error) {
	if len(list) == 0 {
		return nil, nil
	}
	byKey := map[string]*Summary{}
	keys := make([]string, len(list))
	for i := range list {
		keys[i] = list[i].Key
		byKey[keys[i]] = &list[i]
	}
	q := a.o.Store.Reader()
	in, args := In(keys)
	type seen struct{ any, confirmed bool }
	found := map[string]*seen{}
	err := each(ctx, q, `SELECT s.message_key, s.account, s.unconfirmed, m.thread, m.message_id FROM sightings s JOIN messages m ON m.key = s.message_key
		WHERE s.excluded = '' AND s.message_key IN (`+in+`)`, args, func(scan func(...any) error) error {
		var key, account, thread, id string
		var unconfirmed int
		if err := scan(&key, &account, &unconfirmed, &thread, &id); err != nil {
			return err
		}
		s := byKey[key]
		s.Thread, s.MessageID = thread, id
		f := found[key]
		if f == nil {
			f = &seen{}
			found[key] = f
		}
		f.confirmed = f.confirmed || unconfirmed == 0
		if scope == nil || slices.Contains(scope, account) {
			f.any = true
			if account != "" && !slices.Contains(s.Accounts, account) {
				s.Accounts = append(s.Accounts, account)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading who has messages: %w", err)
	}
	if err := a.takeBack(ctx, scope, keys, byKey, func(key string) { delete(found, key) }); err != nil {
		return nil, err
	}
	var out []Summary
	for i := range list {
		s := &list[i]
		if f := found[s.Key]; f == nil || !f.any {
			continue
		} else if !f.confirmed {
			s.Unconfirmed = true
		}
		slices.Sort(s.Accounts)
		s.People = Known(s.People, s.Accounts, scope)
		out = append(out, *s)
	}
	return out, nil
}

// takeBack leaves out what was withdrawn meanwhile.
func (a *Archive) takeBack(ctx context.Context, scope, keys []string, byKey map[string]*Summary, drop func(key string)) error {
	in, args := In(keys)
	var back []string
	q := a.o.Store.Reader()
	err := each(ctx, q, `SELECT DISTINCT message_key FROM withdrawals WHERE message_key IN (`+in+`)`, args, func(scan func(...any) error) error {
		var key string
		err := scan(&key)
		back = append(back, key)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading what was withdrawn: %w", err)
	}
	for _, key := range back {
		left, err := readState(ctx, q, key)
		if err != nil {
			return err
		}
		if left == nil {
			drop(key)
			continue
		}
		have := left.accounts()
		s := byKey[key]
		s.Accounts = slices.DeleteFunc(s.Accounts, func(account string) bool { return !slices.Contains(have, account) })
		if scope != nil && len(s.Accounts) == 0 {
			drop(key)
		}
	}
	return nil
}

// Known returns the people whom somebody may know of: blind recipients are known to who sees the sender's copy, and to themselves.
func Known(people []Person, accounts, scope []string) []Person {
	if scope == nil || len(people) > 0 && slices.Contains(accounts, people[0].Address) {
		return people
	}
	return slices.DeleteFunc(slices.Clone(people), func(p Person) bool { return p.Role == BCC && !slices.Contains(scope, p.Address) })
}

// Summaries returns messages by their keys, as far as they may be seen, in the order of the keys.
func (a *Archive) Summaries(ctx context.Context, scope []string, keys ...string) ([]Summary, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	in, args := In(keys)
	found, err := summaries(ctx, a.o.Store.Reader(), `SELECT `+summaryColumns+` FROM archive_messages m WHERE m.key IN (`+in+`)`, args)
	if err != nil {
		return nil, fmt.Errorf("reading messages: %w", err)
	}
	slices.SortFunc(found, func(a, b Summary) int { return slices.Index(keys, a.Key) - slices.Index(keys, b.Key) })
	return a.visible(ctx, found, scope)
}

// Thread returns messages of a thread, the oldest first, from after an id.
func (a *Archive) Thread(ctx context.Context, scope []string, thread string, after int64, limit int) (page []Summary, next int64, err error) {
	args := []any{thread, after}
	mine := ""
	if scope != nil {
		in := make([]string, 0, len(scope))
		for _, s := range scope {
			in = append(in, place(&args, s))
		}
		mine = ` AND EXISTS (SELECT 1 FROM archive_seen s WHERE s.id = m.id AND s.account IN (` + strings.Join(append(in, "NULL"), ", ") + `))`
	}
	found, err := summaries(ctx, a.o.Store.Reader(), `SELECT `+summaryColumns+` FROM archive_messages m WHERE m.key IN (SELECT key FROM messages WHERE thread = $1)
		AND m.id > $2`+mine+` ORDER BY m.id LIMIT `+place(&args, limit+1), args)
	if err != nil {
		return nil, 0, fmt.Errorf("reading thread %s: %w", thread, err)
	}
	if len(found) > limit {
		found = found[:limit]
		next = found[limit-1].ID
	}
	page, err = a.visible(ctx, found, scope)
	return page, next, err
}

// Visible tells which accounts, of those that may be seen, have a copy of a message now; ok says that it may be seen at all.
func (a *Archive) Visible(ctx context.Context, scope []string, key string) (accounts []string, ok bool, err error) {
	s, err := readState(ctx, a.o.Store.Reader(), key)
	if err != nil || s == nil {
		return nil, false, err
	}
	for _, c := range s.copies {
		if scope == nil || slices.Contains(scope, c.account) {
			ok = true
			if c.account != "" && !slices.Contains(accounts, c.account) {
				accounts = append(accounts, c.account)
			}
		}
	}
	slices.Sort(accounts)
	return accounts, ok, nil
}

// In returns the places of a list of values, beginning with $1, and the arguments.
func In(values []string) (places string, args []any) {
	list := make([]string, len(values))
	args = make([]any, len(values))
	for i, v := range values {
		list[i], args[i] = "$"+strconv.Itoa(i+1), v
	}
	return strings.Join(list, ", "), args
}
