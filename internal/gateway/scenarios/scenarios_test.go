package scenarios_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"heliograph/crmclient/builtin"
	"heliograph/internal/mailtest"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if file := os.Getenv(childConfig); file != "" {
		if err := serve(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	storetest.Main(m)
}

// scenarios are the eleven, and what must not happen; each has an office of its own.
var scenarios = map[string]func(o *office){
	"01 deal won": dealWon, "02 complaint": complaint, "05 milestone overdue": milestone, "08 stock low": stockLow, "08 stock polled": stockPolled,
	"03 order approval": approval, "04 quotations": quotations, "06 quality report": quality, "07 budget report": budget, "no loops": loops, "crashes": crashes, "no old mail": backfill,
	"09 contract approval": contract, "10 order and payment": payment, "11 no reply": noReply,
}

// TestScenarios runs them all against one mail server.
func TestScenarios(t *testing.T) {
	t.Parallel()
	post := mailtest.Postfix(t, everybody(len(scenarios)+1)...)
	n := 0
	for name, run := range scenarios {
		office := n
		n++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(newOffice(t, post, office))
		})
	}
}

func has(t *testing.T, what, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s has no %q:\n%s", what, w, text)
		}
	}
}

// dealWon is scenario 1.
func dealWon(o *office) {
	o.open()
	customer, err := o.crm.AddContact(o.t.Context(), builtin.Contact{Name: "张伟", Title: "经理", Addresses: []string{o.customer("zhang.wei")}, Owner: o.own("li.wei")})
	if err != nil {
		o.t.Fatal(err)
	}
	deal, err := o.crm.AddDeal(o.t.Context(), builtin.Deal{Title: "两台数控机床", Stage: "谈判", Amount: 128000000, Owner: o.own("li.wei"), ContactID: customer.ID})
	if err != nil {
		o.t.Fatal(err)
	}
	o.publish("01-deal-won.yaml")
	move := func(stage string) {
		if deal, err = o.crm.Deal(o.t.Context(), deal.ID); err != nil {
			o.t.Fatal(err)
		}
		deal.Stage = stage
		if deal, err = o.crm.UpdateDeal(o.t.Context(), deal); err != nil {
			o.t.Fatal(err)
		}
		o.look()
	}
	move("报价")
	move("已成交")
	welcome := o.wantMail(o.customer("zhang.wei"), "张伟，欢迎成为我们的客户")[0]
	has(o.t, "the welcome", welcome.Text, "张伟经理，您好", "两台数控机床", o.own("li.wei"))
	if from := welcome.From[0]; from.Address != o.own("service") || from.Name != "客户服务" {
		o.t.Errorf("the welcome is from %+v", from)
	}
	if got := welcome.header.Get("Auto-Submitted"); got != "auto-generated" {
		o.t.Errorf("Auto-Submitted is %q", got)
	}
	news := o.wantMail(o.own("sales-director"), "成交快报：两台数控机床（¥1,280,000.00）")[0]
	has(o.t, "the news", news.Text, "¥1,280,000.00", o.own("li.wei"), "报价 → 已成交", "张伟")
	move("谈判")
	move("已成交") // a second time: one welcome is enough
	o.wantRuns("deal-won", "done", "done")
	o.once(map[string]int{o.customer("zhang.wei"): 1, o.own("sales-director"): 1})
}

// complaint is scenario 2.
func complaint(o *office) {
	o.open()
	o.publish("02-complaint.yaml")
	if _, err := o.crm.AddContact(o.t.Context(), builtin.Contact{Name: "陈静", Addresses: []string{o.customer("chen")}, Owner: o.own("li.wei")}); err != nil {
		o.t.Fatal(err)
	}
	o.come("陈静|"+o.customer("chen"), "service", "投诉：主轴噪音", "noise@customer", "您好，\n上周安装的机床主轴噪音很大，请尽快派人。\n\n订单号：SO-20260301-7\n联系电话：13800138000", "")
	o.come("陈静|"+o.customer("chen"), "service", "询价", "price@customer", "请报价。", "")
	receipt := o.wantMail(o.customer("chen"), "回复：投诉：主轴噪音")[0]
	tickets, err := o.crm.Tickets(o.t.Context(), builtin.TicketFilter{})
	if err != nil || len(tickets.Items) != 1 {
		o.t.Fatalf("tickets are %+v, %v; want one", tickets.Items, err)
	}
	ticket := tickets.Items[0]
	if ticket.Subject != "投诉：主轴噪音" || ticket.Assignee != o.own("machines") || ticket.Priority != "high" || ticket.ContactID == 0 {
		o.t.Errorf("the ticket is %+v", ticket)
	}
	has(o.t, "the ticket", ticket.Body, "陈静 <"+o.customer("chen")+">", "SO-20260301-7", "+8613800138000", "主轴噪音很大")
	has(o.t, "the receipt", receipt.Text, "陈静，您好", "工单号 "+itoa(ticket.ID), "> 上周安装的机床")
	if receipt.InReplyTo != "noise@customer" || receipt.header.Get("Auto-Submitted") != "auto-replied" || !strings.Contains(receipt.trace, "Return-Path: <>") {
		o.t.Errorf("the receipt's header is %v, trace %q", receipt.header, receipt.trace)
	}
	o.eventually("chat", func() error { return count(len(o.chat.list()), 1) })
	if p := o.chat.list()[0]; p.Title != "新投诉：投诉：主轴噪音" || p.Level != "warning" || len(p.Facts) != 3 || p.Facts[1].Value != itoa(ticket.ID) {
		o.t.Errorf("the chat has %+v", p)
	}
	// The customer answers the receipt: that is no new complaint.
	o.come("陈静|"+o.customer("chen"), "service", "回复: 投诉：主轴噪音", "again@customer", "谢谢", "In-Reply-To: <"+receipt.MessageID+">\r\n")
	o.wantRuns("complaint-ticket", "done")
	o.eventually("the answer is mirrored", func() error { return o.mirrored("again@customer") })
	o.once(map[string]int{o.customer("chen"): 1})
	if tickets, err = o.crm.Tickets(o.t.Context(), builtin.TicketFilter{}); err != nil || len(tickets.Items) != 1 || len(o.chat.list()) != 1 {
		o.t.Errorf("there are %d tickets and %d posts, want one of each", len(tickets.Items), len(o.chat.list()))
	}
}

// milestone is scenario 5.
func milestone(o *office) {
	o.open()
	for i, status := range []string{"进行中", "已完成"} {
		o.erp.put("milestones", "", map[string]any{
			"project": "新厂房", "name": "封顶" + itoa(int64(i)), "due_on": "2026-03-04", "status": status, "owner": o.own("wang"), "manager": o.own("zhao"),
			"stakeholders": []string{o.own("ceo"), o.customer("chen")}, "progress": 80,
		})
	}
	o.publish("05-milestone-overdue.yaml")
	o.at(time.Date(2026, 3, 5, 0, 20, 0, 0, shanghai)) // overdue, but people sleep
	o.eventually("the warning waits", func() error {
		return equal(strings.Join(o.runs("milestone-overdue"), "|"), "waiting")
	})
	o.once(map[string]int{o.own("wang"): 0, o.customer("chen"): 0})
	o.at(time.Date(2026, 3, 5, 8, 31, 0, 0, shanghai))
	for _, to := range []string{o.own("wang"), o.own("zhao"), o.own("ceo"), o.customer("chen")} {
		l := o.wantMail(to, "【逾期】新厂房：封顶0")[0]
		has(o.t, "the warning", l.Text, "计划完成：2026-03-04", "完成度：80%")
		if l.header.Get("Importance") != "high" || l.header.Get("X-Priority") != "1" || len(l.To) != 2 || len(l.CC) != 2 {
			o.t.Errorf("the warning's header is %v", l.header)
		}
	}
	o.at(time.Date(2026, 3, 9, 9, 0, 0, 0, shanghai))
	o.wantRuns("milestone-overdue", "done")
	o.replays("milestone-overdue", wednesday.Add(-time.Hour), "【逾期】新厂房：封顶0")
	o.once(map[string]int{o.own("wang"): 1, o.own("zhao"): 1, o.own("ceo"): 1, o.customer("chen"): 1})
}

// stockLow is scenario 8, told by the stock system.
func stockLow(o *office) {
	o.open()
	o.publish("08-stock-low.yaml")
	tell := func(id, sku string, quantity int) {
		o.t.Helper()
		o.event("stock", id, map[string]any{"sku": sku, "name": "轴承 " + sku, "quantity": quantity, "threshold": 50, "warehouse": "上海"})
	}
	to := o.own("purchasing-manager")
	tell("e1", "M-100", 12)
	o.wantMail(to, "库存预警：轴承 M-100 仅剩 12")
	tell("e1", "M-100", 12) // delivered again
	tell("e2", "M-100", 11) // the same article on the same day
	tell("e3", "M-300", 80) // enough of it
	tell("e4", "M-200", 3)
	o.wantMail(to, "库存预警：轴承 M-100 仅剩 12", "库存预警：轴承 M-200 仅剩 3")
	o.after(23 * time.Hour)
	tell("e5", "M-100", 10)
	o.wantRuns("stock-low", "done", "done", "done", "done")
	o.once(map[string]int{to: 2})
	o.after(2 * time.Hour)
	tell("e6", "M-100", 9)
	o.wantMail(to, "库存预警：轴承 M-100 仅剩 12", "库存预警：轴承 M-200 仅剩 3", "库存预警：轴承 M-100 仅剩 9")
	o.once(map[string]int{to: 3})
}

// stockPolled is scenario 8, asked for.
func stockPolled(o *office) {
	o.open()
	o.erp.put("stock", "", map[string]any{"sku": "M-100", "name": "轴承", "quantity": 12, "threshold": 50, "shortage": 38})
	o.erp.put("stock", "", map[string]any{"sku": "M-200", "name": "皮带", "quantity": 60, "threshold": 50, "shortage": 0})
	o.publish("08-stock-poll.yaml")
	to := o.own("purchasing-manager")
	o.eventually("the schedule is known", o.scheduled)
	for range 3 {
		o.after(31 * time.Minute)
		o.wantMail(to, "库存预警：轴承 仅剩 12")
	}
	o.after(24 * time.Hour)
	o.wantMail(to, "库存预警：轴承 仅剩 12", "库存预警：轴承 仅剩 12")
	o.once(map[string]int{to: 2})
}

// contract is scenario 9.
func contract(o *office) {
	o.open()
	o.publish("09-contract-approval.yaml")
	slow := o.erp.put("contracts", "", map[string]any{"number": "HT-5", "title": "设备采购", "amount": 860000, "approver": o.own("gu"), "status": "草稿"})
	o.clock.offset.Store(int64(time.Until(time.Date(2026, 3, 6, 15, 0, 0, 0, shanghai)))) // Friday
	o.look()
	o.erp.put("contracts", slow, map[string]any{"status": "待审批"})
	quick := o.erp.put("contracts", "", map[string]any{"number": "HT-6", "title": "租赁", "amount": 1, "approver": o.own("gu"), "status": "待审批"})
	o.look()
	o.wantRuns("contract-approval-slow", "waiting", "waiting")
	o.erp.put("contracts", quick, map[string]any{"status": "已批准"})
	o.at(time.Date(2026, 3, 9, 12, 0, 0, 0, shanghai)) // Monday: 3 business hours of Friday and 3 of today
	o.once(map[string]int{o.own("gu"): 0})
	o.at(time.Date(2026, 3, 10, 9, 0, 0, 0, shanghai))
	reminder := o.wantMail(o.own("gu"), "请审批合同 HT-5：设备采购")[0]
	has(o.t, "the reminder", reminder.Text, "¥860,000.00", "超过 8 个工作小时")
	o.wantRuns("contract-approval-slow", "done 已处理", "waiting")
	o.at(time.Date(2026, 3, 11, 17, 59, 0, 0, shanghai))
	escalation := o.wantMail(o.own("legal-director"), "【升级】合同 HT-5 审批已超时")[0]
	if escalation.header.Get("Importance") != "high" || escalation.CC[0].Address != o.own("gu") {
		o.t.Errorf("the escalation's header is %v", escalation.header)
	}
	o.wantRuns("contract-approval-slow", "done", "done 已处理")
	o.once(map[string]int{o.own("gu"): 2, o.own("legal-director"): 1})
}

// payment is scenario 10.
func payment(o *office) {
	o.open()
	o.publish("10-order-confirmation.yaml", "10-payment-dunning.yaml")
	o.erp.put("orders", "", map[string]any{
		"number": "SO-9", "customer_email": o.customer("chen"), "total": 3500, "delivery_on": "2026-03-20", "owner": o.own("li.wei"),
		"items": []any{map[string]any{"name": "轴承 6204", "quantity": 10, "price": 350}},
	})
	o.look()
	confirmation := o.wantMail(o.customer("chen"), "订单确认 SO-9")[0]
	has(o.t, "the confirmation", confirmation.HTML, "¥3,500.00", "2026-03-20", "<table", "轴承 6204")
	if confirmation.ReplyTo[0].Address != o.own("li.wei") {
		o.t.Errorf("answers go to %v", confirmation.ReplyTo)
	}
	unpaid := o.erp.put("invoices", "", map[string]any{"number": "INV-3", "amount": 9800, "due_on": "2026-03-03", "status": "未付款", "customer_email": o.customer("sun"), "owner": o.own("li.wei")})
	late := o.erp.put("invoices", "", map[string]any{"number": "INV-4", "amount": 50, "due_on": "2026-03-03", "status": "未付款", "customer_email": o.customer("qian"), "owner": o.own("li.wei")})
	o.erp.put("invoices", "", map[string]any{"number": "INV-5", "amount": 1, "due_on": "2026-03-03", "status": "已付款", "customer_email": o.customer("chen")})
	_ = unpaid
	o.after(6 * time.Minute) // dates are looked at each five minutes
	first := o.wantMail(o.customer("sun"), "付款提醒：发票 INV-3")[0]
	has(o.t, "the first reminder", first.Text, "¥9,800.00", "2026-03-03")
	if first.From[0].Address != o.own("finance") {
		o.t.Errorf("the reminder is from %v", first.From)
	}
	o.wantMail(o.customer("qian"), "付款提醒：发票 INV-4")
	o.after(7 * 24 * time.Hour)
	o.wantMail(o.customer("sun"), "付款提醒：发票 INV-3", "第二次付款提醒：发票 INV-3")
	o.wantMail(o.customer("qian"), "付款提醒：发票 INV-4", "第二次付款提醒：发票 INV-4")
	o.settle()
	o.erp.put("invoices", late, map[string]any{"status": "已付款"})
	o.after(7 * 24 * time.Hour)
	last := o.wantMail(o.customer("sun"), "付款提醒：发票 INV-3", "第二次付款提醒：发票 INV-3", "最后付款通知：发票 INV-3")[2]
	if last.header.Get("Importance") != "high" || last.CC[0].Address != o.own("li.wei") {
		o.t.Errorf("the last notice's header is %v", last.header)
	}
	o.eventually("both runs have ended", func() error {
		for _, s := range o.runs("payment-dunning") {
			if s != "done" && s != "done 已付款" {
				return equal(s, "done")
			}
		}
		return count(len(o.runs("payment-dunning")), 2)
	})
	o.once(map[string]int{o.customer("chen"): 1, o.customer("sun"): 3, o.customer("qian"): 2, o.own("li.wei"): 1})
}

// noReply is scenario 11.
func noReply(o *office) {
	o.open()
	o.publish("11-no-reply.yaml", "02-complaint.yaml")
	o.publishText(o.adapt(unanswered))
	if _, err := o.crm.AddContact(o.t.Context(), builtin.Contact{Name: "陈静", Addresses: []string{o.customer("chen")}, Owner: o.own("li.wei")}); err != nil {
		o.t.Fatal(err)
	}
	if _, err := o.crm.AddContact(o.t.Context(), builtin.Contact{Name: "孙", Addresses: []string{o.customer("sun")}, Owner: o.own("li.wei")}); err != nil {
		o.t.Fatal(err)
	}
	// The complaint gets a receipt at once, which is no answer. The other mail is answered by a person.
	o.come("陈静|"+o.customer("chen"), "service", "投诉：交期", "late@customer", "请尽快答复。", "")
	o.come("孙|"+o.customer("sun"), "service", "询价", "price@customer", "请报价。", "")
	o.wantMail(o.customer("chen"), "回复：投诉：交期")
	o.come("钱|"+o.customer("qian"), "service", "图纸", "drawing@customer", "请发图纸。", "")
	o.wantRuns("no-reply", "waiting", "waiting", "waiting")
	o.wantRuns("unanswered", "waiting", "waiting", "waiting")
	o.after(time.Hour)
	// A colleague's fresh mail is an answer only to the rule that says so.
	o.submit(o.own("wang"), o.customer("qian"), o.write(o.own("wang"), o.customer("qian"), "主轴图纸", "fresh@own", "见附件。", ""))
	o.eventually("the fresh mail ends the run", func() error {
		return equal(strings.Join(sorted(o.runs("unanswered")), "|"), "done it was answered in time|waiting|waiting")
	})
	o.wantRuns("no-reply", "waiting", "waiting", "waiting")
	o.submit(o.own("wang"), o.customer("qian"), o.write(o.own("wang"), o.customer("qian"), "Re: 图纸", "again@own", "见附件。", "In-Reply-To: <drawing@customer>\r\n"))
	o.submit(o.own("service"), o.customer("sun"), o.write(o.own("service"), o.customer("sun"), "Re: 询价", "offer@own", "报价 100 元。", "In-Reply-To: <price@customer>\r\n"))
	o.eventually("the answer ends the run", func() error {
		return equal(strings.Join(sorted(o.runs("no-reply")), "|"), "done it was answered in time|done it was answered in time|waiting")
	})
	o.at(time.Date(2026, 3, 4, 15, 0, 0, 0, shanghai)) // 10:00 to 12:00 and 13:00 to 15:00, or without a break: then it is earlier
	reminder := o.wantMail(o.own("li.wei"), "客户来信待回复：投诉：交期")[0]
	has(o.t, "the reminder", reminder.Text, "陈静", "请尽快答复", o.own("service"))
	o.at(time.Date(2026, 3, 5, 11, 0, 0, 0, shanghai))
	escalation := o.wantMail(o.own("service-lead"), "【升级】客户来信超过 6 个工作小时未回复：投诉：交期")[0]
	if escalation.header.Get("Importance") != "high" {
		o.t.Errorf("the escalation's header is %v", escalation.header)
	}
	o.wantMail(o.own("ceo"), "无人回复：投诉：交期")
	o.once(map[string]int{o.own("li.wei"): 2, o.own("service-lead"): 1, o.own("ceo"): 1, o.customer("chen"): 1, o.customer("sun"): 1, o.customer("qian"): 2})
}

// unanswered is a rule for which a fresh mail is an answer, too.
const unanswered = `
id: unanswered
name: 无人联系
owner: ceo@example.com
trigger: {type: absence, within: 4 business hours, answered_by: contact}
steps: [{id: tell, do: send_mail, with: {to: ceo@example.com, subject: '无人回复：{{.mail.subject}}', text: x}}]
`
