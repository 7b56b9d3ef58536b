package config

import (
	"slices"
	"strings"
)

// Capture says which mail that passes an IMAP listener goes into the journal.
type Capture struct {
	Policy  CapturePolicy `yaml:"policy"`
	Folders Folders       `yaml:"folders"`
	// ChunkBytes is how much the gateway asks for at a time when it fetches on
	// a user's session; a command of the mail program waits for at most one chunk.
	ChunkBytes Bytes `yaml:"chunk_bytes"`
	// BytesPerDay is how much the gateway may fetch for one account in a day
	// besides what the mail program fetches; zero means the limit of the provider, if it has one.
	BytesPerDay Bytes `yaml:"bytes_per_day"`
	// Accounts are exceptions; the first rule that matches an account holds.
	Accounts []CaptureRule `yaml:"accounts"`
}

// CapturePolicy says which messages of a mailbox are captured.
type CapturePolicy string

// The policies of capture. Each takes more than the one before it.
const (
	CaptureNone CapturePolicy = "none" // nothing; sessions only pass through
	CaptureNew  CapturePolicy = "new"  // what arrived since the mailbox was first seen
	CaptureSeen CapturePolicy = "seen" // new mail, and older mail when a mail program opens it
	CaptureAll  CapturePolicy = "all"  // everything in the folders that a mail program selects
)

// Allowed lists the values.
func (CapturePolicy) Allowed() []string {
	return []string{string(CaptureNone), string(CaptureNew), string(CaptureSeen), string(CaptureAll)}
}

// CaptureRule is what holds for some accounts. In the configuration, a rule
// says only what differs; the rule that Capture.For returns is complete.
type CaptureRule struct {
	Match   []string      `yaml:"match"` // addresses, *@domain, or *
	Policy  CapturePolicy `yaml:"policy"`
	Folders Folders       `yaml:"folders"`
}

// For returns what holds for an account (upstream.Account: a lower-case address).
func (c Capture) For(account string) CaptureRule {
	out := CaptureRule{Policy: c.Policy, Folders: c.Folders}
	for _, rule := range c.Accounts {
		if !rule.matches(account) {
			continue
		}
		out.Match = rule.Match
		if rule.Policy != "" {
			out.Policy = rule.Policy
		}
		if rule.Folders.Include != nil {
			out.Folders.Include = rule.Folders.Include
		}
		if rule.Folders.Exclude != nil {
			out.Folders.Exclude = rule.Folders.Exclude
		}
		break
	}
	return out
}

func (r CaptureRule) matches(account string) bool {
	for _, pattern := range r.Match {
		domain, wild := strings.CutPrefix(pattern, "*@")
		switch {
		case pattern == "*", strings.EqualFold(pattern, account):
			return true
		case wild:
			if at := strings.LastIndexByte(account, '@'); at >= 0 && strings.EqualFold(account[at+1:], domain) {
				return true
			}
		}
	}
	return false
}

// Folders says which mailboxes of an account are captured. An entry is a special
// use (RFC 6154) such as \Sent, or a pattern of the mailbox name, in which *
// stands for anything and % for anything within one level. Upper and lower case
// are the same, so that nothing private is captured because of a capital letter.
type Folders struct {
	Include []string `yaml:"include"` // empty means all
	Exclude []string `yaml:"exclude"` // wins over include
}

// DraftsUse is the special use that is never captured, whatever Folders says:
// a draft is no mail yet.
const DraftsUse = `\Drafts`

// Takes reports whether the messages of a mailbox are captured. The name is in
// UTF-8; specialUse are the special-use attributes of its LIST response, with
// spaces between them, empty where the server tells none.
func (f Folders) Takes(mailbox, specialUse string) bool {
	if folderMatches(DraftsUse, mailbox, specialUse) {
		return false
	}
	for _, pattern := range f.Exclude {
		if folderMatches(pattern, mailbox, specialUse) {
			return false
		}
	}
	for _, pattern := range f.Include {
		if folderMatches(pattern, mailbox, specialUse) {
			return true
		}
	}
	return len(f.Include) == 0
}

// folderMatches reports whether one entry of Folders means a mailbox.
func folderMatches(pattern, mailbox, specialUse string) bool {
	if !strings.HasPrefix(pattern, `\`) {
		return wildcard(strings.ToLower(pattern), strings.ToLower(mailbox))
	}
	uses := strings.Fields(specialUse)
	for _, use := range uses {
		if strings.EqualFold(pattern, use) {
			return true
		}
	}
	// Where the server tells no special uses, the name has to.
	return len(uses) == 0 && slices.Contains(usualNames[strings.ToLower(pattern)], strings.ToLower(lastLevel(mailbox)))
}

// lastLevel returns the part of a mailbox name behind the last delimiter. Which
// of the two usual ones the server has is not known here.
func lastLevel(mailbox string) string {
	return mailbox[strings.LastIndexAny(mailbox, "/.")+1:]
}

// usualNames are the names, in lower case, that folders of a special use have
// at servers and in mail programs that do not mark them.
var usualNames = map[string][]string{
	`\drafts`:  {"drafts", "draft", "草稿箱", "草稿", "草稿夹", "entwürfe", "brouillons", "borradores", "bozze", "下書き"},
	`\junk`:    {"junk", "spam", "junk e-mail", "junk email", "bulk mail", "垃圾邮件", "垃圾箱", "spamverdacht", "迷惑メール"},
	`\trash`:   {"trash", "deleted messages", "deleted items", "deleted", "已删除", "已删除邮件", "废件箱", "papierkorb", "corbeille", "ゴミ箱"},
	`\sent`:    {"sent", "sent messages", "sent items", "sent mail", "已发送", "已发送邮件", "gesendet", "送信済み"},
	`\archive`: {"archive", "archives", "归档", "已归档"},
}

// isDelimiter reports whether a byte separates the levels of a mailbox name.
func isDelimiter(c byte) bool { return c == '/' || c == '.' }

// wildcard matches as LIST does (RFC 9051, 6.3.9). It keeps the set of places in
// the pattern that may be next, so that a long name, which the user chooses,
// costs no more than its length.
func wildcard(pattern, name string) bool {
	at := make([]bool, len(pattern)+1)
	at[0] = true
	skipEmpty := func() { // a wildcard may stand for nothing
		for i := range len(pattern) {
			if at[i] && (pattern[i] == '*' || pattern[i] == '%') {
				at[i+1] = true
			}
		}
	}
	skipEmpty()
	for k := range len(name) {
		for i := len(pattern); i >= 0; i-- {
			stays := at[i] && i < len(pattern) && (pattern[i] == '*' || pattern[i] == '%' && !isDelimiter(name[k]))
			comes := i > 0 && at[i-1] && pattern[i-1] == name[k] && pattern[i-1] != '*' && pattern[i-1] != '%'
			at[i] = stays || comes
		}
		skipEmpty()
	}
	return at[len(pattern)]
}

// Customers says who sees what on listeners of mode customers.
type Customers struct {
	Scope    CustomerScope `yaml:"scope"`
	Managers []string      `yaml:"managers"` // accounts that see all, whatever scope says
}

// CustomerScope says which mail of a customer an employee sees.
type CustomerScope string

// The scopes.
const (
	ScopeOwn CustomerScope = "own" // mail that the employee sent, received or was copied on
	ScopeAll CustomerScope = "all" // mail of all colleagues
)

// Allowed lists the values.
func (CustomerScope) Allowed() []string { return []string{string(ScopeOwn), string(ScopeAll)} }
