package config

import "strings"

// Privacy says which mail stays with the company, and what is masked in the mail that targets get. Package
// hooks/mirror/scope tells how it is applied.
type Privacy struct {
	// Sensitivity lists the values of the Sensitivity field (RFC 2156, 5.3.4) that keep a message here.
	Sensitivity []string `yaml:"sensitivity"`
	// SubjectMarks are texts that keep a message here when its subject holds them; with ^ before, when it begins so.
	SubjectMarks []string            `yaml:"subject_marks"`
	Groups       map[string][]string `yaml:"groups"` // names for accounts: addresses or *@domain
	Rules        []PrivacyRule       `yaml:"rules"`  // the first that matches decides
	Masking      []Masking           `yaml:"masking"`
	// Withdraw takes mail back from targets when it turns out to be private after they have it.
	Withdraw bool `yaml:"withdraw"`
}

// PrivacyRule is one rule. All conditions that it names must hold; of a list, one entry must.
type PrivacyRule struct {
	Name   string        `yaml:"name"` // unique; shown in the ledger
	Action PrivacyAction `yaml:"action"`
	Covers PrivacyCover  `yaml:"covers"` // empty: message where all conditions are about the message itself, else copy
	// Whose copy it is. Without both, the rule is for the whole company.
	Accounts []string `yaml:"accounts"` // addresses or *@domain
	Groups   []string `yaml:"groups"`
	Folders  []string `yaml:"folders"` // as in Folders

	Directions   []string `yaml:"directions"` // outbound, inbound, internal
	From         []string `yaml:"from"`       // as ParsePattern reads them
	To           []string `yaml:"to"`         // To, Cc and Bcc
	Participants []string `yaml:"participants"`
	ListFile     string   `yaml:"list_file"` // further participants, one a line
	Sensitivity  []string `yaml:"sensitivity"`
	SubjectMarks []string `yaml:"subject_marks"`
	Protection   []string `yaml:"protection"` // as message.Protection, or encrypted, signed
	Bulk         *bool    `yaml:"bulk"`
	Automated    *bool    `yaml:"automated"`
	Lists        []string `yaml:"lists"`       // patterns of List-Id (RFC 2919), in which * stands for anything
	LargerThan   Bytes    `yaml:"larger_than"` // zero means any size
	Attachments  []string `yaml:"attachments"` // media types such as image/*, or ends of names such as .zip

	// Listed is what ListFile holds.
	Listed []string `yaml:"-"`
}

// PrivacyAction is what a rule does.
type PrivacyAction string

// The actions.
const (
	PrivacyExclude PrivacyAction = "exclude"
	PrivacyInclude PrivacyAction = "include"
)

// Allowed lists the values.
func (PrivacyAction) Allowed() []string {
	return []string{string(PrivacyExclude), string(PrivacyInclude)}
}

// PrivacyCover says what a rule that excludes keeps here.
type PrivacyCover string

// The covers.
const (
	CoverCopy    PrivacyCover = "copy"    // the copy that it looked at; a colleague's copy may still be mirrored
	CoverMessage PrivacyCover = "message" // the message, whoever has a copy
)

// Allowed lists the values.
func (PrivacyCover) Allowed() []string { return []string{string(CoverCopy), string(CoverMessage)} }

// Masking says what targets do not get to see in the mail that they get.
type Masking struct {
	Targets  []string      `yaml:"targets"` // empty: all
	Kinds    []MaskKind    `yaml:"kinds"`
	Patterns []MaskPattern `yaml:"patterns"`
	Fields   []MaskField   `yaml:"fields"` // empty: all
}

// MaskKind is a kind of number that is known by its form and its check digit.
type MaskKind string

// The kinds.
const (
	MaskIDCard   MaskKind = "id_card"   // Chinese resident identity card, GB 11643: 18 digits; 15 before 1999
	MaskBankCard MaskKind = "bank_card" // ISO/IEC 7812, with its check digit
	MaskPhone    MaskKind = "phone"
	MaskEmail    MaskKind = "email"
)

// Allowed lists the values.
func (MaskKind) Allowed() []string {
	return []string{string(MaskIDCard), string(MaskBankCard), string(MaskPhone), string(MaskEmail)}
}

// MaskField is a part of a message.
type MaskField string

// The fields. MaskText is the text with and without quoted history.
const (
	MaskSubject     MaskField = "subject"
	MaskText        MaskField = "text"
	MaskHTML        MaskField = "html"
	MaskAttachments MaskField = "attachments" // their names; what is in them stays as it is
)

// Allowed lists the values.
func (MaskField) Allowed() []string {
	return []string{string(MaskSubject), string(MaskText), string(MaskHTML), string(MaskAttachments)}
}

// MaskPattern is a company's own kind, such as customer numbers.
type MaskPattern struct {
	Name      string `yaml:"name"`
	Match     string `yaml:"match"`      // regular expression (RE2)
	KeepFirst int    `yaml:"keep_first"` // characters that stay readable
	KeepLast  int    `yaml:"keep_last"`
}

// The defaults of Privacy. The first two values of Sensitivity are those that people choose for their own affairs; what is
// confidential to the company belongs into the company's CRM.
var (
	defaultSensitivity  = []string{"personal", "private"}
	defaultSubjectMarks = []string{"[private]", "[personal]", "#private", "#personal", "[私人]", "【私人】", "[个人]", "【个人】", "#私人"}
)

// PatternKind says what a pattern of addresses stands for.
type PatternKind string

// The kinds of patterns.
const (
	PatternAddress    PatternKind = "address"    // li@example.com
	PatternDomain     PatternKind = "domain"     // example.com or *@example.com
	PatternSubdomains PatternKind = "subdomains" // *.example.com or *@*.example.com: all below it, not itself
)

// ParsePattern reads a pattern of mail addresses and returns it as lower-case address or domain, the domain in ASCII
// (RFC 5891).
func ParsePattern(text string) (kind PatternKind, value string, ok bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	kind = PatternDomain
	if local, domain, found := cutLast(text, '@'); found && local != "*" {
		if local == "" || len(text) > maxPattern || strings.ContainsAny(local, " \t<>*,;") || !domainForm.MatchString(domain) {
			return "", "", false
		}
		return PatternAddress, local + "@" + asciiDomain(domain), true
	} else if found {
		text = domain
	}
	if rest, wild := strings.CutPrefix(text, "*."); wild {
		kind, text = PatternSubdomains, rest
	}
	if len(text) > maxPattern || !domainForm.MatchString(text) {
		return "", "", false
	}
	return kind, asciiDomain(text), true
}

// maxPattern is RFC 3696, 3 with its erratum: 64, @, 255.
const maxPattern = 320

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}

// MatchesAccount reports whether an account (lower case) is meant by an entry of accounts or groups.
func MatchesAccount(pattern, account string) bool {
	return CaptureRule{Match: []string{pattern}}.matches(account)
}

// MatchesFolder reports whether one entry of folders means a mailbox. specialUse is as in [Folders.Takes].
func MatchesFolder(pattern, mailbox, specialUse string) bool {
	return folderMatches(pattern, mailbox, specialUse)
}

// MatchesWildcard reports whether a text fits a pattern in which * stands for anything. Upper and lower case are the same.
func MatchesWildcard(pattern, text string) bool {
	return wildcard(strings.ToLower(pattern), strings.ToLower(text))
}
