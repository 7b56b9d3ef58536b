package message

// contactLabels stand before how to reach somebody, in lower case.
var contactLabels = []string{
	"tel", "telephone", "phone", "ph", "mobile", "mob", "cell", "fax", "office", "direct", "t", "m", "p", "f", "e", "w", "c", "d",
	"email", "e-mail", "mail", "web", "website", "url", "add", "addr", "address", "skype", "whatsapp", "wechat", "qq", "zip", "linkedin",
	"电话", "电 话", "手机", "手 机", "移动电话", "联系电话", "办公电话", "座机", "固话", "总机", "分机", "直线", "传真", "传 真", "热线", "服务热线", "客服",
	"邮箱", "邮 箱", "邮件", "电子邮件", "电子邮箱", "邮编", "网址", "网 址", "网站", "官网", "主页", "地址", "地 址", "公司地址", "微信", "微信号", "公众号", "联系方式",
	"電話", "手機", "行動電話", "傳真", "信箱", "電子郵件", "網址", "網站", "携帯", "メール", "住所", "〒", "휴대폰", "전화", "이메일", "팩스",
	"telefon", "mobil", "handy", "telefax", "tél", "téléphone", "teléfono", "móvil", "телефон", "тел", "моб", "почта", "факс",
}

// positionWords are of positions, companies and streets, in lower case. The Latin ones stand between blanks.
var positionWords = []string{
	"经理", "总监", "总裁", "总经理", "董事长", "主管", "工程师", "专员", "助理", "顾问", "主任", "代表", "部长", "组长", "会计", "采购部", "销售部", "市场部", "技术部",
	"客服部", "财务部", "人事部", "事业部", "有限公司", "股份公司", "集团", "分公司", "办事处", "研究院", "事务所", "大厦", "广场", "科技园", "产业园", "号楼",
	"經理", "總監", "工程師", "專員", "顧問", "董事長", "業務", "集團", "株式会社", "部長", "課長", "대리", "과장", "부장", "주식회사",
	" manager ", " manager,", " director ", " director,", " engineer ", " engineer,", " president ", " president,", " officer ", " ceo ", " cto ", " cfo ", " coo ",
	" sales ", " representative ", " assistant ", " consultant ", " executive ", " specialist ", " coordinator ", " founder ", " partner ", " head of ",
	" department ", " team ", " supervisor ", " account ", " co., ltd", " co.,ltd", " co. ltd", " ltd ", " ltd. ", " limited ", " inc ", " inc. ", " llc ", " corp ", " corporation ", " company ",
	" gmbh ", " gmbh & co", " ag ", " s.a. ", " sarl ", " b.v. ", " geschäftsführer ", " vertrieb ", " einkauf ", " leiter ",
	" road ", " road,", " street ", " street,", " avenue ", " avenue,", " building ", " district ", " floor ", " floor,",
}

// closings end a letter above the name, in lower case without punctuation.
var closings = func() map[string]bool {
	m := map[string]bool{}
	for _, c := range []string{
		"best regards", "kind regards", "warm regards", "regards", "best", "best wishes", "many thanks", "thanks", "thank you", "thanks and regards",
		"thanks & regards", "thanks and best regards", "thanks & best regards", "with best regards", "with kind regards", "sincerely", "yours sincerely", "sincerely yours", "yours faithfully",
		"yours truly", "cheers", "br", "b.regards", "rgds", "b/rgds", "cordially", "all the best", "respectfully", "thx", "tks", "tks & brgds", "b.rgds",
		"祝好", "谢谢", "多谢", "感谢", "顺颂商祺", "顺祝商祺", "商祺", "此致", "敬礼", "此致敬礼", "祝商祺", "祝您工作愉快", "祝工作愉快", "祝工作顺利", "祝您工作顺利", "顺祝", "敬上", "致敬", "致礼",
		"谢谢合作", "非常感谢", "谢谢您", "祝顺利", "祝商安", "顺颂时祺", "以上", "以上，谢谢", "敬祝商祺", "祝", "祝一切顺利", "祝生意兴隆", "致以诚挚的问候", "此致 敬礼",
		"謝謝", "順頌商祺", "順祝商祺", "敬祝商祺", "此致敬禮", "感謝", "敬禮",
		"mit freundlichen grüßen", "mit freundlichen grüssen", "freundliche grüße", "freundliche grüsse", "viele grüße", "beste grüße", "mfg", "lg",
		"cordialement", "bien cordialement", "bien à vous", "sincères salutations", "saludos", "saludos cordiales", "un saludo", "atentamente",
		"atenciosamente", "cumprimentos", "cordiali saluti", "distinti saluti", "met vriendelijke groet", "с уважением", "よろしくお願いいたします", "宜しくお願い致します",
		"よろしくお願いします", "敬具", "감사합니다", "감사드립니다",
	} {
		m[c] = true
	}
	return m
}()

// taglineStarts begin the lines that programs add, in lower case.
var taglineStarts = []string{
	"sent from my ", "sent from mail for", "sent from outlook", "sent from yahoo", "sent from proton", "sent with proton", "sent via ", "sent from netease", "sent from foxmail",
	"sent from qq", "sent from samsung", "sent from huawei", "sent from my", "get outlook for", "download outlook for", "get bluemail", "sent from lark", "sent from feishu",
	"发自我的", "发自 foxmail", "发自foxmail", "发自网易", "发自 网易", "发自qq", "发自 qq", "发自飞书", "发自 飞书", "发自钉钉", "发自 钉钉", "发自企业微信", "发自 企业微信",
	"发自 windows", "发自 outlook", "发自outlook", "发自小米", "发自 小米", "发自华为", "发自新浪", "发自139", "从我的", "从 windows 版邮件", "从windows", "来自我的", "来自 windows",
	"发送自我的", "发送自 windows", "发送自 outlook", "由网易", "获取outlook", "获取 outlook", "获取适用于", "通过outlook", "發自我的", "從我的", "傳送自", "寄自我的",
	"von meinem ", "gesendet von ", "envoyé de mon ", "envoyé depuis ", "enviado desde mi ", "enviado do meu ", "inviato da ", "verzonden vanaf ", "отправлено с ",
	"iphoneから送信", "ipadから送信", "나의 iphone", "내 iphone", "skickat från ", "wysłane z ",
}
