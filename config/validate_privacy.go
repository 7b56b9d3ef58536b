package config

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of the section privacy. They are far above what people write by hand; lists of addresses have none but
// the size of the file.
const (
	maxPrivacyRules = 1000
	maxMarks        = 500
	maxMarkLength   = 200  // characters; a subject is seldom longer
	maxMaskPatterns = 50   // each is run over every text
	maxMaskPattern  = 1000 // bytes of a regular expression
	maxKept         = 20   // characters; more would hide nothing
)

// ruleNameForm is what names of rules look like: they stand in the ledger, and on the command line. Their length is not
// in the expression, where it would cost two megabytes.
var ruleNameForm = regexp.MustCompile(`^[\pL\pN][\pL\pN ._-]*$`)

const maxRuleName = 60 // characters

// sensitivities are the values of the Sensitivity field (RFC 2156, 5.3.4).
var sensitivities = []string{"personal", "private", "company-confidential"}

// protections are those of package message, and words for several of them.
var protections = []string{"encrypted", "signed", "smime-encrypted", "smime-signed", "pgp-encrypted", "pgp-signed"}

// builtinRules are the names of rules that are there unasked.
var builtinRules = []string{"sensitivity", "subject-mark", "internal", "opt-out", "pause", "own-list"}

func (v *validator) privacy() {
	p := &v.cfg.Privacy
	v.eachOf("privacy.sensitivity", lowered(p.Sensitivity), sensitivities)
	v.marks("privacy.subject_marks", p.SubjectMarks)
	for name, members := range p.Groups {
		path := "privacy.groups." + name
		if !keyForm.MatchString(name) {
			v.bad("privacy.groups", quote(name)+" is not a good name for a group", "Use letters, digits, hyphens, underscores.")
			continue
		}
		v.members(path, members)
	}
	if len(p.Rules) > maxPrivacyRules {
		v.bad("privacy.rules", fmt.Sprintf("has more than %d rules", maxPrivacyRules), "Put addresses and domains into list_file: one rule takes any number of them.")
	}
	names := map[string]int{}
	for i := range p.Rules {
		v.privacyRule(fmt.Sprintf("privacy.rules[%d]", i), &p.Rules[i], names)
		names[p.Rules[i].Name] = i + 1
	}
	for i := range p.Masking {
		v.masking(fmt.Sprintf("privacy.masking[%d]", i), &p.Masking[i])
	}
}

func (v *validator) privacyRule(path string, r *PrivacyRule, names map[string]int) {
	if v.required(path+".name", r.Name, "Name the rule: the ledger shows the name of the rule that decided.") {
		switch {
		case !ruleNameForm.MatchString(r.Name), utf8.RuneCountInString(r.Name) > maxRuleName:
			v.bad(path+".name", quote(r.Name)+" is not a good name", "Use up to 60 letters, digits, blanks, dots, hyphens, underscores.")
		case slices.Contains(builtinRules, r.Name):
			v.bad(path+".name", quote(r.Name)+" is the name of a rule that is built in", "Choose another name.")
		case names[r.Name] > 0:
			v.bad(path+".name", quote(r.Name)+fmt.Sprintf(" is the name of rule %d, too", names[r.Name]), "Choose another name.")
		}
	}
	v.required(path+".action", string(r.Action), "Write exclude or include.")
	if r.Covers != "" && r.Action == PrivacyInclude {
		v.bad(path+".covers", "has no use where action is include", "Take it out: a rule that includes decides for the copy that it looks at.")
	}
	v.members(path+".accounts", r.Accounts)
	for i, name := range r.Groups {
		if _, there := v.cfg.Privacy.Groups[name]; !there {
			v.bad(fmt.Sprintf("%s.groups[%d]", path, i), "there is no group "+quote(name), "Add it to privacy.groups, or correct the name.")
		}
	}
	v.folders(path+".folders", Folders{Exclude: r.Folders})
	v.eachOf(path+".directions", r.Directions, []string{"outbound", "inbound", "internal"})
	v.eachOf(path+".sensitivity", lowered(r.Sensitivity), sensitivities)
	v.eachOf(path+".protection", r.Protection, protections)
	v.marks(path+".subject_marks", r.SubjectMarks)
	for _, list := range []struct {
		key     string
		entries []string
	}{{"from", r.From}, {"to", r.To}, {"participants", r.Participants}} {
		for i, entry := range list.entries {
			if _, _, ok := ParsePattern(entry); !ok {
				v.bad(fmt.Sprintf("%s.%s[%d]", path, list.key, i), quote(entry)+" is neither an address nor a domain", patternRemedy)
			}
		}
	}
	for key, entries := range map[string][]string{"lists": r.Lists, "attachments": r.Attachments} {
		if i := slices.Index(entries, ""); i >= 0 {
			v.bad(fmt.Sprintf("%s.%s[%d]", path, key, i), "is empty", "Fill it in or take it out.")
		}
	}
	v.listFile(path+".list_file", r)
	if r.empty() {
		v.bad(path, "has no condition, so it would decide for all mail", "Name accounts, folders, participants or the like. What no rule excludes is mirrored anyway.")
	}
}

const patternRemedy = `Write li@example.com, "*@example.com", or "*.example.com" for all domains below it.`

// empty reports whether a rule has no condition.
func (r *PrivacyRule) empty() bool {
	lists := [][]string{
		r.Accounts, r.Groups, r.Folders, r.Directions, r.From, r.To, r.Participants, r.Sensitivity, r.SubjectMarks, r.Protection, r.Lists, r.Attachments,
	}
	return !slices.ContainsFunc(lists, func(l []string) bool { return len(l) > 0 }) &&
		r.ListFile == "" && r.Bulk == nil && r.Automated == nil && r.LargerThan == 0
}

// listFile reads the file of a rule: one pattern a line, with # before comments.
func (v *validator) listFile(path string, r *PrivacyRule) {
	if r.ListFile == "" {
		return
	}
	text, err := readFile(r.ListFile)
	if err != nil {
		return // reported where the file was named
	}
	r.Listed = []string{}
	n := 0
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte("\ufeff"))) {
		n++
		entry, _, _ := strings.Cut(string(line), "#")
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		if _, _, ok := ParsePattern(entry); !ok {
			v.bad(path, fmt.Sprintf("line %d of %s is neither an address nor a domain", n, r.ListFile), "One a line: li@example.com, *@example.com or *.example.com. Comments begin with #.")
			return
		}
		r.Listed = append(r.Listed, entry)
	}
	if len(r.Listed) == 0 {
		v.warn(path, "the list is empty, so the rule matches nothing")
	}
}

// members checks accounts: addresses or *@domain.
func (v *validator) members(path string, list []string) {
	for i, entry := range list {
		local, domain, ok := splitAccount(entry)
		if !ok {
			v.bad(fmt.Sprintf("%s[%d]", path, i), quote(entry)+" is neither an address nor *@domain", `Write li@example.com or "*@example.com".`)
			continue
		}
		list[i] = local + "@" + domain
	}
}

func (v *validator) marks(path string, list []string) {
	if len(list) > maxMarks {
		v.bad(path, fmt.Sprintf("has more than %d marks", maxMarks), "Keep those that people use.")
	}
	for i, mark := range list {
		switch text := strings.TrimSpace(strings.TrimPrefix(mark, "^")); {
		case text == "":
			v.bad(fmt.Sprintf("%s[%d]", path, i), "is empty", "Write a text such as [private], or take it out.")
		case utf8.RuneCountInString(text) > maxMarkLength:
			v.bad(fmt.Sprintf("%s[%d]", path, i), "is too long", fmt.Sprintf("Write up to %d characters.", maxMarkLength))
		}
	}
}

// eachOf reports entries that are not in the list of allowed ones.
func (v *validator) eachOf(path string, list, allowed []string) {
	for i, entry := range list {
		v.oneOf(fmt.Sprintf("%s[%d]", path, i), entry, allowed)
	}
}

// lowered turns the entries of a list into lower case, and returns it.
func lowered(list []string) []string {
	for i, entry := range list {
		list[i] = strings.ToLower(strings.TrimSpace(entry))
	}
	return list
}

func (v *validator) masking(path string, m *Masking) {
	if len(m.Kinds) == 0 && len(m.Patterns) == 0 {
		v.bad(path, "masks nothing", "Name kinds or patterns, or take it out.")
	}
	for i, name := range m.Targets {
		if !slices.ContainsFunc(v.cfg.Targets, func(t Target) bool { return t.Name == name }) {
			v.bad(fmt.Sprintf("%s.targets[%d]", path, i), "there is no target "+quote(name), "Write the name of one of the targets, or leave targets out for all.")
		}
	}
	if len(m.Patterns) > maxMaskPatterns {
		v.bad(path+".patterns", fmt.Sprintf("has more than %d patterns", maxMaskPatterns), "Join some with |.")
	}
	for i, p := range m.Patterns {
		v.maskPattern(fmt.Sprintf("%s.patterns[%d]", path, i), p)
	}
}

func (v *validator) maskPattern(path string, p MaskPattern) {
	if v.required(path+".name", p.Name, "Name what it finds, such as customer-number.") && !keyForm.MatchString(p.Name) {
		v.bad(path+".name", quote(p.Name)+" is not a good name", "Use up to 40 letters, digits, hyphens, underscores.")
	}
	if !v.required(path+".match", p.Match, "Write a regular expression, such as 'K\\d{8}'.") {
		return
	}
	if len(p.Match) > maxMaskPattern {
		v.bad(path+".match", "is too long", fmt.Sprintf("Write up to %d bytes.", maxMaskPattern))
		return
	}
	re, err := regexp.Compile(p.Match)
	switch {
	case err != nil:
		v.bad(path+".match", "is not a regular expression (RE2): "+strings.TrimPrefix(err.Error(), "error parsing regexp: "), "Look-ahead and back references are not supported.")
	case re.MatchString(""):
		v.bad(path+".match", "matches a text of no characters", "Write + where * stands.")
	}
	for key, n := range map[string]int{".keep_first": p.KeepFirst, ".keep_last": p.KeepLast} {
		if n < 0 || n > maxKept {
			v.bad(path+key, fmt.Sprintf("%d is out of range", n), fmt.Sprintf("Write 0 to %d.", maxKept))
		}
	}
}
