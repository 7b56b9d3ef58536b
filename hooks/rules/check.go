package rules

import (
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"

	"heliograph/config"
	"heliograph/hooks/automail/compose"
	"heliograph/hooks/rules/condition"
	"heliograph/internal/calendar"
)

// Problem is one thing that is wrong with a rule, for the person who writes it.
type Problem struct {
	Path    string `json:"path"` // JSON pointer
	Warning bool   `json:"warning,omitempty"`
	Zh      string `json:"zh"`
	En      string `json:"en"`
	// Code is a stable name: missing, value, name, template, unreachable, cycle, test, condition_ and a code of package condition, or empty.
	Code string `json:"code,omitempty"`
	// Suggestion is what was probably meant; Line and Column are a place inside a template or an expression, from 1.
	Suggestion string `json:"suggestion,omitempty"`
	Line       int    `json:"line,omitempty"`
	Column     int    `json:"column,omitempty"`
}

func (p Problem) String() string { return p.Path + ": " + p.Zh + " / " + p.En }

// Surroundings are the names that a rule may use. A nil list is not checked.
type Surroundings struct {
	Targets  []string
	Channels []string
	Hooks    []string
	Groups   []string // of accounts
	// Senders are the accounts that rules can send as, lower case, and Sender the one of steps that name none.
	Senders   []string
	Sender    string
	Roles     map[string][]string // with their members
	NoLinks   bool                // nobody can follow links, because the console has no public address
	Calendars calendar.Set
	Calendar  string // the default one
}

// Check says what is wrong with a rule. What is no warning keeps it from being published.
func Check(r Rule, s Surroundings) []Problem {
	c := &checker{around: s, rule: &r}
	c.root()
	compiled, err := compile(r, 0, Live)
	if err != nil {
		path := ""
		var at *PathError
		if errors.As(err, &at) {
			path, err = at.Path, at.Err
		}
		c.problems = append(c.problems, ofCompiling(path, err)...)
		return c.problems
	}
	c.within("/trigger", func() { compiled.trigger.check(c) })
	c.condition("/when", r.When)
	if compiled.contact != nil {
		c.template("/contact", compiled.contact.template)
	}
	c.steps(compiled.steps, "/steps")
	return append(c.problems, unreachable(compiled)...)
}

// ofCompiling are the problems that an error of compile stands for.
func ofCompiling(path string, err error) (out []Problem) {
	if ps, ok := errors.AsType[compose.Problems](err); ok {
		for _, p := range ps {
			out = append(out, Problem{Path: path, Warning: p.Warning, Zh: p.Zh, En: p.En, Code: "template", Suggestion: strings.Join(p.Suggestions, ", "), Line: p.Line, Column: p.Column})
		}
		return out
	}
	return []Problem{{Path: path, Zh: err.Error(), En: err.Error()}}
}

// checker collects problems. Its methods take the last part of a path and add it to where they are.
type checker struct {
	around   Surroundings
	rule     *Rule
	base     string
	step     string // id of the step that is looked at
	earlyIDs []string
	aliases  []string // what for_each calls its elements, where we are inside
	problems []Problem
}

func (c *checker) within(path string, f func()) {
	before := c.base
	c.base += path
	f()
	c.base = before
}

func (c *checker) problem(path, en, zh string) {
	c.problems = append(c.problems, Problem{Path: c.base + path, En: en, Zh: zh})
}

// mistake is problem with a code, and what was probably meant.
func (c *checker) mistake(path, code, suggestion, en, zh string) {
	c.problems = append(c.problems, Problem{Path: c.base + path, En: en, Zh: zh, Code: code, Suggestion: suggestion})
}

func (c *checker) warning(path, en, zh string) {
	c.problems = append(c.problems, Problem{Path: c.base + path, En: en, Zh: zh, Warning: true})
}

func (c *checker) root() {
	r := c.rule
	if !validName(r.ID) {
		c.problem("/id", "an id has lower-case letters, digits and hyphens, and 64 characters at most", "id 只能用小写字母、数字和连字符，最长 64 个字符")
	}
	if strings.TrimSpace(r.Name) == "" {
		c.mistake("/name", "missing", "", "give it a name", "请填写名称")
	}
	if r.Owner == "" {
		c.mistake("/owner", "missing", "", "say who answers for it: a mail address", "请填写负责人的邮件地址")
	} else {
		c.address("/owner", r.Owner)
	}
	if k := r.Guards.PerKey; k.Count < 0 || (k.Count > 0) != !k.Key.IsZero() || (k.Count > 0) != (k.Per.D() > 0) {
		c.problem("/guards/per_key", "per_key has key, count and per", "per_key 需同时填写 key、count 和 per")
	}
	c.template("/guards/per_key/key", r.Guards.PerKey.Key.template)
	c.people("guards/first_approvers", r.Guards.FirstApprovers)
	if err := r.Extract.Check(); err != nil {
		c.problem("/extract", err.Error(), "提取字段的定义有误："+err.Error())
	}
	if len(r.Steps) == 0 {
		c.mistake("/steps", "missing", "", "a rule without steps does nothing", "没有步骤的规则什么也不做")
	}
	if c.around.Calendars != nil {
		name := r.Calendar
		if name == "" {
			name = c.around.Calendar
		}
		if _, err := c.around.Calendars.Find(name); err != nil {
			c.problem("/calendar", err.Error(), "没有这个工作日历："+name)
		}
	}
}

func validName(id string) bool {
	if id == "" || len(id) > 64 || id[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(id, func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

func (c *checker) steps(list []*step, path string) {
	for i, s := range list {
		c.within(path+"/"+strconv.Itoa(i), func() {
			c.condition("/when", s.Step.When)
			if s.OnError != "" && s.OnError != ErrorStops && s.OnError != ErrorContinues {
				c.problem("/on_error", "on_error is stop or continue", "on_error 只能是 stop 或 continue")
			}
			c.step = s.ID
			c.within("/with", func() { s.action.check(c) })
			if f, ok := s.action.(*forEach); ok && f.As != "" {
				c.aliases = append(c.aliases, f.As)
				defer func() { c.aliases = c.aliases[:len(c.aliases)-1] }()
			}
			if p, ok := s.action.(parent); ok {
				for _, b := range p.children() {
					c.condition(strings.TrimSuffix(b.path, "/steps")+"/when", b.when)
					c.steps(b.steps, b.path)
				}
			}
		})
		c.earlyIDs = append(c.earlyIDs, s.ID)
	}
}

func (c *checker) condition(path string, n *condition.Node) {
	if n == nil {
		return
	}
	for _, p := range condition.Check(n, schemaWith(condition.Standard(), c.aliases), c.rule.Trigger.Type) {
		c.problems = append(c.problems, Problem{Path: c.base + path + p.At, Zh: p.ZH, En: p.EN, Warning: p.Severity == condition.Warning, Code: "condition_" + p.Code, Suggestion: p.Suggestion, Line: p.Line, Column: p.Column})
	}
}

// template checks the facts that a template looks at.
func (c *checker) template(path string, t template) {
	for _, p := range t.paths() {
		c.known(path, p)
	}
}

func (c *checker) value(path string, v *value) {
	for _, p := range v.paths() {
		c.known(path, p)
	}
}

func (c *checker) values(name string, fields map[string]value) {
	for field, v := range fields {
		c.value("/"+name+"/"+field, &v)
	}
}

func (c *checker) fact(name, path string) { c.known("/"+name, path) }

// known says when there is no such fact.
func (c *checker) known(at, path string) {
	root, rest, _ := strings.Cut(path, ".")
	if root == "steps" {
		id, _, _ := strings.Cut(rest, ".")
		if !slices.Contains(c.earlyIDs, id) {
			c.mistake(at, "name", config.Nearest(id, c.earlyIDs), "there is no earlier step "+id+meant(id, c.earlyIDs), "前面没有步骤 "+id)
		}
		return
	}
	if slices.Contains(c.aliases, root) {
		return
	}
	if _, ok := condition.Standard().Lookup(path); !ok {
		var all []string
		for _, f := range condition.Standard().Facts() {
			all = append(all, f.Path)
		}
		c.warning(at, "nobody knows "+path+meant(path, all), "没有字段 "+path+meant(path, all))
	}
}

// sender says when nobody can send.
func (c *checker) sender(as template) {
	if c.around.Senders == nil || strings.Contains(as.source, "{{") {
		return
	}
	address := addressIn(as.source)
	switch {
	case as.IsZero() && c.around.Sender == "":
		c.warning("/as", "there is nobody to send as: name an account (as), or set rules.sender", "没有发件账号：请填写 as，或配置 rules.sender")
	case !as.IsZero() && !slices.Contains(c.around.Senders, address):
		c.warning("/as", address+" is not in outbox.senders; unless its owner is enrolled, nothing is sent", address+" 不在 outbox.senders 中；除非其所有者已授权，否则无法发送")
	}
}

func (c *checker) earlier(name, id string) {
	if !slices.Contains(c.earlyIDs, id) {
		c.mistake(pointer(name), "name", config.Nearest(id, c.earlyIDs), "there is no earlier step "+id+meant(id, c.earlyIDs), "前面没有步骤 "+id)
	}
}

func (c *checker) needsMail() {
	if t := c.rule.Trigger.Type; t != TypeMail && t != TypeAbsence && t != TypeManual {
		c.problem("", "this needs a mail, and the trigger brings none", "此步骤需要邮件，而触发器不提供邮件")
	}
}

func (c *checker) required(name, v string) {
	if v == "" {
		c.mistake(pointer(name), "missing", "", name+" is missing", "缺少 "+name)
	}
}

func (c *checker) oneOf(name, v string, allowed ...string) {
	if !slices.Contains(allowed, v) {
		list := strings.Join(slices.DeleteFunc(slices.Clone(allowed), func(s string) bool { return s == "" }), ", ")
		c.mistake(pointer(name), "value", config.Nearest(v, allowed), fmt.Sprintf("%q is none of %s%s", v, list, meant(v, allowed)), fmt.Sprintf("%q 不在允许的值中：%s", v, list))
	}
}

func (c *checker) address(name, v string) {
	if a, err := mail.ParseAddress(v); err != nil || a.Name != "" {
		c.mistake(pointer(name), "value", "", fmt.Sprintf("%q is not a mail address", v), fmt.Sprintf("%q 不是邮件地址", v))
	}
}

func (c *checker) named(name, v string, known []string, en, zh string) {
	if v == "" {
		c.required(name, v)
		return
	}
	if known != nil && !slices.Contains(known, v) {
		c.mistake(pointer(name), "name", config.Nearest(v, known), "there is no "+en+" "+v+meant(v, known), "没有"+zh+" "+v)
	}
}

func (c *checker) target(name, v string) {
	c.named(name, v, c.around.Targets, "target", "目标系统")
}

func (c *checker) channel(name, v string) {
	c.named(name, v, c.around.Channels, "notifier", "通知渠道")
}

func (c *checker) hook(name, v string) { c.named(name, v, c.around.Hooks, "webhook", "推送入口") }

func (c *checker) offset(name string, o offset, positive bool) {
	if positive && o.IsZero() {
		c.required(name, "")
	} else if positive && o.negative() {
		c.problem(pointer(name), "the time must not be negative", "时间不能为负")
	}
}

// comparisons are those of a query to a CRM.
var comparisons = []string{"eq", "ne", "lt", "le", "gt", "ge", "in", "contains", "empty"}

func (c *checker) selections(name string, where []Selection) {
	for i, s := range where {
		c.required(at(name, i)+"/field", s.Field)
		c.oneOf(at(name, i)+"/is", s.Is, comparisons...)
	}
}

func (c *checker) schedule(t *scheduleTrigger) {
	cal := (*calendar.Calendar)(nil)
	if c.around.Calendars != nil {
		name := c.rule.Calendar
		if name == "" {
			name = c.around.Calendar
		}
		cal, _ = c.around.Calendars.Find(name)
	}
	if _, err := t.parse(cal); err != nil {
		c.problem("/at", err.Error(), "时间表无效："+err.Error())
	}
	c.oneOf("missed", t.Missed, "", string(calendar.MissedSkip), string(calendar.MissedOnce), string(calendar.MissedAll))
}

// at is the pointer of an element of a list, or of a field of an object.
func at[T int | string](name string, i T) string { return "/" + name + "/" + fmt.Sprint(i) }

// pointer makes a name a pointer, unless it is one.
func pointer(name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return "/" + name
}

// meant suggests a word that is written nearly so.
func meant(word string, known []string) string {
	best := config.Nearest(word, known)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
