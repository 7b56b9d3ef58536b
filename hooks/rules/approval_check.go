package rules

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
)

func (s *approveStep) check(c *checker) {
	c.template("/title", s.Title.template)
	c.template("/text", s.Text.template)
	c.template("/as", s.As.template)
	for i, r := range s.Facts {
		c.template(at("facts", i), r.Value.template)
	}
	s.Initiators.check(c, "initiators")
	known := c.people("approvers", s.Approvers)
	c.people("escalate_to", s.EscalateTo)
	c.offset("expires", s.Expires, true)
	if known >= 0 && s.Need.n > known {
		c.problem("/need", fmt.Sprintf("%d have to approve, and only %d are asked", s.Need.n, known), fmt.Sprintf("需要 %d 人同意，但只有 %d 位审批人", s.Need.n, known))
	}
	byMail := s.Mail == nil || *s.Mail
	if s.Channel != "" {
		c.channel("channel", s.Channel)
	} else if !byMail {
		c.warning("/mail", "nobody is told: there is neither mail nor channel", "没有人会收到通知：既不发邮件也没有通知渠道")
	}
	if byMail && c.around.NoLinks {
		c.warning("", "console.public_url is missing: the mails have no links, and decisions go through the command line", "缺少 console.public_url：邮件中没有链接，只能由命令行决定")
	}
	excludes := s.ExcludeInitiator == nil || *s.ExcludeInitiator
	if excludes && c.rule.Trigger.Type == TypeRecord && len(s.Initiators) == 0 {
		c.warning("/exclude_initiator", "whoever changed the record is kept from deciding only if change.by is a mail address; name the person in initiators", "只有 change.by 是邮件地址时才能排除修改人；请在 initiators 中指明")
	}
	if s.OnExpire == "" || s.OnExpire == expireRefuses {
		c.neverExpired()
	}
}

// people checks mailboxes and roles, and counts them; -1 where only a run can tell.
func (c *checker) people(name string, list mailboxes) int {
	seen := map[string]bool{}
	unknown := false
	for i, t := range list {
		c.template(at(name, i), t.template)
		source := strings.TrimSpace(t.source)
		if role, ok := strings.CutPrefix(source, rolePrefix); ok && !strings.Contains(source, "{{") {
			members, there := c.around.Roles[strings.TrimSpace(role)]
			switch {
			case c.around.Roles == nil:
				unknown = true
			case !there:
				c.problem(at(name, i), "there is no role "+role+meant(role, names(c.around.Roles)), "rules.roles 中没有角色 "+role)
			}
			for _, m := range members {
				seen[addressIn(m)] = true
			}
			continue
		}
		if strings.Contains(source, "{{") {
			unknown = true
			continue
		}
		boxes, err := mail.ParseAddressList(source)
		if err != nil {
			c.problem(at(name, i), fmt.Sprintf("%q is neither a mail address nor role:NAME", source), fmt.Sprintf("%q 既不是邮件地址也不是 role:名称", source))
		}
		for _, b := range boxes {
			seen[strings.ToLower(b.Address)] = true
		}
	}
	if unknown {
		return -1
	}
	return len(seen)
}

// neverExpired warns of conditions that wait for what this step never gives.
func (c *checker) neverExpired() {
	text, err := json.Marshal(c.rule.Steps)
	if err != nil {
		return
	}
	var steps any
	if json.Unmarshal(text, &steps) != nil {
		return
	}
	id := c.step
	if asksFor(steps, "steps."+id+".decision", string(ApprovalExpired)) {
		c.warning("/on_expire", "the decision is never expired: with on_expire refuse it is refused then. Write on_expire: approve-never, or ask steps."+id+".expired",
			"决定不会是 expired：on_expire 为 refuse 时超时即为 refused。请写 on_expire: approve-never，或判断 steps."+id+".expired")
	}
}

// asksFor says whether a condition in v compares a field with a value.
func asksFor(v any, field, value string) bool {
	switch x := v.(type) {
	case map[string]any:
		if x["field"] == field {
			list, ok := x["value"].([]any)
			if x["value"] == value || ok && slices.Contains(list, any(value)) {
				return true
			}
		}
		for _, e := range x {
			if asksFor(e, field, value) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(x, func(e any) bool { return asksFor(e, field, value) })
	}
	return false
}

func (s *approveStep) describe(l voice) string {
	how := l.of(" (all of them)", "（全部同意）")
	if s.Need.n > 0 {
		how = fmt.Sprintf(l.of(" (%d of them)", "（%d 人同意）"), s.Need.n)
	}
	return l.of("ask ", "请 ") + s.Approvers.words(l) + how + l.of(" to approve ", " 审批 ") + l.words(s.Title.source)
}
