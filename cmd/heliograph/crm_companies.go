package main

import (
	"context"

	"heliograph/crmclient/builtin"
)

type crmCompaniesCmd struct {
	Query string `arg:"" optional:"" help:"Words that must be in name, domain, phone or note. 关键词"`
	Owner string `help:"Only of this employee, by mail address."`
	listFlags
}

// Run lists companies, the newest first.
func (c *crmCompaniesCmd) Run(ctx context.Context, parent *crmCmd) error {
	return parent.with(ctx, func(crm *builtin.CRM) error {
		items, more, err := pages(c.Limit, func(p builtin.Paging) (builtin.Page[builtin.Company], error) {
			return crm.Companies(ctx, builtin.CompanyFilter{Query: c.Query, Owner: c.Owner, Paging: p})
		})
		if err != nil {
			return err
		}
		t := &table{head: []string{"ID", "NAME", "DOMAIN", "PHONE", "OWNER", "CREATED"}, right: []int{0}}
		return printList(items, more, c.JSON, "companies", t, func(o builtin.Company) []string {
			return []string{number(o.ID), o.Name, o.Domain, o.Phone, o.Owner, clock(o.Created)}
		})
	})
}
