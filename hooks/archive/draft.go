package archive

import (
	"container/list"
	"strings"
	"sync"
	"time"
	"unicode"

	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/store"
)

// Bounds of what is kept of one message.
const (
	maxSubject = 1000 // bytes
	maxPreview = 200  // characters
	maxText    = 64 << 10
	maxPeople  = 500 // that a message is found by
	maxShown   = 20  // people and files that lists show
	maxFiles   = 100
	maxName    = 300 // bytes of a person's or file's name
)

// Role is how somebody took part.
type Role string

// The roles.
const (
	From Role = "from"
	To   Role = "to"
	CC   Role = "cc"
	BCC  Role = "bcc"
)

// Person is one who took part in a message.
type Person struct {
	Name     string `json:"name,omitempty"`
	Address  string `json:"address"`
	Role     Role   `json:"role"`
	Internal bool   `json:"internal,omitempty"`
}

// draft is what is taken of a mail.
type draft struct {
	subject, preview string
	sentAt           int64
	size             int64
	automated        bool
	attachments      int
	files            []string
	people           []Person
	text             string
}

// weight is about how much memory a draft takes.
func (d *draft) weight() int {
	return 1<<10 + len(d.text) + len(d.subject) + 100*(len(d.people)+len(d.files))
}

func (a *Archive) draft(e journal.Entry, msg *message.Message) *draft {
	d := &draft{
		subject: clip(msg.Subject, maxSubject), preview: preview(msg), size: e.Size, automated: msg.Automated || e.Automated(),
		attachments: len(msg.Attachments), text: clip(msg.Text, maxText), people: a.People(e, msg),
	}
	seen := e.Received
	if e.Kind.Mailbox() && !e.InternalDate.IsZero() {
		seen = e.InternalDate
	}
	// A date in the future would stand on top of all lists for as long.
	at := msg.Date
	if at.Year() < 1990 || at.After(seen.Add(24*time.Hour)) {
		at = seen
	}
	d.sentAt = store.Micros(at)
	for _, f := range msg.Attachments[:min(len(msg.Attachments), maxFiles)] {
		d.files = append(d.files, clip(FileName(f.Name), maxName))
	}
	return d
}

// People returns who took part, as one entry tells, the sender first.
func (a *Archive) People(e journal.Entry, msg *message.Message) []Person {
	var out []Person
	seen := map[string]bool{}
	add := func(role Role, who message.Address) {
		if len(out) < maxPeople && (role == From || !seen[who.Address]) {
			seen[who.Address] = true
			out = append(out, Person{Name: clip(Plain(who.Name), maxName), Address: clip(who.Address, 320), Role: role, Internal: a.o.Internal(who.Address)})
		}
	}
	from := msg.From
	if len(from) == 0 {
		from = msg.Sender
	}
	if len(from) == 0 {
		from = []message.Address{{Address: message.NormalizeAddress(e.ReversePath)}}
	}
	add(From, from[0])
	delete(seen, from[0].Address) // who writes to themselves is a recipient too
	for _, who := range msg.To {
		add(To, who)
	}
	for _, who := range msg.CC {
		add(CC, who)
	}
	// As in package mirror: the envelope's accepted recipients whom the header does not name, or the Bcc of the sender's own copy.
	for _, r := range e.Recipients {
		if r.Code/100 == 2 {
			add(BCC, message.Address{Address: message.NormalizeAddress(r.Address)})
		}
	}
	if e.Kind.Mailbox() {
		for _, who := range msg.BCC {
			add(BCC, who)
		}
	}
	return out
}

// preview returns the first words of what the mail says itself.
func preview(msg *message.Message) string {
	text := msg.Unquoted
	if strings.TrimSpace(text) == "" {
		text = msg.Text
	}
	words := strings.Fields(Plain(clip(text, 4*maxPreview*4)))
	out := strings.Join(words, " ")
	if r := []rune(out); len(r) > maxPreview {
		out = string(r[:maxPreview-1]) + "…"
	}
	return out
}

// Plain returns text without control characters, and without those that turn the direction of writing or cannot be seen, by which
// a name can look like another one.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Bidi_Control, r), r == '\u200b', r == '\u2060', r == '\ufeff', r == '\u2028', r == '\u2029':
			return -1
		}
		return r
	}, text)
}

// FileName returns the name of an attachment without folders, and plain.
func FileName(name string) string {
	name = strings.TrimSpace(Plain(name))
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	return strings.TrimLeft(name, ". ")
}

// clip bounds text, in bytes.
func clip(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.Clone(strings.ToValidUTF8(text, ""))
}

const (
	// maxDrafts bounds what is kept of messages that were offered, in bytes. The newest are asked for first, so that more
	// helps little in a rush.
	maxDrafts = 1 << 20
	// draftFor is how long a draft is kept that nobody asks for: the message was recorded by another node, or never.
	draftFor = time.Minute
)

// drafts are what was offered.
type drafts struct {
	mu    sync.Mutex // guards all fields
	byID  map[journal.ID]*list.Element
	order list.List // of *keptDraft, the oldest first
	size  int
}

type keptDraft struct {
	id journal.ID
	d  *draft
	at time.Time
}

func newDrafts() *drafts { return &drafts{byID: map[journal.ID]*list.Element{}} }

func (c *drafts) put(id journal.ID, d *draft) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for old := c.order.Front(); old != nil && (time.Since(kept(old).at) > draftFor || c.size > maxDrafts); old = c.order.Front() {
		c.drop(old)
	}
	if c.byID[id] == nil {
		c.byID[id] = c.order.PushBack(&keptDraft{id: id, d: d, at: time.Now()})
		c.size += d.weight()
	}
}

// take returns the draft of an entry, once, or nil.
func (c *drafts) take(id journal.ID) *draft {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[id]
	if e == nil {
		return nil
	}
	d := kept(e).d
	c.drop(e)
	return d
}

// drop forgets a draft. The caller holds mu.
func (c *drafts) drop(e *list.Element) {
	k := kept(e)
	c.order.Remove(e)
	delete(c.byID, k.id)
	c.size -= k.d.weight()
}

func kept(e *list.Element) *keptDraft { return e.Value.(*keptDraft) } //nolint:forcetypeassert // nothing else is in the list
