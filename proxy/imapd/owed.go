package imapd

import (
	"sync"

	"heliograph/internal/journal"
	"heliograph/internal/uidset"
)

// maxOwed bounds the mailboxes of which something is owed. What is forgotten is found by reconciliation.
const maxOwed = 100_000

// owed remembers which messages clients read in part and left before they were fetched, until a
// session selects their mailbox again.
type owed struct {
	mu  sync.Mutex
	all map[journal.MailboxKey]uidset.Set // guarded by mu
}

func (o *owed) put(key journal.MailboxKey, set uidset.Set) {
	if set.Empty() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	old, there := o.all[key]
	if !there && len(o.all) >= maxOwed {
		return
	}
	if o.all == nil {
		o.all = map[journal.MailboxKey]uidset.Set{}
	}
	old = old.Clone()
	old.AddSet(set)
	o.all[key] = old
}

func (o *owed) take(key journal.MailboxKey) uidset.Set {
	o.mu.Lock()
	defer o.mu.Unlock()
	set := o.all[key]
	delete(o.all, key)
	return set
}

func (o *owed) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.all)
}
