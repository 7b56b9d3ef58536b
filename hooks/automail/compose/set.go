package compose

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"heliograph/hooks/rules/condition"
)

// Set are the templates of one mail, as a rule has them.
type Set struct {
	Name    string `json:"name,omitempty" yaml:"name,omitempty"`
	From    string `json:"from,omitempty" yaml:"from,omitempty"`
	ReplyTo string `json:"reply_to,omitempty" yaml:"reply_to,omitempty"`
	To      string `json:"to,omitempty" yaml:"to,omitempty"`
	CC      string `json:"cc,omitempty" yaml:"cc,omitempty"`
	BCC     string `json:"bcc,omitempty" yaml:"bcc,omitempty"`
	Subject string `json:"subject,omitempty" yaml:"subject,omitempty"`
	Text    string `json:"text,omitempty" yaml:"text,omitempty"`
	HTML    string `json:"html,omitempty" yaml:"html,omitempty"`
	// Fallbacks are texts for facts that are missing, by path.
	Fallbacks map[string]string `json:"fallbacks,omitempty" yaml:"fallbacks,omitempty"`
}

// Templates is a set that passed the check. It may be used concurrently.
type Templates struct {
	name                       string
	from, replyTo, to, cc, bcc *Template
	subject, text, html        *Template
}

// Compile checks all templates of a set. With grave problems it gives no templates.
func Compile(s Set, o Options) (*Templates, Problems) {
	t, problems := compile(s, o)
	if problems.Grave() {
		return nil, problems
	}
	return t, problems
}

// compile gives also those templates of a bad set that are good.
func compile(s Set, o Options) (*Templates, Problems) {
	if s.Fallbacks != nil {
		fallbacks := maps.Clone(o.Fallbacks)
		if fallbacks == nil {
			fallbacks = map[string]string{}
		}
		maps.Copy(fallbacks, s.Fallbacks)
		o.Fallbacks = fallbacks
	}
	t := &Templates{name: s.Name}
	var problems Problems
	for _, one := range []struct {
		name, source string
		kind         Kind
		into         **Template
	}{
		{"from", s.From, Addresses, &t.from},
		{"reply_to", s.ReplyTo, Addresses, &t.replyTo},
		{"to", s.To, Addresses, &t.to},
		{"cc", s.CC, Addresses, &t.cc},
		{"bcc", s.BCC, Addresses, &t.bcc},
		{"subject", s.Subject, Line, &t.subject},
		{"text", s.Text, Text, &t.text},
		{"html", s.HTML, HTML, &t.html},
	} {
		if one.source == "" {
			continue
		}
		made, found := New(one.name, one.kind, one.source, o)
		*one.into = made
		problems = append(problems, found...)
	}
	if s.Text == "" && s.HTML == "" {
		problems = append(problems, Problem{Template: "text", Code: "empty", Zh: "邮件没有正文", En: "the mail has no text"})
	}
	return t, problems
}

// all are the templates that there are.
func (t *Templates) all() []*Template {
	return slices.DeleteFunc([]*Template{t.from, t.replyTo, t.to, t.cc, t.bcc, t.subject, t.text, t.html}, func(one *Template) bool { return one == nil })
}

// Paths returns the paths of all facts that the templates may look at, sorted, each once.
func (t *Templates) Paths() []string {
	var paths []string
	for _, one := range t.all() {
		paths = append(paths, one.paths...)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// Rendered is what the templates give for a set of facts.
type Rendered struct {
	From    []Address `json:"from,omitempty"`
	ReplyTo []Address `json:"reply_to,omitempty"`
	To      []Address `json:"to,omitempty"`
	CC      []Address `json:"cc,omitempty"`
	BCC     []Address `json:"bcc,omitempty"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"` // made of HTML where there is no template for it
	HTML    string    `json:"html,omitempty"`
}

// Render renders all templates. The error is of [Problems] where the templates or the facts are to blame, all of them together, or has the cause of
// an address that is refused; others are passing trouble.
func (t *Templates) Render(ctx context.Context, facts condition.Facts, l Limits, p Policy) (Rendered, error) {
	out, problems, err := t.render(ctx, facts, l)
	if err != nil {
		return Rendered{}, err
	}
	if err := problems.Err(); err != nil {
		return Rendered{}, err
	}
	if t.to != nil || t.cc != nil || t.bcc != nil {
		if out.To, out.CC, out.BCC, err = p.Recipients(out.To, out.CC, out.BCC); err != nil {
			return Rendered{}, err
		}
	}
	return out, nil
}

// render gives what it can, and the problems of the rest.
func (t *Templates) render(ctx context.Context, facts condition.Facts, l Limits) (out Rendered, problems Problems, err error) {
	keep := func(name string, err error) error {
		found := problemsOf(err)
		switch {
		case err == nil:
		case found != nil:
			problems = append(problems, found...)
		case errors.Is(err, ErrTooLong), errors.Is(err, ErrTooSlow), errors.Is(err, ErrRecipients):
			problems = append(problems, Problem{Template: name, Code: "limit", Zh: "模板超出限制：" + err.Error(), En: err.Error()})
		default:
			return err
		}
		return nil
	}
	for _, one := range []struct {
		t    *Template
		into *[]Address
	}{{t.from, &out.From}, {t.replyTo, &out.ReplyTo}, {t.to, &out.To}, {t.cc, &out.CC}, {t.bcc, &out.BCC}} {
		if one.t == nil {
			continue
		}
		list, err := one.t.RenderAddresses(ctx, facts, l)
		if err := keep(one.t.name, err); err != nil {
			return out, nil, err
		}
		*one.into = list
	}
	for _, one := range []struct {
		t    *Template
		into *string
	}{{t.subject, &out.Subject}, {t.text, &out.Text}, {t.html, &out.HTML}} {
		if one.t == nil {
			continue
		}
		text, err := one.t.Render(ctx, facts, l)
		if err := keep(one.t.name, err); err != nil {
			return out, nil, err
		}
		*one.into = text
	}
	if len(out.From) > 1 {
		problems = append(problems, Problem{Template: "from", Code: "address", Zh: "发件人只能有一个", En: "there is one sender only"})
	}
	if t.text == nil && out.HTML != "" {
		if out.Text, err = textOf(out.HTML); err != nil {
			return out, nil, err
		}
	}
	return out, problems, nil
}

// Shown is a preview: what would be sent, and what is wrong.
type Shown struct {
	Rendered
	Problems Problems `json:"problems,omitempty"`
	Paths    []string `json:"paths"` // of the facts that were looked at
}

// Sendable says whether a mail like this would be sent.
func (s Shown) Sendable() bool { return !s.Problems.Grave() }

// Preview renders a set that may have mistakes: what is good is shown, with the problems of the rest. Nothing is sent. The error is
// passing trouble with the facts.
func Preview(ctx context.Context, s Set, facts condition.Facts, o Options, l Limits, p Policy) (Shown, error) {
	t, problems := compile(s, o)
	out, more, err := t.render(ctx, facts, l)
	if err != nil {
		return Shown{}, err
	}
	shown := Shown{Rendered: out, Problems: append(problems, more...), Paths: t.Paths()}
	if t.to != nil || t.cc != nil || t.bcc != nil {
		to, cc, bcc, err := p.Recipients(out.To, out.CC, out.BCC)
		if err == nil {
			shown.To, shown.CC, shown.BCC = to, cc, bcc
		} else if !more.Grave() {
			words := strings.ReplaceAll(err.Error(), "\n", "; ")
			shown.Problems = append(shown.Problems, Problem{Template: "to", Code: "recipients", Zh: "收件人无效：" + words, En: "recipients refused: " + words})
		}
	}
	return shown, nil
}
