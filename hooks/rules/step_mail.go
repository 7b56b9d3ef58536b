package rules

import (
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
)

// mailbox is a template of mailboxes, or several: each may give none, one or more, separated by commas.
type mailboxes []line

func (m *mailboxes) UnmarshalJSON(b []byte) error {
	var one line
	if err := decode(b, &one); err == nil {
		*m = mailboxes{one}
		return nil
	}
	var many []line
	if err := decode(b, &many); err != nil {
		return err
	}
	*m = many
	return nil
}

func (m mailboxes) render(x *exec) (out []string, err error) {
	for _, t := range m {
		text, err := t.render(x.Context, x.facts)
		if err != nil {
			return nil, err
		}
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		list, err := mail.ParseAddressList(text)
		if err != nil {
			return nil, Permanent(fmt.Errorf("%q is not a mail address", text))
		}
		for _, a := range list {
			if s := a.String(); !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out, nil
}

func (m mailboxes) check(c *checker, name string) {
	for i, t := range m {
		c.template(at(name, i), t.template)
	}
}

// words names the people.
func (m mailboxes) words(l voice) string {
	var parts []string
	for _, t := range m {
		parts = append(parts, l.words(t.source))
	}
	return strings.Join(parts, l.of(", ", "、"))
}

// sendMail sends a mail. With several recipients they see each other; who writes to each alone uses for_each.
type sendMail struct {
	As       line      `json:"as,omitempty"` // address of the sender; empty: the default one
	FromName line      `json:"from_name,omitempty"`
	To       mailboxes `json:"to"`
	CC       mailboxes `json:"cc,omitempty"`
	BCC      mailboxes `json:"bcc,omitempty"`
	ReplyTo  mailboxes `json:"reply_to,omitempty"`
	Subject  line      `json:"subject"`
	Text     text      `json:"text,omitempty"`
	HTML     page      `json:"html,omitempty"`
	// Files are the names of earlier steps whose files go along.
	Files       []string `json:"files,omitempty"`
	Unsubscribe string   `json:"unsubscribe,omitempty"`
	SaveSent    bool     `json:"save_sent,omitempty"`
	AtLeastOnce bool     `json:"at_least_once,omitempty"`
	Bulk        bool     `json:"bulk,omitempty"`
	Urgent      bool     `json:"urgent,omitempty"` // mail programs show it as of high priority
}

func (s *sendMail) compile(*compiler) error {
	if len(s.To) == 0 {
		return errors.New("a mail needs somebody in to")
	}
	if s.Subject.IsZero() {
		return errors.New("a mail needs a subject")
	}
	if s.Text.IsZero() && s.HTML.IsZero() {
		return errors.New("a mail needs text or html")
	}
	return nil
}

func (s *sendMail) run(x *exec) (outcome, error) {
	m, err := s.mail(x)
	if err != nil {
		return outcome{}, err
	}
	return x.send(m)
}

// send takes the effect of a mail.
func (x *exec) send(m *Mail) (outcome, error) {
	e := &Effect{Kind: EffectMail, Title: m.Subject, Mail: m}
	for _, list := range [][]string{m.To, m.CC, m.BCC} {
		for _, box := range list {
			if a := addressIn(box); !slices.Contains(e.Recipients, a) {
				e.Recipients = append(e.Recipients, a)
			}
		}
	}
	if len(e.Recipients) == 0 {
		return outcome{}, Permanent(errors.New("nobody to write to: all of to, cc and bcc are empty"))
	}
	return x.act(0, e)
}

func (s *sendMail) mail(x *exec) (*Mail, error) {
	m := &Mail{Unsubscribe: s.Unsubscribe, SaveSent: s.SaveSent, AtLeastOnce: s.AtLeastOnce, Bulk: s.Bulk, Urgent: s.Urgent}
	var err error
	texts := []struct {
		into *string
		from *template
	}{{&m.As, &s.As.template}, {&m.FromName, &s.FromName.template}, {&m.Subject, &s.Subject.template}, {&m.Text, &s.Text.template}, {&m.HTML, &s.HTML.template}}
	for _, t := range texts {
		if *t.into, err = t.from.render(x.Context, x.facts); err != nil {
			return nil, err
		}
	}
	lists := []struct {
		into *[]string
		from mailboxes
	}{{&m.To, s.To}, {&m.CC, s.CC}, {&m.BCC, s.BCC}, {&m.ReplyTo, s.ReplyTo}}
	for _, l := range lists {
		if *l.into, err = l.from.render(x); err != nil {
			return nil, err
		}
	}
	m.Files, err = x.files(s.Files)
	return m, err
}

func (s *sendMail) check(c *checker) {
	for name, t := range map[string]template{"as": s.As.template, "from_name": s.FromName.template, "subject": s.Subject.template, "text": s.Text.template, "html": s.HTML.template} {
		c.template("/"+name, t)
	}
	c.sender(s.As.template)
	s.To.check(c, "to")
	s.CC.check(c, "cc")
	s.BCC.check(c, "bcc")
	s.ReplyTo.check(c, "reply_to")
	for i, id := range s.Files {
		c.earlier(at("files", i), id)
	}
}

func (s *sendMail) describe(l voice) string {
	return l.of("send mail to ", "发邮件给 ") + s.To.words(l) + l.of(": ", "：") + l.words(s.Subject.source)
}

// reply answers the mail that started the rule, in its thread.
type reply struct {
	As       line     `json:"as,omitempty"`
	FromName line     `json:"from_name,omitempty"`
	All      bool     `json:"all,omitempty"` // the others in To and Cc too
	Subject  line     `json:"subject,omitempty"`
	Text     text     `json:"text,omitempty"`
	HTML     page     `json:"html,omitempty"`
	Quote    bool     `json:"quote,omitempty"`
	Files    []string `json:"files,omitempty"`
	SaveSent bool     `json:"save_sent,omitempty"`
}

func (r *reply) compile(*compiler) error {
	if r.Text.IsZero() && r.HTML.IsZero() {
		return errors.New("an answer needs text or html")
	}
	return nil
}

func (r *reply) run(x *exec) (outcome, error) {
	ev := &x.run.Event
	if ev.Entry == "" {
		return outcome{}, Permanent(errors.New("there is no mail to answer"))
	}
	m := &Mail{Answers: ev.Entry, Quote: r.Quote, SaveSent: r.SaveSent, To: addressesOf(ev.fact("mail", "reply_to"))}
	if len(m.To) == 0 {
		m.To = addressesOf(ev.fact("mail", "from"))
	}
	if r.All {
		m.CC = r.others(x, m.To)
	}
	var err error
	texts := []struct {
		into *string
		from *template
	}{{&m.As, &r.As.template}, {&m.FromName, &r.FromName.template}, {&m.Subject, &r.Subject.template}, {&m.Text, &r.Text.template}, {&m.HTML, &r.HTML.template}}
	for _, t := range texts {
		if *t.into, err = t.from.render(x.Context, x.facts); err != nil {
			return outcome{}, err
		}
	}
	if m.As == "" {
		m.As = ev.text("mail", "account")
	}
	if m.Subject == "" {
		m.Subject = ev.text("mail", "subject") // "Re: " is added where the mail is made
	}
	if m.Files, err = x.files(r.Files); err != nil {
		return outcome{}, err
	}
	return x.send(m)
}

// others are the further people of the mail, without ourselves.
func (r *reply) others(x *exec, to []string) (out []string) {
	ev := &x.run.Event
	for _, box := range append(addressesOf(ev.fact("mail", "to")), addressesOf(ev.fact("mail", "cc"))...) {
		a := addressIn(box)
		if a != ev.text("mail", "account") && !slices.ContainsFunc(to, func(t string) bool { return addressIn(t) == a }) {
			out = append(out, box)
		}
	}
	return out
}

func (r *reply) check(c *checker) {
	for name, t := range map[string]template{"as": r.As.template, "from_name": r.FromName.template, "subject": r.Subject.template, "text": r.Text.template, "html": r.HTML.template} {
		c.template("/"+name, t)
	}
	c.needsMail()
	if !r.As.IsZero() { // else as the account that got the mail
		c.sender(r.As.template)
	}
	for i, id := range r.Files {
		c.earlier(at("files", i), id)
	}
}

func (r *reply) describe(l voice) string { return l.of("answer the mail", "回复邮件") }

// addressesOf turns the people of a mail's facts into mailboxes.
func addressesOf(v any) (out []string) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, e := range list {
		p, _ := e.(map[string]any)
		address, _ := p["address"].(string)
		if address == "" {
			continue
		}
		name, _ := p["name"].(string)
		out = append(out, (&mail.Address{Name: name, Address: address}).String())
	}
	return out
}
