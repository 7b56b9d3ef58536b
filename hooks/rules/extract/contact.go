package extract

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

var (
	emailForm = regexp.MustCompile(`[A-Za-z0-9][A-Za-z0-9._%+'-]{0,63}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.){1,6}[A-Za-z]{2,24}\b`)
	urlForm   = regexp.MustCompile(`(?i)\b(?:https?://|www\.)[^\s<>"'“”‘’（）【】，。；、\\^{}|` + "`" + `]{3,500}`)
	phoneForm = regexp.MustCompile(`(?:\+|\b00|\(\+)?\d[\d().  \-–]{5,22}\d`)
	phoneWord = regexp.MustCompile(`(?i)(?:电话|手机|座机|热线|传真|联系方式|致电|来电|微信|tel|phone|mobile|cell|call|fax|whatsapp|mob|ph)[^\d\n]{0,12}$`)
	mobileCN  = regexp.MustCompile(`^1[3-9]\d{9}$`)

	companyChinese = regexp.MustCompile(`[\p{Han}A-Za-z0-9()（）·]{2,30}?(?:股份有限公司|有限责任公司|有限公司|集团公司|集团|事务所|公司|研究院|研究所|银行|医院|大学|工厂)(?:[\p{Han}]{1,8}(?:分公司|支行|分行))?`)
	companyLatin   = regexp.MustCompile(`[\p{Lu}\p{N}][\p{L}\p{N}&.'’-]*,?\s+(?:(?:[\p{Lu}\p{N}][\p{L}\p{N}&.'’-]*|&|und|and|of|de|et),?\s+){0,6}(?:\([A-Z][a-z]+\)\s+)?(?:Co\.?,?\s*Ltd\.?|Ltd\.?|Limited|GmbH(?:\s*&\s*Co\.?\s*KG)?|Inc\.?|LLC|Corp\.?|Corporation|AG|S\.A\.|SA|B\.V\.|BV|AB|A/S|Oy|S\.r\.l\.|SpA|Pty\.?\s*Ltd\.?|PLC|plc|KG|KK)(?:[^\p{L}]|$)`)

	personChinese = regexp.MustCompile(`^\s*([\p{Han}]{2,4}(?:·[\p{Han}]{1,6})?)(?:先生|女士|小姐|经理|总监|总|老师|工程师|工|同志)?(?:[^\p{Han}]|$)`)
	personLatin   = regexp.MustCompile(`^\s*((?:Mr|Mrs|Ms|Dr|Prof)\.?\s+)?([\p{Lu}][\p{L}'’-]*\.?(?:\s+(?:(?:van|von|de|der|den|da|di|la|le|bin|al)\s+)*[\p{Lu}][\p{L}'’-]*\.?){0,3})`)
	personSelf    = regexp.MustCompile(`(?:我是|我叫|本人|联系人是|请联系|请找|(?i:my name is|this is|i am|i'm|contact person is|please contact))\s*`)
	titles        = []string{"先生", "女士", "小姐", "经理", "总监", "老师", "工程师", "同志"}
)

func findEmail(r *reader, s string, _ bool) []hit {
	if !strings.Contains(s, "@") {
		return nil
	}
	var hits []hit
	for _, m := range r.matches(emailForm, s, windows(s, around(s, "@"), 66, 120)) {
		local, domain, _ := strings.Cut(s[m[0]:m[1]], "@")
		if strings.Contains(local, "..") || strings.HasSuffix(local, ".") {
			continue
		}
		hits = append(hits, hit{start: m[0], end: m[1], value: local + "@" + strings.ToLower(domain)})
	}
	return hits
}

func findURL(r *reader, s string, _ bool) []hit {
	var hits []hit
	for _, m := range r.matches(urlForm, s, windows(s, around(s, "http://", "https://", "www."), 1, 280)) {
		text := strings.TrimRight(s[m[0]:m[1]], ".,;:!?)]*_~")
		if strings.Contains(text, "(") && strings.HasPrefix(s[m[0]+len(text):], ")") {
			text += ")"
		}
		if strings.Contains(text, ".") {
			hits = append(hits, hit{start: m[0], end: m[0] + len(text), value: text})
		}
	}
	return hits
}

// maxPhones bounds how often the library is asked in one text.
const maxPhones = 30

func findPhone(r *reader, s string, labelled bool) []hit {
	var hits []hit
	for i, m := range r.matches(phoneForm, s, windows(s, digitRuns(s), 3, 3)) {
		if i >= maxPhones {
			break
		}
		text := s[m[0]:m[1]]
		before, after := runeBefore(s, m[0]), rest(s, m[1])
		if isLatin(before) || before == '-' || before == '_' || before == '/' || isLatin(after) && after < 0x80 {
			continue
		}
		international := strings.HasPrefix(text, "+") || strings.HasPrefix(text, "(+") || strings.HasPrefix(text, "00")
		digits := strings.Map(func(c rune) rune {
			if c < '0' || c > '9' {
				return -1
			}
			return c
		}, text)
		start := max(0, m[0]-40)
		for start < m[0] && !utf8.RuneStart(s[start]) {
			start++
		}
		named := phoneWord.MatchString(s[start:m[0]])
		isMobile := r.region == "CN" && mobileCN.MatchString(digits)
		if !labelled && !international && !named && !isMobile || !r.search.afford(100_000) {
			continue
		}
		if strings.HasPrefix(text, "00") {
			text = "+" + text[2:]
		}
		number, err := phonenumbers.Parse(text, r.region)
		if err != nil || !phonenumbers.IsValidNumber(number) {
			continue
		}
		hits = append(hits, hit{start: m[0], end: m[1], value: phonenumbers.Format(number, phonenumbers.E164)})
	}
	return hits
}

func rest(s string, i int) rune {
	r, _ := utf8.DecodeRuneInString(s[i:])
	return r
}

func findCompany(r *reader, s string, labelled bool) []hit {
	var hits []hit
	if !isASCII(s) {
		for _, m := range r.matches(companyChinese, s, windows(s, around(s, "公司", "集团", "事务所", "研究", "银行", "医院", "大学", "工厂"), 100, 40)) {
			from := m[0]
			for _, w := range []string{"我们是", "我司是", "我是", "我代表", "这里是", "来自", "贵司", "与", "和", "由", "致", "是"} {
				from += len(s[from:m[1]]) - len(strings.TrimPrefix(s[from:m[1]], w))
			}
			name := s[from:m[1]]
			if utf8.RuneCountInString(name) < 4 || strings.HasPrefix(name, "贵") || strings.HasPrefix(name, "我") || strings.HasPrefix(name, "本") || strings.HasPrefix(name, "该") {
				continue
			}
			hits = append(hits, hit{start: from, end: m[1], value: name})
		}
	}
	for _, m := range r.matches(companyLatin, s, windows(s, around(s, "ltd", "limited", "gmbh", " inc", " llc", " corp", " ag", " s.a.", " sa", " b.v.", " bv", " ab", " a/s", " oy", " s.r.l", " spa", " pty", " plc", " kg", " kk"), 100, 20)) {
		text := strings.TrimRightFunc(s[m[0]:m[1]], func(r rune) bool { return r != '.' && !unicode.IsLetter(r) })
		if !shortened.MatchString(text) {
			text = strings.TrimRight(text, ".")
		}
		hits = append(hits, hit{start: m[0], end: m[0] + len(text), value: text})
	}
	if len(hits) == 0 && labelled {
		if from, to := plainText(s); from < to && to-from <= 120 {
			hits = append(hits, hit{start: from, end: to, value: s[from:to]})
		}
	}
	return hits
}

func findPerson(r *reader, s string, labelled bool) []hit {
	if labelled {
		if h, ok := personAt(s, 0); ok {
			return []hit{h}
		}
		return nil
	}
	var hits []hit
	for _, m := range r.matches(personSelf, s, windows(s, around(s, "我是", "我叫", "本人", "联系人是", "请联系", "请找", "my name is", "this is", "i am", "i'm", "contact person is", "please contact"), 1, 6)) {
		if h, ok := personAt(s, m[1]); ok {
			h.why = "after " + strings.TrimSpace(s[m[0]:m[1]])
			hits = append(hits, h)
		}
	}
	return hits
}

// notNames begin like names: "I am writing", 我是贵公司的客户.
var notNames = []string{"贵", "我", "你", "您", "一", "来自", "负责", "客户", "公司"}

func personAt(s string, at int) (hit, bool) {
	text, _ := head(s[at:], 120)
	if m := personChinese.FindStringSubmatchIndex(text); m != nil {
		name := text[m[2]:m[3]]
		for _, t := range titles {
			if rest, ok := strings.CutSuffix(name, t); ok && rest != "" {
				name = rest
			}
		}
		for _, p := range notNames {
			if strings.HasPrefix(name, p) {
				return hit{}, false
			}
		}
		return hit{start: at + m[2], end: at + m[2] + len(name), value: name}, true
	}
	if m := personLatin.FindStringSubmatchIndex(text); m != nil {
		name := text[m[4]:m[5]]
		if len([]rune(name)) >= 2 {
			return hit{start: at + m[4], end: at + m[5], value: name}, true
		}
	}
	return hit{}, false
}
