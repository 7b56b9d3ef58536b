package scenarios_test

import (
	"errors"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// approval is scenario 3: of three orders one is approved, one refused, and of one nobody takes notice.
func approval(o *office) {
	o.open()
	o.publish("03-order-approval.yaml")
	order := func(number, level string, total int) string {
		return o.erp.put("orders", "", map[string]any{"number": number, "customer": "华夏机械", "customer_level": level, "total": total, "owner": o.own("li.wei")})
	}
	approved, refused, late := order("SO-1", "VIP", 128000), order("SO-2", "VIP", 200000), order("SO-3", "VIP", 300000)
	order("SO-4", "普通", 900000)
	order("SO-5", "VIP", 100000)
	o.look()
	cfo, vp := o.own("cfo"), o.own("vp")
	yes := o.asked(cfo, "SO-1")
	// A scanner of mail follows the link: nothing comes of it.
	o.page(yes)
	o.decide(yes, "approve", "")
	if got := o.page(yes); !strings.Contains(got, "同意") && !strings.Contains(got, "approved") {
		o.t.Errorf("the page does not say what was decided:\n%s", got)
	}
	o.settle()
	if state := o.erp.state("orders", approved, "approval"); state != nil {
		o.t.Errorf("one of two has approved, and the order is %v", state)
	}
	o.decide(o.asked(vp, "SO-1"), "approve", "")
	o.wantMail(o.own("li.wei"), "订单 SO-1 已批准")
	o.answers(vp, "SO-2", "不同意", "账期太长")
	o.wantMail(o.own("li.wei"), "订单 SO-1 已批准", "订单 SO-2 未获批准")
	has(o.t, "the refusal", o.inbox(o.own("li.wei"))[1].Text, "账期太长")
	o.after(5 * 24 * time.Hour)
	o.eventually("time runs out", func() error { return equal(strings.Join(o.runs("order-approval"), "|"), "done|done|done") })
	o.wantMail(o.own("li.wei"), "订单 SO-1 已批准", "订单 SO-2 未获批准", "订单 SO-3 审批超时")
	for id, want := range map[string]string{approved: "已批准", refused: "已拒绝", late: "审批超时"} {
		o.eventually("the order", func() error {
			got, _ := o.erp.state("orders", id, "approval").(string)
			return equal(got, want)
		})
	}
	o.once(map[string]int{o.own("li.wei"): 3, o.own("sales-director"): 1})
}

// state is a field of a record.
func (b *business) state(object, id, field string) any {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.find(object, id)[field]
}

var approveLink = regexp.MustCompile(`https://gw\.example\.org(/approve/[^\s"<>]+)`)

// asked is the link in the mail by which somebody is asked about an order.
func (o *office) asked(who, order string) (link string) {
	o.t.Helper()
	o.eventually(who+" is asked about "+order, func() error {
		for _, l := range o.inbox(who) {
			if found := approveLink.FindStringSubmatch(l.Text); strings.Contains(l.Subject, order) && found != nil {
				link = found[1]
				return nil
			}
		}
		return errors.New("there is no mail with a link")
	})
	return link
}

// answers has somebody answer the mail that asks about an order. Before that the same words come from outside, and from a colleague's account: they count for
// nothing.
func (o *office) answers(who, order, decision, comment string) {
	o.t.Helper()
	o.asked(who, order)
	var asked letter
	for _, l := range o.inbox(who) {
		if strings.Contains(l.Subject, order) && strings.Contains(l.Subject, "[#") {
			asked = l
		}
	}
	if asked.MessageID == "" {
		o.t.Fatalf("%s got no mail that can be answered", who)
	}
	more := "In-Reply-To: <" + asked.MessageID + ">\r\nReferences: <" + asked.MessageID + ">\r\n"
	quoted := "\n\n在 2026年3月4日，service 写道：\n> " + strings.ReplaceAll(asked.Text, "\n", "\n> ")
	yes := o.write(who, o.own("service"), "Re: "+asked.Subject, order+"-forged@"+o.domain, "同意"+quoted, more)
	o.arrive(who, o.own("service"), yes)
	o.read("service", order+"-forged@"+o.domain)
	o.submit(o.own("wang"), o.own("service"), o.write(who, o.own("service"), "Re: "+asked.Subject, order+"-colleague@"+o.domain, "同意"+quoted, more))
	o.submit(who, o.own("service"), o.write(who, o.own("service"), "自动回复："+asked.Subject, order+"-away@"+o.domain, "同意"+quoted, more+"Auto-Submitted: auto-replied\r\n"))
	o.settle()
	o.submit(who, o.own("service"), o.write(who, o.own("service"), "Re: "+asked.Subject, order+"-answer@"+o.domain, decision+"\n"+comment+quoted, more))
}

// page is what the link shows.
func (o *office) page(link string) string {
	o.t.Helper()
	return o.web(http.MethodGet, link, nil)
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// decide opens the page and sends one of its forms.
func (o *office) decide(link, decision, comment string) {
	o.t.Helper()
	form := url.Values{}
	for _, f := range hidden.FindAllStringSubmatch(o.page(link), -1) {
		form.Set(f[1], html.UnescapeString(f[2]))
	}
	form.Set("decision", decision)
	form.Set("comment", comment)
	o.web(http.MethodPost, link, form)
}

func (o *office) web(method, path string, form url.Values) string {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), method, "http://"+o.addrs[2]+path, strings.NewReader(form.Encode()))
	if err != nil {
		o.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := &http.Transport{}
	defer client.CloseIdleConnections()
	answer, err := client.RoundTrip(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 400 {
		o.t.Fatalf("%s %s is answered with %s, %v:\n%s", method, path, answer.Status, err, text)
	}
	return string(text)
}
