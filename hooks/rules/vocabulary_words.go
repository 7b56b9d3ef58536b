package rules

import "heliograph/hooks/rules/condition"

// orderOfTriggers is that in which a designer shows them.
var orderOfTriggers = []string{TypeMail, TypeAbsence, TypeRecord, TypeDeadline, TypeSchedule, TypeWebhook, TypeManual}

// stepGroup is a part of the palette.
type stepGroup struct {
	name  string
	steps []string
}

var groupsOfSteps = []stepGroup{
	{"mail", []string{"reply", "send_mail", "batch_send", "append", "tag", "classify"}},
	{"crm", []string{"create_ticket", "assign_ticket", "find_records", "create_record", "update_record"}},
	{"people", []string{"approve", "notify"}},
	{"data", []string{"report", "document", "set", "webhook"}},
	{"flow", []string{"branch", "parallel", "for_each", "wait", "stop"}},
}

// outsideSteps act outside; mailSteps need the mail that started the rule.
var (
	outsideSteps = map[string]bool{
		"reply": true, "send_mail": true, "batch_send": true, "append": true, "tag": true, "create_ticket": true, "assign_ticket": true,
		"create_record": true, "update_record": true, "approve": true, "notify": true, "webhook": true,
	}
	mailSteps = map[string]bool{"reply": true, "tag": true, "classify": true}
)

// typesOfParams say how parameters are edited whose Go type does not: by place, or by name everywhere.
var typesOfParams = map[string]string{
	"target": "target", "object": "record_type", "channel": "notifier", "calendar": "calendar", "as": "sender", "owner": "address", "account": "sender",
	"contact": "line", "url": "text", "table": "table", "in": "list_fact", "until": "fact", "delivery": "step", "wait.reply_to": "step",
	"files": "step_ids", "create_ticket.files": "boolean", "set.values": "values", "create_record.fields": "field_map", "update_record.fields": "field_map",
	"create_ticket.fields": "field_map", "find_records.fields": "fields", "report.fields": "fields", "trigger.record.fields": "fields",
	"trigger.deadline.fields": "fields", "trigger.deadline.field": "field", "trigger.schedule.at": "schedule", "trigger.webhook.hook": "hook",
	"trigger.webhook.key": "fact", "webhook.hook": "call", "for_each.as": "text", "report.from": "list_fact", "notify.links": "links",
	"trigger.mail.accounts": "texts", "trigger.mail.groups": "texts", "trigger.absence.accounts": "texts", "trigger.absence.groups": "texts", "trigger.record.from": "values", "trigger.record.to": "values",
	"tag.add": "tags", "tag.remove": "tags", "rule.description": "text", "extract.table": "json", "document.facts": "json", "document.blocks": "json",
	"document.tables": "json", "report.tables": "json", "report.spec": "json", "report.chart": "json", "webhook.body": "value",
	"guards.quiet_hours": "object",
}

// requiredParams are those of which the Go type says otherwise.
var requiredParams = map[string]bool{
	"rule.guards": false, "trigger.deadline.offset": false, "append.account": true, "trigger.record.on": false,
}

// dependsOn says which parameter the choices of a type follow from.
var dependsOn = map[string]string{"record_type": "target", "field": "object", "fields": "object", "field_map": "object", "selections": "object"}

// defaultsOfParams are what counts where nothing is written.
var defaultsOfParams = map[string]any{
	"trigger.mail.direction": directionIn, "trigger.absence.direction": directionIn, "trigger.absence.answered_by": answeredByThread, "trigger.mail.automated": false, "trigger.schedule.missed": "once",
	"trigger.record.on": []string{recordChanged}, "create_ticket.priority": "normal", "notify.level": "info", "approve.on_expire": expireRefuses,
	"approve.mail": true, "approve.exclude_initiator": true, "approve.need": "all", "classify.dimensions": []string{"intent", "urgency"},
	"classify.min_probability": 0.8, "batch_send.limit": 500, "report.outputs": []string{"html", "text"}, "document.outputs": []string{"pdf"},
	"trigger.deadline.late": "7d", "find_records.limit": 2000,
}

// choicesOfParams are the values of parameters that have few, beside paramValues.
var choicesOfParams = map[string][]Word{
	"approve.on_expire": {
		{expireRefuses, "视为拒绝", "counts as refused"}, {expireNever, "视为未决定", "is neither"}, {expireEscalates, "改由上级决定", "others decide"},
	},
	"trigger.absence.answered_by": {
		{answeredByThread, "同一会话中的回复", "an answer in the thread"}, {answeredByContact, "也包括另写的新邮件（不限会话、同事）", "a fresh mail too, by whichever colleague"},
	},
	"approve.need":         {{"all", "全部同意", "all of them"}, {"1", "任一人同意", "any of them"}},
	"trigger.record.on":    {{recordMade, "新建", "made"}, {recordChanged, "变更", "changed"}, {recordDeleted, "删除", "deleted"}},
	"trigger.manual.about": {{"", "无", "nothing"}, {"mail", "邮件", "a mail"}, {"record", "记录", "a record"}},
	"classify.dimensions": {
		{"intent", "意图", "intent"}, {"urgency", "紧急程度", "urgency"}, {"product_line", "产品线", "product line"},
	},
	"classify.set_tags": {{"false", "不打标签", "no"}, {"true", "打标签", "set them"}, {"suggest", "仅建议", "suggest them"}},
	"report.outputs": {
		{"html", "邮件正文", "HTML for a mail"}, {"text", "纯文本", "plain text"}, {"pdf", "PDF", "PDF"}, {"xlsx", "Excel", "Excel"}, {"csv", "CSV", "CSV"},
	},
	"document.outputs": {{"pdf", "PDF", "PDF"}, {"html", "邮件正文", "HTML for a mail"}},
	"orientation":      {{"portrait", "纵向", "portrait"}, {"landscape", "横向", "landscape"}},
	"append.flags":     {{"seen", "已读", "seen"}, {"flagged", "星标", "flagged"}},
	"language":         {{"zh", "中文", "Chinese"}, {"en", "英文", "English"}},
	"extract.kind":     wordsOfKinds(),
	"extract.from": {
		{"subject", "主题", "subject"},
		{"unquoted", "正文（不含引用）", "text without quotes"},
		{"text", "正文", "text"},
		{"html", "网页正文", "HTML"},
		{"attachments", "附件", "attachments"},
	},
	"extract.date_order": {{"dmy", "日/月/年", "day, month, year"}, {"mdy", "月/日/年", "month, day, year"}},
}

// wordsOfValues name values that several parameters share.
var wordsOfValues = map[string]words{
	directionIn: {"来信", "received"}, directionOut: {"去信", "sent"}, directionInternal: {"内部邮件", "between colleagues"}, directionAny: {"全部", "all"},
	"skip": {"跳过", "left out"}, "once": {"补一次", "made up for once"}, "all": {"全部补上", "all made up for"}, "none": {"照常", "as on any day"},
	"next": {"顺延到下一工作日", "the next workday"}, "previous": {"提前到上一工作日", "the workday before"}, "mail": {"邮件", "a mail"}, "record": {"记录", "a record"},
	"low": {"低", "low"}, "normal": {"普通", "normal"}, "high": {"高", "high"}, "urgent": {"紧急", "urgent"},
	"info": {"通知", "information"}, "warning": {"警告", "warning"}, "critical": {"严重", "critical"},
	"made": {"新建", "made"}, "changed": {"变更", "changed"}, "deleted": {"删除", "deleted"},
}

// advancedParams are those that few rules need, by place or name.
var advancedParams = []string{
	"at_least_once", "bulk", "save_sent", "unsubscribe", "reply_to", "from_name", "rule.calendar", "rule.contact", "answer_machines", "per_key",
	"first_approvers", "trigger.mail.automated", "trigger.absence.automated", "trigger.schedule.zone", "trigger.schedule.missed", "trigger.deadline.late",
	"trigger.webhook.key", "exclude_owner", "initiators", "by_reply", "orientation", "tables", "file_name", "language", "date_order", "currency", "region",
	"approve.as", "approve.channel", "min_probability", "limit",
}

// examplesOfParams show how values are written.
var examplesOfParams = map[string]any{
	"trigger.schedule.at": "每月1日 09:00", "within": "4 business hours", "for": "3 workdays", "expires": "2 workdays", "remind_every": "4 business hours",
	"escalate_after": "1 workdays", "trigger.deadline.offset": "-3 workdays", "late": "7d", "plus": "1d", "to": "{{.mail.from.address}}", "approvers": "role:finance",
	"contact": "{{.record.email}}", "ticket": "{{.steps.ticket.id}}", "key": "event.order_no", "mailboxes": "INBOX", "per": "24h", "zone": "Asia/Shanghai",
	"currency": "CNY", "region": "CN", "label": "订单号",
}

// wordsOfKinds are the kinds of values that can be extracted.
func wordsOfKinds() []Word {
	return []Word{
		{"text", "文字", "text"},
		{"order_no", "单号", "order number"},
		{"amount", "金额", "amount"},
		{"date", "日期", "date"},
		{"phone", "电话", "phone"},
		{"email", "邮箱", "mail address"},
		{"url", "网址", "web address"},
		{"person", "人名", "person"},
		{"company", "公司", "company"},
		{"number", "数字", "number"},
		{"quantity", "数量", "quantity"},
	}
}

// ExtractKind is a kind of values that can be extracted, with the type of the fact that it gives.
type ExtractKind struct {
	Word
	Type   condition.Type
	Fields []GivenFact
}

// ExtractKinds lists them.
func ExtractKinds() []ExtractKind {
	types := map[string]condition.Type{"amount": condition.TypeMoney, "date": condition.TypeTime, "email": condition.TypeAddress, "number": condition.TypeNumber, "quantity": condition.TypeObject}
	fields := map[string][]GivenFact{
		"amount":   {{"amount", condition.TypeNumber, "金额", "amount"}, {"currency", condition.TypeText, "币种", "currency"}},
		"quantity": {{"number", condition.TypeNumber, "数量", "number"}, {"unit", condition.TypeText, "单位", "unit"}},
	}
	var out []ExtractKind
	for _, w := range wordsOfKinds() {
		k := ExtractKind{Word: w, Type: condition.TypeText, Fields: fields[w.Value]}
		if t, ok := types[w.Value]; ok {
			k.Type = t
		}
		out = append(out, k)
	}
	return out
}

// What several steps give.
var (
	givenID      = GivenFact{"id", condition.TypeText, "编号", "id"}
	givenMessage = GivenFact{"message_id", condition.TypeText, "邮件编号", "Message-ID"}
	givenCount   = GivenFact{"count", condition.TypeNumber, "个数", "how many"}
	givenFiles   = GivenFact{"files", condition.TypeList, "文件", "files"}
	givenHTML    = GivenFact{"html", condition.TypeText, "邮件正文", "HTML for a mail"}
)

// givenBy is what steps give to those behind them.
var givenBy = map[string][]GivenFact{
	"send_mail":     {givenMessage},
	"reply":         {givenMessage},
	"batch_send":    {givenCount, {"mails", condition.TypeList, "每封邮件", "each mail"}},
	"create_ticket": {givenID},
	"create_record": {givenID},
	"find_records":  {{"records", condition.TypeList, "记录", "the records"}, {"first", condition.TypeObject, "第一条记录", "the first record"}, givenCount},
	"classify":      {{"*", condition.TypeOpen, "各维度的结果", "what was found out, by dimension"}},
	"approve": {
		{"decision", condition.TypeText, "决定", "decision"},
		{"expired", condition.TypeBool, "已超时", "nobody decided in time"},
		{"by", condition.TypeList, "决定人", "who decided"},
		{"comments", condition.TypeList, "意见", "comments"},
	},
	"report": {
		givenHTML,
		{"text", condition.TypeText, "纯文本", "plain text"},
		givenCount,
		{"rows", condition.TypeList, "各行", "lines"},
		{"totals", condition.TypeObject, "合计", "totals"},
		givenFiles,
	},
	"document": {givenHTML, givenFiles},
	"set":      {{"*", condition.TypeOpen, "记下的数值", "the values that were kept"}},
	"wait":     {{"happened", condition.TypeBool, "等到了", "it happened in time"}},
	"append":   {givenMessage},
}

// valuesOfGiven are the values of what steps give, if they are few. What a classifier finds out is called by its dimension.
var valuesOfGiven = map[string][]Word{
	"approve.decision": {{string(ApprovalApproved), "已批准", "approved"}, {string(ApprovalRefused), "已拒绝", "refused"}, {string(ApprovalExpired), "已超时", "not decided in time"}},
	"classify.intent": {
		{"complaint", "投诉", "a complaint"},
		{"quote", "询价", "a request for a quote"},
		{"order", "订单", "an order"},
		{"invoice", "发票", "an invoice"},
		{"out_of_office", "外出自动答复", "an absence note"},
		{"question", "咨询", "a question"},
		{"thanks", "致谢", "thanks"},
		{"spam", "垃圾邮件", "junk"},
		{"other", "其他", "something else"},
	},
	"classify.urgency": {{"urgent", "紧急", "urgent"}, {"normal", "普通", "normal"}, {"low", "不急", "not urgent"}},
}

// ValuesGiven are the values that a fact which a kind of step gives may have, if they are few.
func ValuesGiven(kind, name string) []Word { return valuesOfGiven[kind+"."+name] }

// WordsOfRoots are what people call the groups of facts.
func WordsOfRoots() []Word {
	return []Word{
		{"mail", "邮件", "the mail"},
		{"thread", "往来", "the conversation"},
		{"correspondence", "与对方的往来（不限会话）", "all mail with the correspondent"},
		{"contact", "联系人", "the contact"},
		{"company", "公司", "the company"},
		{"account", "员工账号", "the employee's account"},
		{"record", "记录", "the record"},
		{"change", "变更", "the change"},
		{"deal", "商机", "the deal"},
		{"ticket", "工单", "the ticket"},
		{"order", "订单", "the order"},
		{"fields", "提取字段", "extracted fields"},
		{"event", "推送内容", "what was pushed"},
		{"deadline", "期限", "the deadline"},
		{"steps", "步骤结果", "results of steps"},
		{"item", "当前项", "the element"},
		{"time", "时间", "time"},
		{"manual", "手动启动", "the start by hand"},
		{"rule", "规则", "the rule"},
		{"run", "运行", "the run"},
	}
}
