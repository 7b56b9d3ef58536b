package compose

import (
	"errors"
	"fmt"
	"html"
	htmltemplate "html/template"
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"

	"heliograph/internal/decimal"
)

// function is one that templates may call. The value that is piped in is the last argument.
type function struct {
	min, max int // arguments; max below zero means any number
	usage    string
	missing  bool // it wants to see what is missing; others hand that on
	compares bool // it is a question, to which what is missing gives no answer
	check    func(i int, word string) (zh, en string)
	call     func(r *rendering, args []any) (any, error)
}

var functions = map[string]function{
	"default": {min: 2, max: 2, usage: `{{.contact.name | default "您好"}}`, missing: true, call: byDefault},
	"upper":   {min: 1, max: 1, usage: `{{.x | upper}}`, call: onText(strings.ToUpper)},
	"lower":   {min: 1, max: 1, usage: `{{.x | lower}}`, call: onText(strings.ToLower)},
	"title":   {min: 1, max: 1, usage: `{{.x | title}}`, call: onText(title)},
	"trim":    {min: 1, max: 1, usage: `{{.x | trim}}`, call: onText(strings.TrimSpace)},
	"cut":     {min: 2, max: 2, usage: `{{.x | cut 20}}`, call: cut},
	"nl2br":   {min: 1, max: 1, usage: `{{.x | nl2br}}`, call: nl2br},
	"link":    {min: 1, max: 2, usage: `{{.record._url | link "打开"}}`, call: link},

	"number": {min: 1, max: 2, usage: `{{.x | number 2}}`, call: number},
	"money":  {min: 2, max: 2, usage: `{{.x | money "CNY"}}`, check: checkCurrency, call: money},
	"plus":   {min: 2, max: 2, usage: `{{.x | plus 1}}, {{.time.now | plus "3d"}}`, call: func(r *rendering, a []any) (any, error) { return add(a, 1) }},
	"minus":  {min: 2, max: 2, usage: `{{.x | minus 1}}, {{.time.now | minus "3d"}}`, call: func(r *rendering, a []any) (any, error) { return add(a, -1) }},
	"times":  {min: 2, max: 2, usage: `{{.record.amount | times 0.01}}`, call: times},
	"plural": {min: 3, max: 3, usage: `{{.n | plural "item" "items"}}`, call: plural},
	"date":   {min: 2, max: 3, usage: `{{.mail.date | date "长日期" "Asia/Shanghai"}}`, check: checkDate, call: date},

	"count": {min: 1, max: 1, usage: `{{.mail.attachments | count}}`, call: count},
	"first": {min: 1, max: 1, usage: `{{(first .mail.to).address}}`, call: func(_ *rendering, a []any) (any, error) { return pick(a, false) }},
	"last":  {min: 1, max: 1, usage: `{{last .mail.tags}}`, call: func(_ *rendering, a []any) (any, error) { return pick(a, true) }},
	"join":  {min: 2, max: 2, usage: `{{.mail.tags | join "、"}}`, call: join},
	"split": {min: 1, max: 1, usage: `{{.record.emails | split}}`, call: split},
	"list":  {min: 1, max: 1, usage: `{{.mail.tags | list}}`, call: list},
	"table": {min: 1, max: -1, usage: `{{.record.items | table "name=品名" "qty=数量"}}`, call: table},

	"eq":  {min: 2, max: 2, compares: true, usage: `{{if eq .mail.language "zh"}}`, call: func(_ *rendering, a []any) (any, error) { return same(a), nil }},
	"ne":  {min: 2, max: 2, compares: true, usage: `{{if ne .mail.language "zh"}}`, call: func(_ *rendering, a []any) (any, error) { return !same(a), nil }},
	"gt":  {min: 2, max: 2, compares: true, usage: `{{if gt .record.amount 1000}}`, call: func(_ *rendering, a []any) (any, error) { return compare(a, 1) }},
	"lt":  {min: 2, max: 2, compares: true, usage: `{{if lt .record.amount 1000}}`, call: func(_ *rendering, a []any) (any, error) { return compare(a, -1) }},
	"not": {min: 1, max: 1, usage: `{{if not .contact.name}}`, missing: true, call: not},
	"and": {min: 2, max: 9, usage: `{{if and .a .b}}`, missing: true, call: func(r *rendering, a []any) (any, error) { return r.logic(a, false), nil }},
	"or":  {min: 2, max: 9, usage: `{{if or .a .b}}`, missing: true, call: func(r *rendering, a []any) (any, error) { return r.logic(a, true), nil }},
}

// byDefault gives its first argument where the value is missing or blank.
func byDefault(_ *rendering, args []any) (any, error) {
	switch v := args[1].(type) {
	case *missing:
		return args[0], nil
	case string:
		if strings.TrimSpace(v) == "" {
			return args[0], nil
		}
	case []any:
		if len(v) == 0 {
			return args[0], nil
		}
	}
	return args[1], nil
}

func onText(f func(string) string) func(*rendering, []any) (any, error) {
	return func(r *rendering, args []any) (any, error) {
		s, err := r.text(args[0])
		return f(s), err
	}
}

// title puts the first letter of each word in upper case.
func title(s string) string {
	before := ' '
	return strings.Map(func(c rune) rune {
		start := !unicode.IsLetter(before) && !unicode.IsDigit(before) && before != '\''
		before = c
		if start {
			return unicode.ToTitle(c)
		}
		return c
	}, s)
}

// cut keeps so many characters, and says so by an ellipsis, which counts.
func cut(r *rendering, args []any) (any, error) {
	n, ok := wholeOf(args[0])
	if !ok || n < 1 {
		return nil, r.wrong("cut", "cut 后要写字数 / cut wants a number of characters")
	}
	s, err := r.text(args[1])
	if err != nil || utf8.RuneCountInString(s) <= n {
		return s, err
	}
	return string([]rune(s)[:n-1]) + "…", nil
}

// wrong is the error of a function that got what it cannot use.
func (r *rendering) wrong(name, words string) Problem {
	return Problem{Template: r.t.name, Code: "arguments", Zh: "函数 " + name + "：" + words, En: "function " + name + ": " + words}
}

// nl2br keeps the line ends of a text in HTML.
func nl2br(r *rendering, args []any) (any, error) {
	s, err := r.text(args[0])
	if err != nil || r.t.kind != HTML {
		return s, err
	}
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	return htmltemplate.HTML(strings.ReplaceAll(html.EscapeString(s), "\n", "<br>\n")), nil
}

// link makes a link to its last argument.
func link(r *rendering, args []any) (any, error) {
	to, err := r.text(args[len(args)-1])
	if err != nil {
		return nil, err
	}
	to = strings.TrimSpace(to)
	words := to
	if len(args) == 2 {
		if words, err = r.text(args[0]); err != nil {
			return nil, err
		}
	}
	if !safeURL(to) || to == "" {
		return nil, r.wrong("link", "链接只能是 http、https、mailto、tel 或 cid / a link must be http, https, mailto, tel or cid")
	}
	switch {
	case r.t.kind == HTML:
		return htmltemplate.HTML(`<a href="` + html.EscapeString(to) + `">` + html.EscapeString(words) + `</a>`), nil
	case words == to:
		return to, nil
	}
	return words + " <" + to + ">", nil
}

// same compares numbers as such, times by moment and all else as text.
func same(args []any) bool {
	if a, ok := decimal.Of(args[0]); ok {
		if b, ok := decimal.Of(args[1]); ok {
			return a.Cmp(b) == 0
		}
	}
	if d, ok := order(args); ok {
		return d == 0
	}
	return plain(args[0]) == plain(args[1])
}

// order compares two numbers or times.
func order(args []any) (int, bool) {
	a, okA := decimal.Of(args[0])
	b, okB := decimal.Of(args[1])
	if okA && okB {
		return a.Cmp(b), true
	}
	x, okX := timeOf(args[0], nil)
	y, okY := timeOf(args[1], nil)
	if okX && okY {
		return x.Compare(y), true
	}
	return 0, false
}

var errOrder = errors.New("gt 与 lt 只能比较数字或时间 / gt and lt compare numbers or times")

func compare(args []any, sign int) (any, error) {
	d, ok := order(args)
	if !ok {
		return nil, Problem{Code: "arguments", Zh: errOrder.Error(), En: errOrder.Error()}
	}
	return d == sign, nil
}

// not, and and or are three-valued: a question without an answer stays one, unless the others decide.
func not(r *rendering, args []any) (any, error) {
	if gone, ok := args[0].(*missing); ok && gone.compared {
		return gone, nil
	}
	return !r.there(args[0]), nil
}

// logic is or where one decides by being true, and where one decides by being false.
func (r *rendering) logic(args []any, decides bool) any {
	var open any
	for _, a := range args {
		if gone, ok := a.(*missing); ok && gone.compared {
			open = gone
		} else if r.there(a) == decides {
			return decides
		}
	}
	if open != nil {
		return open
	}
	return !decides
}

// plural chooses the word for one or for several.
func plural(r *rendering, args []any) (any, error) {
	n, ok := decimal.Of(args[2])
	if !ok {
		l, isList := args[2].([]any)
		if !isList {
			return nil, r.wrong("plural", "需要数字或列表 / it wants a number or a list")
		}
		n = big.NewRat(int64(len(l)), 1)
	}
	word := args[1]
	if n.Cmp(big.NewRat(1, 1)) == 0 {
		word = args[0]
	}
	return r.text(word)
}

// count is the length of a list, or of a text in characters.
func count(r *rendering, args []any) (any, error) {
	switch v := args[0].(type) {
	case []any:
		return len(v), nil
	case map[string]any:
		return len(v), nil
	}
	s, err := r.text(args[0])
	return utf8.RuneCountInString(s), err
}

func pick(args []any, last bool) (any, error) {
	l, ok := args[0].([]any)
	if !ok {
		return args[0], nil
	}
	if len(l) == 0 {
		return "", nil
	}
	v := l[0]
	if last {
		v = l[len(l)-1]
	}
	if v == nil {
		return "", nil
	}
	return v, nil
}

func join(r *rendering, args []any) (any, error) {
	l, ok := args[1].([]any)
	if !ok {
		return r.text(args[1])
	}
	var words []string
	for _, e := range l {
		if e == nil {
			continue
		}
		w, err := r.text(e)
		if err != nil {
			return nil, fmt.Errorf("join: %w", err)
		}
		words = append(words, w)
	}
	return strings.Join(words, plain(args[0])), nil
}

// split makes a list of a text that has commas, semicolons or line ends in it.
func split(r *rendering, args []any) (any, error) {
	if l, ok := args[0].([]any); ok {
		return l, nil
	}
	s, err := r.text(args[0])
	out := []any{}
	for _, w := range strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune(",;，；、\r\n", c) }) {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out, err
}
