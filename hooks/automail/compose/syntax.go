package compose

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var syntaxLine = regexp.MustCompile(`^template: .*?:(\d+): (.*)$`)

// syntax says what the parser does not like.
func (c *compiler) syntax(err error) {
	words := err.Error()
	if rest, ok := strings.CutPrefix(words, "template: "+c.name); ok {
		words = "template: x" + rest
	}
	p := Problem{Template: c.name, Line: 1, Column: 1, Code: "syntax"}
	if m := syntaxLine.FindStringSubmatch(words); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		words = m[2]
	}
	if rows := strings.Split(c.source, "\n"); p.Line >= 1 && p.Line <= len(rows) {
		row := rows[p.Line-1]
		p.Column = 1 + utf8.RuneCountInString(row[:max(0, strings.Index(row, "{{"))])
	}
	zh := "语法错误：" + words
	for _, k := range syntaxKinds {
		if strings.Contains(words, k.has) {
			zh = k.zh
			if k.suggest != "" {
				p.Suggestions = []string{k.suggest}
			}
			break
		}
	}
	p.Zh, p.En = zh, words
	c.problems = append(c.problems, p)
}

var syntaxKinds = []struct{ has, zh, suggest string }{
	{"unclosed action", "缺少 }}", ""},
	{"unexpected EOF", "缺少 {{end}}", "{{end}}"},
	{"unexpected {{end}}", "多余的 {{end}}", ""},
	{"unexpected {{else}}", "多余的 {{else}}", ""},
	{"unterminated quoted string", "引号没有闭合", ""},
	{"undefined variable", "变量没有定义", ""},
	{"U+201C", "请用英文引号 \"，不要用中文引号 “”", `"…"`},
	{"U+201D", "请用英文引号 \"，不要用中文引号 “”", `"…"`},
	{"U+002D", "字段名含有特殊字符时请用 field", `{{field "record.odd-name"}}`},
	{"bad character", "字段名含有特殊字符时请用 field", `{{field "record.odd-name"}}`},
	{"bad number syntax", "字段名含有特殊字符时请用 field", `{{field "record.odd-name"}}`},
	{"missing value", "{{ }} 中没有内容", "{{.contact.name}}"},
	{"unexpected", "语法错误：多余或位置不对的字符", ""},
}

// warnLiterals looks for what was meant to be an action and is text.
func (c *compiler) warnLiterals() {
	for _, wrong := range []string{"｛｛", "{｛", "｛{", "｝｝"} {
		if i := strings.Index(c.source, wrong); i >= 0 {
			c.warn(i, "full_width", "这里是全角括号，会原样出现在邮件里；字段要写成 {{ }}", "these are full-width braces and will show as they are; fields are written {{ }}", "{{ }}")
		}
	}
}
