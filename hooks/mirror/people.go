package mirror

import (
	"regexp"
	"slices"
	"strings"

	"heliograph/crmclient"
	"heliograph/internal/journal"
	"heliograph/internal/message"
)

// people are those who took part in a message, as far as one entry knows.
type people struct {
	from        crmclient.Person
	to, cc, bcc []crmclient.Person
	direction   crmclient.Direction
	external    []crmclient.Person // correspondents: all who are no employees, each once
}

// people reads the header and the envelope.
func (m *Mirror) people(e journal.Entry, msg *message.Message) people {
	var p people
	switch {
	case len(msg.From) > 0:
		p.from = crmclient.Person(msg.From[0])
	case len(msg.Sender) > 0:
		p.from = crmclient.Person(msg.Sender[0])
	default:
		p.from = crmclient.Person{Address: message.NormalizeAddress(e.ReversePath)}
	}
	p.to, p.cc = persons(msg.To), persons(msg.CC)
	p.bcc = blind(e, msg, p.to, p.cc)
	p.classify(m.ours(e.Account), byEmployee(e, p.from))
	return p
}

// ours returns who counts as an employee: also the owners of accounts whose addresses are of a domain that
// the company does not own.
func (m *Mirror) ours(accounts ...string) func(address string) bool {
	owners := map[string]bool{}
	for _, a := range accounts {
		owners[strings.ToLower(a)] = true
	}
	return func(address string) bool { return owners[address] || m.o.Internal(address) }
}

// byEmployee tells whether an employee sent the message, whatever address is in From. A mailbox holds what others sent.
func byEmployee(e journal.Entry, from crmclient.Person) bool {
	return employee(e) || from.Address == "" && !e.Kind.Mailbox()
}

// employee tells whether the entry came from somebody who logged in at our provider.
func employee(e journal.Entry) bool { return e.Kind == journal.KindSubmission && e.Account != "" }

func persons(in []message.Address) []crmclient.Person {
	out := make([]crmclient.Person, 0, len(in))
	for _, a := range in {
		out = append(out, crmclient.Person(a))
	}
	return out
}

// blind returns the accepted recipients of the envelope whom the header does not name; without an envelope, those
// whom the sender's own copy names in Bcc. msg may be nil.
func blind(e journal.Entry, msg *message.Message, named ...[]crmclient.Person) []crmclient.Person {
	seen := map[string]bool{}
	for _, list := range named {
		for _, p := range list {
			seen[p.Address] = true
		}
	}
	out := []crmclient.Person{}
	add := func(p crmclient.Person) {
		if p.Address != "" && !seen[p.Address] {
			seen[p.Address] = true
			out = append(out, p)
		}
	}
	for _, r := range e.Recipients {
		if r.Code/100 == 2 {
			add(crmclient.Person{Address: message.NormalizeAddress(r.Address)})
		}
	}
	if e.Kind.Mailbox() && msg != nil {
		for _, p := range persons(msg.BCC) {
			add(p)
		}
	}
	return out
}

// classify finds the correspondents and the direction.
func (p *people) classify(internal func(string) bool, ours bool) {
	seen := map[string]bool{}
	recipients := 0
	add := func(who crmclient.Person) {
		if who.Address == "" || internal(who.Address) || seen[who.Address] {
			return
		}
		seen[who.Address] = true
		p.external = append(p.external, who)
	}
	for _, list := range [][]crmclient.Person{p.to, p.cc, p.bcc} {
		for _, who := range list {
			add(who)
		}
	}
	recipients = len(p.external)
	if ours = ours || internal(p.from.Address); !ours {
		add(p.from)
	}
	switch {
	case ours && recipients > 0:
		p.direction = crmclient.Outbound
	case ours:
		p.direction = crmclient.Internal
	default:
		p.direction = crmclient.Inbound
	}
}

// addresses of the correspondents, sorted.
func (p *people) addresses() []string {
	out := make([]string, 0, len(p.external))
	for _, who := range p.external {
		out = append(out, who.Address)
	}
	slices.Sort(out)
	return out
}

// The parts that somebody outside has in a message. There is none in what a machine wrote, and for those whom a stranger names besides us.
const (
	partWrote = "wrote"
	partGot   = "got"
)

// part is the part that a correspondent has in a message, or nothing.
func (p *people) part(address string, msg *message.Message) string {
	switch {
	case msg.Automated || msg.Report != "":
	case p.direction == crmclient.Outbound:
		return partGot
	case address == p.from.Address:
		return partWrote
	}
	return ""
}

// roleAddress matches local parts behind which nobody reads (RFC 2142 and custom).
var roleAddress = regexp.MustCompile(`^(` + strings.Join([]string{
	`(do[-_.]?not|no|never)[-_.]?reply.*`,
	`.*[-_.+](no|donot)[-_.]?reply`,
	`mailer-daemon`, `postmaster`, `hostmaster`, `abuse`, `root`, `nobody`, `daemon`,
	`bounces?([-_.+].*)?`, `.*[-_.+]bounces?`,
	`(owner|request)-.*`, `.*-(owner|request|admin|bounces|subscribe|unsubscribe|confirm)`,
	`listserv`, `majordomo`, `mailman`, `notifications?`, `(auto|mail)[-_.]?(reply|responder|confirm)`,
	`prvs=.*`, `srs[01][=+-].*`, // return paths of RFC drafts BATV and SRS
}, "|") + `)$`)

// creatable tells whether a correspondent whom the CRM does not know may be added: a
// person, not a machine or a list.
func creatable(who crmclient.Person, msg *message.Message, p *people) bool {
	local, _, ok := strings.Cut(who.Address, "@")
	if !ok || roleAddress.MatchString(local) {
		return false
	}
	// What a machine or a list sends us names people who did not write to us.
	return p.direction == crmclient.Outbound || !msg.Automated
}
