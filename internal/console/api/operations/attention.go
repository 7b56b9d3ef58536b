package operations

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"heliograph/internal/console/access"
)

// fillAttention gathers what needs a person, the most urgent first.
func (p *Part) fillAttention(ctx context.Context, out *Overview) error {
	if out.Attention == nil {
		out.Attention = []Attention{}
	}
	for _, find := range []func(context.Context, *Overview) error{
		p.attendTargets, p.attendWatched, p.attendAccounts, p.attendReviews, p.attendContacts, p.attendApprovals, p.attendRules,
	} {
		if err := find(ctx, out); err != nil {
			return err
		}
	}
	for _, n := range out.Nodes {
		if n.State == NodeStateLost {
			out.attend(Attention{
				Kind: NodeLost, Level: LevelFailed, Count: 1, Name: n.Host, Since: n.SeenAt, Detail: "no sign of life",
				Remedy: "Start heliograph there, or see why it cannot reach the database.",
			})
		}
	}
	order := []Level{LevelFailed, LevelWarning, LevelOk}
	slices.SortStableFunc(out.Attention, func(x, y Attention) int {
		return cmp.Compare(slices.Index(order, x.Level), slices.Index(order, y.Level))
	})
	return nil
}

func (o *Overview) attend(a Attention) {
	if a.Count > 0 {
		o.Attention = append(o.Attention, a)
	}
}

func (p *Part) attendTargets(ctx context.Context, out *Overview) error {
	standings, err := p.standings(ctx)
	if err != nil {
		return err
	}
	dead := 0
	for _, t := range out.Targets {
		dead += t.Dead
		switch s := standings[t.Name]; t.State {
		case TargetStatePaused:
			out.attend(Attention{Kind: TargetPaused, Level: LevelWarning, Count: 1, Name: t.Name, Detail: s.reason, Remedy: s.remedy, Since: s.pause.At})
		case TargetStateTrouble:
			out.attend(Attention{Kind: TargetTrouble, Level: LevelFailed, Count: 1, Name: t.Name, Detail: s.reason, Remedy: s.remedy})
		}
	}
	stats, err := p.o.Queue.Stats(ctx)
	if err != nil {
		return err
	}
	total := 0
	var since time.Time
	for _, s := range stats {
		if s.State == "discarded" {
			total += s.Count
			if since.IsZero() || s.Oldest.Before(since) {
				since = s.Oldest
			}
		}
	}
	out.attend(Attention{Kind: DeadLetters, Level: LevelFailed, Count: total, Since: since, Remedy: "Look at the reasons; then retry them, send them elsewhere, or discard them with a reason."})
	return nil
}

func (p *Part) attendWatched(ctx context.Context, out *Overview) error {
	rows, err := p.watched(ctx)
	if err != nil {
		return err
	}
	for _, w := range rows {
		if w.Level == LevelFailed {
			out.attend(Attention{Kind: WatchTrouble, Level: LevelFailed, Count: 1, Name: w.Account + " " + w.Mailbox, Detail: w.Detail, Since: w.ChangedAt, Remedy: "Check the mailbox, and enrol the account again if its login is refused."})
		}
	}
	return nil
}

func (p *Part) attendAccounts(ctx context.Context, out *Overview) error {
	if p.o.Tokens == nil {
		return nil
	}
	grants, err := p.o.Tokens.List(ctx)
	if err != nil {
		return err
	}
	c := access.From(ctx)
	for _, g := range grants {
		address, ok := strings.CutPrefix(g.Name, "account:")
		if ok && g.Trouble != "" && c.Sees(address) {
			out.attend(Attention{Kind: AccountTrouble, Level: LevelFailed, Count: 1, Name: address, Detail: g.Trouble, Since: g.Failed, Remedy: "Send the employee a new enrolment link."})
		}
	}
	return nil
}

// count runs a query that counts.
func (p *Part) count(ctx context.Context, query string, a args) (n int, err error) {
	err = p.o.Store.Reader().QueryRowContext(ctx, query, a...).Scan(&n)
	return n, err
}

func (p *Part) attendReviews(ctx context.Context, out *Overview) error {
	var a args
	query := `SELECT COUNT(*) FROM reviews r WHERE r.state = 'open'`
	if _, some := limited(ctx); some {
		query += ` AND EXISTS (SELECT 1 FROM review_messages w WHERE w.subject = r.subject` + withMessage(ctx, &a, "w.message_key") + `)`
	}
	n, err := p.count(ctx, query, a)
	out.attend(Attention{Kind: Reviews, Level: LevelWarning, Count: n, Remedy: "Decide what becomes of these people; their mail waits."})
	return err
}

func (p *Part) attendContacts(ctx context.Context, out *Overview) error {
	var a args
	n, err := p.count(ctx, `SELECT COUNT(*) FROM contact_conflicts f WHERE f.state = 'open'`+withContact(ctx, &a, "f.target", "f.contact"), a)
	if err != nil {
		return err
	}
	out.attend(Attention{Kind: Conflicts, Level: LevelWarning, Count: n, Remedy: "Say which value holds."})
	a = nil
	n, err = p.count(ctx, `SELECT COUNT(*) FROM contact_duplicates d
		JOIN contact_records x ON x.target = d.target AND x.id = d.a AND x.deleted = 0 AND x.joined_into = ''
		JOIN contact_records y ON y.target = d.target AND y.id = d.b AND y.deleted = 0 AND y.joined_into = ''
		WHERE d.state = 'proposed'`+withContact(ctx, &a, "d.target", "d.a", "d.b"), a)
	out.attend(Attention{Kind: Duplicates, Level: LevelWarning, Count: n, Remedy: "Say which contacts are one person."})
	return err
}

// attendApprovals counts what people are asked; those who see only their own accounts get what they are asked themselves.
func (p *Part) attendApprovals(ctx context.Context, out *Overview) error {
	var a args
	query := `SELECT COUNT(*) FROM rule_approvals r WHERE r.state = 'open'`
	if c, some := limited(ctx); some && c != nil {
		query += ` AND EXISTS (SELECT 1 FROM rule_approvers v WHERE v.approval = r.id AND v.person = ` + a.add(c.Person.Email) + ` AND v.decision = '')`
	}
	n, err := p.count(ctx, query, a)
	out.attend(Attention{Kind: Approvals, Level: LevelWarning, Count: n, Remedy: "Whoever is asked decides; runs wait for it."})
	return err
}

func (p *Part) attendRules(ctx context.Context, out *Overview) error {
	const remedy = "Look at its runs, then let it go on."
	var held string
	err := p.rows(ctx, `SELECT held FROM rule_clock WHERE one = 1`, nil, func(scan func(...any) error) error { return scan(&held) })
	if err != nil {
		return err
	}
	if held != "" {
		out.attend(Attention{Kind: RulesHeld, Level: LevelFailed, Count: 1, Detail: "all rules: " + held, Remedy: remedy})
	}
	err = p.rows(ctx, `SELECT id, held, updated_at FROM rules WHERE held <> '' ORDER BY id`, nil, func(scan func(...any) error) error {
		a := Attention{Kind: RulesHeld, Level: LevelWarning, Count: 1, Remedy: remedy}
		var at int64
		err := scan(&a.Name, &a.Detail, &at)
		a.Since = stamp(at)
		out.attend(a)
		return err
	})
	if err != nil {
		return err
	}
	return p.rows(ctx, `SELECT scope, name, reason, at FROM outbox_holds ORDER BY at`, nil, func(scan func(...any) error) error {
		a := Attention{Kind: RulesHeld, Level: LevelWarning, Count: 1, Remedy: "Look at what would be sent, then release it in the outbox."}
		var scope string
		var at int64
		err := scan(&scope, &a.Name, &a.Detail, &at)
		a.Detail, a.Since = "mail of rules is held ("+scope+"): "+a.Detail, stamp(at)
		out.attend(a)
		return err
	})
}
