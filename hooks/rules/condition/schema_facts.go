package condition

// Which triggers' events have a group of facts; none means all.
var (
	withMail    = []string{onMail, onAbsence, onManual}
	withRecord  = []string{onRecord, onDeadline, onAbsence, onManual, onMail, onWebhook} // one may belong to a message or a call
	withChange  = []string{onRecord}
	withEvent   = []string{onWebhook}
	withPerson  = []string{onMail, onAbsence, onRecord, onDeadline, onWebhook, onManual}
	withExtract = withPerson
)

// standardFacts is what rules can know, whatever the CRM.
var standardFacts = []Fact{
	{Path: "mail.subject", Type: TypeText, ZH: "主题", EN: "subject", Triggers: withMail},
	{Path: "mail.from", Type: TypeAddress, ZH: "发件人", EN: "sender", Triggers: withMail},
	{Path: "mail.from.address", Type: TypeAddress, ZH: "发件地址", EN: "sender's address", Triggers: withMail},
	{Path: "mail.from.name", Type: TypeText, ZH: "发件人姓名", EN: "sender's name", Triggers: withMail},
	{Path: "mail.from.domain", Type: TypeText, ZH: "发件域名", EN: "sender's domain", Triggers: withMail},
	{Path: "mail.to", Type: TypeList, Of: TypeAddress, ZH: "收件人", EN: "To", Triggers: withMail},
	{Path: "mail.to[].address", Type: TypeAddress, ZH: "地址", EN: "address", Triggers: withMail},
	{Path: "mail.to[].name", Type: TypeText, ZH: "姓名", EN: "name", Triggers: withMail},
	{Path: "mail.to[].domain", Type: TypeText, ZH: "域名", EN: "domain", Triggers: withMail},
	{Path: "mail.cc", Type: TypeList, Of: TypeAddress, ZH: "抄送", EN: "Cc", Triggers: withMail},
	{Path: "mail.cc[].address", Type: TypeAddress, ZH: "地址", EN: "address", Triggers: withMail},
	{Path: "mail.cc[].name", Type: TypeText, ZH: "姓名", EN: "name", Triggers: withMail},
	{Path: "mail.cc[].domain", Type: TypeText, ZH: "域名", EN: "domain", Triggers: withMail},
	{Path: "mail.recipients", Type: TypeList, Of: TypeAddress, ZH: "全部收件人", EN: "recipients", Triggers: withMail},
	{Path: "mail.recipients[].address", Type: TypeAddress, ZH: "地址", EN: "address", Triggers: withMail},
	{Path: "mail.recipients[].name", Type: TypeText, ZH: "姓名", EN: "name", Triggers: withMail},
	{Path: "mail.recipients[].domain", Type: TypeText, ZH: "域名", EN: "domain", Triggers: withMail},
	{Path: "mail.attachments", Type: TypeList, Of: TypeObject, ZH: "附件", EN: "attachments", Triggers: withMail},
	{Path: "mail.attachments[].name", Type: TypeText, ZH: "文件名", EN: "file name", Triggers: withMail},
	{Path: "mail.attachments[].type", Type: TypeText, ZH: "文件类型", EN: "file type", Triggers: withMail},
	{Path: "mail.attachments[].size", Type: TypeNumber, ZH: "文件大小", EN: "file size", Triggers: withMail},
	{Path: "mail.text", Type: TypeText, ZH: "正文", EN: "text", Triggers: withMail},
	{Path: "mail.unquoted", Type: TypeText, ZH: "正文（不含引用）", EN: "text without quotes", Triggers: withMail},
	{Path: "mail.language", Type: TypeText, ZH: "邮件语言", EN: "language", Triggers: withMail},
	{Path: "mail.direction", Type: TypeText, ZH: "邮件方向", EN: "direction", Enum: []string{"in", "out", "internal"}, Names: directions, Triggers: withMail},
	{Path: "mail.date", Type: TypeTime, ZH: "邮件时间", EN: "date of the mail", Triggers: withMail},
	{Path: "mail.arrived", Type: TypeTime, ZH: "到达邮箱的时间", EN: "when the mail arrived", Triggers: withMail},
	{Path: "mail.account", Type: TypeAddress, ZH: "邮箱账号", EN: "account", Triggers: withMail},
	{Path: "mail.groups", Type: TypeList, Of: TypeText, ZH: "账号所属组", EN: "groups of the account", Triggers: withMail},
	{Path: "mail.mailbox", Type: TypeText, ZH: "邮箱文件夹", EN: "mailbox", Triggers: withMail},
	{Path: "mail.automated", Type: TypeBool, ZH: "自动邮件", EN: "automated mail", Triggers: withMail},
	{Path: "mail.bulk", Type: TypeBool, ZH: "群发邮件", EN: "bulk mail", Triggers: withMail},
	{Path: "mail.message_id", Type: TypeText, ZH: "邮件编号", EN: "Message-ID", Triggers: withMail},
	{Path: "mail.in_reply_to", Type: TypeText, ZH: "所回复的邮件编号", EN: "answered message", Triggers: withMail},
	{Path: "mail.references", Type: TypeList, Of: TypeText, ZH: "往来邮件编号", EN: "messages before it", Triggers: withMail},
	{Path: "mail.reply_to", Type: TypeList, Of: TypeAddress, ZH: "回复地址", EN: "address for answers", Triggers: withMail},
	{Path: "mail.correspondent", Type: TypeAddress, ZH: "往来对象地址", EN: "address of the correspondent", Triggers: withMail},
	{Path: "mail.html", Type: TypeText, ZH: "网页正文", EN: "HTML", Triggers: withMail},
	{Path: "mail.signature", Type: TypeText, ZH: "签名", EN: "signature", Triggers: withMail},
	{Path: "mail.list_id", Type: TypeText, ZH: "邮件列表", EN: "mailing list", Triggers: withMail},
	{Path: "mail.upstream", Type: TypeText, ZH: "邮件服务商", EN: "mail server", Triggers: withMail},
	{Path: "mail.not_answerable", Type: TypeText, ZH: "不可自动回复的原因", EN: "why a machine must not answer", Triggers: withMail},
	{Path: "mail.key", Type: TypeText, ZH: "邮件标识", EN: "key of the message", Triggers: withMail},
	{Path: "mail.entry", Type: TypeText, ZH: "邮件记录号", EN: "entry of the message", Triggers: withMail},
	{Path: "deadline.date", Type: TypeTime, ZH: "到期日", EN: "the date", Triggers: []string{onDeadline}},
	{Path: "deadline.due", Type: TypeTime, ZH: "触发时间", EN: "when it was due", Triggers: []string{onDeadline}},
	{Path: "manual.by", Type: TypeText, ZH: "启动人", EN: "who started it", Triggers: []string{onManual}},
	{Path: "mail.tags", Type: TypeList, Of: TypeText, ZH: "邮件标签", EN: "tags", Triggers: withMail},

	{Path: "thread.messages", Type: TypeNumber, ZH: "往来邮件数", EN: "messages in the thread", Triggers: withMail},
	{Path: "thread.last_in", Type: TypeTime, ZH: "最近来信时间", EN: "last mail received in the thread", Triggers: withMail},
	{Path: "thread.last_out", Type: TypeTime, ZH: "最近去信时间", EN: "last mail sent in the thread", Triggers: withMail},
	{Path: "thread.replied", Type: TypeBool, ZH: "已回复的往来", EN: "answered thread", Triggers: withMail},
	{Path: "thread.*", Type: TypeOpen, ZH: "往来", EN: "thread", Triggers: withMail},

	{Path: "correspondence.last_in", Type: TypeTime, ZH: "对方最近来信时间（不限会话）", EN: "last mail from the correspondent, in any thread", Triggers: withMail},
	{Path: "correspondence.last_out", Type: TypeTime, ZH: "最近向对方去信时间（不限会话）", EN: "last mail to the correspondent, in any thread", Triggers: withMail},

	{Path: "contact.address", Type: TypeAddress, ZH: "联系人邮箱", EN: "contact's address", Triggers: withPerson},
	{Path: "contact.name", Type: TypeText, ZH: "联系人姓名", EN: "contact's name", Triggers: withPerson},
	{Path: "contact.company", Type: TypeText, ZH: "联系人公司", EN: "contact's company", Triggers: withPerson},
	{Path: "contact.owner", Type: TypeOpen, ZH: "联系人负责人", EN: "contact's owner", Triggers: withPerson},
	{Path: "contact.title", Type: TypeText, ZH: "联系人职务", EN: "contact's title", Triggers: withPerson},
	{Path: "contact.phone", Type: TypeText, ZH: "联系人电话", EN: "contact's phone", Triggers: withPerson},
	{Path: "contact.mobile", Type: TypeText, ZH: "联系人手机", EN: "contact's mobile", Triggers: withPerson},
	{Path: "contact.kind", Type: TypeText, ZH: "联系人类型", EN: "kind of contact", Triggers: withPerson},
	{Path: "contact.id", Type: TypeText, ZH: "联系人编号", EN: "contact's id", Triggers: withPerson},
	{Path: "contact.fields.*", Type: TypeOpen, ZH: "联系人字段", EN: "contact's fields", Triggers: withPerson},
	{Path: "deal.*", Type: TypeOpen, ZH: "商机", EN: "deal", Triggers: withPerson},
	{Path: "ticket.*", Type: TypeOpen, ZH: "工单", EN: "ticket", Triggers: withPerson},
	{Path: "order.*", Type: TypeOpen, ZH: "订单", EN: "order", Triggers: withPerson},
	{Path: "account.address", Type: TypeAddress, ZH: "员工账号", EN: "employee's account", Triggers: withMail},
	{Path: "account.domain", Type: TypeText, ZH: "账号域名", EN: "account's domain", Triggers: withMail},
	{Path: "company.id", Type: TypeText, ZH: "公司编号", EN: "company's id", Triggers: withPerson},
	{Path: "company.name", Type: TypeText, ZH: "公司名称", EN: "company's name", Triggers: withPerson},
	{Path: "company.domain", Type: TypeText, ZH: "公司域名", EN: "company's domain", Triggers: withPerson},
	{Path: "company.owner", Type: TypeOpen, ZH: "公司负责人", EN: "company's owner", Triggers: withPerson},
	{Path: "company.*", Type: TypeOpen, ZH: "公司", EN: "company", Triggers: withPerson},

	{Path: "record._id", Type: TypeText, ZH: "记录编号", EN: "record's id", Triggers: withRecord},
	{Path: "record._object", Type: TypeText, ZH: "记录类型", EN: "record's object", Triggers: withRecord},
	{Path: "record._url", Type: TypeText, ZH: "记录链接", EN: "record's link", Triggers: withRecord},
	{Path: "record._target", Type: TypeText, ZH: "记录所在系统", EN: "record's target", Triggers: withRecord},
	{Path: "record.*", Type: TypeOpen, ZH: "记录", EN: "record", Triggers: withRecord},

	{Path: "change.kind", Type: TypeText, ZH: "变更方式", EN: "kind of change", Enum: []string{"made", "changed", "deleted"}, Names: changes, Triggers: withChange},
	{Path: "change.by", Type: TypeText, ZH: "变更人", EN: "changed by", Triggers: withChange},
	{Path: "change.fields.*", Type: TypeOpen, ZH: "变更字段", EN: "changed fields", Triggers: withChange},

	{Path: "event.*", Type: TypeOpen, ZH: "事件", EN: "event", Triggers: withEvent},
	{Path: "fields.*", Type: TypeOpen, ZH: "提取字段", EN: "extracted fields", Triggers: withExtract},
	{Path: "steps.*", Type: TypeOpen, ZH: "步骤", EN: "steps"},
	{Path: "item.*", Type: TypeOpen, ZH: "当前项", EN: "item"},

	{Path: "rule.id", Type: TypeText, ZH: "规则编号", EN: "rule's id"},
	{Path: "rule.name", Type: TypeText, ZH: "规则名称", EN: "rule's name"},
	{Path: "rule.*", Type: TypeOpen, ZH: "规则", EN: "rule"},
	{Path: "run.*", Type: TypeOpen, ZH: "运行", EN: "run"},

	{Path: "time.now", Type: TypeTime, ZH: "当前时间", EN: "time"},
	{Path: "time.today", Type: TypeTime, ZH: "今天", EN: "today"},
	{Path: "time.month", Type: TypeText, ZH: "本月", EN: "month"},
	{Path: "time.last_month", Type: TypeText, ZH: "上月", EN: "last month"},
	{Path: "time.year", Type: TypeText, ZH: "今年", EN: "year"},
	{Path: "time.weekday", Type: TypeOpen, ZH: "星期", EN: "weekday"},
	{Path: "time.workday", Type: TypeBool, ZH: "工作日", EN: "workday"},
	{Path: "time.in_hours", Type: TypeBool, ZH: "工作时间内", EN: "in business hours"},
	{Path: "time.month", Type: TypeText, ZH: "本月", EN: "month"},
	{Path: "time.last_month", Type: TypeText, ZH: "上月", EN: "last month"},
	{Path: "time.year", Type: TypeText, ZH: "今年", EN: "year"},
}

// What people call the values of facts that have few.
var (
	directions = []ValueName{{"in", "来信", "received"}, {"out", "去信", "sent"}, {"internal", "内部邮件", "between colleagues"}}
	changes    = []ValueName{{"made", "新建", "made"}, {"changed", "变更", "changed"}, {"deleted", "删除", "deleted"}}
)
