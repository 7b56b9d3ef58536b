package crmclient

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// AddressPolicy says which spellings of an address mean one person. The zero policy takes
// addresses as one only where the standards do: in the case of letters (which no provider tells apart any more)
// and in the two forms of an international domain.
type AddressPolicy struct {
	StripPlusTags bool // li+offers@example.com is li@example.com (RFC 5233 calls the tag a detail)
	// IgnoreGmailDots takes dots out of the local parts of Gmail, and googlemail.com for gmail.com.
	IgnoreGmailDots bool
}

// maxAddress is above what RFC 5321, 4.5.3.1.3 allows for a path.
const maxAddress = 320

// The two names of one provider that has no dots in its names.
const (
	gmail      = "gmail.com"
	googlemail = "googlemail.com"
)

// Canonical returns the one spelling that stands for all that the policy takes as one: lower case, the
// domain in ASCII (RFC 5891). It returns nothing for what is no address. It is idempotent.
func (p AddressPolicy) Canonical(address string) string {
	local, domain, ok := parts(address)
	if !ok {
		return ""
	}
	local = p.bare(local, domain)
	if p.IgnoreGmailDots && domain == googlemail {
		domain = gmail
	}
	return local + "@" + domain
}

// Forms returns the spellings under which a CRM may have the address, each once: exact are those that
// mean it under any policy, loose are the others that this policy takes for it. The first exact one is in lower case with
// the domain in ASCII. There are none for what is no address.
func (p AddressPolicy) Forms(address string) (exact, loose []string) {
	local, domain, ok := parts(address)
	if !ok {
		return nil, nil
	}
	add := func(list *[]string, local, domain string) {
		for _, d := range []string{domain, readable(domain)} {
			if form := local + "@" + d; !slices.Contains(exact, form) && !slices.Contains(*list, form) {
				*list = append(*list, form)
			}
		}
	}
	add(&exact, local, domain)
	bare := p.bare(local, domain)
	add(&loose, bare, domain)
	if p.IgnoreGmailDots && (domain == gmail || domain == googlemail) {
		for _, d := range []string{gmail, googlemail} {
			add(&loose, bare, d)
			add(&loose, local, d)
		}
	}
	return exact, loose
}

// bare returns the local part without what the policy does not look at.
func (p AddressPolicy) bare(local, domain string) string {
	if strings.HasPrefix(local, `"`) {
		return local // quoted: no provider gives it a meaning
	}
	if plus := strings.IndexByte(local, '+'); p.StripPlusTags && plus > 0 {
		local = local[:plus]
	}
	if p.IgnoreGmailDots && (domain == gmail || domain == googlemail) {
		if plain := strings.ReplaceAll(local, ".", ""); plain != "" {
			local = plain
		}
	}
	return local
}

// maxRounds bounds how often an address is cleaned until nothing changes. Two are enough for all that was found.
const maxRounds = 8

// parts cleans an address and takes it apart: lower case, the domain in ASCII.
func parts(address string) (local, domain string, ok bool) {
	for range maxRounds {
		local, domain, ok = partsOnce(address)
		again := local + "@" + domain
		if !ok || again == address {
			return local, domain, ok
		}
		address = again
	}
	return "", "", false
}

func partsOnce(s string) (local, domain string, ok bool) {
	// What is so much longer has no address in it; folding shortens a sign to a third at most.
	if len(s) > 4*maxAddress {
		return "", "", false
	}
	s = trimJunk(s)
	s = strings.ToLower(norm.NFC.String(width.Fold.String(s)))
	at := strings.LastIndexByte(s, '@')
	if at <= 0 {
		return "", "", false
	}
	local, domain = unquoteLocal(strings.TrimFunc(s[:at], isJunk)), asciiName(s[at+1:])
	if local == "" || domain == "" || len(local)+1+len(domain) > maxAddress {
		return "", "", false
	}
	if local[0] != '"' && strings.ContainsFunc(local, func(r rune) bool { return isJunk(r) || strings.ContainsRune(`,;:<>()[]"@`, r) }) {
		return "", "", false
	}
	return local, domain, true
}

// isJunk tells what people and programs leave round an address: blanks, invisible characters.
func isJunk(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar
}

// trimJunk takes off what stands round an address in lists, texts and links.
func trimJunk(s string) string {
	for {
		before := s
		s = strings.TrimFunc(s, isJunk)
		if len(s) > len("mailto:") && strings.EqualFold(s[:len("mailto:")], "mailto:") {
			s, _, _ = strings.Cut(s[len("mailto:"):], "?")
		}
		s = strings.TrimRight(s, `,;.:>)'"`)
		if !strings.HasSuffix(s, "]") || strings.HasPrefix(s, "[") { // the bracket of an address literal stays
			s = strings.TrimRight(s, "]")
		}
		s = strings.TrimLeft(s, `,;.:<('[`)
		// A quote before the address belongs to a local part only if that is quoted as a whole.
		if strings.HasPrefix(s, `"`) && !strings.Contains(s, `"@`) {
			s = s[1:]
		}
		if s == before {
			return s
		}
	}
}

// unquoteLocal takes needless quotes off (RFC 5321, 4.1.2: they mean the same).
func unquoteLocal(local string) string {
	inner, ok := strings.CutPrefix(local, `"`)
	if !ok {
		return local
	}
	if inner, ok = strings.CutSuffix(inner, `"`); !ok || inner == "" {
		return ""
	}
	if strings.ContainsFunc(inner, func(r rune) bool { return r != ' ' && isJunk(r) }) {
		return ""
	}
	if strings.ContainsAny(inner, ` ,;:<>()[]"@\`) || strings.HasPrefix(inner, ".") || strings.HasSuffix(inner, ".") {
		return local
	}
	return inner
}

// asciiName returns a domain in lower case and ASCII, or nothing for what cannot be one.
func asciiName(domain string) string {
	domain = strings.TrimFunc(domain, isJunk)
	if literal, ok := strings.CutPrefix(domain, "["); ok { // RFC 5321, 4.1.3
		literal, ok = strings.CutSuffix(literal, "]")
		if _, err := netip.ParseAddr(strings.TrimPrefix(literal, "ipv6:")); err != nil || !ok {
			return ""
		}
		return domain
	}
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		domain = strings.ToLower(ascii)
	}
	// Names that break the rules, such as those with an underscore, stay as they are.
	domain = strings.Trim(domain, ".")
	if strings.Contains(domain, "..") || strings.ContainsFunc(domain, func(r rune) bool {
		return isJunk(r) || strings.ContainsRune(`,;:<>()[]"@'\/`, r)
	}) {
		return ""
	}
	return domain
}

// readable returns a domain in Unicode where it can be shown so.
func readable(domain string) string {
	if u, err := idna.Lookup.ToUnicode(domain); err == nil {
		return u
	}
	return domain
}
