package actions

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"heliograph/hooks/automail"
	"heliograph/hooks/automail/compose"
	"heliograph/hooks/rules"
)

// Foresee implements rules.Foreseer: the Message-ID that a mail will have.
func (a *Actions) Foresee(e *rules.Effect) string {
	if e.Mail == nil {
		return ""
	}
	return compose.MessageID(e.ID, a.domain(e.Mail))
}

// sender is the address that a mail is sent from.
func (a *Actions) sender(m *rules.Mail) string {
	if m.As == "" {
		return a.o.Config.Sender
	}
	if from, err := compose.ParseAddress(m.As); err == nil {
		return strings.ToLower(from.Address)
	}
	return m.As
}

// domain is the right side of the Message-ID: that of the sender.
func (a *Actions) domain(m *rules.Mail) string {
	_, domain, ok := strings.Cut(a.sender(m), "@")
	if !ok {
		return "localhost"
	}
	return domain
}

// mail hands a mail to the outbox.
func (a *Actions) mail(ctx context.Context, e *rules.Effect) (map[string]any, error) {
	m, err := a.compose(ctx, e)
	if err != nil {
		return nil, err
	}
	text, err := compose.Compose(*m)
	if err != nil {
		return nil, rules.Permanent(err)
	}
	out := automail.Mail{
		Effect: e.ID, Rule: e.Rule, Run: e.Run, Sender: a.sender(e.Mail), Recipients: e.Recipients, MessageID: m.MessageID(), Message: text,
		Policy: automail.AtMostOnce, List: e.Mail.Unsubscribe, Bulk: e.Mail.Bulk, Copy: e.Mail.SaveSent,
	}
	if m.Class == compose.Notice { // RFC 3834, 3.3: an answer has the null path
		out.ReversePath = out.Sender
	}
	if e.Mail.AtLeastOnce {
		out.Policy = automail.AtLeastOnce
	}
	sent, err := a.o.Outbox.Send(ctx, out)
	var who *automail.SenderError
	switch {
	case errors.As(err, &who), errors.Is(err, automail.ErrMail):
		return nil, rules.Permanent(err)
	case err != nil:
		return nil, err
	}
	return map[string]any{"message_id": out.MessageID, "entry": sent.Entry.String(), "from": out.Sender, "to": recipients(e.Recipients), "subject": m.Subject}, nil
}

func recipients(list []string) []any {
	out := make([]any, len(list))
	for i, r := range list {
		out[i] = r
	}
	return out
}

// compose makes the message of an effect. Equal effects give equal messages.
func (a *Actions) compose(ctx context.Context, e *rules.Effect) (*compose.Message, error) {
	in := e.Mail
	out := &compose.Message{
		ID: e.ID, Domain: a.domain(in), Date: e.At.In(a.o.Zone), Class: compose.Notice, Subject: in.Subject, Text: in.Text, HTML: in.HTML, Quote: in.Quote, Signer: a.o.Signer,
	}
	own := a.own()
	if e.Kind == rules.EffectAppend { // nobody gets it: it only lies in the mailbox that it names
		own = nil
	}
	if err := a.people(in, out, own); err != nil {
		return nil, rules.Permanent(err)
	}
	for _, f := range in.Files {
		file := compose.File{Name: f.Name, Type: f.Type, ContentID: f.Inline, Bytes: f.Content}
		if f.Inline != "" {
			out.Inline = append(out.Inline, file)
		} else {
			out.Attachments = append(out.Attachments, file)
		}
	}
	if in.Answers != "" {
		msg, _, err := a.parse(ctx, in.Answers)
		if err != nil {
			return nil, err
		}
		out.Class, out.Original = compose.Answer, compose.OriginalOf(msg, a.o.Zone)
	}
	out.Urgent = in.Urgent
	if err := because(out, e); err != nil {
		return nil, rules.Permanent(err)
	}
	if in.Bulk {
		out.Precedence = "bulk"
	}
	if in.Unsubscribe != "" && a.o.Tokens != nil && len(e.Recipients) == 1 {
		out.Unsubscribe = a.unsubscribe(e.Recipients[0], in.Unsubscribe)
	}
	return out, nil
}

// because says in the mail what led to it: the message or event, and how many rules before.
func because(out *compose.Message, e *rules.Effect) (err error) {
	var before *compose.Cause
	if e.Depth > 1 {
		before = &compose.Cause{Depth: e.Depth - 1}
	}
	key := e.Message
	if key == "" {
		key = e.Cause
	}
	out.Cause, err = compose.After(before, e.Run, e.Rule, key)
	return err
}

// unsubscribe is how the recipient leaves a list: by the console's public address, or by mail to the sender.
func (a *Actions) unsubscribe(address, list string) *compose.Unsubscribe {
	if a.o.PublicURL == "" {
		return nil
	}
	return &compose.Unsubscribe{URL: strings.TrimSuffix(a.o.PublicURL, "/") + "/unsubscribe/" + a.o.Tokens.Token(address, list), OneClick: true}
}

// people fills in sender and recipients, and checks them. Nobody writes to own.
func (a *Actions) people(in *rules.Mail, out *compose.Message, own []string) error {
	from := a.sender(in)
	if from == "" {
		return errors.New("nobody to send as: name an account in the step (as), or set rules.sender")
	}
	var err error
	if out.From, err = compose.ParseAddress(from); err != nil {
		return fmt.Errorf("sender %s: %w", from, err)
	}
	if out.From.Name = in.FromName; out.From.Name == "" {
		out.From.Name = a.displayName(from)
	}
	var to, cc, bcc []compose.Address
	for _, list := range []struct {
		from []string
		into *[]compose.Address
	}{{in.To, &to}, {in.CC, &cc}, {in.BCC, &bcc}, {in.ReplyTo, &out.ReplyTo}} {
		for _, box := range list.from {
			written, err := mail.ParseAddress(box) // names come as encoded words
			if err != nil {
				return fmt.Errorf("%s: %w", box, err)
			}
			address, err := compose.NewAddress(written.Name, written.Address)
			if err != nil {
				return fmt.Errorf("%s: %w", box, err)
			}
			*list.into = append(*list.into, address)
		}
	}
	policy := compose.Policy{Own: own}
	out.To, out.CC, out.BCC, err = policy.Recipients(to, cc, bcc)
	return err
}

func (a *Actions) displayName(address string) string {
	for _, s := range a.o.Senders {
		if s.Address == address {
			return s.DisplayName
		}
	}
	return ""
}

// own are the addresses as which rules send and that no rule writes to.
func (a *Actions) own() []string {
	var out []string
	for _, s := range a.o.Senders {
		out = append(out, s.Address)
	}
	return out
}
