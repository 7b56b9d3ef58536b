package imapd

import (
	"strings"

	"heliograph/proxy/imapd/scan"
)

// listed remembers which mailboxes have a special use (RFC 6154).
func (t *tap) listed(r *scan.Response) {
	attrs, name, ok := scan.ParseList(r.Rest)
	if !ok || len(t.uses) >= maxUses {
		return
	}
	for _, a := range attrs {
		for _, use := range []string{`\Drafts`, `\Junk`, `\Trash`, `\Sent`, `\All`, `\Archive`, `\Flagged`} {
			if strings.EqualFold(a, use) {
				if t.uses == nil {
					t.uses = map[string]string{}
				}
				t.uses[name] = use
			}
		}
	}
}

// maxUses bounds the mailboxes with a special use: servers have one or two of each.
const maxUses = 64

// specialUse is what a mailbox is for: what LIST said, else what its name says in the languages of the
// usual providers.
func (t *tap) specialUse(name string) string {
	if use, ok := t.uses[name]; ok {
		return use
	}
	if i := strings.LastIndexAny(name, "/."); i >= 0 {
		name = name[i+1:]
	}
	return usualNames[strings.ToLower(name)]
}

// usualNames are the names of special mailboxes at servers without SPECIAL-USE.
var usualNames = map[string]string{
	"drafts": `\Drafts`, "draft": `\Drafts`, "草稿": `\Drafts`, "草稿箱": `\Drafts`, "entwürfe": `\Drafts`, "brouillons": `\Drafts`,
	"junk": `\Junk`, "spam": `\Junk`, "junk e-mail": `\Junk`, "junk email": `\Junk`, "bulk mail": `\Junk`, "垃圾邮件": `\Junk`, "垃圾箱": `\Junk`, "广告邮件": `\Junk`,
	"trash": `\Trash`, "deleted": `\Trash`, "deleted messages": `\Trash`, "deleted items": `\Trash`, "已删除": `\Trash`, "已删除邮件": `\Trash`, "papierkorb": `\Trash`, "corbeille": `\Trash`,
	"sent": `\Sent`, "sent messages": `\Sent`, "sent items": `\Sent`, "sent mail": `\Sent`, "已发送": `\Sent`, "已发送邮件": `\Sent`,
}
