package mirror

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/internal/message"
)

// Directory is what is known of the contacts of targets without asking them. Lookup takes addresses in lower case and
// returns the contacts that have one of them, by that address; for a contact that was merged into another it
// returns the one that is left. complete says that it knows all contacts of the target, so that whom it does not find the target
// does not have either. It may run concurrently.
type Directory interface {
	Lookup(ctx context.Context, target string, addresses []string) (found map[string][]crmclient.Contact, complete bool, err error)
}

// AddressPolicy returns which spellings of an address are one person.
func AddressPolicy(m config.Matching) crmclient.AddressPolicy {
	return crmclient.AddressPolicy{StripPlusTags: m.PlusTags == config.PlusStrip, IgnoreGmailDots: m.IgnoreGmailDots}
}

// correspondent is a person outside, by whatever spellings of one address.
type correspondent struct {
	who     crmclient.Person
	subject string // canonical address
	exact   []string
	loose   []string
	known   []crmclient.Contact
}

// domain is that of the address, in ASCII.
func (c *correspondent) domain() string { return c.subject[strings.LastIndexByte(c.subject, '@')+1:] }

// correspondents returns the people outside, each once, sorted by address.
func (m *Mirror) correspondents(external []crmclient.Person) []*correspondent {
	bySubject := map[string]*correspondent{}
	var out []*correspondent
	for _, who := range external {
		subject := m.policy.Canonical(who.Address)
		if subject == "" {
			continue // no CRM can have that
		}
		if c := bySubject[subject]; c != nil {
			c.who.Name = cmp.Or(c.who.Name, who.Name)
			continue
		}
		// Whoever is created gets the canonical address, by which all spellings are found.
		c := &correspondent{who: crmclient.Person{Name: who.Name, Address: subject}, subject: subject}
		c.exact, c.loose = m.policy.Forms(who.Address)
		bySubject[subject] = c
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *correspondent) int { return cmp.Compare(a.subject, b.subject) })
	return out
}

// lookup finds what the CRM has of the people.
func (m *Mirror) lookup(ctx context.Context, t *target, people []*correspondent) error {
	var asked []string
	for _, c := range people {
		asked = append(append(asked, c.exact...), c.loose...)
	}
	found := map[string][]crmclient.Contact{}
	if m.o.Directory != nil {
		have, complete, err := m.o.Directory.Lookup(ctx, t.Name, asked)
		if err != nil {
			return fmt.Errorf("looking contacts up: %w", err)
		}
		for address, contacts := range have {
			found[strings.ToLower(address)] = contacts
		}
		if complete {
			asked = nil
		}
	}
	var rest []string
	for _, address := range asked {
		if len(found[address]) == 0 {
			rest = append(rest, address)
		}
	}
	if len(rest) > 0 {
		contacts, err := t.Client.FindContacts(ctx, rest)
		if err != nil {
			return fmt.Errorf("finding contacts: %w", err)
		}
		for _, k := range contacts {
			address := strings.ToLower(k.Address)
			found[address] = append(found[address], k)
		}
	}
	for _, c := range people {
		c.known = choose(found, c.exact)
		if len(c.known) == 0 {
			c.known = choose(found, c.loose)
		}
	}
	return nil
}

// choose returns the contacts at some addresses that are linked, each once: contacts, or where there is none leads, or
// else what the CRM has.
func choose(found map[string][]crmclient.Contact, addresses []string) []crmclient.Contact {
	var all []crmclient.Contact
	best := len(kinds)
	for _, address := range addresses {
		for _, k := range found[address] {
			if k.ID == "" || slices.ContainsFunc(all, func(o crmclient.Contact) bool { return o.ID == k.ID && o.Kind == k.Kind }) {
				continue
			}
			all = append(all, k)
			best = min(best, rank(k.Kind))
		}
	}
	all = slices.DeleteFunc(all, func(k crmclient.Contact) bool { return rank(k.Kind) > best })
	slices.SortFunc(all, compareContacts)
	return all
}

// kinds of contacts, those that are linked first; other kinds come after them.
var kinds = []string{crmclient.KindContact, crmclient.KindLead}

func rank(kind string) int {
	if i := slices.Index(kinds, strings.ToLower(kind)); i >= 0 {
		return i
	}
	return len(kinds)
}

// compareContacts orders numbers among the ids by value.
func compareContacts(a, b crmclient.Contact) int {
	return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(rank(a.Kind), rank(b.Kind)), cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
}

// unmatched is what matching leaves to be written down when the message was delivered: the people whom the target has the
// mail of without a contact.
type unmatched []string

// match finds the correspondents in the CRM, does with the others what was decided of them or policy wants, and fills the
// activity. It returns an *excludedError if all of them are to be ignored, and a *reviewError if somebody must decide
// first. An update does not wait: again tells that the target has the message already. That a contact cannot be added does not keep
// the mail from the CRM.
func (m *Mirror) match(ctx context.Context, t *target, a *crmclient.Activity, p *people, msg *message.Message, again bool) (unmatched, error) {
	a.Owner = m.owner(a, p)
	people := m.correspondents(p.external)
	if len(people) == 0 {
		if t.Deliver.Mail.KnownOnly && !again {
			return nil, &excludedError{reason: unwantedUnknown}
		}
		return nil, nil
	}
	if err := m.lookup(ctx, t, people); err != nil {
		return nil, err
	}
	if t.Deliver.Mail.KnownOnly && !again && !slices.ContainsFunc(people, func(c *correspondent) bool { return len(c.known) > 0 }) {
		return nil, &excludedError{reason: unwantedUnknown} // before anybody is created
	}
	decided, err := m.decisions(ctx, m.o.Store.Reader(), a.Key, people)
	if err != nil {
		return nil, fmt.Errorf("reading review decisions: %w", err)
	}
	if !again && decided.ignoresAll(people) {
		return nil, &excludedError{reason: reasonIgnored + people[0].subject}
	}
	work := matching{m: m, t: t, a: a, companies: map[string]*crmclient.Company{}}
	var wait []*correspondent
	todo := map[*correspondent]ReviewDecision{}
	for _, c := range people {
		if len(c.known) > 0 {
			continue
		}
		todo[c] = m.treatment(c, decided, a, p, msg)
		if todo[c] == DecideAsk {
			wait = append(wait, c)
			todo[c] = DecideSkip
		}
	}
	if len(wait) > 0 && !again {
		return nil, work.review(ctx, wait, decided)
	}
	return work.finish(ctx, people, todo, decided)
}

// treatment is what becomes of somebody whom the CRM does not know.
func (m *Mirror) treatment(c *correspondent, decided decisions, a *crmclient.Activity, p *people, msg *message.Message) ReviewDecision {
	if d, ok := decided.of(c.subject); ok {
		return d
	}
	if !creatable(c.who, msg, p) {
		return decisionNone
	}
	switch m.o.Matching.For(a.Accounts, c.domain(), m.o.Unmatched) {
	case config.UnmatchedCreate:
		return DecideContact
	case config.UnmatchedLead:
		return DecideLead
	case config.UnmatchedReview:
		return DecideAsk
	}
	return DecideSkip
}

// matching is the work on one message for one target.
type matching struct {
	m         *Mirror
	t         *target
	a         *crmclient.Activity
	companies map[string]*crmclient.Company // by domain; nil where there is none
}

// finish makes the contacts that are missing and fills the activity.
func (w *matching) finish(ctx context.Context, people []*correspondent, todo map[*correspondent]ReviewDecision, decided decisions) (unmatched, error) {
	var left unmatched
	for _, c := range people {
		if len(c.known) == 0 {
			if err := w.make(ctx, c, todo[c], decided); err != nil {
				return nil, err
			}
		}
		w.a.Contacts = append(w.a.Contacts, c.known...)
		if len(c.known) > 0 {
			continue
		}
		if todo[c] != decisionNone && todo[c] != DecideIgnore {
			left = append(left, c.subject)
		}
		company, err := w.company(ctx, c)
		if err != nil {
			return nil, err
		}
		if company != nil && !slices.Contains(w.a.Companies, *company) {
			w.a.Companies = append(w.a.Companies, *company)
		}
	}
	slices.SortFunc(w.a.Contacts, compareContacts)
	slices.SortFunc(w.a.Companies, func(a, b crmclient.Company) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.ID, b.ID))
	})
	return left, nil
}

// make adds somebody to the CRM, or finds whom a person said it is.
func (w *matching) make(ctx context.Context, c *correspondent, what ReviewDecision, decided decisions) error {
	var add func(context.Context, crmclient.Person, string) (crmclient.Contact, error)
	if creator, ok := crmclient.As[crmclient.ContactCreator](w.t.Client); ok {
		add = creator.CreateContact
	}
	switch what {
	case DecideLink:
		if link := decided.bySubject[c.subject]; link.target == "" || link.target == w.t.Name {
			return w.link(ctx, c, link.link)
		}
	case DecideLead:
		if creator, ok := crmclient.As[crmclient.LeadCreator](w.t.Client); ok {
			add = creator.CreateLead // where there are no leads, a contact is the nearest
		}
	case DecideContact:
	default:
		return nil
	}
	if add == nil {
		return nil
	}
	company, err := w.company(ctx, c)
	if err != nil {
		return err
	}
	k, err := add(ctx, c.who, w.a.Owner)
	if err != nil {
		return w.minor(ctx, err, "creating a contact")
	}
	w.m.metrics.contacts.WithLabelValues(w.t.Name).Inc()
	c.known = []crmclient.Contact{k}
	placer, ok := crmclient.As[crmclient.CompanyPlacer](w.t.Client)
	if company == nil || k.Company != "" || !ok {
		return nil
	}
	if err := placer.PlaceContact(ctx, k.ID, company.ID); err != nil {
		return w.minor(ctx, err, "placing a contact")
	}
	c.known[0].Company = company.Name
	return nil
}

// link takes the contact that a person named. One that is not there any more is none.
func (w *matching) link(ctx context.Context, c *correspondent, id string) error {
	k := crmclient.Contact{ID: id, Kind: crmclient.KindContact, Address: c.who.Address, Name: c.who.Name}
	if getter, ok := crmclient.As[crmclient.ContactGetter](w.t.Client); ok {
		found, there, err := getter.ContactByID(ctx, id)
		if err != nil {
			return w.minor(ctx, err, "reading a contact")
		}
		if !there {
			return nil
		}
		k = found
	}
	c.known = []crmclient.Contact{k}
	return nil
}

// company returns the company of somebody's domain, or nil.
func (w *matching) company(ctx context.Context, c *correspondent) (*crmclient.Company, error) {
	finder, ok := crmclient.As[crmclient.CompanyFinder](w.t.Client)
	domain := w.m.domains.Of(c.subject)
	if !ok || domain == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	if company, known := w.companies[domain]; known {
		return company, nil
	}
	company, there, err := finder.FindCompany(ctx, domain)
	if err != nil {
		return nil, w.minor(ctx, err, "finding a company")
	}
	w.companies[domain] = nil
	if there {
		w.companies[domain] = &company
	}
	return w.companies[domain], nil
}

// minor returns only errors that go away by themselves or that hold up everything else, too: the mail matters more than its contacts.
func (w *matching) minor(ctx context.Context, err error, doing string) error {
	switch crmclient.ClassOf(err) {
	case crmclient.ClassPermanent, crmclient.ClassDuplicate:
		w.m.o.Logger.WarnContext(ctx, "not matched", "target", w.t.Name, "message_key", w.a.Key, "doing", doing, "error", err)
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// owner is the employee whom the activity and new contacts belong to, by policy. Who wants no mail mirrored owns none.
func (m *Mirror) owner(a *crmclient.Activity, p *people) string {
	ours := m.ours(a.Accounts...)
	first := func(list ...string) string {
		for _, address := range list {
			if address != "" && !m.o.OptedOut(address) {
				return address
			}
		}
		return ""
	}
	employees := func(list []crmclient.Person) (out []string) {
		for _, who := range list {
			if ours(who.Address) {
				out = append(out, who.Address)
			}
		}
		return out
	}
	for _, role := range m.o.Matching.Owner {
		owner := ""
		switch role {
		case config.OwnerSender:
			owner = first(employees([]crmclient.Person{p.from})...)
			if owner == "" && p.direction == crmclient.Outbound && !ours(p.from.Address) {
				owner = first(a.Accounts...) // who wrote under another name
			}
		case config.OwnerTo:
			owner = first(employees(p.to)...)
		case config.OwnerCC:
			owner = first(employees(p.cc)...)
		case config.OwnerAccount:
			owner = first(append(slices.Clone(a.Accounts), employees(p.bcc)...)...)
		}
		if owner != "" {
			return owner
		}
	}
	return ""
}
