package office

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
)

const (
	employees = 20
	customers = 50
	domain    = "office.test"
	team      = "team@lists.test" // a mailing list outside, with all of the office's sales people on it
	lawyer    = "counsel@law.test"
)

// optedOut is the employee who wants his copies to stay where they are.
const optedOut = employees - 1

func employee(n int) string { return fmt.Sprintf("e%02d@%s", n, domain) }

func customer(n int) string { return fmt.Sprintf("buyer%d@customer%02d.test", n, n/2) }

// letter is one mail of the office.
type letter struct {
	token   string // stands in its text; the CRM is searched for it
	from    string
	to, cc  []string
	bcc     []string
	id      string // Message-ID without brackets
	date    time.Time
	subject string
	raw     []byte
	sent    sentCopy
}

// sentCopy says who keeps a copy of what an employee sent.
type sentCopy int

const (
	noCopy       sentCopy = iota
	clientCopy            // the mail program stores the same bytes
	providerCopy          // the provider stores them with fields of its own
	renamedCopy           // the provider stores them with another Message-ID
)

func (l *letter) everybody() []string { return slices.Concat(l.to, l.cc, l.bcc) }

// seen tells how many activities the letter makes: none when nobody of the office has it who wants it mirrored.
func (l *letter) seen() int {
	for _, a := range append(l.everybody(), l.from) {
		if strings.HasSuffix(a, "@"+domain) && a != employee(optedOut) {
			return 1
		}
	}
	return 0
}

// generator writes letters and knows what each must become.
type generator struct {
	r     *rand.Rand
	n     int
	now   time.Time
	past  []*letter      // that may be answered
	want  map[string]int // activities by token; zero for what must not leave
	kinds map[string]int
}

func newGenerator(seed uint64) *generator {
	return &generator{
		r: rand.New(rand.NewPCG(seed, 41)), now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.FixedZone("", 8*3600)),
		want: map[string]int{}, kinds: map[string]int{},
	}
}

func (g *generator) some(limit int, name func(int) string, of int, not ...string) []string {
	var out []string
	for range 1 + g.r.IntN(limit) {
		if a := name(g.r.IntN(of)); !slices.Contains(out, a) && !slices.Contains(not, a) {
			out = append(out, a)
		}
	}
	return out
}

// next writes the letters of one occasion: mostly one.
func (g *generator) next() []*letter {
	x := g.r.IntN(100)
	switch {
	case x < 40:
		return g.one("inbound", g.inbound())
	case x < 68:
		return g.one("outbound", g.outbound())
	case x < 76:
		l := g.outbound()
		l.to, l.cc, l.bcc = g.some(3, employee, employees, l.from), nil, nil
		if len(l.to) == 0 {
			l.to = []string{employee(0), employee(1)}
		}
		return g.private("internal", l)
	case x < 79:
		l := g.outbound()
		l.subject = "[私人] " + l.subject
		return g.private("marked", l)
	case x < 82:
		l := g.inbound()
		l.id += ".s"
		return g.private("sensitive", l, "Sensitivity: Personal")
	case x < 84:
		l := g.inbound()
		l.from = lawyer
		return g.private("excluded domain", l)
	case x < 88:
		return g.list()
	case x < 92:
		return g.forgery()
	case x < 95:
		return g.twice()
	default:
		return g.answer()
	}
}

func (g *generator) blank(from string) *letter {
	g.n++
	g.now = g.now.Add(time.Duration(1+g.r.IntN(90)) * time.Second)
	token := fmt.Sprintf("ref-%06d", g.n)
	return &letter{
		token: token, from: from, date: g.now, id: fmt.Sprintf("%d.%d@%s", g.n, g.r.Uint32(), strings.SplitN(from, "@", 2)[1]),
		subject: []string{"报价", "Order", "Contract", "合同", "Delivery", "会议纪要"}[g.r.IntN(6)] + fmt.Sprintf(" %d", g.n),
	}
}

func (g *generator) inbound() *letter {
	l := g.blank(customer(g.r.IntN(customers)))
	l.to = g.some(2, employee, employees)
	if g.r.IntN(3) == 0 {
		l.cc = append(g.some(1, employee, employees, l.to...), g.some(1, customer, customers, l.from)...)
	}
	return l
}

func (g *generator) outbound() *letter {
	l := g.blank(employee(g.r.IntN(employees)))
	l.to = g.some(2, customer, customers)
	if g.r.IntN(2) == 0 {
		l.cc = g.some(2, employee, employees, l.from)
	}
	if g.r.IntN(6) == 0 {
		l.bcc = g.some(1, employee, employees, append(l.cc, l.from)...)
	}
	l.sent = []sentCopy{clientCopy, clientCopy, clientCopy, providerCopy, renamedCopy, noCopy}[g.r.IntN(6)]
	return l
}

func (g *generator) one(kind string, l *letter, fields ...string) []*letter {
	g.kinds[kind]++
	g.want[l.token] = l.seen()
	g.write(l, fields...)
	if g.past = append(g.past, l); len(g.past) > 500 {
		g.past = g.past[100:]
	}
	return []*letter{l}
}

func (g *generator) private(kind string, l *letter, fields ...string) []*letter {
	g.kinds[kind]++
	g.want[l.token] = 0
	g.write(l, fields...)
	return []*letter{l}
}

// answer is a reply to an earlier letter, with its words quoted.
func (g *generator) answer() []*letter {
	if len(g.past) == 0 {
		return g.one("outbound", g.outbound())
	}
	old := g.past[g.r.IntN(len(g.past))]
	l := g.outbound()
	if strings.HasSuffix(old.from, "@"+domain) {
		l = g.inbound()
		l.from, l.to, l.cc = old.to[0], []string{old.from}, nil
	} else {
		l.from, l.to = old.to[0], []string{old.from}
		l.cc, l.bcc = nil, nil
	}
	l.subject = "Re: " + old.subject
	return g.one("answer", l, "In-Reply-To: <"+old.id+">", "References: <"+old.id+">")
}

// list is a letter to a mailing list and a customer, and what the list sends to the office.
func (g *generator) list() []*letter {
	l := g.inbound()
	l.to, l.cc = []string{g.some(1, employee, employees)[0], team}, nil
	out := g.one("list", l)
	copied := *l
	copied.raw = listCopy(l.raw)
	copied.to, copied.cc = g.some(3, employee, employees, l.to...), nil
	if len(copied.to) == 0 {
		return out
	}
	g.want[l.token] = max(g.want[l.token], copied.seen())
	return append(out, &copied)
}

// listCopy is what a list makes of a letter: a mark in the subject, fields of its own, a footer.
func listCopy(raw []byte) []byte {
	s := strings.Replace(string(raw), "Subject: ", "Subject: [team] ", 1)
	s = "List-Id: The team <team.lists.test>\r\nPrecedence: list\r\nReply-To: " + team + "\r\n" + s
	return []byte(s + "\r\n_______________________________________________\r\nteam mailing list, to leave write to team-leave@lists.test\r\n")
}

// forgery follows a true letter: the same sender, date and Message-ID, other words.
func (g *generator) forgery() []*letter {
	l := g.inbound()
	out := g.one("forged", l)
	f := *l
	g.n++
	f.token = fmt.Sprintf("ref-%06d", g.n)
	f.to = g.some(2, employee, employees)
	g.want[f.token] = f.seen()
	g.write(&f)
	if g.r.IntN(2) == 0 {
		return []*letter{&f, out[0]}
	}
	return append(out, &f)
}

// twice is one letter sent again a minute later: two letters with the same words.
func (g *generator) twice() []*letter {
	l := g.outbound()
	l.sent = clientCopy
	out := g.one("twice", l)
	again := *l
	again.id += ".again"
	again.date = l.date.Add(time.Minute)
	g.now = again.date
	g.want[l.token] *= 2
	g.write(&again)
	return append(out, &again)
}

// write makes the bytes.
func (g *generator) write(l *letter, fields ...string) {
	var b strings.Builder
	put := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	put("Message-ID", "<"+l.id+">")
	put("Date", l.date.Format(time.RFC1123Z))
	put("From", l.from)
	put("To", strings.Join(l.to, ",\r\n "))
	if len(l.cc) > 0 {
		put("Cc", strings.Join(l.cc, ", "))
	}
	words, charset := "您好，请查收附件中的报价单。\r\n", "utf-8"
	encode := func(s string) []byte { return []byte(s) }
	if g.r.IntN(2) == 0 {
		charset = "gb2312"
		encode = func(s string) []byte {
			out, _ := simplifiedchinese.GBK.NewEncoder().Bytes([]byte(s)) // holds what is in these letters
			return out
		}
	}
	put("Subject", "=?"+charset+"?B?"+base64.StdEncoding.EncodeToString(encode(l.subject))+"?=")
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	text := "Token " + l.token + ".\r\n" + words + strings.Repeat("The price is valid for 30 days.\r\n", 1+g.r.IntN(60))
	part := func(b *strings.Builder) {
		b.WriteString("Content-Type: text/plain; charset=" + charset + "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
		b.Write(encode(text))
	}
	b.WriteString("MIME-Version: 1.0\r\n")
	if g.r.IntN(5) > 0 {
		part(&b)
	} else {
		b.WriteString("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n")
		part(&b)
		b.WriteString("\r\n--x\r\nContent-Type: application/pdf; name=\"q.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n")
		file := base64.StdEncoding.EncodeToString([]byte(l.token + strings.Repeat("x", g.r.IntN(3000))))
		for part := range slices.Chunk([]byte(file), 76) {
			b.Write(append(part, "\r\n"...))
		}
		b.WriteString("--x--\r\n")
	}
	l.raw = []byte(b.String())
}
