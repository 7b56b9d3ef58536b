package compose

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"heliograph/hooks/rules/condition"
)

// RenderAddresses gives the mailboxes of a template of kind [Addresses]. Commas, semicolons and line ends of the template
// separate them; those within values never do. So a value that stands
//
//   - alone gives one mailbox, a list of values one each, a record its address and name;
//   - before a "<" is a name, whatever is in it;
//   - within "<" and ">" is exactly one address.
func (t *Template) RenderAddresses(ctx context.Context, facts condition.Facts, l Limits) ([]Address, error) {
	skeleton, values, err := t.render(ctx, facts, l)
	if err != nil {
		return nil, err
	}
	var out []Address
	for _, item := range splitItems(skeleton) {
		found, err := t.mailboxes(item, values, l)
		if err != nil {
			return nil, Problem{Template: t.name, Code: "address", Zh: "地址无效：" + err.Error(), En: "invalid address: " + err.Error(), Line: 1, Column: 1}
		}
		out = append(out, found...)
		if len(out) > maxMailboxes {
			return nil, fmt.Errorf("template %s: %w", t.name, ErrRecipients)
		}
	}
	return out, nil
}

// maxMailboxes of one field; the policy has the bound that counts.
const maxMailboxes = 10000

// splitItems cuts a skeleton, in which values are marks, at what separates outside of quotes.
func splitItems(s string) []string {
	var out []string
	quoted, start := false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == ';' || c == '\n'):
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	out = append(out, s[start:])
	kept := out[:0]
	for _, item := range out {
		item = strings.NewReplacer("，", " ", "；", " ").Replace(strings.TrimSpace(item))
		if strings.TrimSpace(item) != "" {
			kept = append(kept, strings.TrimSpace(item))
		}
	}
	return kept
}

// markAt reads a mark at the beginning of s.
func markAt(s string, values []any) (v any, rest string, ok bool) {
	after, ok := strings.CutPrefix(s, markBegin)
	if !ok {
		return nil, s, false
	}
	number, rest, _ := strings.Cut(after, markEnd)
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n >= len(values) {
		return nil, s, false
	}
	return values[n], rest, true
}

func (t *Template) mailboxes(item string, values []any, l Limits) ([]Address, error) {
	if v, rest, ok := markAt(item, values); ok && rest == "" {
		return mailboxesOf(v, 0)
	}
	r := &rendering{t: t, l: l.withDefaults(Addresses)}
	fill := func(s string) (string, error) {
		var b strings.Builder
		for s != "" {
			v, rest, ok := markAt(s, values)
			if !ok {
				b.WriteByte(s[0])
				s = s[1:]
				continue
			}
			text, err := r.text(v)
			if err != nil {
				return "", err
			}
			b.WriteString(text)
			s = rest
		}
		return b.String(), nil
	}
	open := strings.LastIndexByte(item, '<')
	if open < 0 {
		spec, err := fill(item)
		if err != nil {
			return nil, err
		}
		if !strings.Contains(item, markBegin) {
			return one(ParseAddress(spec)) // the author's own words may have a name
		}
		return one(NewAddress("", spec))
	}
	if !strings.HasSuffix(item, ">") {
		return nil, fmt.Errorf("%w: %s", ErrAddress, readable(item))
	}
	name := strings.TrimSpace(item[:open])
	// The quotes of the template are syntax, those of a value are letters.
	name, err := unquoteName(name)
	if err != nil {
		return nil, err
	}
	if name, err = fill(name); err != nil {
		return nil, err
	}
	spec, err := fill(item[open+1 : len(item)-1])
	if err != nil {
		return nil, err
	}
	return one(NewAddress(name, spec))
}

func one(a Address, err error) ([]Address, error) {
	if err != nil {
		return nil, err
	}
	return []Address{a}, nil
}

// readable is a skeleton without its marks, for errors.
func readable(s string) string {
	return strings.NewReplacer(markBegin, "{", markEnd, "}").Replace(s)
}

// mailboxesOf reads the mailboxes that a value stands for.
func mailboxesOf(v any, depth int) ([]Address, error) {
	switch v := v.(type) {
	case []any:
		if depth > 0 {
			return nil, ErrAddress
		}
		var out []Address
		for _, e := range v[:min(len(v), maxMailboxes)] {
			if e == nil {
				continue
			}
			found, err := mailboxesOf(e, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, found...)
		}
		return out, nil
	case map[string]any:
		address, ok := v["address"].(string)
		if !ok {
			return nil, ErrAddress
		}
		name, _ := v["name"].(string)
		return one(named(name, address))
	case string:
		a, err := ParseAddress(v)
		if errors.Is(err, ErrAddress) && strings.Count(v, "@") > 1 {
			err = fmt.Errorf("%w; several addresses in one field need split / 一个字段里有多个地址时请用 split", err)
		}
		return one(a, err)
	}
	return nil, ErrAddress
}

// named drops a name that cannot be shown: the mail may go without.
func named(name, address string) (Address, error) {
	a, err := NewAddress(name, address)
	if errors.Is(err, ErrName) {
		return NewAddress("", address)
	}
	return a, err
}
