package condition

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/net/idna"

	"heliograph/config"
)

// Lists are named lists that people keep: VIP customers, blocked domains. Has reports whether a list has an entry, in the
// form that Fold gives. An *Unknown says that there is no such list; other errors are passing trouble.
type Lists interface {
	Has(ctx context.Context, list, entry string) (bool, error)
}

// inList asks a named list for one of several entries.
func (e *evaluation) inList(list string, entries ...string) (verdict, error) {
	if e.options.Lists == nil {
		return verdict{why: &UnknownFact{Path: list, ZH: "没有名单", EN: "there are no lists"}}, nil
	}
	for _, entry := range entries {
		has, err := e.options.Lists.Has(e.ctx, list, entry)
		var unknown *Unknown
		switch {
		case errors.As(err, &unknown):
			return verdict{why: asUnknown(unknown)}, nil
		case err != nil:
			return verdict{}, err
		case has:
			return verdict{truth: True}, nil
		}
	}
	return verdict{truth: False}, nil
}

// checkInList looks for the value, or one element of a list, among values or in a named list.
func checkInList(e *evaluation, l *leaf, fact *operand) (verdict, error) {
	items, ok := fact.raw.([]any)
	if !ok {
		items = []any{fact.raw}
	}
	out := verdict{truth: False}
	for _, item := range items {
		if empty(item) {
			continue
		}
		o := &operand{raw: item, path: fact.path, from: fact.from}
		v, err := e.isListed(l, o)
		if err != nil {
			return verdict{}, err
		}
		if out = out.or(v); out.truth == True {
			break
		}
	}
	return out, nil
}

func (e *evaluation) isListed(l *leaf, o *operand) (verdict, error) {
	if l.args.list != "" {
		if bad, ok := e.notText(o); !ok {
			return bad, nil
		}
		return e.inList(l.args.list, e.fold(o))
	}
	t := elementOrSelf(l.fact)
	if _, isText := o.raw.(string); isText && l.args.set != nil && (t == TypeOpen || t == TypeText || t == TypeAddress) {
		return decided(l.args.set[e.fold(o)]), nil
	}
	out := verdict{truth: False}
	for i := range l.args.values {
		values, why, err := e.arguments(&l.args.values[i])
		if err != nil {
			return verdict{}, err
		}
		if why != nil {
			out = out.or(verdict{why: why})
		}
		for j := range values {
			if out = out.or(e.equal(t, o, &values[j])); out.truth == True {
				return out, nil
			}
		}
	}
	return out, nil
}

// elementOrSelf is the type of what is compared: the elements of a list, else the fact.
func elementOrSelf(f Fact) Type {
	if f.Type == TypeList {
		return elementType(f)
	}
	return f.Type
}

// addresses are patterns of mail addresses, prepared: to match one costs a few map accesses.
type addresses struct {
	exact, domains, below map[string]bool // below: domains whose subdomains are meant
	list                  string          // a named list of such patterns
	subdomains            bool            // a plain domain means those below it too
}

// add reads one pattern and reports whether it is one.
func (a *addresses) add(pattern string) bool {
	kind, value, ok := config.ParsePattern(plainText(pattern))
	if !ok {
		return false
	}
	set := map[config.PatternKind]*map[string]bool{
		config.PatternAddress: &a.exact, config.PatternDomain: &a.domains, config.PatternSubdomains: &a.below,
	}[kind]
	if *set == nil {
		*set = map[string]bool{}
	}
	(*set)[value] = true
	if a.subdomains && kind == config.PatternDomain && !strings.Contains(pattern, "@") {
		if a.below == nil {
			a.below = map[string]bool{}
		}
		a.below[value] = true
	}
	return true
}

// splitAddress takes an address apart; what has no @ is a domain. Names and brackets round it are left out.
func splitAddress(text string) (local, domain string) {
	if open := strings.LastIndexByte(text, '<'); open >= 0 {
		if end := strings.IndexByte(text[open:], '>'); end > 0 {
			text = text[open+1 : open+end]
		}
	}
	domain = text
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		local, domain = text[:at], text[at+1:]
	}
	for i := range len(domain) {
		if domain[i] >= 0x80 {
			if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
				domain = ascii
			}
			break
		}
	}
	return local, strings.TrimSuffix(domain, ".")
}

// has matches an address in folded form.
func (a *addresses) has(local, domain string) bool {
	if a.domains[domain] || local != "" && a.exact[local+"@"+domain] {
		return true
	}
	if len(a.below) == 0 {
		return false
	}
	for rest := domain; ; {
		_, above, more := strings.Cut(rest, ".")
		if !more {
			return false
		}
		if a.below[above] {
			return true
		}
		rest = above
	}
}

// entries are the patterns that a named list may have for an address.
func (a *addresses) entries(local, domain string) []string {
	out := []string{local + "@" + domain, domain, "*@" + domain}
	for rest := domain; ; {
		_, above, more := strings.Cut(rest, ".")
		if !more {
			return out
		}
		out = append(out, "*."+above)
		if a.subdomains {
			out = append(out, above)
		}
		rest = above
	}
}

// checkAddress matches an address, or one of several.
func checkAddress(e *evaluation, l *leaf, fact *operand) (verdict, error) {
	var failed error
	out := e.eachText(fact, func(o *operand) verdict {
		text := e.fold(o)
		if text == "" || failed != nil || len(text) > maxValueText {
			return verdict{truth: False}
		}
		local, domain := splitAddress(text)
		if l.args.addresses.has(local, domain) {
			return verdict{truth: True}
		}
		v := verdict{truth: False}
		if l.args.addresses.list != "" {
			v, failed = e.inList(l.args.addresses.list, l.args.addresses.entries(local, domain)...)
		}
		for i := range l.args.values {
			v = v.or(e.likeFact(&l.args.values[i], local, domain, &failed))
		}
		return v
	})
	return out, failed
}

// likeFact matches an address with the patterns that another fact has.
func (e *evaluation) likeFact(c *constant, local, domain string, failed *error) verdict {
	values, why, err := e.arguments(c)
	if err != nil {
		*failed = err
	}
	if err != nil || why != nil {
		return verdict{why: why}
	}
	var patterns addresses
	for i := range values {
		if s, ok := textOf(values[i].raw); ok {
			patterns.add(s)
		}
	}
	return decided(patterns.has(local, domain))
}
