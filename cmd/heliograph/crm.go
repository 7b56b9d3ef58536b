package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"heliograph/crmclient/builtin"
)

// crmCmd are the commands of the built-in CRM.
type crmCmd struct {
	configFlag
	Contacts   crmContactsCmd   `cmd:"" help:"List contacts. 联系人列表"`
	Contact    crmContactCmd    `cmd:"" help:"Show one contact and the mail exchanged with it. 联系人及往来邮件"`
	Import     crmImportCmd     `cmd:"" help:"Import contacts from a CSV or XLSX file. 导入联系人"`
	Export     crmExportCmd     `cmd:"" help:"Export contacts to a CSV or XLSX file. 导出联系人"`
	Activities crmActivitiesCmd `cmd:"" help:"List and search mail. 邮件列表与搜索"`
	Activity   crmActivityCmd   `cmd:"" help:"Show one mail. 查看邮件"`
	Companies  crmCompaniesCmd  `cmd:"" help:"List companies. 公司列表"`
	Deals      crmDealsCmd      `cmd:"" help:"List deals. 商机列表"`
	Deal       crmDealCmd       `cmd:"" help:"Add or change a deal. 新增或修改商机"`
	Tickets    crmTicketsCmd    `cmd:"" help:"List tickets. 工单列表"`
	Ticket     crmTicketCmd     `cmd:"" help:"Add or change a ticket. 新增或修改工单"`
	Stats      crmStatsCmd      `cmd:"" help:"Count all records. 统计"`
}

// with calls do with the built-in CRM of the configuration.
func (c *crmCmd) with(ctx context.Context, do func(*builtin.CRM) error) (err error) {
	cfg, db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, t := range cfg.Targets {
		if t.Type != "builtin" {
			continue
		}
		var section builtin.Config
		if err := t.Decode(&section); err != nil {
			return err
		}
		crm, err := builtin.New(db, section)
		if err != nil {
			return fmt.Errorf("target %s: %w", t.Name, err)
		}
		return do(crm)
	}
	return fmt.Errorf("%s has no target of type builtin: add \"targets: [{name: crm, type: builtin}]\" to it, or use the CRM that it names", c.Config)
}

// pages gets as many items as wanted, page by page, and tells whether there are more.
func pages[T any](limit int, get func(builtin.Paging) (builtin.Page[T], error)) (items []T, more bool, err error) {
	var at builtin.Paging
	for limit > 0 {
		at.Limit = min(limit-len(items), 500)
		page, err := get(at)
		if err != nil {
			return nil, false, err
		}
		items = append(items, page.Items...)
		if page.Next == "" || len(items) >= limit {
			return items, page.Next != "", nil
		}
		at.Cursor = page.Next
	}
	return nil, false, errors.New("--limit must be above zero")
}

// findContact returns the contact that a person means by its number or an address.
func findContact(ctx context.Context, crm *builtin.CRM, text string) (builtin.Contact, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		found, err := crm.FindContacts(ctx, []string{strings.ToLower(strings.TrimSpace(text))})
		if err != nil {
			return builtin.Contact{}, err
		}
		if len(found) == 0 {
			return builtin.Contact{}, fmt.Errorf("no contact has the address %q: search with heliograph crm contacts", text)
		}
		if id, err = strconv.ParseInt(found[0].ID, 10, 64); err != nil {
			return builtin.Contact{}, err
		}
	}
	return crm.Contact(ctx, id)
}

// contactID is findContact for a flag, where empty means none.
func contactID(ctx context.Context, crm *builtin.CRM, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	p, err := findContact(ctx, crm, text)
	return p.ID, err
}

// companyID returns the company that a person means by its number, domain or name; empty means none.
func companyID(ctx context.Context, crm *builtin.CRM, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		o, err := crm.Company(ctx, id)
		return o.ID, err
	}
	page, err := crm.Companies(ctx, builtin.CompanyFilter{Query: text})
	if err != nil {
		return 0, err
	}
	var names []string
	for _, o := range page.Items {
		if strings.EqualFold(o.Domain, text) || strings.EqualFold(o.Name, text) || len(page.Items) == 1 {
			return o.ID, nil
		}
		names = append(names, fmt.Sprintf("%d %s", o.ID, oneLine(o.Name)))
	}
	if len(names) == 0 {
		return 0, fmt.Errorf("no company is called %q: see heliograph crm companies", text)
	}
	return 0, fmt.Errorf("%q may be one of several companies (%s): give the number", text, strings.Join(names, ", "))
}
