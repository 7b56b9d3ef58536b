package automation

import (
	"strings"

	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
)

// view is what a caller sees of what rules did.
type view struct {
	*access.Caller
	// accounts are those whose mail is seen; nil: of all.
	accounts []string
	// others says that what is about no mail is seen, too: changes of records, times.
	others bool
	// hidden says that texts are left out.
	hidden bool
}

func viewOf(c *access.Caller) view {
	v := view{Caller: c, others: c.May(access.RulesPublish) || c.Scope == access.ScopeAll, hidden: !c.May(access.MailRead)}
	if c.Scope != access.ScopeAll {
		v.accounts = []string{}
		for _, a := range c.Accounts {
			v.accounts = append(v.accounts, strings.ToLower(a))
		}
	}
	return v
}

// filter leaves in a filter of runs what is seen.
func (v view) filter(f rules.RunFilter) rules.RunFilter {
	f.Accounts, f.Others = v.accounts, v.others
	return f
}

// sees tells whether an event may be seen that is about a message of an account, or about none.
func (v view) sees(ev *rules.Event, account string) bool {
	if v.accounts == nil {
		return true
	}
	if ev.Type != rules.TypeMail && ev.Entry == "" {
		return v.others
	}
	return v.Sees(account)
}

// accountOf is whose copy the message of an event is.
func accountOf(ev *rules.Event) string {
	m, _ := ev.Data["mail"].(map[string]any)
	account, _ := m["account"].(string)
	return strings.ToLower(account)
}

// maskedText stands for what the caller must not see.
const maskedText = "•••"

// masked hides fields of kinds that the caller must not see, such as phone, wherever a field is called so.
func (v view) masked(value any) any {
	switch x := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for name, e := range x {
			if v.hides(name) && e != nil {
				out[name] = maskedText
				continue
			}
			out[name] = v.masked(e)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = v.masked(e)
		}
		return out
	}
	return value
}

// maskNames are the names of fields by the kind that masks have.
var maskNames = map[string][]string{
	"phone":   {"phone", "mobile", "tel", "telephone", "电话", "手机"},
	"amount":  {"amount", "total", "price", "budget", "金额", "价格", "总额"},
	"address": {"street", "postal_address", "mailing_address", "address_line", "地址"},
	"email":   {"email", "mail"},
}

// hides tells whether a field of a name is hidden.
func (v view) hides(name string) bool {
	name = strings.ToLower(name)
	for kind, names := range maskNames {
		if !v.Masked(kind) {
			continue
		}
		for _, n := range names {
			if name == n || strings.HasSuffix(name, "_"+n) {
				return true
			}
		}
	}
	return v.Masked(name)
}

// masks tells whether anything is hidden from the caller.
func (v view) masks() bool {
	for kind := range maskNames {
		if v.Masked(kind) {
			return true
		}
	}
	return false
}
