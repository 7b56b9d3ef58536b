package mail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// maxCopies bounds how many copies a story tells of.
const maxCopies = 50

// story is a story under construction.
type story struct {
	p      *Part
	c      *access.Caller
	out    Story
	events []StoryEvent
	keys   []string // of messages
}

// GetStory tells all that happened to a mail.
func (p *Part) GetStory(ctx context.Context, r GetStoryRequestObject) (GetStoryResponseObject, error) {
	id, entry := bare(value(r.Params.MessageId)), strings.TrimSpace(value(r.Params.Entry))
	if (id == "") == (entry == "") {
		return nil, api.Invalid("one_of", "exactly one of message_id and entry is needed", api.Field{Pointer: "message_id", Detail: "one of message_id and entry"})
	}
	s := &story{p: p, c: access.From(ctx), out: Story{Events: []StoryEvent{}, Likely: []Likely{}, MessageId: some(id)}}
	entries, err := s.find(ctx, id, entry)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		s.out.Outcome = StoryOutcomeUnseen
		s.out.Likely, err = p.likely(ctx, s.c, lower(r.Params.Account), value(r.Params.SentAt))
		return GetStory200JSONResponse(s.out), err
	}
	s.out.Found, s.out.Entries = true, &entries
	if err := s.copies(ctx, entries); err != nil {
		return nil, err
	}
	for _, key := range s.keys {
		if err := s.message(ctx, key); err != nil {
			return nil, err
		}
	}
	s.finish()
	return GetStory200JSONResponse(s.out), nil
}

// find returns the entries of a mail that the caller may know of, the oldest first.
func (s *story) find(ctx context.Context, id, entry string) ([]string, error) {
	q := ledgerQuery{accounts: scopeOf(s.c), messageID: id}
	var args []any
	where := q.where("l", &args)
	if entry != "" {
		args = append(args, entry)
		// The other copies of the same message belong to its story.
		n := "$" + strconv.Itoa(len(args))
		where += ` AND (l.entry = ` + n + ` OR l.entry IN (SELECT o.entry FROM sightings m JOIN sightings o ON o.message_key = m.message_key WHERE m.entry = ` + n + `))`
	}
	var out []string
	err := s.p.each(ctx, `SELECT DISTINCT l.entry FROM ledger l WHERE `+where+` ORDER BY l.entry LIMIT `+strconv.Itoa(maxCopies+1), args, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		out = append(out, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for the mail: %w", err)
	}
	if len(out) > maxCopies {
		out = out[:maxCopies]
		s.out.Truncated = some(true)
	}
	if entry != "" && !slices.Contains(out, entry) {
		return nil, nil // it is another's; the rest is none of the caller's business either
	}
	return out, nil
}

// add appends an event.
func (s *story) add(at time.Time, code StoryEventCode, level StoryEventLevel, title string, more ...func(*StoryEvent)) {
	e := StoryEvent{At: at.UTC(), Code: code, Level: level, Title: title}
	for _, f := range more {
		f(&e)
	}
	s.events = append(s.events, e)
}

func because(reason string) func(*StoryEvent) {
	return func(e *StoryEvent) { e.Reason = some(reason) }
}

func remedy(code, text string) func(*StoryEvent) {
	return func(e *StoryEvent) { e.RemedyCode, e.Remedy = some(code), some(text) }
}

func target(name string) func(*StoryEvent) {
	return func(e *StoryEvent) { e.Target = some(name) }
}

func planned(e *StoryEvent) { e.Planned = some(true) }

// data adds facts: names and values in turn.
func data(pairs ...string) func(*StoryEvent) {
	return func(e *StoryEvent) {
		facts := map[string]string{}
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i+1] != "" {
				facts[pairs[i]] = pairs[i+1]
			}
		}
		if len(facts) > 0 {
			e.Data = &facts
		}
	}
}

// of says which copy an event belongs to.
func of(entry, account string) func(*StoryEvent) {
	return func(e *StoryEvent) { e.Entry, e.Account = some(entry), some(account) }
}

// copies tells how each copy came in, and what was decided on it.
func (s *story) copies(ctx context.Context, entries []string) error {
	items, err := s.p.items(ctx, s.c, entries)
	if err != nil {
		return err
	}
	var accounts []string
	for i := range items {
		item := &items[i]
		s.out.MessageId = cmp.Or(s.out.MessageId, item.MessageId)
		s.out.MessageKey, s.out.Subject = cmp.Or(s.out.MessageKey, item.MessageKey), cmp.Or(s.out.Subject, item.Subject)
		if a := value(item.Account); a != "" && !slices.Contains(accounts, a) {
			accounts = append(accounts, a)
		}
		id, err := journal.ParseID(item.Entry)
		if err != nil {
			return err
		}
		e, err := journal.ReadEntry(ctx, s.p.o.Store.Reader(), id)
		switch {
		case err == nil:
			s.captured(&e)
		case errors.Is(err, journal.ErrNotFound):
			s.lost(item)
		default:
			return err
		}
		if err := s.decided(ctx, item); err != nil {
			return err
		}
		if err := s.waiting(ctx, item); err != nil {
			return err
		}
		if err := s.outbox(ctx, id, err == nil && e.Kind == journal.KindQueue); err != nil {
			return err
		}
	}
	if len(accounts) > 0 {
		s.out.Accounts = &accounts
	}
	return nil
}

// captured tells how a copy came in.
func (s *story) captured(e *journal.Entry) {
	which := of(e.ID.String(), e.Account)
	if e.Kind.Mailbox() {
		code, title := StoryEventCodeMailboxSeen, "Seen in the mailbox "+e.Mailbox+"."
		if e.Kind == journal.KindAppend {
			code, title = StoryEventCodeMailboxAppended, "Stored in the mailbox "+e.Mailbox+" by a mail program."
		}
		uid := ""
		if e.UID != 0 {
			uid = strconv.FormatUint(uint64(e.UID), 10)
		}
		s.add(e.Received, code, Info, title, which, data("mailbox", e.Mailbox, "uid", uid, "uidvalidity", strconv.FormatUint(uint64(e.UIDValidity), 10), "upstream", e.Upstream, "kind", string(e.Kind)))
	} else {
		s.add(e.Received, StoryEventCodeSmtpReceived, Info, "A mail program handed it to the gateway.", which,
			data("upstream", e.Upstream, "client_ip", e.ClientIP, "program", e.Helo, "recipients", strconv.Itoa(len(e.Recipients)), "kind", string(e.Kind)))
		s.verdict(e, which)
	}
	at := e.SealedAt
	if at.IsZero() {
		at = e.Received
	}
	s.add(at, StoryEventCodeSealed, Info, "Stored in the journal.", which, data("size", strconv.FormatInt(e.Size, 10), "node", e.Node))
}

// verdict tells what the provider said.
func (s *story) verdict(e *journal.Entry, which func(*StoryEvent)) {
	for _, r := range e.Recipients {
		if r.Code/100 != 2 {
			s.add(e.Received, StoryEventCodeSmtpRefused, Bad, "The provider refused a recipient.", which, because(r.Reply), data("recipient", r.Address, "code", strconv.Itoa(r.Code), "upstream", e.Upstream),
				remedy("check_recipient", "Look whether the address is right; the provider's answer says why it was refused."))
		}
	}
	switch {
	case e.Kind == journal.KindQueue:
	case e.State == journal.StateUnconfirmed:
		s.add(e.Received, StoryEventCodeSmtpUnconfirmed, Warning, "The connection broke before the provider answered, so nobody knows whether it was sent.", which,
			remedy("check_sent", "Look into the folder of sent mail, or ask the recipient. A copy in a mailbox settles it by itself."))
	case e.Verdict.Code/100 == 2:
		s.add(e.Verdict.At, StoryEventCodeSmtpAccepted, Good, "The provider took it.", which, because(e.Verdict.Text), data("code", strconv.Itoa(e.Verdict.Code), "upstream", e.Upstream))
	case e.Verdict.Code != 0:
		s.add(e.Verdict.At, StoryEventCodeSmtpRefused, Bad, "The provider refused it, so it was never sent.", which, because(e.Verdict.Text), data("code", strconv.Itoa(e.Verdict.Code), "upstream", e.Upstream),
			remedy("send_again", "The provider's answer says why; change that and send it again."))
	}
}

// lost tells of a copy of which only the ledger is left.
func (s *story) lost(item *LedgerItem) {
	which := of(item.Entry, value(item.Account))
	for _, step := range item.Steps {
		if step.State == LedgerStateRefused {
			s.add(step.At, StoryEventCodeSmtpRefused, Bad, "The provider refused it, so it was never sent.", which, because(value(step.Reason)),
				remedy("send_again", "The provider's answer says why; change that and send it again."))
			return
		}
	}
	s.add(item.CapturedAt, StoryEventCodeBodyGone, Info, "Captured. The journal does not keep it any more.", which)
}

// decided tells what was decided on a copy.
func (s *story) decided(ctx context.Context, item *LedgerItem) error {
	which := of(item.Entry, value(item.Account))
	var key, excluded string
	var seen int64
	err := s.p.each(ctx, `SELECT message_key, excluded, seen_at FROM sightings WHERE entry = $1`, []any{item.Entry}, func(scan func(...any) error) error {
		return scan(&key, &excluded, &seen)
	})
	if err != nil {
		return fmt.Errorf("reading the sighting of %s: %w", item.Entry, err)
	}
	if key != "" {
		if !slices.Contains(s.keys, key) {
			s.keys = append(s.keys, key)
		}
		if excluded == "" {
			s.add(store.FromMicros(seen), StoryEventCodeInScope, Good, "No rule of privacy keeps it back.", which)
		}
	}
	for _, step := range item.Steps {
		reason, t := value(step.Reason), value(step.Target)
		switch {
		case t != "" && step.State == LedgerStateExcluded && reason != excluded:
			s.add(step.At, StoryEventCodeExcludedAtTarget, Info, "Not for "+t+".", which, target(t), because(reason), ruled(reason))
		case t != "":
		case step.State == LedgerStateExcluded && strings.HasPrefix(reason, "another copy"):
			s.add(step.At, StoryEventCodeVetoed, Info, "Kept back because another copy shows that the mail must not leave.", which, because(reason), ruled(reason))
		case step.State == LedgerStateExcluded && strings.HasPrefix(reason, "already captured"):
			s.add(step.At, StoryEventCodeJoined, Info, "Captured before at the same place, so this copy does not count.", which, because(reason))
		case step.State == LedgerStateExcluded:
			s.add(step.At, StoryEventCodeExcluded, Info, "A rule of privacy keeps it back, so no CRM gets it.", which, because(reason), ruled(reason))
		case step.State == LedgerStateCaptured && reason != "":
			s.add(step.At, StoryEventCodeJoined, Info, "Recognised as a copy of the same mail.", which, because(reason))
		}
	}
	return nil
}

// ruled finds the name of a rule in a reason.
func ruled(reason string) func(*StoryEvent) {
	return func(e *StoryEvent) {
		if _, after, ok := strings.Cut(reason, "rule "); ok {
			name, _, _ := strings.Cut(after, ":")
			e.Rule = some(name)
		}
	}
}

// turns are the order of what follows from each other within a second: not all of it is written down at the moment that it happens.
var turns = []StoryEventCode{
	StoryEventCodeSmtpReceived, StoryEventCodeMailboxSeen, StoryEventCodeMailboxAppended, StoryEventCodeSmtpAccepted, StoryEventCodeSealed, StoryEventCodeRecognised,
	StoryEventCodeJoined, StoryEventCodeInScope, StoryEventCodeExcluded, StoryEventCodeVetoed, StoryEventCodeDeliveryAsked,
}

func turn(code StoryEventCode) int {
	if i := slices.Index(turns, code); i >= 0 {
		return i
	}
	return len(turns)
}

// finish puts the events into their order and says in one word what became of the mail.
func (s *story) finish() {
	slices.SortStableFunc(s.events, func(a, b StoryEvent) int {
		return cmp.Or(order(value(a.Planned), value(b.Planned)), a.At.Truncate(time.Second).Compare(b.At.Truncate(time.Second)), cmp.Compare(turn(a.Code), turn(b.Code)), a.At.Compare(b.At))
	})
	s.out.Events = append(s.out.Events, s.events...)
	has := func(codes ...StoryEventCode) bool {
		return slices.ContainsFunc(s.events, func(e StoryEvent) bool { return slices.Contains(codes, e.Code) })
	}
	switch {
	case has(StoryEventCodeDeliveryFailed, StoryEventCodeOutboxFailed), has(StoryEventCodeJobDead) && !has(StoryEventCodeDelivered):
		s.out.Outcome = StoryOutcomeFailed
	case has(StoryEventCodeDeliveryWaiting, StoryEventCodeDeliveryHeld, StoryEventCodeJobWaiting, StoryEventCodeJobRetry, StoryEventCodeJobRunning, StoryEventCodeOutboxWaiting, StoryEventCodeWithdrawAsked):
		s.out.Outcome = StoryOutcomeWaiting
	case has(StoryEventCodeDelivered):
		s.out.Outcome = StoryOutcomeMirrored
	case has(StoryEventCodeWithdrawn):
		s.out.Outcome = StoryOutcomeWithdrawn
	case has(StoryEventCodeSmtpRefused) && !has(StoryEventCodeSmtpAccepted, StoryEventCodeMailboxSeen, StoryEventCodeMailboxAppended):
		s.out.Outcome = StoryOutcomeRefused
	case has(StoryEventCodeExcluded, StoryEventCodeVetoed, StoryEventCodeExcludedAtTarget):
		s.out.Outcome = StoryOutcomeExcluded
	default:
		s.out.Outcome = StoryOutcomeCaptured
	}
}
