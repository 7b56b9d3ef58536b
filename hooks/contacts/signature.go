package contacts

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"heliograph/crmclient"
)

// Fields are values by the names of crmclient.FieldName and its like.
type Fields map[string]string

// Bounds of a signature: what is longer is a disclaimer or an advertisement.
const (
	maxSignature     = 4000 // bytes
	maxSignatureLine = 160  // runes
	maxSignatureRows = 30
)

// ignored is the field of labels whose values are of no use here, but end the value before them.
const ignored = ""

// labels are what stands before values. Of single letters only those with a colon count.
var labels = map[string]string{
	"手机": crmclient.FieldMobile, "手機": crmclient.FieldMobile, "手机号": crmclient.FieldMobile, "手机号码": crmclient.FieldMobile,
	"移动电话": crmclient.FieldMobile, "行動電話": crmclient.FieldMobile, "携帯": crmclient.FieldMobile,
	"mobile": crmclient.FieldMobile, "mob": crmclient.FieldMobile, "cell": crmclient.FieldMobile, "cellphone": crmclient.FieldMobile,
	"mobil": crmclient.FieldMobile, "m": crmclient.FieldMobile, "mp": crmclient.FieldMobile,

	"电话": crmclient.FieldPhone, "電話": crmclient.FieldPhone, "座机": crmclient.FieldPhone, "固话": crmclient.FieldPhone, "固定电话": crmclient.FieldPhone,
	"直线": crmclient.FieldPhone, "办公电话": crmclient.FieldPhone, "联系电话": crmclient.FieldPhone, "公司电话": crmclient.FieldPhone,
	"tel": crmclient.FieldPhone, "telephone": crmclient.FieldPhone, "phone": crmclient.FieldPhone, "office": crmclient.FieldPhone,
	"direct": crmclient.FieldPhone, "telefon": crmclient.FieldPhone, "ph": crmclient.FieldPhone,
	"t": crmclient.FieldPhone, "p": crmclient.FieldPhone, "o": crmclient.FieldPhone, "d": crmclient.FieldPhone,

	"职务": crmclient.FieldTitle, "职位": crmclient.FieldTitle, "职称": crmclient.FieldTitle, "職務": crmclient.FieldTitle,
	"title": crmclient.FieldTitle, "position": crmclient.FieldTitle, "job title": crmclient.FieldTitle,
	"公司": crmclient.FieldCompany, "公司名称": crmclient.FieldCompany, "单位": crmclient.FieldCompany,
	"company": crmclient.FieldCompany, "organization": crmclient.FieldCompany, "organisation": crmclient.FieldCompany,
	"姓名": crmclient.FieldName, "name": crmclient.FieldName,

	"传真": ignored, "傳真": ignored, "fax": ignored, "f": ignored, "telefax": ignored,
	"地址": ignored, "公司地址": ignored, "address": ignored, "add": ignored, "addr": ignored, "a": ignored,
	"邮箱": ignored, "邮件": ignored, "电子邮箱": ignored, "电子邮件": ignored, "e-mail": ignored, "email": ignored, "mail": ignored, "e": ignored,
	"网址": ignored, "网站": ignored, "web": ignored, "website": ignored, "url": ignored, "w": ignored,
	"qq": ignored, "微信": ignored, "wechat": ignored, "skype": ignored, "whatsapp": ignored, "邮编": ignored, "zip": ignored,
	"部门": ignored, "dept": ignored, "department": ignored, "分机": ignored, "ext": ignored, "税号": ignored, "vat": ignored,
}

// labelled finds labels with a colon, and labels of phones directly before a number.
var labelled = func() *regexp.Regexp {
	words := make([]string, 0, len(labels))
	for word := range labels {
		words = append(words, regexp.QuoteMeta(word))
	}
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) }) // the longest first
	return regexp.MustCompile(`(?i)(^|[\s|/;,(，；、])(` + strings.Join(words, "|") + `)\.?(?:\s*:\s*|\s+(?:[+(]?\d))`)
}()

var (
	numberForm   = regexp.MustCompile(`^\+?[\d()][\d\s().\-/]{5,24}\d`)
	mobileChina  = regexp.MustCompile(`^(?:\+?86[\s-]?)?1[3-9]\d[\s-]?\d{4}[\s-]?\d{4}$`)
	companyForm  = regexp.MustCompile(`(?i)(公司|集团|研究院|研究所|大学|医院|事务所|株式会社|\b(co\.?,?\s*ltd|inc|gmbh|llc|corp|corporation|limited|ltd|plc|s\.a|b\.v|s\.r\.l|pte\.?\s*ltd)\.?)$`)
	titleChinese = regexp.MustCompile(`(经理|总监|主管|工程师|总裁|董事长|专员|助理|主任|代表|顾问|会计|采购员|业务员|厂长|所长|部长|科长|教授|创始人|合伙人)$`)
	titleWestern = regexp.MustCompile(`(?i)\b(manager|director|engineer|president|officer|ceo|cto|cfo|coo|vp|head|consultant|assistant|buyer|accountant|representative|specialist|supervisor|founder|partner|analyst|coordinator|geschäftsführer|leiter|professor)\b`)
)

// surnames are the common Chinese ones; a line of two to four characters that begins with none is no name.
const surnames = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任姚卢傅钟姜崔谭廖范汪陆金石戴贾韦夏邱方侯邹熊孟秦白江阎薛尹段雷黎史龙陶贺顾毛郝龚邵万钱严覃武戚莫孔向汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝張劉陳楊黃趙吳孫馬鄭謝許鄧馮韓蕭葉蔣蘇呂盧傅鍾"

// notNames are words that begin or end a letter, and more that stand where a name could.
var notNames = []string{
	"regards", "thanks", "thank", "best", "sincerely", "sent", "from", "iphone", "cheers", "yours", "dear", "hello", "hi", "kind", "warm",
	"mit", "freundlichen", "grüßen", "cordialement", "disclaimer", "confidential", "department", "team", "sales", "office", "company",
}

// Signature reads what the signature of a mail says of its writer: name, title, phone, mobile and company. It takes only what is
// clearly said, by a label or by an unmistakable form: too little does no harm, a wrong number does. Numbers are as written.
func Signature(text string) Fields {
	out := Fields{}
	text = norm.NFKC.String(clip(text, maxSignature))
	var rows []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(line), "-—_*•>=~ "))
		if line == "" || utf8.RuneCountInString(line) > maxSignatureLine || len(rows) >= maxSignatureRows {
			continue
		}
		rows = append(rows, line)
	}
	for i, row := range rows {
		rest := out.takeLabelled(row)
		for part := range strings.FieldsFuncSeq(rest, func(r rune) bool { return r == '|' || r == '丨' || r == '│' || r == '•' || r == '·' }) {
			out.takePlain(strings.TrimSpace(part), i == 0)
		}
	}
	if len(out) == 1 && out[crmclient.FieldName] != "" {
		return Fields{} // a name alone may be any two words
	}
	return out
}

// set takes the first value of a field only: a second one may be a colleague's.
func (f Fields) set(field, value string) {
	value = strings.Trim(value, " \t,;:，；、|/")
	if f[field] == "" && value != "" && len(value) <= maxLearnt {
		f[field] = value
	}
}

// takeLabelled takes what stands behind labels, and returns what stands before the first.
func (f Fields) takeLabelled(row string) (rest string) {
	found := labelled.FindAllStringSubmatchIndex(row, -1)
	if len(found) == 0 {
		return row
	}
	for i, at := range found {
		end := len(row)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		label := strings.ToLower(row[at[4]:at[5]])
		if utf8.RuneCountInString(label) == 1 && !strings.Contains(row[at[5]:at[1]], ":") {
			continue
		}
		begin := at[5]
		value := strings.TrimLeft(row[begin:max(begin, end)], ".: \t")
		field := labels[label]
		switch field {
		case ignored:
		case crmclient.FieldPhone, crmclient.FieldMobile:
			f.setNumber(field, value)
		default:
			value, _, _ = strings.Cut(value, "|")
			f.set(field, value)
		}
	}
	return row[:found[0][0]]
}

// setNumber takes the number at the beginning of a text. A Chinese mobile number is one by its form, whatever the label says.
func (f Fields) setNumber(field, text string) {
	number := numberForm.FindString(text)
	if number == "" {
		return
	}
	if mobileChina.MatchString(number) {
		field = crmclient.FieldMobile
	}
	f.set(field, number)
}

// takePlain takes what is recognised by its form.
func (f Fields) takePlain(part string, first bool) {
	switch {
	case part == "" || strings.ContainsAny(part, "@。！？!?") || strings.Contains(part, "://"):
	case mobileChina.MatchString(part), strings.HasPrefix(part, "+") && numberForm.FindString(part) == part:
		f.setNumber(crmclient.FieldPhone, part)
	case strings.ContainsFunc(part, unicode.IsDigit): // an address, a date
	case companyForm.MatchString(part) && utf8.RuneCountInString(part) >= 4:
		f.set(crmclient.FieldCompany, part)
	case first && f.takeNameAndTitle(part):
	case isTitle(part):
		f.set(crmclient.FieldTitle, part)
	case first && isName(part):
		f.set(crmclient.FieldName, part)
	}
}

// takeNameAndTitle takes a first row such as "李雷 采购经理" or "Li Lei, Purchasing Manager".
func (f Fields) takeNameAndTitle(part string) bool {
	for _, between := range []string{",", "，", "/", " "} {
		a, b, cut := strings.Cut(part, between)
		a, b = strings.TrimSpace(a), strings.TrimSpace(b)
		if cut && isName(a) && isTitle(b) && (between != " " || ideographic(firstRune(a))) {
			f.set(crmclient.FieldName, a)
			f.set(crmclient.FieldTitle, b)
			return true
		}
	}
	return false
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

func isTitle(s string) bool {
	if strings.ContainsAny(s, ":：;；.") {
		return false
	}
	if titleChinese.MatchString(s) {
		return utf8.RuneCountInString(s) <= 16
	}
	return titleWestern.MatchString(s) && len(strings.Fields(s)) <= 6
}

// isName tells whether a text has the form of a person's name, and of little else.
func isName(s string) bool {
	runes := []rune(s)
	if slices.IndexFunc(runes, func(r rune) bool { return !unicode.Is(unicode.Han, r) }) < 0 {
		return len(runes) >= 2 && len(runes) <= 4 && strings.ContainsRune(surnames, runes[0]) && !titleChinese.MatchString(s)
	}
	words := strings.Fields(s)
	if len(words) < 2 || len(words) > 4 {
		return false
	}
	for _, w := range words {
		bare := strings.Trim(w, ".,")
		if slices.Contains(notNames, strings.ToLower(bare)) || !unicode.IsUpper(firstRune(bare)) {
			return false
		}
		if strings.ContainsFunc(bare, func(r rune) bool {
			return !unicode.IsLetter(r) && !strings.ContainsRune("-'’.", r) || unicode.Is(unicode.Han, r)
		}) {
			return false
		}
	}
	return !titleWestern.MatchString(s) && !companyForm.MatchString(s)
}
