package mirror

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"heliograph/crmclient"
)

const (
	// maxCandidates bounds the contacts that a CRM is asked for to compare names with.
	maxCandidates = 50
	// alike is the likeness in percent from which a contact is suggested. Below it, people of one company are meant
	// who merely share a syllable.
	alike = 60
)

// suggest finds the company of somebody unknown, and the contacts whose names are alike.
func (w *matching) suggest(ctx context.Context, c *correspondent) ([]Suggestion, error) {
	var out []Suggestion
	if s, ok := crmclient.As[crmclient.ContactSuggester](w.t.Client); ok {
		candidates, err := s.SuggestContacts(ctx, c.who, maxCandidates)
		if err != nil {
			if err := w.minor(ctx, err, "looking for people"); err != nil {
				return nil, err
			}
		}
		for _, k := range candidates {
			if percent := likeness(c.who, k); percent >= alike {
				out = append(out, Suggestion{
					Target: w.t.Name, Kind: k.Kind, ID: k.ID, Name: clip(k.Name), Address: clip(k.Address), Company: clip(k.Company), Percent: percent,
				})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Suggestion) int { return cmp.Or(cmp.Compare(b.Percent, a.Percent), cmp.Compare(a.ID, b.ID)) })
	out = out[:min(len(out), maxSuggestions)]
	company, err := w.company(ctx, c)
	if err != nil {
		return nil, err
	}
	if company != nil {
		out = append(out, Suggestion{Target: w.t.Name, Kind: "company", ID: company.ID, Name: clip(company.Name), Percent: 100})
	}
	return out, nil
}

// likeness compares a person with a contact, in percent: by name, and by what stands before the @.
func likeness(p crmclient.Person, k crmclient.Contact) int {
	best := 0
	for _, a := range []string{p.Name, localPart(p.Address)} {
		for _, b := range []string{k.Name, localPart(k.Address)} {
			best = max(best, similar(a, b))
		}
	}
	return best
}

func localPart(address string) string {
	local, _, _ := strings.Cut(address, "@")
	return local
}

// similar compares two names in percent by the pairs of letters that they share (Dice), whatever the order of their words.
func similar(a, b string) int {
	x, y := pairs(a), pairs(b)
	if len(x) == 0 || len(y) == 0 {
		return 0
	}
	shared, left := 0, map[string]int{}
	for _, p := range x {
		left[p]++
	}
	for _, p := range y {
		if left[p] > 0 {
			left[p]--
			shared++
		}
	}
	return 200 * shared / (len(x) + len(y))
}

// maxName bounds the names that are compared, in runes.
const maxName = 100

// pairs returns the pairs of neighbours in each word, with its beginning and end.
func pairs(s string) (out []string) {
	s = strings.ToLower(norm.NFKC.String(s))
	words := strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, word := range words {
		before := '^'
		for _, r := range word + "$" {
			if len(out) < maxName {
				out = append(out, string([]rune{before, r}))
			}
			before = r
		}
	}
	return out
}
