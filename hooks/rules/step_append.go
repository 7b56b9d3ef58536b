package rules

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// appendStep puts a copy of the mail that started the rule, or a mail that it makes, into a mailbox, once. Nothing is sent.
type appendStep struct {
	Account line     `json:"account"` // whose mailbox: one of outbox.senders, or an enrolled account
	Mailbox line     `json:"mailbox"` // by its name at the server
	Create  bool     `json:"create,omitempty"`
	Flags   []string `json:"flags,omitempty"` // seen, flagged
	// With Subject and Text or HTML a mail is made; without them it is a copy of the one that started the rule.
	As       line     `json:"as,omitempty"`
	FromName line     `json:"from_name,omitempty"`
	Subject  line     `json:"subject,omitempty"`
	Text     text     `json:"text,omitempty"`
	HTML     page     `json:"html,omitempty"`
	Files    []string `json:"files,omitempty"`
}

// made says that the step makes a mail of its own.
func (a *appendStep) made() bool { return !a.Subject.IsZero() || !a.Text.IsZero() || !a.HTML.IsZero() }

func (a *appendStep) compile(*compiler) error {
	switch {
	case a.Account.IsZero() || a.Mailbox.IsZero():
		return errors.New("append needs account and mailbox")
	case a.made() && (a.Subject.IsZero() || a.Text.IsZero() && a.HTML.IsZero()):
		return errors.New("a mail that is made needs a subject, and text or html")
	case !a.made() && len(a.Files) > 0:
		return errors.New("files go into a mail that is made: give it subject and text")
	}
	return nil
}

func (a *appendStep) run(x *exec) (outcome, error) {
	m, out := &Mail{}, &Append{Create: a.Create, Flags: a.Flags}
	texts := []struct {
		into *string
		from *template
	}{
		{&out.Account, &a.Account.template},
		{&out.Mailbox, &a.Mailbox.template},
		{&m.As, &a.As.template},
		{&m.FromName, &a.FromName.template},
		{&m.Subject, &a.Subject.template},
		{&m.Text, &a.Text.template},
		{&m.HTML, &a.HTML.template},
	}
	var err error
	for _, t := range texts {
		if *t.into, err = t.from.render(x, x.facts); err != nil {
			return outcome{}, err
		}
	}
	out.Account, out.Mailbox = addressIn(out.Account), strings.TrimSpace(out.Mailbox)
	if out.Account == "" || out.Mailbox == "" {
		return outcome{}, Permanent(errors.New("account or mailbox is empty"))
	}
	e := &Effect{Kind: EffectAppend, Title: out.Account + " " + out.Mailbox, Append: out}
	if !a.made() {
		// A mail that is tried from a file lies in no journal.
		if out.Entry = cmp.Or(x.run.Event.Entry, x.run.Event.Message); out.Entry == "" {
			return outcome{}, Permanent(errors.New("there is no mail to copy"))
		}
		return x.act(0, e)
	}
	if m.Files, err = x.files(a.Files); err != nil {
		return outcome{}, err
	}
	m.To, e.Mail = []string{out.Account}, m
	return x.act(0, e)
}

func (a *appendStep) check(c *checker) {
	for name, t := range map[string]template{
		"account": a.Account.template, "mailbox": a.Mailbox.template, "as": a.As.template, "from_name": a.FromName.template,
		"subject": a.Subject.template, "text": a.Text.template, "html": a.HTML.template,
	} {
		c.template("/"+name, t)
	}
	for i, f := range a.Flags {
		if !slices.Contains([]string{"seen", "flagged"}, f) {
			c.oneOf(at("flags", i), f, "seen", "flagged")
		}
	}
	for i, id := range a.Files {
		c.earlier(at("files", i), id)
	}
	if !a.made() {
		c.needsMail()
	}
}

func (a *appendStep) describe(l voice) string {
	return l.of("put a copy into ", "存入邮箱文件夹 ") + l.words(a.Account.source) + " " + l.words(a.Mailbox.source)
}
