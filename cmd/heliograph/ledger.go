package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"heliograph/hooks/mirror"
	"heliograph/internal/journal"
	"heliograph/internal/store"
)

type ledgerCmd struct {
	configFlag
	Which string              `arg:"" optional:"" help:"Message-ID, entry, or mail address of an employee. Message-ID、条目编号或员工邮箱"`
	State journal.LedgerState `enum:",captured,excluded,pending,mirrored,failed,refused,withdrawn" default:"" help:"Only messages of which something is in this state: captured excluded pending mirrored failed refused withdrawn. 状态"`
	Since moment              `help:"Only since 2026-01-31, or since so long ago: 12h, 7d. 起始时间"`
	listFlags
	Mailboxes bool `help:"List mailboxes instead: how much of each is captured, and what is not. Names an account to see only its mailboxes. 邮箱抓取情况"`
}

// Run tells what became of messages, the newest first.
func (c *ledgerCmd) Run(ctx context.Context) (err error) {
	_, db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if c.Mailboxes {
		return c.listMailboxes(ctx, db.Reader())
	}
	fates, more, err := c.read(ctx, db.Reader())
	switch {
	case err != nil:
		return err
	case c.JSON:
		return printJSON(fates...)
	case len(fates) == 0 && c.Which != "":
		return fmt.Errorf("the ledger knows nothing of %q: was it sent through this gateway?", c.Which)
	case len(fates) == 0:
		fmt.Println("no messages")
	}
	for i := range fates {
		fates[i].print()
	}
	if more {
		fmt.Fprintln(os.Stderr, "there are more messages: narrow the search, or raise --limit")
	}
	return nil
}

// fate is what became of one entry.
type fate struct {
	Entry     string `json:"entry"`
	MessageID string `json:"message_id,omitempty"`
	Account   string `json:"account,omitempty"`
	Captured  string `json:"captured"`
	Kind      string `json:"kind,omitempty"` // the way in; empty when nothing is kept of the entry
	// Of an entry that was seen in a mailbox.
	Mailbox     string     `json:"mailbox,omitempty"`
	UIDValidity uint32     `json:"uidvalidity,omitempty"`
	UID         uint32     `json:"uid,omitempty"`
	Steps       []fateStep `json:"steps"`
}

// fateStep is one row of the ledger.
type fateStep struct {
	Target   string              `json:"target,omitempty"` // empty: the entry itself
	State    journal.LedgerState `json:"state"`
	Reason   string              `json:"reason,omitempty"`
	RemoteID string              `json:"remote_id,omitempty"`
	URL      string              `json:"url,omitempty"`
	At       string              `json:"at"`

	row journal.LedgerRow
}

// read finds the entries in question, then all that the ledger has on each of them.
func (c *ledgerCmd) read(ctx context.Context, q store.Querier) (fates []fate, more bool, err error) {
	seen := map[journal.ID]bool{}
	for _, f := range c.filters() {
		// Each entry has a few rows, one for each target.
		f.State, f.From, f.Limit = c.State, c.Since.Time, (c.Limit+1)*8
		rows, err := journal.ReadLedger(ctx, q, f)
		if err != nil {
			return nil, false, err
		}
		for _, r := range rows {
			if seen[r.Entry] {
				continue
			}
			if len(fates) >= c.Limit {
				return fates, true, nil
			}
			seen[r.Entry] = true
			one, err := readFate(ctx, q, r.Entry)
			if err != nil {
				return nil, false, err
			}
			fates = append(fates, one)
		}
		if len(fates) > 0 {
			break
		}
	}
	return fates, false, nil
}

// filters are the meanings of the argument, the likeliest first: what stands in a Message-ID
// field may look like an address.
func (c *ledgerCmd) filters() []journal.LedgerFilter {
	text := strings.TrimSpace(c.Which)
	bare := strings.TrimSuffix(strings.TrimPrefix(text, "<"), ">")
	if id, err := journal.ParseID(text); err == nil {
		return []journal.LedgerFilter{{Entry: id}}
	}
	switch {
	case text == "":
		return []journal.LedgerFilter{{}}
	case bare != text:
		return []journal.LedgerFilter{{MessageID: bare}}
	}
	return []journal.LedgerFilter{{MessageID: text}, {Account: strings.ToLower(text)}}
}

func readFate(ctx context.Context, q store.Querier, id journal.ID) (fate, error) {
	f := fate{Entry: id.String(), Captured: stamp(id.Time())}
	rows, err := journal.ReadLedger(ctx, q, journal.LedgerFilter{Entry: id, Limit: 1000})
	if err != nil {
		return f, err
	}
	e, err := journal.ReadEntry(ctx, q, id)
	if err != nil && !errors.Is(err, journal.ErrNotFound) {
		return f, err
	}
	f.Kind, f.Mailbox, f.UIDValidity, f.UID = string(e.Kind), e.Mailbox, e.UIDValidity, e.UID
	records, err := mirror.Records(ctx, q, id)
	if err != nil {
		return f, err
	}
	byTarget := map[string]mirror.Record{}
	for _, r := range records {
		byTarget[r.Target] = r
	}
	for _, r := range rows {
		if r.MessageID != "" {
			f.MessageID = r.MessageID
		}
		if r.Account != "" {
			f.Account = r.Account
		}
		step := fateStep{Target: r.Target, State: r.State, Reason: r.Reason, At: stamp(r.At), row: r}
		if r.State == journal.LedgerMirrored {
			step.RemoteID, step.URL = byTarget[r.Target].RemoteID, byTarget[r.Target].URL
		}
		f.Steps = append(f.Steps, step)
	}
	return f, nil
}

func (f *fate) print() {
	name := "(no Message-ID)"
	if f.MessageID != "" {
		name = "<" + oneLine(f.MessageID) + ">"
	}
	fmt.Printf("%s  %s\n", f.Entry, name)
	from := "from a machine without login"
	if f.Account != "" {
		from = "from account " + oneLine(f.Account)
	}
	if f.Mailbox != "" {
		from += ", mailbox " + oneLine(f.Mailbox)
	}
	if f.UID != 0 {
		from += fmt.Sprintf(", UID %d", f.UID)
	}
	if f.Kind != "" {
		from += " (" + f.Kind + ")"
	}
	for i := len(f.Steps) - 1; i >= 0; i-- { // as it happened
		fmt.Printf("    %s\n", f.Steps[i].sentence(from))
	}
}

// sentence says one step as a person would.
func (s fateStep) sentence(from string) string {
	target, at := oneLine(s.Target), clock(s.row.At)
	reason := ""
	if s.Reason != "" {
		reason = ": " + oneLine(s.Reason)
	}
	switch s.State {
	case journal.LedgerCaptured:
		if target != "" {
			return fmt.Sprintf("%s by %s%s", at, target, reason)
		}
		return fmt.Sprintf("%s captured %s%s", at, from, reason)
	case journal.LedgerExcluded:
		if target != "" {
			return fmt.Sprintf("%s not written to %s%s", at, target, reason)
		}
		return fmt.Sprintf("%s excluded, nothing is written to the CRM%s", at, reason)
	case journal.LedgerRefused:
		return fmt.Sprintf("%s refused by the provider, so it was never sent%s", at, reason)
	case journal.LedgerPending:
		return fmt.Sprintf("%s waits for %s%s", at, target, reason)
	case journal.LedgerMirrored:
		as := ""
		if s.RemoteID != "" {
			as = " as " + oneLine(s.RemoteID)
		}
		if s.URL != "" {
			as += " (" + oneLine(s.URL) + ")"
		}
		return fmt.Sprintf("%s mirrored to %s%s%s", at, target, as, reason)
	case journal.LedgerWithdrawn:
		return fmt.Sprintf("%s taken back from %s%s", at, target, reason)
	case journal.LedgerFailed:
		return fmt.Sprintf("%s failed at %s%s; heliograph queue lists what can be tried again", at, target, reason)
	}
	return fmt.Sprintf("%s %s %s%s", at, s.State, target, reason)
}
