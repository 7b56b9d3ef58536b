package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"heliograph/crmclient/builtin"
)

type crmContactsCmd struct {
	Query   string `arg:"" optional:"" help:"Words that must be in name, address, phone, title or note. 关键词"`
	Company string `help:"Only of this company: number, domain or name."`
	Owner   string `help:"Only of this employee, by mail address."`
	listFlags
}

// Run lists contacts, the newest first.
func (c *crmContactsCmd) Run(ctx context.Context, parent *crmCmd) error {
	return parent.with(ctx, func(crm *builtin.CRM) error {
		company, err := companyID(ctx, crm, c.Company)
		if err != nil {
			return err
		}
		items, more, err := pages(c.Limit, func(p builtin.Paging) (builtin.Page[builtin.Contact], error) {
			return crm.Contacts(ctx, builtin.ContactFilter{Query: c.Query, Owner: c.Owner, CompanyID: company, Paging: p})
		})
		if err != nil {
			return err
		}
		return printList(items, more, c.JSON, "contacts", contactTable(), contactRow)
	})
}

func contactTable() *table {
	return &table{head: []string{"ID", "NAME", "ADDRESS", "COMPANY", "PHONE", "OWNER", "LAST MAIL"}, right: []int{0}}
}

func contactRow(p builtin.Contact) []string {
	address, phone := strings.Join(p.Addresses, " "), p.Mobile
	if phone == "" {
		phone = p.Phone
	}
	return []string{number(p.ID), p.Name, address, p.Company, phone, p.Owner, clock(p.LastActivity)}
}

type crmContactCmd struct {
	Contact string `arg:"" help:"Number or mail address. 编号或邮箱"`
	listFlags
}

// contactWithMail is what crm contact prints as JSON.
type contactWithMail struct {
	builtin.Contact
	Activities []builtin.Activity `json:"activities"`
}

// Run shows one contact with its timeline, the latest mail first.
func (c *crmContactCmd) Run(ctx context.Context, parent *crmCmd) error {
	return parent.with(ctx, func(crm *builtin.CRM) error {
		p, err := findContact(ctx, crm, c.Contact)
		if err != nil {
			return err
		}
		mail, more, err := pages(c.Limit, func(at builtin.Paging) (builtin.Page[builtin.Activity], error) {
			return crm.Timeline(ctx, p.ID, at)
		})
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(contactWithMail{p, mail})
		}
		printContact(p)
		fmt.Println()
		return printList(mail, more, false, "mail", activityTable(), activityRow)
	})
}

func printContact(p builtin.Contact) {
	field("Contact", number(p.ID))
	field("Name", p.Name)
	field("Addresses", strings.Join(p.Addresses, ", "))
	field("Company", p.Company)
	field("Title", p.Title)
	field("Phone", p.Phone)
	field("Mobile", p.Mobile)
	field("Owner", p.Owner)
	field("Source", p.Source)
	field("Note", p.Note)
	for _, k := range slices.Sorted(maps.Keys(p.Custom)) {
		field(k, fmt.Sprint(p.Custom[k]))
	}
	field("Created", clock(p.Created))
}
