package mirror

import (
	"context"
	"fmt"
	"io"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/mirror/scope"
	"heliograph/internal/journal"
	"heliograph/internal/message"
	"heliograph/internal/store"
)

// PreviewOptions are what a preview goes by.
type PreviewOptions struct {
	Scope    *scope.Scope
	Masking  *scope.Masking
	Targets  []config.Target
	Internal func(address string) bool
	Store    store.Querier // nil: what other copies showed is not known
}

// Preview is what would become of one copy of a message.
type Preview struct {
	Entry     string              `json:"entry,omitempty"`
	MessageID string              `json:"message_id,omitempty"`
	Account   string              `json:"account,omitempty"`
	Mailbox   string              `json:"mailbox,omitempty"`
	Direction crmclient.Direction `json:"direction"`
	Decision  scope.Decision      `json:"decision"`
	Reason    string              `json:"reason"` // as the ledger would have it
	Rules     []scope.Step        `json:"rules"`  // in the order in which they were looked at
	Targets   []PreviewTarget     `json:"targets"`
}

// PreviewTarget is what one target would get.
type PreviewTarget struct {
	Name    string       `json:"name"`
	Include bool         `json:"include"`
	Reason  string       `json:"reason,omitempty"`
	Masked  scope.Counts `json:"masked,omitempty"`
	Before  *PreviewText `json:"-"`
	After   *PreviewText `json:"-"`
}

// PreviewText is the text of a message before and after masking.
type PreviewText struct{ Subject, Text string }

// Foresee tells what would become of a copy. It changes nothing and asks no target.
func Foresee(ctx context.Context, o PreviewOptions, e journal.Entry, body io.Reader) (Preview, error) {
	msg, err := message.Parse(body, parseOptions(e))
	if err != nil {
		return Preview{}, fmt.Errorf("reading the message: %w", err)
	}
	m := &Mirror{o: Options{Internal: o.Internal}}
	p := m.people(e, msg)
	out := Preview{MessageID: msg.MessageID, Account: e.Account, Mailbox: e.Mailbox, Direction: p.direction}
	if out.Decision, out.Rules, err = o.Scope.Explain(ctx, facts(e, msg, p)); err != nil {
		return out, err
	}
	if o.Store != nil && out.Decision.Include {
		veto, err := vetoOn(ctx, o.Store, msg.Key)
		if err != nil {
			return out, err
		}
		if veto != "" {
			out.Decision = scope.Decision{Kind: scope.KindVeto, Why: reasonVeto + veto, Message: true}
		}
	}
	out.Reason = out.Decision.Reason()
	for _, t := range o.Targets {
		out.Targets = append(out.Targets, m.foreseeTarget(o.Masking, t, out, e, msg, p))
	}
	return out, nil
}

func (m *Mirror) foreseeTarget(masking *scope.Masking, c config.Target, found Preview, e journal.Entry, msg *message.Message, p people) PreviewTarget {
	out := PreviewTarget{Name: c.Name}
	t := &target{Target: Target{Name: c.Name, Deliver: c.Deliver}}
	switch {
	case !found.Decision.Include:
		out.Reason = found.Reason
		return out
	case !t.Deliver.Mail.TakesAccount(e.Account):
		out.Reason = unwantedAccount
		return out
	default:
		if out.Reason = t.unwantedMail(p.direction, msg); out.Reason != "" {
			return out
		}
	}
	out.Include = true
	a := &crmclient.Activity{Key: msg.Key}
	m.fill(a, &p, msg, e)
	out.Before = &PreviewText{a.Subject, a.Text}
	out.Masked = masking.Apply(c.Name, a)
	out.After = &PreviewText{a.Subject, a.Text}
	return out
}
