package builtin

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// field is what a column of a contact file means.
type field string

const (
	fieldName      field = "name"
	fieldFamily    field = "family_name"
	fieldGiven     field = "given_name"
	fieldAddresses field = "email"
	fieldCompany   field = "company"
	fieldTitle     field = "title"
	fieldPhone     field = "phone"
	fieldMobile    field = "mobile"
	fieldOwner     field = "owner"
	fieldNote      field = "note"
	fieldCustom    field = "custom" // a JSON object
)

// exportFields are the columns of an export, in order.
var exportFields = []field{
	fieldName, fieldAddresses, fieldCompany, fieldTitle, fieldPhone, fieldMobile, fieldOwner, fieldNote, fieldCustom,
}

// chineseHeaders are the header names of an export in Chinese.
var chineseHeaders = map[field]string{
	fieldName: "姓名", fieldAddresses: "邮箱", fieldCompany: "公司", fieldTitle: "职位", fieldPhone: "电话",
	fieldMobile: "手机", fieldOwner: "负责人", fieldNote: "备注", fieldCustom: "自定义字段",
}

// headerNames are the header names that imports know, in the form of headerKey.
var headerNames = map[field][]string{
	fieldName: {
		"name", "fullname", "displayname", "contact", "contactname", "contactperson", "person",
		"姓名", "名称", "名字", "联系人", "联系人姓名", "客户姓名", "全名",
	},
	fieldFamily: {"lastname", "familyname", "surname", "姓", "姓氏"},
	fieldGiven:  {"firstname", "givenname", "名"},
	fieldAddresses: {
		"email", "emails", "emailaddress", "emailaddresses", "mail", "mailaddress", "email1", "email1value", "primaryemail", "workemail",
		"邮箱", "电子邮箱", "邮箱地址", "电子邮件", "电子邮件地址", "邮件", "邮件地址", "电邮", "工作邮箱",
	},
	fieldCompany: {
		"company", "companyname", "organization", "organisation", "account", "accountname", "employer", "organization1name",
		"公司", "公司名称", "单位", "单位名称", "企业", "企业名称", "客户", "客户名称", "所属公司",
	},
	fieldTitle:  {"title", "jobtitle", "position", "role", "职位", "职务", "职称", "岗位"},
	fieldPhone:  {"phone", "phonenumber", "telephone", "tel", "businessphone", "workphone", "officephone", "phone1value", "电话", "电话号码", "固定电话", "座机", "办公电话", "联系电话"},
	fieldMobile: {"mobile", "mobilephone", "cell", "cellphone", "mobilenumber", "手机", "手机号", "手机号码", "移动电话"},
	fieldOwner:  {"owner", "contactowner", "accountowner", "salesperson", "salesrep", "assignedto", "负责人", "所有人", "归属人", "业务员", "销售", "销售负责人", "跟进人", "客户经理"},
	fieldNote:   {"note", "notes", "remark", "remarks", "comment", "comments", "description", "备注", "说明", "描述", "附注"},
	fieldCustom: {"custom", "customfields", "自定义字段", "自定义"},
}

// headerKey is a header name without what people vary: case, width, blanks and punctuation.
func headerKey(s string) string {
	s = strings.ToLower(norm.NFKC.String(s))
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}

// Column says what an import made of a column.
type Column struct {
	Header string `json:"header"`
	Field  string `json:"field,omitempty"` // empty: the column is not imported
}

// fieldsOf finds the field of each column. A second column of one kind counts only for addresses.
func fieldsOf(header []string) ([]field, []Column) {
	fields := make([]field, len(header))
	columns := make([]Column, len(header))
	for i, h := range header {
		columns[i].Header = truncate(clean(strings.TrimSpace(h)), maxShort)
		key := headerKey(h)
		for f, names := range headerNames {
			if slices.Contains(names, key) && (f == fieldAddresses || !slices.Contains(fields, f)) {
				fields[i], columns[i].Field = f, string(f)
			}
		}
	}
	return fields, columns
}

// Fields returns the names of the fields that columns of an import may have, with their names in Chinese. A field that is there in
// two parts (family_name, given_name) has none.
func Fields() (names []string, chinese map[string]string) {
	chinese = map[string]string{string(fieldFamily): "姓", string(fieldGiven): "名"}
	for _, f := range append([]field{fieldFamily, fieldGiven}, exportFields...) {
		names = append(names, string(f))
		if c := chineseHeaders[f]; c != "" {
			chinese[string(f)] = c
		}
	}
	return names, chinese
}

// FieldOf returns the field that the name of a column means, or "".
func FieldOf(header string) string {
	fields, _ := fieldsOf([]string{header})
	return string(fields[0])
}
