package mail

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"heliograph/hooks/archive"
	"heliograph/hooks/mirror"
	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// head is what the mirror knows of a message, and what the caller may see of it.
type head struct {
	key, messageID, thread, direction string
	firstSeen                         int64
	scope                             []string
	accounts                          []string // who has it, of those whom the caller sees
	visible                           bool     // else it was taken back
	sightings                         []Sighting
}

var errNoMessage = api.NotFound("no_message", "there is no such message")

// head reads what there is of a message. What the caller may not see is not there.
func (p *Part) head(ctx context.Context, key string) (*head, error) {
	h := head{key: key, scope: scopeOf(access.From(ctx))}
	found := false
	err := p.each(ctx, `SELECT CASE WHEN joined = '' THEN key ELSE joined END FROM messages WHERE key = $1`, []any{key}, func(scan func(...any) error) error { return scan(&h.key) })
	if err != nil {
		return nil, fmt.Errorf("reading message %s: %w", key, err)
	}
	err = p.each(ctx, `SELECT message_id, thread, direction, first_seen FROM messages WHERE key = $1`, []any{h.key}, func(scan func(...any) error) error {
		found = true
		return scan(&h.messageID, &h.thread, &h.direction, &h.firstSeen)
	})
	if err != nil {
		return nil, fmt.Errorf("reading message %s: %w", key, err)
	}
	if !found {
		return nil, errNoMessage
	}
	inScope := false
	h.sightings = []Sighting{}
	err = p.each(ctx, `SELECT s.entry, s.kind, s.account, s.seen_at, s.mailbox, s.uidvalidity, s.uid, s.unconfirmed, s.excluded,
		EXISTS (SELECT 1 FROM entries e WHERE e.id = s.entry) FROM sightings s WHERE s.message_key = $1 ORDER BY s.entry`, []any{h.key}, func(scan func(...any) error) error {
		var s Sighting
		var at, validity, uid int64
		var unconfirmed int
		var mailbox, excluded string
		var kept bool
		if err := scan(&s.Entry, &s.Kind, &s.Account, &at, &mailbox, &validity, &uid, &unconfirmed, &excluded, &kept); err != nil {
			return err
		}
		if !within(h.scope, s.Account) {
			return nil
		}
		s.SeenAt, s.Mailbox, s.Uidvalidity, s.Uid = store.FromMicros(at).UTC(), some(mailbox), some(validity), some(uid)
		s.Unconfirmed, s.Excluded, s.Kept = some(unconfirmed == 1), some(excluded), some(kept)
		inScope = inScope || excluded == ""
		h.sightings = append(h.sightings, s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading sightings of %s: %w", key, err)
	}
	if !inScope {
		return nil, errNoMessage
	}
	h.accounts, h.visible, err = p.o.Archive.Visible(ctx, h.scope, h.key)
	return &h, err
}

// errText says why a message cannot be read.
type errText struct {
	body MessageBody
	err  error
}

func (e *errText) Error() string { return "the text is " + string(e.body) + ": " + e.err.Error() }
func (e *errText) Unwrap() error { return e.err }

// problem is what who asks for the text itself is told.
func (e *errText) problem() error {
	switch e.body {
	case MessageBodyElsewhere:
		return api.Unavailable("body_elsewhere", "another node of the gateway has this mail", "Ask that node, or the address that leads to it.").Because(e)
	case MessageBodyWithdrawn:
		return api.Fail(410, "withdrawn", "the mail was taken back", "").Because(e)
	case MessageBodyGone, MessageBodyKept:
	}
	return api.Fail(410, "body_gone", "the mail is kept no longer", "Look into the mailbox itself.").Because(e)
}

// open finds a copy that the caller may see and that the journal has.
func (p *Part) open(ctx context.Context, h *head) (journal.Entry, error) {
	if !h.visible {
		return journal.Entry{}, &errText{MessageBodyWithdrawn, errNoMessage}
	}
	list := slices.Clone(h.sightings)
	// What was submitted has the blind recipients.
	slices.SortStableFunc(list, func(a, b Sighting) int {
		return order(journal.Kind(a.Kind).Mailbox(), journal.Kind(b.Kind).Mailbox())
	})
	last := &errText{MessageBodyGone, journal.ErrNotFound}
	for _, s := range list {
		if s.Excluded != nil || s.Account != "" && !slices.Contains(h.accounts, s.Account) {
			continue
		}
		id, err := journal.ParseID(s.Entry)
		if err != nil {
			return journal.Entry{}, err
		}
		e, err := p.o.Journal.Entry(ctx, id)
		if err == nil {
			var body interface{ Close() error }
			if body, err = p.o.Journal.Body(ctx, e); err == nil {
				return e, body.Close()
			}
		}
		switch {
		case errors.Is(err, journal.ErrElsewhere):
			last = &errText{MessageBodyElsewhere, err}
		case !errors.Is(err, journal.ErrNotFound):
			return e, err
		}
	}
	return journal.Entry{}, last
}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// parse reads a message.
func (p *Part) parse(ctx context.Context, h *head) (journal.Entry, *message.Message, error) {
	e, err := p.open(ctx, h)
	if err != nil {
		return e, nil, err
	}
	body, err := p.o.Journal.Body(ctx, e)
	if err != nil {
		return e, nil, err
	}
	msg, err := message.Parse(body, message.Options{Salt: e.ID.String()})
	return e, msg, errors.Join(err, body.Close())
}

// GetMessage shows a message.
func (p *Part) GetMessage(ctx context.Context, r GetMessageRequestObject) (GetMessageResponseObject, error) {
	c := access.From(ctx)
	h, err := p.head(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	m, err := maskOf(c)
	if err != nil {
		return nil, err
	}
	out := Message{
		Key: h.key, MessageId: some(h.messageID), Thread: h.thread, Direction: Direction(h.direction), FirstSeen: when(store.FromMicros(h.firstSeen)),
		Sightings: h.sightings, People: []PersonRef{}, Text: []TextBlock{}, Attachments: []Attachment{}, Tags: []string{}, SentAt: store.FromMicros(h.firstSeen).UTC(),
	}
	if len(m.kinds) > 0 {
		out.Masked = &m.kinds
	}
	e, msg, err := p.parse(ctx, h)
	var lost *errText
	switch {
	case err == nil:
		out.Body = some(MessageBodyKept)
		p.fill(&out, h, e, msg, m, c)
	case errors.As(err, &lost):
		out.Body = &lost.body
	default:
		return nil, err
	}
	if err := p.known(ctx, &out, h, m); err != nil {
		return nil, err
	}
	if err := p.around(ctx, &out, h, m, c); err != nil {
		return nil, err
	}
	return GetMessage200JSONResponse(out), nil
}

// fill adds what stands in the mail.
func (p *Part) fill(out *Message, h *head, e journal.Entry, msg *message.Message, m mask, c *access.Caller) {
	out.InReplyTo, out.Language, out.Protection = some(msg.InReplyTo), some(msg.Language), some(string(msg.Protection))
	out.Subject, out.Size = m.text(msg.Subject), e.Size
	people := p.o.Archive.People(e, msg)
	out.People = refs(archive.Known(people, h.accounts, h.scope))
	text, cut := blocks(msg, m)
	out.Text, out.TextTruncated = text, some(cut)
	if len(msg.Flags) > 0 {
		out.ParseFlags = &msg.Flags
	}
	at := "/api/v1/messages/" + url.PathEscape(h.key)
	if msg.HTML != "" {
		out.HtmlUrl = some(at + "/html")
	}
	if c.May(access.MailRaw) && len(m.kinds) == 0 {
		out.RawUrl = some(at + "/raw")
	}
	for i, f := range msg.Attachments {
		out.Attachments = append(out.Attachments, Attachment{
			N: i, Name: m.text(archive.FileName(f.Name)), Type: f.Type, Size: f.Size, Sha256: some(f.SHA256), Inline: some(f.Inline),
			Url: some(at + "/attachments/" + strconv.Itoa(i)),
		})
	}
}

// known adds what the archive knows, which stays when the text is gone.
func (p *Part) known(ctx context.Context, out *Message, h *head, m mask) error {
	list, err := p.o.Archive.Summaries(ctx, h.scope, h.key)
	if err != nil {
		return err
	}
	automated, unconfirmed := false, true
	for _, s := range h.sightings {
		unconfirmed = unconfirmed && s.Unconfirmed != nil
	}
	if len(list) == 1 {
		s := &list[0]
		out.SentAt, automated = s.SentAt.UTC(), s.Automated
		if *out.Body != MessageBodyKept {
			out.Subject, out.Size, out.People = m.text(s.Subject), s.Size, refs(s.People)
		}
	}
	out.Flags = flags(automated, unconfirmed, !h.visible)
	return nil
}

// around adds what others know of the message.
func (p *Part) around(ctx context.Context, out *Message, h *head, m mask, c *access.Caller) error {
	own, err := p.own(ctx, c)
	if err != nil {
		return err
	}
	out.Mine = slices.ContainsFunc(h.accounts, func(a string) bool { return slices.Contains(own, a) })
	tags, err := p.tags(ctx, []string{h.key})
	if err != nil {
		return err
	}
	out.Tags = append(out.Tags, tags[h.key]...)
	if out.Deliveries, err = p.deliveriesNow(ctx, h.key); err != nil {
		return err
	}
	if out.Suggestions, err = p.suggestions(ctx, h.key, m); err != nil {
		return err
	}
	n := 0
	query, args := `SELECT COUNT(*) FROM archive_messages m WHERE m.key IN (SELECT key FROM messages WHERE thread = $1)`, []any{h.thread}
	if h.scope != nil {
		in := "NULL"
		for i, account := range h.scope {
			args = append(args, account)
			in += ", $" + strconv.Itoa(i+2)
		}
		query += ` AND EXISTS (SELECT 1 FROM archive_seen s WHERE s.id = m.id AND s.account IN (` + in + `))`
	}
	if err := p.o.Store.Reader().QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		return fmt.Errorf("counting thread %s: %w", h.thread, err)
	}
	out.ThreadMessages = &n
	return nil
}

// deliveriesNow is deliveries of one message, with when it is tried next.
func (p *Part) deliveriesNow(ctx context.Context, key string) ([]Delivery, error) {
	all, err := p.deliveries(ctx, []string{key})
	if err != nil {
		return nil, err
	}
	list := append([]Delivery{}, all[key]...)
	for i := range list {
		d := &list[i]
		if d.State != DeliveryStatePending && d.State != DeliveryStateWithdrawing {
			continue
		}
		jobs, err := p.o.Queue.List(ctx, queue.Filter{Kinds: []string{mirror.Kind(d.Target), mirror.WithdrawKind(d.Target)}, Key: key})
		if err != nil {
			return nil, err
		}
		for _, j := range jobs {
			if j.State.Live() {
				d.NextAt, d.Attempts = when(j.RunAt), &j.Attempt
			}
		}
	}
	return list, nil
}

// suggestions are what a classifier said and nobody decided yet.
func (p *Part) suggestions(ctx context.Context, key string, m mask) ([]Suggestion, error) {
	const limit = 50
	list, err := rules.Suggestions(ctx, p.o.Store.Reader(), key, limit)
	if err != nil {
		return nil, fmt.Errorf("reading suggestions of %s: %w", key, err)
	}
	out := make([]Suggestion, 0, len(list))
	for _, s := range list {
		out = append(out, Suggestion{
			Dimension: s.Dimension, Label: s.Label, Probability: string(s.Probability), Evidence: m.names(s.Evidence), Model: s.Model, SuggestedAt: s.At.UTC(),
		})
	}
	return out, nil
}
