package rules

import (
	"path"
	"slices"
	"strings"
)

// The directions of mail, seen from the company.
const (
	directionIn       = "in"
	directionOut      = "out"
	directionInternal = "internal"
	directionAny      = "any"
)

// mailTrigger fires on a message that was sent or received, once however many copies of it are seen.
type mailTrigger struct {
	Direction string   `json:"direction,omitempty"` // in (the default), out, internal or any
	Accounts  []string `json:"accounts,omitempty"`  // of employees or watched mailboxes; empty: all
	Groups    []string `json:"groups,omitempty"`    // of accounts, by privacy.groups of the configuration; besides Accounts
	Mailboxes []string `json:"mailboxes,omitempty"` // names with * and ?; empty: all but Spam and Trash
	// Automated has the rule start on mail of machines too; without it only on that of people. What rules of this or another gateway
	// caused starts nothing in any case.
	Automated bool `json:"automated,omitempty"`
}

// unwanted are the mailboxes that start nothing by themselves, by the ends of their names in lower case.
var unwanted = []string{"spam", "junk", "trash", "deleted items", "deleted messages", "drafts", "垃圾邮件", "已删除", "草稿箱", "垃圾箱"}

func (t *mailTrigger) keys() []string {
	if len(t.Accounts) == 0 || len(t.Groups) > 0 { // who is in a group is not known here
		return []string{"mail"}
	}
	var out []string
	for _, a := range t.Accounts {
		out = append(out, "mail:"+strings.ToLower(a))
	}
	return out
}

func (t *mailTrigger) fits(e *Event) bool {
	if e.Type != TypeMail || e.Automated && !t.Automated || e.Depth > 0 {
		return false
	}
	if len(t.Groups) > 0 && !t.means(e) {
		return false
	}
	direction := e.text("mail", "direction")
	switch t.Direction {
	case directionAny:
	case "":
		if direction != directionIn {
			return false
		}
	default:
		if direction != t.Direction {
			return false
		}
	}
	mailbox := e.text("mail", "mailbox")
	if mailbox == "" { // on its way through SMTP
		return true
	}
	lower := strings.ToLower(mailbox)
	if len(t.Mailboxes) == 0 {
		return !slices.ContainsFunc(unwanted, func(name string) bool { return strings.HasSuffix(lower, name) })
	}
	return slices.ContainsFunc(t.Mailboxes, func(pattern string) bool {
		ok, err := path.Match(strings.ToLower(strings.ReplaceAll(pattern, "/", "\x00")), strings.ReplaceAll(lower, "/", "\x00"))
		return err == nil && ok
	})
}

// means says whether the account of an event is one of the trigger's, by its address or by a group.
func (t *mailTrigger) means(e *Event) bool {
	account := e.text("mail", "account")
	if slices.ContainsFunc(t.Accounts, func(a string) bool { return strings.EqualFold(a, account) }) {
		return true
	}
	groups, _ := e.fact("mail", "groups").([]any)
	return slices.ContainsFunc(groups, func(g any) bool {
		name, ok := g.(string)
		return ok && slices.Contains(t.Groups, name)
	})
}

func (t *mailTrigger) check(c *checker) {
	c.oneOf("direction", t.Direction, "", directionIn, directionOut, directionInternal, directionAny)
	for i, a := range t.Accounts {
		c.address(at("accounts", i), a)
	}
	for i, g := range t.Groups {
		c.named(at("groups", i), g, c.around.Groups, "group of accounts in privacy.groups", "账号组（privacy.groups）")
	}
	for i, m := range t.Mailboxes {
		if _, err := path.Match(m, ""); err != nil {
			c.problem(at("mailboxes", i), "the pattern is not valid", "邮箱名模式无效")
		}
	}
}

func (t *mailTrigger) describe(l voice) string {
	where := strings.Join(slices.Concat(t.Accounts, t.Groups), l.of(", ", "、"))
	switch t.Direction {
	case directionOut:
		return l.of("When mail is sent", "发出邮件时") + l.in(" by "+where, "（账号 "+where+"）", where)
	case directionInternal:
		return l.of("When colleagues write to each other", "内部邮件往来时") + l.in(" ("+where+")", "（账号 "+where+"）", where)
	case directionAny:
		return l.of("When mail is sent or received", "收发邮件时") + l.in(" ("+where+")", "（账号 "+where+"）", where)
	}
	return l.of("When mail arrives", "收到邮件时") + l.in(" at "+where, "（邮箱 "+where+"）", where)
}
