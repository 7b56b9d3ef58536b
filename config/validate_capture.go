package config

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// The bounds of capture.chunk_bytes. Smaller chunks cost a round trip for every
// few lines of text; larger ones keep the mail program waiting for seconds.
const (
	minChunk Bytes = 4 << 10
	maxChunk Bytes = 16 << 20
)

// specialUses are those that folders may name (RFC 6154, RFC 8457).
var specialUses = []string{`\All`, `\Archive`, `\Flagged`, `\Important`, `\Junk`, `\Sent`, `\Trash`}

func (v *validator) capture() {
	c := v.cfg.Capture
	v.folders("capture.folders", c.Folders)
	if c.ChunkBytes < minChunk || c.ChunkBytes > maxChunk {
		v.bad("capture.chunk_bytes", c.ChunkBytes.String()+" is out of range", "Write a size from 4KiB to 16MiB; 256KiB suits most.")
	}
	taken := map[string]string{}
	for i := range c.Accounts {
		rule := &c.Accounts[i]
		path := fmt.Sprintf("capture.accounts[%d]", i)
		if len(rule.Match) == 0 {
			v.bad(path+".match", "is missing", "Name the accounts: match: [li@example.com] or match: [\"*@example.com\"].")
		}
		for k, pattern := range rule.Match {
			rule.Match[k] = v.accountPattern(fmt.Sprintf("%s.match[%d]", path, k), pattern, taken)
		}
		for _, pattern := range rule.Match {
			taken[pattern] = path
		}
		v.folders(path+".folders", rule.Folders)
		if rule.Policy == "" && rule.Folders.Include == nil && rule.Folders.Exclude == nil {
			v.bad(path, "says nothing", "Give it a policy or folders, or take it out.")
		}
	}
}

// accountPattern checks one entry of match, and that an earlier rule does not
// take its accounts away. It returns the entry in the form of accounts.
func (v *validator) accountPattern(path, pattern string, taken map[string]string) string {
	if pattern != "*" {
		local, domain, ok := splitAccount(pattern)
		if !ok {
			v.bad(path, quote(pattern)+" is neither an address nor *@domain", `Write li@example.com, "*@example.com", or "*" for all.`)
			return pattern
		}
		pattern = local + "@" + domain
	}
	_, domain, _ := strings.Cut(pattern, "@")
	for _, wider := range []string{pattern, "*@" + domain, "*"} {
		if rule, there := taken[wider]; there {
			v.bad(path, fmt.Sprintf("%s in %s holds for it already", quote(wider), rule), "The first rule that matches holds: put the narrower one first.")
			break
		}
	}
	return pattern
}

// splitAccount takes an address apart, in the form that accounts have at the
// proxy: lower case, the domain in ASCII (RFC 5891). The local part may be "*".
func splitAccount(text string) (local, domain string, ok bool) {
	local, domain, _ = strings.Cut(strings.ToLower(text), "@")
	if local == "" || strings.ContainsAny(local, " \t<>\"") || local != "*" && strings.Contains(local, "*") || !domainForm.MatchString(domain) {
		return "", "", false
	}
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		domain = ascii
	}
	return local, domain, len(local)+len(domain) < 320 // RFC 3696, 3 with its erratum: 64, @, 255
}

// folders checks patterns of mailbox names.
func (v *validator) folders(path string, f Folders) {
	for key, list := range map[string][]string{"include": f.Include, "exclude": f.Exclude} {
		for i, entry := range list {
			v.folder(fmt.Sprintf("%s.%s[%d]", path, key, i), entry, key == "include")
		}
	}
}

// folder checks one pattern of mailbox names.
func (v *validator) folder(at, entry string, include bool) {
	known := slices.ContainsFunc(specialUses, func(use string) bool { return strings.EqualFold(use, entry) })
	switch {
	case entry == "":
		v.bad(at, "is empty", "Write the name of a folder, or take it out.")
	case strings.EqualFold(entry, DraftsUse) && include:
		v.bad(at, "drafts are never captured", "Take it out.")
	case strings.HasPrefix(entry, `\`) && !known && !strings.EqualFold(entry, DraftsUse):
		v.bad(at, quote(entry)+" is not a special use", suggest(entry, specialUses)+` A folder whose name begins with a backslash is written as "%name".`)
	}
}

func (v *validator) customers() {
	list := v.cfg.Customers.Managers
	for i, account := range list {
		local, domain, ok := splitAccount(account)
		if !ok || local == "*" {
			v.bad(fmt.Sprintf("customers.managers[%d]", i), quote(account)+" is not an address", "Write the address that the manager logs in with.")
			continue
		}
		list[i] = local + "@" + domain
	}
}
