package operations

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"heliograph/internal/journal"
)

func boxesOf(states []journal.MailboxState) []Mailbox {
	out := []Mailbox{}
	for _, s := range states {
		count := func(state journal.UIDState) int64 {
			set := s.Sets[state]
			return int64(set.Len())
		}
		b := Mailbox{
			Name: s.Mailbox, Upstream: s.Upstream, Uidvalidity: int64(s.UIDValidity), Enrolled: s.Since != 0, SinceUid: int64(s.Since), ChangedAt: s.Changed,
			Captured: count(journal.UIDCaptured), Pending: count(journal.UIDPending), Excluded: count(journal.UIDExcluded),
			Gone: count(journal.UIDGone), Failed: count(journal.UIDFailed), Reasons: []ReasonCount{},
		}
		for _, reason := range slices.Sorted(maps.Keys(s.Reasons)) {
			set := s.Reasons[reason]
			b.Reasons = append(b.Reasons, ReasonCount{Reason: reason, Count: int64(set.Len())})
		}
		out = append(out, b)
	}
	return out
}

// lookBack is how many entries tell which programs an account is used with.
const lookBack = 300

// programs are the mail programs that an account was seen with lately, as far as they call themselves something: in the greeting of
// SMTP. Of IMAP the journal knows only that there was a session.
func (p *Part) programs(ctx context.Context, address string) ([]Program, error) {
	seen := map[string]Program{}
	err := p.rows(ctx, `SELECT kind, envelope, received FROM entries WHERE account = $1 ORDER BY id DESC LIMIT $2`, args{address, lookBack}, func(scan func(...any) error) error {
		var kind, text string
		var at int64
		if err := scan(&kind, &text, &at); err != nil {
			return err
		}
		var env struct {
			Helo    string `json:"helo"`
			Session string `json:"session"`
		}
		_ = json.Unmarshal([]byte(text), &env) // without it the name is not known
		prog := Program{Name: env.Helo, Protocol: Smtp, LastSeenAt: stamp(at)}
		switch journal.Kind(kind) {
		case journal.KindSubmission, journal.KindRelay:
		case journal.KindFetch, journal.KindAppend:
			if strings.HasPrefix(env.Session, "watch-") {
				return nil // our own
			}
			prog.Name, prog.Protocol = "", Imap
		default:
			return nil
		}
		if prog.Name == "" {
			prog.Name = strings.ToUpper(string(prog.Protocol))
		}
		key := string(prog.Protocol) + prog.Name
		if _, known := seen[key]; !known {
			seen[key] = prog
		}
		return nil
	})
	out := slices.Collect(maps.Values(seen))
	slices.SortFunc(out, func(x, y Program) int { return cmp.Or(y.LastSeenAt.Compare(x.LastSeenAt), cmp.Compare(x.Name, y.Name)) })
	if out == nil {
		out = []Program{}
	}
	return out[:min(len(out), 20)], err
}
