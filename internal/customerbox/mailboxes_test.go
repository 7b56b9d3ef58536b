package customerbox_test

import (
	"slices"
	"testing"

	"heliograph/crmclient/builtin"
	"heliograph/internal/store"
	"heliograph/internal/store/storetest"
)

const (
	wang  = "王芳 <wang@acme.cn>"
	smith = "John Smith <john@smith.example>"
)

// fill puts three customers and their mail into the world: two people of one company, and somebody at a free-mail domain.
func (w *world) fill() {
	w.t.Helper()
	ctx := w.t.Context()
	acme, err := w.crm.AddCompany(ctx, builtin.Company{Name: "上海/艾克米 有限公司", Domain: "acme.cn"})
	must(w.t, err)
	_, err = w.crm.AddContact(ctx, builtin.Contact{Name: "王芳", Addresses: []string{"wang@acme.cn"}, CompanyID: acme.ID})
	must(w.t, err)
	_, err = w.crm.AddContact(ctx, builtin.Contact{Name: "李伟", Addresses: []string{"li@acme.cn"}, CompanyID: acme.ID})
	must(w.t, err)
	_, err = w.crm.AddContact(ctx, builtin.Contact{Name: "Zoe", Addresses: []string{"zoe@gmail.com"}})
	must(w.t, err)
	w.send(anna, letter(1, "Anna <"+anna+">", wang, "采购订单 4711", "请看附件里的报价单。"), "wang@acme.cn")
	w.mirrored(1, 1)
	w.receive(bert, letter(2, "李伟 <li@acme.cn>", "Bert <"+bert+">", "Re: 采购订单 4711", "收到，谢谢！"))
	w.mirrored(2, 2)
	w.send(bert, letter(3, "Bert <"+bert+">", "zoe@gmail.com", "Hello Zoe", "Shall we meet?\n.\n..dots"), "zoe@gmail.com")
	w.mirrored(3, 3)
}

const acmeBox = "Customers/上海-艾克米 有限公司"

func TestMailboxesAndRights(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, nil)
		w.fill()
		for _, tt := range []struct {
			user  string
			names []string
			acme  []string
		}{
			{chef, []string{"Customers", acmeBox, "Customers/Zoe", "INBOX", "Tickets"}, []string{"采购订单 4711", "Re: 采购订单 4711"}},
			{anna, []string{"Customers", acmeBox, "INBOX", "Tickets"}, []string{"采购订单 4711"}},
			{bert, []string{"Customers", acmeBox, "Customers/Zoe", "INBOX", "Tickets"}, []string{"Re: 采购订单 4711"}},
		} {
			c := w.login(tt.user, nil)
			got := names(t, c, "*")
			want := slices.Sorted(slices.Values(tt.names))
			if !slices.Equal(got, want) {
				t.Errorf("%s sees %q, want %q", tt.user, got, want)
			}
			if got := subjects(t, c, acmeBox); !slices.Equal(got, tt.acme) {
				t.Errorf("%s finds %q, want %q", tt.user, got, tt.acme)
			}
		}
	})
}
