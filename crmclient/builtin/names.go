package builtin

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"heliograph/crmclient"
)

// ValueName is what people call a value, a field or a type of records.
type ValueName struct{ Name, Zh, En string }

// FieldName is what people call a field, and its values where they are few.
type FieldName struct {
	ValueName

	Values []ValueName
}

// ObjectName is what people call a type of records and its fields. En is of many; One of a single record.
type ObjectName struct {
	ValueName

	One    string
	Fields []FieldName
}

// ObjectNames is what people call what the CRM holds. English names begin small, as they stand in a sentence.
func ObjectNames() []ObjectName { return slices.Clone(objectNames) }

func named(name, zh, en string, values ...ValueName) FieldName {
	return FieldName{ValueName{name, zh, en}, values}
}

// objectNames is the one table of names.
var objectNames = []ObjectName{
	{
		ValueName{ObjectContacts, "联系人", "contacts"},
		"contact",
		append([]FieldName{
			named("name", "姓名", "name"), named("kind", "类型", "kind", ValueName{crmclient.KindContact, "联系人", "contact"}, ValueName{crmclient.KindLead, "线索", "lead"}),
			named("addresses", "邮箱", "mail addresses"), named("company_id", "公司编号", "id of the company"), named("company", "公司名称", "name of the company"),
			named("title", "职位", "job title"), named("phone", "电话", "phone"), named("mobile", "手机", "mobile"), named("owner", "负责人（邮箱）", "owner's mail address"),
			named("source", "来源", "source"), named("note", "备注", "note"), named("last_activity", "最近往来时间", "last activity"),
		}, systemNames...),
	},
	{
		ValueName{ObjectCompanies, "公司", "companies"},
		"company",
		append([]FieldName{
			named("name", "公司名称", "name"), named("domain", "域名", "domain"), named("phone", "电话", "phone"), named("website", "网址", "website"),
			named("address", "地址", "postal address"), named("owner", "负责人（邮箱）", "owner's mail address"), named("note", "备注", "note"),
		}, systemNames...),
	},
	{
		ValueName{ObjectDeals, "商机", "deals"},
		"deal",
		append([]FieldName{
			named("title", "名称", "title"), named("stage", "阶段", "stage", stageNames...), named("amount", "金额", "amount"),
			named("currency", "币种", "currency"), named("owner", "负责人（邮箱）", "owner's mail address"), named("company_id", "公司编号", "id of the company"),
			named("contact_id", "联系人编号", "id of the contact"), named("close_on", "预计成交日期", "closing date"), named("note", "备注", "note"),
		}, systemNames...),
	},
	{
		ValueName{ObjectTickets, "工单", "tickets"},
		"ticket",
		append([]FieldName{
			named("subject", "主题", "subject"), named("body", "内容", "text"), named("status", "状态", "status", statusNames...), named("priority", "优先级", "priority", priorityNames...),
			named("assignee", "处理人（邮箱）", "assignee's mail address"), named("contact_id", "联系人编号", "id of the contact"), named("closed", "关闭时间", "time of closing"),
		}, systemNames...),
	},
}

// systemNames are those of the fields that all objects have.
var systemNames = []FieldName{
	named("custom", "自定义字段", "custom fields"), named("id", "编号", "id"), named("version", "版本", "version"),
	named("created", "创建时间", "time of creation"), named("updated", "更新时间", "time of the last change"),
}

// What people call values. A company may have other stages.
var (
	stageNames = []ValueName{
		{"lead", "线索", "lead"}, {"qualified", "已确认", "qualified"}, {"proposal", "方案报价", "proposal"}, {"negotiation", "谈判", "negotiation"}, {"won", "赢单", "won"}, {"lost", "输单", "lost"},
	}
	statusNames   = []ValueName{{"open", "待处理", "open"}, {"pending", "处理中", "pending"}, {"solved", "已解决", "solved"}, {"closed", "已关闭", "closed"}}
	priorityNames = []ValueName{{"low", "低", "low"}, {"normal", "普通", "normal"}, {"high", "高", "high"}, {"urgent", "紧急", "urgent"}}
)

// label gives a field of an object its names, as lists of fields show them.
func label(object string, f crmclient.Field) crmclient.Field {
	o := slices.IndexFunc(objectNames, func(o ObjectName) bool { return o.Name == object })
	i := slices.IndexFunc(objectNames[o].Fields, func(n FieldName) bool { return n.Name == f.Name })
	n := objectNames[o].Fields[i]
	first, size := utf8.DecodeRuneInString(n.En)
	f.Label, f.LabelZh = string(unicode.ToUpper(first))+n.En[size:], n.Zh
	return f
}
