package main

import (
	"context"
	"fmt"

	"heliograph/crmclient/builtin"
)

type crmDealsCmd struct {
	Query   string `arg:"" optional:"" help:"Words that must be in title or note. 关键词"`
	Stage   string `help:"Only in this stage. 阶段"`
	Owner   string `help:"Only of this employee, by mail address."`
	Company string `help:"Only with this company: number, domain or name."`
	Contact string `help:"Only with this contact: number or mail address."`
	listFlags
}

// Run lists deals, the newest first.
func (c *crmDealsCmd) Run(ctx context.Context, parent *crmCmd) error {
	return parent.with(ctx, func(crm *builtin.CRM) error {
		f := builtin.DealFilter{Query: c.Query, Stage: c.Stage, Owner: c.Owner}
		var err error
		if f.CompanyID, err = companyID(ctx, crm, c.Company); err != nil {
			return err
		}
		if f.ContactID, err = contactID(ctx, crm, c.Contact); err != nil {
			return err
		}
		items, more, err := pages(c.Limit, func(p builtin.Paging) (builtin.Page[builtin.Deal], error) {
			f.Paging = p
			return crm.Deals(ctx, f)
		})
		if err != nil {
			return err
		}
		t := &table{head: []string{"ID", "TITLE", "STAGE", "AMOUNT", "", "OWNER", "COMPANY", "CONTACT", "CLOSE ON"}, right: []int{0, 3, 6, 7}}
		return printList(items, more, c.JSON, "deals", t, func(d builtin.Deal) []string {
			return []string{
				number(d.ID), d.Title, d.Stage, builtin.FormatAmount(d.Amount, d.Currency), d.Currency, d.Owner,
				number(d.CompanyID), number(d.ContactID), d.CloseOn,
			}
		})
	})
}

type crmDealCmd struct {
	Add crmDealAddCmd `cmd:"" help:"Add a deal. 新增商机"`
	Set crmDealSetCmd `cmd:"" help:"Change a deal. 修改商机"`
}

// dealFlags are the fields of a deal; those not given stay as they are.
type dealFlags struct {
	Stage    *string `help:"Stage; the first one unless given. 阶段"`
	Amount   *string `help:"Amount, such as 128000.50. 金额"`
	Currency *string `help:"Currency, such as CNY. 币种"`
	Owner    *string `help:"Employee in charge, by mail address. 负责人"`
	Company  *string `help:"Company: number, domain or name; empty takes it off. 公司"`
	Contact  *string `help:"Contact: number or mail address; empty takes it off. 联系人"`
	CloseOn  *string `help:"Day when it should be closed, such as 2026-12-31. 预计成交日"`
	Note     *string `help:"Note. 备注"`
}

func (f *dealFlags) apply(ctx context.Context, crm *builtin.CRM, d *builtin.Deal) (err error) {
	set(&d.Stage, f.Stage)
	set(&d.Currency, f.Currency)
	set(&d.Owner, f.Owner)
	set(&d.CloseOn, f.CloseOn)
	set(&d.Note, f.Note)
	if d.Currency == "" {
		d.Currency = crm.Config().Currency
	}
	if f.Amount != nil {
		if d.Amount, err = builtin.ParseAmount(*f.Amount, d.Currency); err != nil {
			return err
		}
	}
	if f.Company != nil {
		if d.CompanyID, err = companyID(ctx, crm, *f.Company); err != nil {
			return err
		}
	}
	if f.Contact != nil {
		d.ContactID, err = contactID(ctx, crm, *f.Contact)
	}
	return err
}

func set(field, value *string) {
	if value != nil {
		*field = *value
	}
}

type crmDealAddCmd struct {
	Title string `arg:"" help:"Title. 标题"`
	dealFlags
}

// Run adds a deal and prints its number.
func (c *crmDealAddCmd) Run(ctx context.Context, parent *crmCmd) error {
	return parent.with(ctx, func(crm *builtin.CRM) error {
		d := builtin.Deal{Title: c.Title}
		if err := c.apply(ctx, crm, &d); err != nil {
			return err
		}
		d, err := crm.AddDeal(ctx, d)
		if err != nil {
			return err
		}
		fmt.Printf("deal %d added: %s, %s, %s %s\n", d.ID, oneLine(d.Title), d.Stage, builtin.FormatAmount(d.Amount, d.Currency), d.Currency)
		return nil
	})
}

type crmDealSetCmd struct {
	ID    int64   `arg:"" help:"Number of the deal. 编号"`
	Title *string `help:"Title. 标题"`
	dealFlags
}

// Run changes the fields that were given.
func (c *crmDealSetCmd) Run(ctx context.Context, parent *crmCmd) error {
	return parent.with(ctx, func(crm *builtin.CRM) error {
		d, err := crm.Deal(ctx, c.ID)
		if err != nil {
			return fmt.Errorf("deal %d: %w", c.ID, err)
		}
		set(&d.Title, c.Title)
		if err := c.apply(ctx, crm, &d); err != nil {
			return err
		}
		if d, err = crm.UpdateDeal(ctx, d); err != nil {
			return err
		}
		fmt.Printf("deal %d changed: %s, %s, %s %s\n", d.ID, oneLine(d.Title), d.Stage, builtin.FormatAmount(d.Amount, d.Currency), d.Currency)
		return nil
	})
}
