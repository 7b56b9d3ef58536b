package crmclient

import (
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// DomainForms are the ways in which a CRM may have a domain: in lower case, and in ASCII where that is another.
func DomainForms(domain string) []string {
	forms := []string{strings.ToLower(domain)}
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil && ascii != forms[0] {
		forms = append(forms, ascii)
	}
	return forms
}

// AtDomain says whether what people write into a field for a website or a mail address is at a domain, or below it.
func AtDomain(written, domain string) bool {
	host := hostOf(written)
	return host != "" && slices.ContainsFunc(DomainForms(domain), func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
}

// CompanyAt returns the one row whose website is at a domain. Branches have pages of their own below it; where there are several rows, the
// head office has the domain itself. None is returned where several could be meant.
func CompanyAt[T any](rows []T, website func(T) string, domain string) (T, bool) {
	at, forms := []T{}, DomainForms(domain)
	for _, r := range rows {
		if AtDomain(website(r), domain) {
			at = append(at, r)
		}
	}
	if len(at) > 1 {
		at = slices.DeleteFunc(at, func(r T) bool { return !slices.Contains(forms, strings.TrimPrefix(hostOf(website(r)), "www.")) })
	}
	if len(at) != 1 {
		var none T
		return none, false
	}
	return at[0], true
}

// hostOf is the host of what people write.
func hostOf(written string) string {
	host := strings.ToLower(strings.TrimSpace(written))
	if _, rest, ok := strings.Cut(host, "://"); ok {
		host = rest
	}
	if i := strings.IndexAny(host, "/?#"); i >= 0 {
		host = host[:i]
	}
	host, _, _ = strings.Cut(host[strings.LastIndexByte(host, '@')+1:], ":")
	return strings.TrimSuffix(host, ".")
}
