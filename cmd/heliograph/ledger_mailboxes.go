package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"heliograph/internal/journal"
	"heliograph/internal/store"
	"heliograph/internal/uidset"
)

// boxFate is what the ledger knows of a mailbox. Sets are UIDs as IMAP writes them, such as 1:4,7.
type boxFate struct {
	journal.MailboxKey

	Since    uint32            `json:"since"` // UID
	Enrolled string            `json:"enrolled,omitempty"`
	Changed  string            `json:"changed"`
	Captured string            `json:"captured"`
	Excluded string            `json:"excluded"`
	Gone     string            `json:"gone"`
	Failed   string            `json:"failed"`
	Reasons  map[string]string `json:"reasons"` // with the UIDs they stand for
}

// listMailboxes prints the mailboxes of one account or of all.
func (c *ledgerCmd) listMailboxes(ctx context.Context, q store.Querier) error {
	if c.State != "" || !c.Since.IsZero() {
		return errors.New("--mailboxes goes with an account only, not with --state or --since")
	}
	account := strings.ToLower(strings.TrimSpace(c.Which))
	found, err := journal.ReadMailboxes(ctx, q, journal.MailboxFilter{Account: account, Limit: c.Limit + 1})
	if err != nil {
		return err
	}
	more := len(found) > c.Limit
	found = found[:min(len(found), c.Limit)]
	switch {
	case c.JSON:
		fates := make([]boxFate, 0, len(found))
		for _, s := range found {
			fates = append(fates, newBoxFate(s))
		}
		return printJSON(fates...)
	case len(found) == 0 && account != "":
		return fmt.Errorf("the ledger knows no mailbox of %q: was it opened through this gateway?", account)
	case len(found) == 0:
		fmt.Println("no mailboxes")
		return nil
	}
	if err := mailboxTable(found).print(os.Stdout); err != nil {
		return err
	}
	if more {
		fmt.Fprintln(os.Stderr, "there are more mailboxes: name an account, or raise --limit")
	}
	return nil
}

func newBoxFate(s journal.MailboxState) boxFate {
	f := boxFate{
		MailboxKey: s.MailboxKey, Since: s.Since, Changed: stamp(s.Changed), Reasons: map[string]string{},
		Captured: s.Sets[journal.UIDCaptured].String(), Excluded: s.Sets[journal.UIDExcluded].String(),
		Gone: s.Sets[journal.UIDGone].String(), Failed: s.Sets[journal.UIDFailed].String(),
	}
	if !s.Enrolled.IsZero() {
		f.Enrolled = stamp(s.Enrolled)
	}
	for reason, set := range s.Reasons {
		f.Reasons[reason] = set.String()
	}
	return f
}

func mailboxTable(states []journal.MailboxState) *table {
	t := &table{
		head:  []string{"ACCOUNT", "UPSTREAM", "MAILBOX", "UIDVALIDITY", "SINCE UID", "CAPTURED", "EXCLUDED", "GONE", "FAILED", "CHANGED"},
		right: []int{3, 4, 5, 6, 7, 8},
	}
	count := func(set uidset.Set) string { return strconv.FormatUint(set.Len(), 10) }
	for _, s := range states {
		since := "-"
		if s.Since != 0 {
			since = strconv.FormatUint(uint64(s.Since), 10)
		}
		t.add(s.Account, s.Upstream, s.Mailbox, strconv.FormatUint(uint64(s.UIDValidity), 10), since,
			count(s.Sets[journal.UIDCaptured]), count(s.Sets[journal.UIDExcluded]), count(s.Sets[journal.UIDGone]), count(s.Sets[journal.UIDFailed]),
			clock(s.Changed))
	}
	return t
}
