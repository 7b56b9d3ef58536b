package scenarios_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
	"time"
)

// quotations is scenario 4: two suppliers are asked; one answers the mail, one writes a new one after a reminder.
func quotations(o *office) {
	o.open()
	o.erp.put("suppliers", "", map[string]any{"name": "甲", "contact": "钱经理", "email": o.customer("qian"), "category": "轴承", "active": true})
	o.erp.put("suppliers", "", map[string]any{"name": "乙", "contact": nil, "email": o.customer("sun"), "category": "轴承", "active": true})
	o.erp.put("suppliers", "", map[string]any{"name": "丙", "contact": nil, "email": o.customer("chen"), "category": "钢材", "active": true})
	request := o.erp.put("purchase_requests", "", map[string]any{
		"number": "PR-2026-0002", "title": "轴承 6204", "category": "轴承", "quantity": 500, "quote_deadline": "2026-03-10", "status": "审批中",
	})
	o.publish("04-purchase-request.yaml", "04-quote-received.yaml")
	o.erp.put("purchase_requests", request, map[string]any{"status": "已批准"})
	o.look()
	const subject = "询价 PR-2026-0002：轴承 6204"
	ask := o.wantMail(o.customer("qian"), subject)[0]
	o.wantMail(o.customer("sun"), subject)
	has(o.t, "the inquiry", ask.Text, "钱经理，您好", "2026-03-10", "500")
	if len(ask.To) != 1 || ask.From[0].Address != o.own("purchasing") {
		o.t.Errorf("the inquiry is from %v to %v", ask.From, ask.To)
	}
	o.eventually("inquiries are noted", func() error { return count(len(o.erp.list("inquiries")), 2) })
	o.come("钱|"+o.customer("qian"), "purchasing", "回复：询价", "quote@qian", "含税总价：12,500.00 元\n交货期：15 天", "In-Reply-To: <"+ask.MessageID+">\r\nReferences: <"+ask.MessageID+">\r\n")
	o.eventually("the first quote", func() error { return count(len(o.erp.list("quotes")), 1) })
	o.at(time.Date(2026, 3, 9, 0, 10, 0, 0, shanghai)) // a workday before the deadline
	o.wantMail(o.customer("sun"), subject, "报价提醒：询价 PR-2026-0002 将于 2026-03-10 截止")
	o.come(o.customer("sun"), "purchasing", "报价单 PR-2026-0002", "quote@sun", "总价：CNY 11,900\n交期：一周", "")
	o.come(o.customer("chen"), "purchasing", "推销 PR-2026-0002", "spam@chen", "总价：1 元", "") // was not asked
	o.eventually("the second quote", func() error { return count(len(o.erp.list("quotes")), 2) })
	o.wantRuns("purchase-inquiry", "done")
	o.eventually("the runs of quotes", func() error { return count(len(o.runs("quote-received")), 3) })
	o.once(map[string]int{o.customer("qian"): 1, o.customer("sun"): 2, o.customer("chen"): 0})
	var got []string
	for _, q := range o.erp.list("quotes") {
		got = append(got, fmt.Sprint(q["request"], " ", q["supplier"], " ", q["amount"], " ", q["currency"]))
	}
	want := []string{"PR-2026-0002 " + o.customer("qian") + " 12500.00 CNY", "PR-2026-0002 " + o.customer("sun") + " 11900 CNY"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		o.t.Errorf("quotes are %q, want %q", got, want)
	}
	for _, i := range o.erp.list("inquiries") {
		if i["status"] != "已报价" {
			o.t.Errorf("an inquiry is %v", i)
		}
	}
}

// picture is a photograph of sorts, too large to be a logo.
func picture() []byte {
	m := image.NewRGBA(image.Rect(0, 0, 160, 120))
	for x := range 160 {
		for y := range 120 {
			m.Set(x, y, color.RGBA{uint8(x * y), uint8(x + 7*y), uint8(x*31 ^ y*17), 255})
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, m) // to memory
	return b.Bytes()
}

// quality is scenario 6.
func quality(o *office) {
	o.open()
	o.publish("06-quality-report.yaml")
	var coded strings.Builder
	for text := base64.StdEncoding.EncodeToString(picture()); text != ""; {
		n := min(76, len(text))
		coded.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
	from := o.customer("chen")
	body := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: =?utf-8?B?%s?=\r\nDate: Wed, 04 Mar 2026 10:00:00 +0800\r\nMessage-ID: <crack@customer>\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n产品：FL-20\r\n批次：B20260301\r\n法兰边缘有裂纹，共 3 件。\r\n"+
		"--b\r\nContent-Type: image/png; name=a.png\r\nContent-Disposition: attachment; filename=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\n%s--b--\r\n",
		from, o.own("quality"), base64.StdEncoding.EncodeToString([]byte("质量问题：法兰裂纹")), coded.String())
	o.arrive(from, o.own("quality"), []byte(body))
	o.read("quality", "crack@customer")
	o.come(from, "quality", "质量问题", "words@customer", "没有图片。", "")
	for _, to := range []string{"quality-dept", "production-dept", "aftersales-dept"} {
		l := o.wantMail(o.own(to), "质量问题：质量问题：法兰裂纹")[0]
		has(o.t, "the mail", l.Text, "FL-20", "B20260301")
		if len(l.Attachments) != 1 || l.Attachments[0].Name != "质量问题报告 2026-03-04.pdf" || l.Attachments[0].Size < 10_000 {
			o.t.Errorf("the files are %+v", l.Attachments)
		}
	}
	o.wantRuns("quality-report", "done")
	o.once(map[string]int{o.own("quality-dept"): 1, o.own("production-dept"): 1, o.own("aftersales-dept"): 1, from: 0})
}

// budget is scenario 7.
func budget(o *office) {
	o.open()
	for _, d := range []string{"rd", "sales"} {
		o.erp.put("departments", "", map[string]any{"name": d, "head": o.own(d + "-head")})
		for i, category := range []string{"差旅", "设备"} {
			o.erp.put("budgets", "", map[string]any{"department": d, "month": "2026-03", "category": category, "amount": 1000 * (i + 1)})
			o.erp.put("expenses", "", map[string]any{"department": d, "month": "2026-03", "category": category, "amount": 1500})
			o.erp.put("expenses", "", map[string]any{"department": d, "month": "2026-02", "category": category, "amount": 77})
		}
	}
	o.publish("07-budget-report.yaml")
	o.eventually("the schedule is known", o.scheduled)
	o.at(time.Date(2026, 4, 1, 8, 58, 0, 0, shanghai))
	o.once(map[string]int{o.own("rd-head"): 0})
	o.at(time.Date(2026, 4, 1, 9, 0, 5, 0, shanghai))
	for _, d := range []string{"rd", "sales"} {
		l := o.wantMail(o.own(d+"-head"), d+" 2026-03 预算执行报告")[0]
		has(o.t, "the report", l.HTML, "<table", "差旅", "¥1,000.00", "¥1,500.00", "150.0%", "合计", "¥3,000.00")
		var names []string
		for _, f := range l.Attachments {
			if !f.Inline {
				names = append(names, f.Name)
			}
		}
		if got := strings.Join(sorted(names), "|"); got != "预算执行 "+d+" 2026-03.pdf|预算执行 "+d+" 2026-03.xlsx" {
			o.t.Errorf("the files are %q", got)
		}
		if strings.Contains(l.HTML, "77") {
			o.t.Error("the report has the month before")
		}
	}
	o.wantRuns("budget-report", "done")
	o.once(map[string]int{o.own("rd-head"): 1, o.own("sales-head"): 1})
}
