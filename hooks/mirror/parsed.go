package mirror

import (
	"container/list"
	"context"
	"sync"
	"time"

	"heliograph/hooks"
	"heliograph/internal/journal"
	"heliograph/internal/message"
)

const (
	// maxParsed bounds what is kept of parsed messages, in bytes of their text: enough for what small mails wait between being
	// recorded and being delivered, and little beside a gateway's other memory.
	maxParsed = 16 << 20
	// parsedFor is how long a message is kept that nobody asks for. Jobs run in the order in which they were added, so
	// what is old is next, and when there is no room it is the new one that is not kept and parsed again later.
	parsedFor = 10 * time.Second
)

// parsed keeps messages that were parsed a moment ago. Who gets one must not change it.
type parsed struct {
	mu    sync.Mutex // guards all fields
	byID  map[journal.ID]*list.Element
	order list.List // of *keptMessage, the oldest first
	size  int
}

type keptMessage struct {
	e    journal.Entry
	msg  *message.Message
	size int
	at   time.Time
	uses int // how often it may still be asked for
}

func newParsed() *parsed { return &parsed{byID: map[journal.ID]*list.Element{}} }

// get returns the message of an entry, or nil.
func (p *parsed) get(id journal.ID) *message.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.byID[id]
	if e == nil {
		return nil
	}
	k := e.Value.(*keptMessage) //nolint:forcetypeassert // nothing else is in the list
	if k.uses--; k.uses <= 0 {
		p.drop(e)
	}
	return k.msg
}

// entry returns an entry as it was when its message was parsed.
func (p *parsed) entry(id journal.ID) (journal.Entry, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.byID[id]
	if e == nil {
		return journal.Entry{}, false
	}
	return e.Value.(*keptMessage).e, true //nolint:forcetypeassert // as in get
}

// drop forgets a message. The caller holds mu.
func (p *parsed) drop(e *list.Element) {
	k := p.order.Remove(e).(*keptMessage) //nolint:forcetypeassert // as in get
	delete(p.byID, k.e.ID)
	p.size -= k.size
}

// put keeps the message of an entry for so many that will ask for it.
func (p *parsed) put(e journal.Entry, msg *message.Message, uses int) {
	const overhead = 2 << 10 // addresses, references, attachments
	k := &keptMessage{e: e, size: overhead + len(msg.Text) + len(msg.Unquoted) + len(msg.HTML), at: time.Now(), uses: uses}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byID[e.ID] != nil || uses <= 0 {
		return
	}
	for old := p.order.Front(); old != nil && k.at.Sub(old.Value.(*keptMessage).at) > parsedFor; old = p.order.Front() { //nolint:forcetypeassert // as in get
		p.drop(old)
	}
	if p.size+k.size > maxParsed {
		return
	}
	k.msg = msg.WithoutWords()
	p.byID[e.ID] = p.order.PushBack(k)
	p.size += k.size
}

// entry returns an entry of a sighting. What may change of it meanwhile, its verdict, the sighting knows.
func (m *Mirror) entry(ctx context.Context, id journal.ID) (journal.Entry, error) {
	if e, ok := m.parsed.entry(id); ok {
		return e, nil
	}
	return m.o.Journal.Entry(ctx, id)
}

// parsedAgain reads the message of an event, from memory where it was parsed a moment ago.
func (m *Mirror) parsedAgain(ctx context.Context, e hooks.Event) (*message.Message, error) {
	if msg := m.parsed.get(e.Entry.ID); msg != nil {
		return msg, nil
	}
	return parse(ctx, e)
}
