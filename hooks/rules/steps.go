package rules

// The steps whose HTML is our own writers', and stands in mails as it is.
const (
	doReport   = "report"
	doDocument = "document"
)

// actions is the table of steps: a file each (or one for a family), and a line here.
var actions = map[string]func() action{
	"send_mail":     func() action { return &sendMail{} },
	"reply":         func() action { return &reply{} },
	"notify":        func() action { return &notifyStep{} },
	"create_ticket": func() action { return &createTicket{} },
	"assign_ticket": func() action { return &assignTicket{} },
	"create_record": func() action { return &createRecord{} },
	"update_record": func() action { return &updateRecord{} },
	"find_records":  func() action { return &findRecords{} },
	"tag":           func() action { return &tagStep{} },
	"webhook":       func() action { return &webhookStep{} },
	doReport:        func() action { return &reportStep{} },
	doDocument:      func() action { return &documentStep{} },
	"classify":      func() action { return &classifyStep{} },
	"append":        func() action { return &appendStep{} },
	"batch_send":    func() action { return &batchSend{} },
	"set":           func() action { return &setStep{} },
	"branch":        func() action { return &branch{} },
	"parallel":      func() action { return &parallel{} },
	"for_each":      func() action { return &forEach{} },
	"wait":          func() action { return &wait{} },
	"stop":          func() action { return &stop{} },
	"approve":       func() action { return &approveStep{} },
}
