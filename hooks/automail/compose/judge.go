package compose

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"net/mail"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"heliograph/internal/message"
)

// Received is a mail that came in, as far as it bears on whether a machine may answer it.
type Received struct {
	Header  textproto.MIMEHeader // of the message itself; see [ReadHeader]
	Message *message.Message     // what internal/message made of it; nil if nobody parsed it
	// ReversePath is the envelope's sender, where Enveloped says that it is known; empty means the null path. Else Return-Path tells.
	ReversePath string
	Enveloped   bool
	Mine        []string // the addresses for which we would answer; empty means that nobody knows, and the check for them is left out
	Own         []string // our automated senders
	Signer      *Signer
}

// Reason is why a mail may not be answered by a machine.
type Reason struct {
	Code   string `json:"code"` // a closed set
	Header string `json:"header,omitempty"`
	Zh     string `json:"zh"`
	En     string `json:"en"`
}

// Verdict says whether a machine may answer a mail.
type Verdict struct {
	Answerable bool     `json:"answerable"`
	Reasons    []Reason `json:"reasons,omitempty"`
	Cause      *Cause   `json:"cause,omitempty"` // of the mail, where it has one: ours, or with depth 1 another gateway's
	Ours       bool     `json:"ours,omitempty"`  // the cause is ours
	// Follows is the effect whose mail this one answers, by its In-Reply-To or References; budgets count such mails together.
	Follows string `json:"follows,omitempty"`
}

// Has says whether a reason with this code is there.
func (v Verdict) Has(code string) bool {
	return slices.ContainsFunc(v.Reasons, func(r Reason) bool { return r.Code == code })
}

// maxHops is how many servers a mail may have passed: more is a loop (RFC 5321, 6.3).
const maxHops = 50

// Judge says whether a mail may be answered automatically, and all that speaks against it (RFC 3834, 2).
func Judge(r Received) Verdict {
	j := &judge{r: r, h: r.Header}
	for _, look := range []func(){j.cause, j.envelope, j.autoSubmitted, j.suppress, j.report, j.bulk, j.responders, j.loops, j.sender, j.subject, j.calendar, j.addressed} {
		look()
	}
	j.v.Answerable = len(j.v.Reasons) == 0
	j.v.Follows = j.follows()
	return j.v
}

type judge struct {
	r Received
	h textproto.MIMEHeader
	v Verdict
}

func (j *judge) against(code, header, zh, en string) {
	if !j.v.Has(code) {
		j.v.Reasons = append(j.v.Reasons, Reason{Code: code, Header: header, Zh: zh, En: en})
	}
}

// word is the first word of a structured field in lower case, without comments and parameters.
func (j *judge) word(name string) string {
	v := j.h.Get(name)
	if i := strings.IndexAny(v, ";("); i >= 0 {
		v = v[:i]
	}
	return strings.ToLower(strings.TrimSpace(v))
}

func (j *judge) has(name string) bool { return len(j.h.Values(name)) > 0 }

func (j *judge) cause() {
	values := j.h.Values(CauseHeader)
	if len(values) == 0 {
		return
	}
	id := strings.Trim(strings.TrimSpace(j.h.Get("Message-Id")), "<>")
	c, own := j.r.Signer.Verify(values[0], id)
	j.v.Cause, j.v.Ours = &c, own && len(values) == 1
	if !j.v.Ours {
		j.v.Cause = &Cause{Depth: 1}
	}
	if j.v.Ours {
		j.against("own_rule", CauseHeader, "这封邮件由本系统的规则发出", "a rule of ours sent this mail")
	} else {
		j.against("other_gateway", CauseHeader, "这封邮件由另一个网关的规则发出", "a rule of another gateway sent this mail")
	}
}

func (j *judge) envelope() {
	path, known := j.r.ReversePath, j.r.Enveloped
	if !known && j.has("Return-Path") {
		path, known = strings.Trim(strings.TrimSpace(j.h.Get("Return-Path")), "<>"), true
	}
	switch {
	case !known:
	case strings.TrimSpace(path) == "":
		j.against("null_path", "Return-Path", "信封发件人为空（退信或自动通知）", "the envelope sender is empty, as it is for bounces and notices")
	case machinePath(path):
		j.against("machine_path", "Return-Path", "信封发件人是机器地址："+clip(path), "the envelope sender is a machine: "+clip(path))
	}
}

func (j *judge) autoSubmitted() {
	for _, name := range []string{"Auto-Submitted", "X-Auto-Submitted"} {
		if w := j.word(name); w != "" && w != "no" {
			j.against("auto_submitted", name, "邮件声明为自动发送（"+clip(w)+"）", "the mail says that a machine sent it ("+clip(w)+")")
		}
	}
}

// suppress reads what Exchange writes ([MS-OXCMAIL] 2.2.3.2.14). Who wants no receipts may still want an answer.
func (j *judge) suppress() {
	for part := range strings.SplitSeq(strings.ToLower(strings.Join(j.h.Values("X-Auto-Response-Suppress"), ",")), ",") {
		switch strings.TrimSpace(part) {
		case "all", "autoreply", "oof", "-1":
			j.against("suppress", "X-Auto-Response-Suppress", "发件人要求不要自动回复", "the sender wants no automatic answers")
		}
	}
}

func (j *judge) report() {
	kind := ""
	if t, params, err := mime.ParseMediaType(j.h.Get("Content-Type")); t == "multipart/report" {
		kind = "unknown"
		if err == nil && params["report-type"] != "" {
			kind = strings.ToLower(params["report-type"])
		}
	} else if strings.HasPrefix(t, "message/") && (strings.HasSuffix(t, "-status") || strings.HasSuffix(t, "-notification") || t == "message/feedback-report") {
		kind = t
	}
	if j.r.Message != nil && j.r.Message.Report != "" {
		kind = j.r.Message.Report
	}
	if kind == "" && (j.has("X-Failed-Recipients") || j.has("Feedback-Type")) {
		kind = "delivery-status"
	}
	if kind != "" {
		j.against("report", "Content-Type", "这是一份报告："+clip(kind), "this is a report: "+clip(kind))
	}
}

// listFields are those of mailing lists (RFC 2369, RFC 2919) and of programs that run them.
var listFields = []string{
	"List-Id", "List-Unsubscribe", "List-Post", "List-Help", "List-Subscribe", "List-Owner", "List-Archive", "Mailing-List", "X-Mailing-List", "X-Mailman-Version", "X-Beenthere",
	"X-List", "X-Listserver", "X-Ml-Name", "X-Ezmlm", "X-Google-Group-Id", "X-Campaign", "X-Campaign-Id", "X-Mailer-Recptid", "X-Csa-Complaints",
}

func (j *judge) bulk() {
	switch w := j.word("Precedence"); w {
	case "bulk", "list", "junk", "auto_reply", "auto-reply":
		j.against("precedence", "Precedence", "群发或自动邮件（Precedence: "+w+"）", "bulk or automatic mail (Precedence: "+w+")")
	}
	for _, name := range listFields {
		if j.has(name) {
			j.against("list", name, "来自邮件列表或群发系统（"+name+"）", "from a mailing list or a bulk sender ("+name+")")
			return
		}
	}
	if m := j.r.Message; m != nil && (m.ListID != "" || m.Bulk && !j.v.Has("precedence")) {
		j.against("list", "List-Id", "来自邮件列表", "from a mailing list")
	}
}

// responderFields are those that automatic answerers and ticket systems write, whatever the value.
var responderFields = []string{
	"X-Autoreply", "X-Auto-Reply", "X-Autorespond", "X-Autoresponder", "X-Auto-Response", "X-Autoreply-From", "X-Autoreply-To", "X-Mail-Autoreply", "X-Away-Reply", "X-Vacation",
	"X-Ms-Exchange-Inbox-Rules-Loop", "X-Fc-Machinegenerated", "X-Autogenerated", "X-Auto-Generated", "X-Cron-Env", "X-Nagios-Notification",
	"X-Otrs-Loop", "X-Znuny-Loop", "X-Rt-Loop-Prevention", "X-Rt-Ticket", "X-Jira-Fingerprint", "X-Zendesk-Priority-Mail", "X-Zammad-Is-Auto-Response", "X-Helpscout-Conversation-Id",
	"X-Github-Reason", "X-Gitlab-Notificationreason", "X-Facebook-Notify", "X-Qq-Autoreply", "X-Qqmail-Autoreply", "X-Netease-Autoreply", "X-Cm-Autoreply", "X-Aliyun-Autoreply", "X-Ms-Exchange-Generated-Message-Source",
}

func (j *judge) responders() {
	for _, name := range responderFields {
		v := strings.ToLower(strings.TrimSpace(j.h.Get(name)))
		if j.has(name) && v != "no" && v != "false" && v != "0" && v != "none" {
			j.against("responder", name, "由自动回复或工单系统发出（"+name+"）", "an automatic answerer or ticket system sent it ("+name+")")
			return
		}
	}
	category := strings.ToLower(j.h.Get("X-Sfdc-Emailcategory")) // of Salesforce; apiSingleMail is one that a person wrote
	switch {
	case strings.Contains(category, "workflow"), strings.Contains(category, "auto"), strings.Contains(category, "mass"), strings.Contains(category, "notification"):
		j.against("responder", "X-SFDC-EmailCategory", "由 CRM 的自动流程发出", "an automation of a CRM sent it")
	case strings.EqualFold(j.h.Get("Preference"), "auto_reply"), strings.Contains(strings.ToLower(j.h.Get("X-Post-Messageclass")), "autoresponder"),
		strings.Contains(strings.ToLower(j.h.Get("Delivered-To")), "autoresponder"):
		j.against("responder", "Preference", "由自动回复系统发出", "an automatic answerer sent it")
	}
}

func (j *judge) loops() {
	if len(j.h.Values("Received")) > maxHops {
		j.against("hops", "Received", "邮件经过的服务器过多，可能在循环", "the mail passed too many servers; it may go round")
	}
	for _, v := range j.h.Values("X-Loop") {
		v = strings.ToLower(strings.TrimSpace(v))
		if v != "" && v != "no" && v != "false" {
			j.against("loop", "X-Loop", "邮件带有循环标记", "the mail has a mark against loops")
		}
	}
}

// sender looks at who wrote the mail.
func (j *judge) sender() {
	for _, name := range []string{"From", "Sender", "Reply-To"} {
		for _, a := range j.addresses(name) {
			local, _, _ := strings.Cut(a, "@")
			switch {
			case slices.ContainsFunc(j.r.Own, func(o string) bool { return sameAddress(o, a) }):
				j.against("own_sender", name, "发件人是本系统自己", "we sent this mail ourselves")
			case name != "Sender" && deaf(local), name == "Sender" && machinePath(a):
				j.against("machine_sender", name, "发件人是机器地址："+clip(a), "the sender is a machine: "+clip(a))
			}
		}
	}
	if len(j.addresses("From")) == 0 {
		j.against("no_sender", "From", "没有发件人", "the mail has no sender")
	}
}

// addresses are those of a field in lower case.
func (j *judge) addresses(name string) []string {
	var out []string
	if m := j.r.Message; m != nil {
		list := map[string][]message.Address{"From": m.From, "Sender": m.Sender, "Reply-To": m.ReplyTo, "To": m.To, "Cc": m.CC}[name]
		for _, a := range list {
			out = append(out, strings.ToLower(a.Address))
		}
		if list != nil {
			return out
		}
	}
	for _, v := range j.h.Values(name) {
		out = append(out, addressesIn(v)...)
	}
	return out
}

var looseAddress = regexp.MustCompile(`[^\s<>,;:"()]+@[^\s<>,;:"()]+`)

func addressesIn(v string) []string {
	if list, err := (&mail.AddressParser{}).ParseList(v); err == nil {
		var out []string
		for _, a := range list {
			out = append(out, strings.ToLower(a.Address))
		}
		return out
	}
	var out []string
	for _, a := range looseAddress.FindAllString(v, 1000) {
		out = append(out, strings.ToLower(a))
	}
	return out
}

// machinePath tells the paths of lists and of machines (RFC 3834, 2).
func machinePath(path string) bool {
	local, _, _ := strings.Cut(strings.ToLower(path), "@")
	for _, begin := range []string{"owner-", "bounce-", "bounce+", "bounces-", "bounces+", "bounce=", "bounces=", "mailer-daemon", "msprvs1="} {
		if strings.HasPrefix(local, begin) {
			return true
		}
	}
	for _, end := range []string{"-request", "-owner", "-bounces", "-bounce", "-relay"} {
		if strings.HasSuffix(local, end) {
			return true
		}
	}
	return strings.Contains(local, "-bounces+") || deaf(local)
}

// addressed asks that one of our addresses is in To or Cc (RFC 3834, 2): who got the mail by a list or a blind copy does not answer by machine.
func (j *judge) addressed() {
	if len(j.r.Mine) == 0 {
		return
	}
	for _, name := range []string{"To", "Cc", "Resent-To", "Resent-Cc"} {
		for _, a := range j.addresses(name) {
			if slices.ContainsFunc(j.r.Mine, func(m string) bool { return sameAddress(m, a) }) {
				return
			}
		}
	}
	j.against("not_addressed", "To", "收件人和抄送中没有我们的地址", "none of our addresses is in To or Cc")
}

// subject looks for what out-of-office notices are called. A person who answers one writes "Re:" before it.
func (j *judge) subject() {
	s := j.h.Get("Subject")
	if m := j.r.Message; m != nil && m.Subject != "" {
		s = m.Subject
	} else if plain, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
		s = plain
	}
	s = strings.ToLower(oneLine(s))
	for _, begin := range awaySubjects {
		if strings.HasPrefix(s, begin) {
			j.against("away_subject", "Subject", "主题表明这是自动回复", "the subject is that of an automatic answer")
			return
		}
	}
}

// calendar refuses what calendars send among themselves; an invitation of a person comes from a program too.
func (j *judge) calendar() {
	method := ""
	if m := j.r.Message; m != nil {
		method = m.Calendar
	}
	if t, params, err := mime.ParseMediaType(j.h.Get("Content-Type")); err == nil && t == "text/calendar" && method == "" {
		method = strings.ToUpper(params["method"])
	}
	class := strings.ToLower(j.h.Get("Content-Class") + " " + j.h.Get("X-Ms-Exchange-Calendar-Series-Instance-Id"))
	if method != "" && method != "PUBLISH" || strings.Contains(class, "calendarmessage") {
		j.against("calendar", "Content-Type", "这是日程邮件", "this is a mail of calendars")
	}
}

var ownID = regexp.MustCompile(`<hg\.([A-Za-z0-9._-]{1,160})@[^<>@\s]+>`)

// follows finds the newest mail of ours that this one answers.
func (j *judge) follows() string {
	if m := ownID.FindStringSubmatch(j.h.Get("In-Reply-To")); m != nil {
		return m[1]
	}
	if all := ownID.FindAllStringSubmatch(j.h.Get("References"), 100); len(all) > 0 {
		return all[len(all)-1][1]
	}
	return ""
}

// maxHeader bounds a header that is read; more is skipped.
const maxHeader = 512 << 10

// ReadHeader reads the header of a mail, whatever else is wrong with it: a line that is none is left out. It reads no further than
// a little behind the header. The error is r's.
func ReadHeader(r io.Reader) (textproto.MIMEHeader, error) {
	h := textproto.MIMEHeader{}
	in := bufio.NewReaderSize(io.LimitReader(r, maxHeader), 4<<10)
	name := ""
	for first := true; ; first = false {
		line, err := in.ReadBytes('\n')
		row := bytes.TrimRight(line, "\r\n")
		switch {
		case first && bytes.HasPrefix(row, []byte("From ")): // of an mbox
		case len(row) == 0 && len(h) == 0 && err == nil: // readers of mail skip these too
		case len(row) == 0:
			if err == nil || err == io.EOF {
				return h, nil
			}
		case row[0] == ' ' || row[0] == '\t':
			if list := h[name]; len(list) > 0 {
				list[len(list)-1] += " " + string(bytes.TrimSpace(row))
			}
		default:
			key, value, ok := bytes.Cut(row, []byte(":"))
			name = ""
			if ok && len(key) > 0 && !bytes.ContainsAny(bytes.TrimRight(key, " \t"), " \t") {
				name = textproto.CanonicalMIMEHeaderKey(string(bytes.TrimSpace(key)))
				h[name] = append(h[name], string(bytes.TrimSpace(value)))
			}
		}
		if err == io.EOF {
			return h, nil
		}
		if err != nil {
			return h, err
		}
	}
}
