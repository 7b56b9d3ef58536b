package config

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// Matching says how the people of a message become contacts of the CRM.
type Matching struct {
	PlusTags PlusTags `yaml:"plus_tags"`
	// IgnoreGmailDots takes l.i@gmail.com for li@gmail.com, and googlemail.com for gmail.com, as that provider does.
	IgnoreGmailDots bool `yaml:"ignore_gmail_dots"`
	// FreeMailDomains are domains whose users are not one company, besides the well-known ones.
	FreeMailDomains []string `yaml:"free_mail_domains"`
	// Owner is whom an activity and a new contact belong to: the first of these that is an employee.
	Owner []OwnerRole `yaml:"owner"`
	// Rules are exceptions from mirror.unmatched; the first that fits holds.
	Rules []MatchingRule `yaml:"rules"`
}

// UnmatchedMode says what happens to a correspondent that the CRM does not know.
type UnmatchedMode string

// The treatments of unknown correspondents.
const (
	UnmatchedCreate UnmatchedMode = "create" // as a contact
	UnmatchedLead   UnmatchedMode = "lead"   // as a lead, where the CRM has such
	UnmatchedReview UnmatchedMode = "review" // the message waits until somebody decided
	UnmatchedSkip   UnmatchedMode = "skip"   // the activity is logged without a contact
)

// Allowed lists the values.
func (UnmatchedMode) Allowed() []string {
	return []string{string(UnmatchedCreate), string(UnmatchedLead), string(UnmatchedReview), string(UnmatchedSkip)}
}

// PlusTags says what the part of an address between + and @ means.
type PlusTags string

// The meanings of a tag.
const (
	PlusStrip PlusTags = "strip" // li+offers@example.com is li@example.com
	PlusKeep  PlusTags = "keep"  // they are two people
)

// Allowed lists the values.
func (PlusTags) Allowed() []string { return []string{string(PlusStrip), string(PlusKeep)} }

// OwnerRole is the part that an employee has in a message.
type OwnerRole string

// The roles.
const (
	OwnerSender  OwnerRole = "sender"
	OwnerTo      OwnerRole = "to"
	OwnerCC      OwnerRole = "cc"
	OwnerAccount OwnerRole = "account" // in whose mailbox the message was seen, the first where there are more
)

// Allowed lists the values.
func (OwnerRole) Allowed() []string {
	return []string{string(OwnerSender), string(OwnerTo), string(OwnerCC), string(OwnerAccount)}
}

// DefaultOwner is the order of roles that holds unless the configuration has another.
func DefaultOwner() []OwnerRole { return []OwnerRole{OwnerSender, OwnerTo, OwnerCC, OwnerAccount} }

// MatchingRule is what holds for some accounts, for correspondents of some domains, or, where it
// names both, for these domains in mail of these accounts.
type MatchingRule struct {
	Accounts  []string      `yaml:"accounts"` // addresses, *@domain, or *
	Domains   []string      `yaml:"domains"`  // of correspondents; subdomains are meant too
	Unmatched UnmatchedMode `yaml:"unmatched"`
}

// For returns what becomes of an unknown correspondent in a message that was seen in the given accounts (lower-case
// addresses). byDefault is mirror.unmatched. The domain is in lower case and ASCII.
func (m Matching) For(accounts []string, domain string, byDefault UnmatchedMode) UnmatchedMode {
	for _, r := range m.Rules {
		if r.fits(accounts, domain) {
			return r.Unmatched
		}
	}
	return byDefault
}

func (r MatchingRule) fits(accounts []string, domain string) bool {
	if len(r.Accounts) > 0 && !slices.ContainsFunc(accounts, CaptureRule{Match: r.Accounts}.matches) {
		return false
	}
	return len(r.Domains) == 0 || slices.ContainsFunc(r.Domains, func(d string) bool {
		return domain == d || strings.HasSuffix(domain, "."+d)
	})
}

// Reviews tells whether any message can have to wait for a decision.
func (m Matching) Reviews(byDefault UnmatchedMode) bool {
	return byDefault == UnmatchedReview || slices.ContainsFunc(m.Rules, func(r MatchingRule) bool { return r.Unmatched == UnmatchedReview })
}

func (v *validator) matching() {
	m := &v.cfg.Matching
	v.domains("matching.free_mail_domains", m.FreeMailDomains)
	for i, role := range m.Owner {
		if slices.Contains(m.Owner[:i], role) {
			v.bad(fmt.Sprintf("matching.owner[%d]", i), quote(string(role))+" is there twice", "Take one out.")
		}
	}
	for i := range m.Rules {
		r, path := &m.Rules[i], fmt.Sprintf("matching.rules[%d]", i)
		if len(r.Accounts) == 0 && len(r.Domains) == 0 {
			v.bad(path, "names nobody", "Name accounts: [\"*@example.com\"] or domains: [partner.example], or change mirror.unmatched.")
		}
		if r.Unmatched == "" {
			v.bad(path+".unmatched", "is missing", "Write create, lead, review or skip.")
		}
		for k, pattern := range r.Accounts {
			r.Accounts[k] = v.accountPattern(fmt.Sprintf("%s.accounts[%d]", path, k), pattern, nil)
		}
		v.domains(path+".domains", r.Domains)
		for k, domain := range r.Domains {
			r.Domains[k] = asciiDomain(domain)
		}
	}
	for i, domain := range m.FreeMailDomains {
		m.FreeMailDomains[i] = asciiDomain(domain)
	}
}

// asciiDomain returns the domain as it is in mail (RFC 5891), or as it is where it cannot be one.
func asciiDomain(domain string) string {
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		return ascii
	}
	return domain
}
