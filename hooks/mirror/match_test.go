package mirror_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/mirror"
	"heliograph/internal/store/storetest"
)

// directory is what is known of a CRM without asking it.
type directory struct {
	known    map[string][]crmclient.Contact
	complete bool
}

func (d directory) Lookup(_ context.Context, _ string, addresses []string) (map[string][]crmclient.Contact, bool, error) {
	found := map[string][]crmclient.Contact{}
	for _, a := range addresses {
		if k, ok := d.known[a]; ok {
			found[a] = k
		}
	}
	return found, d.complete, nil
}

func contacts(a *crmclient.Activity) string {
	var out []string
	for _, k := range a.Contacts {
		out = append(out, k.Kind+" "+k.ID)
	}
	return strings.Join(out, ", ")
}

func TestContactsByAnySpelling(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		known string // address in the CRM
		to    string // in the mail
		mod   func(*config.Matching)
		want  string
	}{
		{"case", "li@customer.test", "LI@Customer.TEST", nil, "li@customer.test"},
		{"tag", "li@customer.test", "li+x@customer.test", nil, "li@customer.test"},
		{"tag kept", "li@customer.test", "li+x@customer.test", func(m *config.Matching) { m.PlusTags = config.PlusKeep }, ""},
		{"A-label in the mail", "li@bücher.test", "li@xn--bcher-kva.test", nil, "li@bücher.test"},
		{"A-label in the CRM", "li@xn--bcher-kva.test", "li@bücher.test", nil, "li@xn--bcher-kva.test"},
		{"dots", "li@gmail.com", "l.i@googlemail.com", func(m *config.Matching) { m.IgnoreGmailDots = true }, "li@gmail.com"},
		{"dots kept", "li@gmail.com", "l.i@gmail.com", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newLeadCRM(tt.known)
			o := oneTarget(c)
			o.Matching = config.Matching{PlusTags: config.PlusStrip}
			if tt.mod != nil {
				tt.mod(&o.Matching)
			}
			w := open(t, storetest.SQLite(t), o)
			w.start()
			w.submit(mail{account: "wang@example.com", recipients: to(tt.to), raw: note("a", "hello", tt.to)})
			w.awaitStates("crm", "mirrored")
			want := ""
			if tt.want != "" {
				want = "contact c-" + tt.want
			}
			if got := contacts(c.logged()[0]); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestContactsFromTheDirectory(t *testing.T) {
	t.Parallel()
	k := func(kind, id string) crmclient.Contact {
		return crmclient.Contact{Kind: kind, ID: id, Address: "li@customer.test"}
	}
	for _, tt := range []struct {
		name     string
		known    []crmclient.Contact
		complete bool
		want     string
	}{
		{"two with one address", []crmclient.Contact{k("contact", "10"), k("contact", "9"), k("contact", "10")}, true, "contact 9, contact 10"},
		{"a contact is more than a lead", []crmclient.Contact{k("lead", "1"), k("contact", "2"), k("friend", "3")}, true, "contact 2"},
		{"a lead is more than others", []crmclient.Contact{k("friend", "3"), k("lead", "1")}, true, "lead 1"},
		{"complete, so the CRM is not asked", nil, true, ""},
		{"not complete, so the CRM is asked", nil, false, "contact c-li@customer.test"},
		{"found, so the CRM is not asked", []crmclient.Contact{k("contact", "7")}, false, "contact 7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCRM("li@customer.test")
			o := oneTarget(c)
			o.Directory = directory{map[string][]crmclient.Contact{"li@customer.test": tt.known}, tt.complete}
			w := open(t, storetest.SQLite(t), o)
			w.start()
			w.submit(mail{account: "wang@example.com", recipients: to("li@customer.test"), raw: offer(1)})
			w.awaitStates("crm", "mirrored")
			if got := contacts(c.logged()[0]); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCompaniesOfPeopleWhoAreNoContacts(t *testing.T) {
	t.Parallel()
	for _, mode := range []config.UnmatchedMode{config.UnmatchedSkip, config.UnmatchedCreate, config.UnmatchedLead} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			c := newLeadCRM("han@other.test")
			c.companies["new.test"] = crmclient.Company{ID: "3", Name: "New Ltd", Domain: "new.test"}
			c.companies["other.test"] = crmclient.Company{ID: "4", Domain: "other.test"}
			c.companies["qq.com"] = crmclient.Company{ID: "5", Domain: "qq.com"}
			o := oneTarget(c)
			o.Unmatched = mode
			w := open(t, storetest.SQLite(t), o)
			w.start()
			people := []string{"li@cn.new.test", "zhao@new.test", "han@other.test", "sun@qq.com", "no-reply@new.test"}
			w.submit(mail{account: "wang@example.com", recipients: to(people...), raw: note("a", "hello", people...)})
			w.awaitStates("crm", "mirrored")
			a := c.logged()[0]
			if len(a.Companies) != 1 || a.Companies[0].ID != "3" { // of the machine, if of nobody else
				t.Errorf("companies %+v", a.Companies)
			}
			made := len(c.created)
			if (mode == config.UnmatchedSkip) != (made == 0) || made > 0 && (c.placed["n-li@cn.new.test"] != "3" || len(c.placed) != 2) {
				t.Errorf("created %d, placed %v", made, c.placed)
			}
		})
	}
}

func TestOwners(t *testing.T) {
	t.Parallel()
	inbound := "Message-ID: <in@customer.test>\nFrom: li@customer.test\nTo: boss@customer.test, zhao@example.com\nCc: sun@example.com\nSubject: a\n\nx\n"
	outbound := strings.ReplaceAll(inbound, "From: li@customer.test", "From: wang@example.com")
	for _, tt := range []struct {
		name  string
		raw   string
		owner []config.OwnerRole
		out   []string // opted out
		want  string
	}{
		{"sender", outbound, nil, nil, "wang@example.com"},
		{"to", inbound, nil, nil, "zhao@example.com"},
		{"cc first", inbound, []config.OwnerRole{config.OwnerCC, config.OwnerTo}, nil, "sun@example.com"},
		{"account", inbound, []config.OwnerRole{config.OwnerAccount}, nil, "chen@example.com"},
		{"who opted out owns nothing", outbound, nil, []string{"wang@example.com", "zhao@example.com"}, "sun@example.com"},
		{"nobody", inbound, []config.OwnerRole{config.OwnerSender}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCRM()
			o := oneTarget(c)
			o.Unmatched = config.UnmatchedCreate
			o.Matching.Owner = tt.owner
			o.OptedOut = func(account string) bool { return slices.Contains(tt.out, account) }
			w := open(t, storetest.SQLite(t), o)
			w.start()
			w.seen(copyOf{account: "chen@example.com", uid: 1, raw: tt.raw})
			w.awaitStates("crm", "mirrored")
			a := c.logged()[0]
			if a.Owner != tt.want || len(c.owners) == 0 || c.owners[0] != tt.want {
				t.Errorf("owner %q, of new contacts %q, want %q", a.Owner, c.owners, tt.want)
			}
		})
	}
}

func TestExceptionsFromThePolicy(t *testing.T) {
	t.Parallel()
	c := newLeadCRM()
	o := oneTarget(c)
	o.Unmatched = config.UnmatchedSkip
	o.Matching.Rules = []config.MatchingRule{
		{Domains: []string{"partner.test"}, Unmatched: config.UnmatchedLead},
		{Accounts: []string{"board@example.com"}, Unmatched: config.UnmatchedReview},
	}
	w := open(t, storetest.SQLite(t), o)
	w.start()
	for i, tt := range []struct{ account, to string }{
		{"wang@example.com", "li@customer.test"}, {"wang@example.com", "li@cn.partner.test"}, {"board@example.com", "han@customer.test"},
	} {
		w.submit(mail{account: tt.account, recipients: to(tt.to), raw: note(fmt.Sprint(i), "hello", tt.to)})
	}
	w.awaitStates("crm", "mirrored", "mirrored", waits+"han@customer.test")
	if len(c.created) != 1 || c.created[0].Address != "li@cn.partner.test" {
		t.Errorf("created %+v", c.created)
	}
}

var _ mirror.Directory = directory{}
