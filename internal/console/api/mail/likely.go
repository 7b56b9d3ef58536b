package mail

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"heliograph/hooks/mirror/scope"
	"heliograph/internal/console/access"
	"heliograph/internal/journal"
	"heliograph/internal/store"
)

// likely says why a mail may never have been seen, the likeliest first. account and sent may be empty.
func (p *Part) likely(ctx context.Context, c *access.Caller, account string, sent time.Time) ([]Likely, error) {
	l := &guess{p: p, c: c, account: account, sent: sent, out: []Likely{}}
	if p.o.LedgerKept > 0 && !sent.IsZero() && sent.Before(p.o.Now().Add(-p.o.LedgerKept)) {
		l.add(LedgerExpired, 90, "It is older than what the ledger keeps.", "Look for it in the CRM itself.", "kept_since", p.o.Now().Add(-p.o.LedgerKept).Format(time.RFC3339))
	}
	if account != "" && c.Sees(account) {
		for _, look := range []func(context.Context) error{l.enrolment, l.choices, l.mailboxes, l.around} {
			if err := look(ctx); err != nil {
				return nil, err
			}
		}
	}
	if !slices.ContainsFunc(l.out, func(one Likely) bool { return one.Code == OtherMessageId }) {
		l.add(OtherMessageId, 25, "A provider may have replaced its Message-ID on the way.", "Look for it by time and account in the ledger.")
	}
	l.add(NotThroughGateway, 20, "It may have been sent with a program or a web page that does not use the gateway.", "Look into the settings of the program; the pages on mail programs say what they must be.")
	if c.Scope != access.ScopeAll {
		l.add(NotYours, 10, "If it is in a colleague's mailbox only, it is not shown to you.", "Ask the colleague.")
	}
	slices.SortStableFunc(l.out, func(a, b Likely) int { return cmp.Compare(b.Weight, a.Weight) })
	return l.out, nil
}

// guess gathers reasons.
type guess struct {
	p       *Part
	c       *access.Caller
	account string
	sent    time.Time
	out     []Likely
}

// add appends a reason with facts: names and values in turn.
func (g *guess) add(code LikelyCode, weight int, title, remedy string, facts ...string) {
	l := Likely{Code: code, Weight: weight, Title: title, Remedy: some(remedy)}
	if len(facts) > 0 {
		m := map[string]string{}
		for i := 0; i+1 < len(facts); i += 2 {
			m[facts[i]] = facts[i+1]
		}
		l.Data = &m
	}
	g.out = append(g.out, l)
}

// enrolment asks whether the account goes through here, and since when.
func (g *guess) enrolment(ctx context.Context) error {
	if g.p.o.Routed != nil && !g.p.o.Routed(g.account) {
		g.add(AccountNotRouted, 95, "Mail of this account does not go through the gateway: no upstream is configured for it.", "Add its domain to an upstream, and set up the mail program.", "account", g.account)
	}
	var first int64
	err := g.p.o.Store.Reader().QueryRowContext(ctx, `SELECT COALESCE(MIN(at), 0) FROM ledger WHERE account = $1`, g.account).Scan(&first)
	if err != nil {
		return fmt.Errorf("looking for mail of an account: %w", err)
	}
	enrolled := false
	if g.p.o.Enrolment != nil {
		e, ok, err := g.p.o.Enrolment(ctx, g.account)
		if err != nil {
			return err
		}
		if enrolled = ok; ok && !g.sent.IsZero() && g.sent.Before(e.Enrolled) {
			g.add(BeforeEnrolment, 85, "It was sent before the account was enrolled.", "Old mail can be read in with heliograph backfill.", "enrolled_at", e.Enrolled.UTC().Format(time.RFC3339))
			return nil
		}
	}
	switch {
	case first == 0 && enrolled:
		g.add(NeverOpened, 80, "Nothing of this account ever came through the gateway.", "Set up the mail program with the gateway's address.", "account", g.account)
	case first == 0:
		g.add(AccountUnknown, 80, "Nothing of this account ever came through the gateway; the address may be wrong.", "Check the address; else set up the mail program with the gateway's address.", "account", g.account)
	case !g.sent.IsZero() && g.sent.Before(store.FromMicros(first)):
		g.add(BeforeEnrolment, 85, "It was sent before the first mail of this account came through the gateway.", "Old mail can be read in with heliograph backfill.", "first_at", store.FromMicros(first).UTC().Format(time.RFC3339))
	}
	return nil
}

// choices asks what the employee chose.
func (g *guess) choices(ctx context.Context) error {
	list, err := g.p.o.Choices.List(ctx, g.account)
	if err != nil {
		return err
	}
	for _, c := range list {
		switch {
		case c.Kind == scope.ChoiceOptOut:
			g.add(AccountOptedOut, 40, "The owner of the account wants no mail mirrored.", "Nothing is wrong.", "account", g.account)
		case c.Kind == scope.ChoicePause && (c.Until.IsZero() || c.Until.After(g.p.o.Now())):
			g.add(AccountPaused, 40, "The owner of the account paused mirroring.", "What comes during a pause is not mirrored later.", "account", g.account)
		}
	}
	return nil
}

// mailboxes asks which folders are captured.
func (g *guess) mailboxes(ctx context.Context) error {
	const limit = 200
	list, err := journal.ReadMailboxes(ctx, g.p.o.Store.Reader(), journal.MailboxFilter{Account: g.account, Limit: limit})
	if err != nil {
		return err
	}
	late := time.Time{}
	for _, m := range list {
		if g.p.o.Captured != nil && !g.p.o.Captured(g.account, m.Mailbox) {
			g.add(MailboxNotCaptured, 50, "Mail in the folder "+m.Mailbox+" is not captured.", "The folders that are captured are in the configuration, under capture.", "mailbox", m.Mailbox)
		}
		if late.IsZero() || !m.Enrolled.IsZero() && m.Enrolled.Before(late) {
			late = m.Enrolled
		}
	}
	if len(list) > 0 && !g.sent.IsZero() && !late.IsZero() && g.sent.Before(late) {
		g.add(BeforeEnrolment, 70, "It was in the mailbox before the mailbox was first opened through the gateway.", "Old mail can be read in with heliograph backfill.", "enrolled_at", late.UTC().Format(time.RFC3339))
	}
	return nil
}

// around asks whether other mail of the account was seen about then.
func (g *guess) around(ctx context.Context) error {
	if g.sent.IsZero() {
		return nil
	}
	var n int
	var last int64
	err := g.p.o.Store.Reader().QueryRowContext(ctx, `SELECT COUNT(*) FROM ledger WHERE account = $1 AND target = '' AND at >= $2 AND at < $3`,
		g.account, store.Micros(g.sent.Add(-time.Hour)), store.Micros(g.sent.Add(time.Hour))).Scan(&n)
	if err != nil {
		return fmt.Errorf("looking for mail of an account: %w", err)
	}
	if n > 0 {
		g.add(OtherMessageId, 60, fmt.Sprintf("%d other mails of this account were seen within an hour of it; it may be one of them under another Message-ID.", n), "Look at those in the ledger.")
		return nil
	}
	err = g.p.o.Store.Reader().QueryRowContext(ctx, `SELECT COALESCE(MAX(at), 0) FROM ledger WHERE account = $1 AND target = '' AND at < $2`, g.account, store.Micros(g.sent)).Scan(&last)
	if err == nil && last != 0 {
		g.add(NoMailSince, 55, "Nothing of this account was seen for at least an hour around it.", "Look whether the mail program still uses the gateway.", "last_at", store.FromMicros(last).UTC().Format(time.RFC3339))
	}
	return err
}
