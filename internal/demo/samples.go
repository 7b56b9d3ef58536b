package demo

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/emersion/go-message/mail"
)

// sample is one mail that an employee sends, or gets from a customer.
type sample struct {
	what       string // for the reader of the demo
	from       string // login, too, of an employee
	name       string
	to, cc     []*mail.Address
	bcc        []string // envelope only
	subject    string
	text       string
	id         string // Message-ID without brackets
	inReplyTo  string
	attachment string // file name
	content    []byte
	bulk       bool // sent to many, as a newsletter is
}

const support = "support@" + Domain

var (
	zhang = &mail.Address{Name: "张伟", Address: "zhang.wei@huaxia-machinery.example"}
	chen  = &mail.Address{Name: "陈静", Address: "chen.jing@huaxia-machinery.example"}
	smith = &mail.Address{Name: "Anna Smith", Address: "anna.smith@northwind.example"}
	liwei = &mail.Address{Name: "李伟", Address: "li.wei@" + Domain}
	fang  = &mail.Address{Name: "王芳", Address: "wang.fang@" + Domain}
)

// samples are the mails of the demo, in the order of sending.
func samples() []sample {
	return []sample{
		{
			what: "a quote in Chinese with a file", from: liwei.Address, name: liwei.Name, to: []*mail.Address{zhang},
			subject: "报价单：数控机床 XK-714 两台", id: "quote-2026-1107@" + Domain,
			text:       "张经理，您好！\n\n附件是两台 XK-714 数控机床的报价，含税总价 1,280,000 元，交货期 45 天。\n如有疑问请随时联系。\n\n李伟\n日升机械 销售部\n电话：010-5555 0101\n",
			attachment: "报价单-XK-714.csv", content: []byte("\xef\xbb\xbf型号,数量,单价\r\nXK-714,2,640000\r\n"),
		},
		{
			what: "a reply in the same thread, a colleague in Cc", from: fang.Address, name: fang.Name,
			to: []*mail.Address{zhang}, cc: []*mail.Address{liwei},
			subject: "Re: 报价单：数控机床 XK-714 两台", id: "delivery-2026-1108@" + Domain, inReplyTo: "quote-2026-1107@" + Domain,
			text: "张经理，\n\n补充一点：交货期可以缩短到 30 天。\n\n王芳\n\n> 附件是两台 XK-714 数控机床的报价，含税总价 1,280,000 元，交货期 45 天。\n",
		},
		{
			what: "the same mail to two customers, one of them in Bcc", from: liwei.Address, name: liwei.Name,
			to: []*mail.Address{smith}, bcc: []string{chen.Address},
			subject: "Spring fair: your invitation", id: "fair-2026@" + Domain,
			text: "Dear Anna,\n\nwe would be glad to meet you at our booth 4-217.\n\nBest regards\nLi Wei\n",
		},
		{
			what: "support answers a complaint", from: support, name: "Sunrise Support", to: []*mail.Address{chen},
			subject: "回复：投诉 — 主轴噪音", id: "ticket-4711@" + Domain,
			text: "陈女士，您好！\n\n我们的工程师将于周四上午到现场检查主轴。\n给您带来不便，深表歉意。\n",
		},
		{
			what: "mail among colleagues: passed on, but kept out of the CRM", from: fang.Address, name: fang.Name, to: []*mail.Address{liwei},
			subject: "午饭？", id: "lunch@" + Domain, text: "十二点楼下见？\n",
		},
	}
}

// incoming are the mails of customers that are in the mailboxes when the mail programs look.
func incoming() []sample {
	return []sample{
		{
			what: "a customer answers two employees: one message, read twice", from: zhang.Address, name: zhang.Name,
			to: []*mail.Address{liwei, fang}, subject: "Re: 报价单：数控机床 XK-714 两台", id: "order-88@huaxia-machinery.example",
			inReplyTo: "quote-2026-1107@" + Domain,
			text:      "李经理，王经理：\n\n报价已通过，我们订两台，请按 30 天交货。\n\n张伟\n",
		},
		{
			what: "a complaint to the support mailbox", from: chen.Address, name: chen.Name,
			to:      []*mail.Address{{Address: support}},
			subject: "投诉 — 主轴噪音", id: "noise-3@huaxia-machinery.example",
			text: "您好，\n\n上周安装的机床主轴噪音很大，请尽快派人检查。\n\n陈静\n",
		},
	}
}

// arriving is the mail that comes while a mail program waits for news.
func arriving() sample {
	return sample{
		what: "a large mail, of which a phone reads the first pieces only", from: smith.Address, name: smith.Name, to: []*mail.Address{liwei},
		subject: "Re: Spring fair: your invitation", id: "fair-yes@northwind.example", inReplyTo: "fair-2026@" + Domain,
		text:       "Dear Li Wei,\n\nwith pleasure. The plan of our stand is attached.\n\nAnna Smith\nNorthwind\n",
		attachment: "stand-plan.csv", content: bytes.Repeat([]byte("hall,aisle,booth\r\n4,2,217\r\n"), 4000),
	}
}

// recipients are the addresses of the envelope.
func (s sample) recipients() []string {
	var all []string
	for _, a := range append(append([]*mail.Address{}, s.to...), s.cc...) {
		all = append(all, a.Address)
	}
	return append(all, s.bcc...)
}

// render writes the mail as a mail program would.
func (s sample) render(now time.Time) ([]byte, error) {
	var h mail.Header
	h.SetDate(now)
	h.SetAddressList("From", []*mail.Address{{Name: s.name, Address: s.from}})
	h.SetAddressList("To", s.to)
	if len(s.cc) > 0 {
		h.SetAddressList("Cc", s.cc)
	}
	h.SetSubject(s.subject)
	h.SetMessageID(s.id)
	if s.inReplyTo != "" {
		h.SetMsgIDList("In-Reply-To", []string{s.inReplyTo})
		h.SetMsgIDList("References", []string{s.inReplyTo})
	}
	if s.bulk {
		_, domain, _ := strings.Cut(s.from, "@")
		h.Set("List-Id", "<weekly."+domain+">")
		h.Set("Precedence", "bulk")
	}
	var b bytes.Buffer
	w, err := mail.CreateWriter(&b, h)
	if err != nil {
		return nil, err
	}
	var th mail.InlineHeader
	th.SetContentType("text/plain", map[string]string{"charset": "utf-8"})
	if err := s.part(w.CreateSingleInline(th))([]byte(s.text)); err != nil {
		return nil, err
	}
	if s.attachment != "" {
		var ah mail.AttachmentHeader
		ah.SetContentType("text/csv", nil)
		ah.SetFilename(s.attachment)
		if err := s.part(w.CreateAttachment(ah))(s.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("render %s: %w", s.id, err)
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(b.Bytes(), []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n")), nil
}

// part writes one part's content and closes it.
func (s sample) part(w io.WriteCloser, err error) func([]byte) error {
	return func(content []byte) error {
		if err != nil {
			return err
		}
		if _, err := w.Write(content); err != nil {
			return err
		}
		return w.Close()
	}
}
