package exchange

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient/builtin"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/journal"
)

// List writes a list with what the caller may see: the names of the columns first. It is stopped by an error of write, which it returns.
type List func(ctx context.Context, c *access.Caller, f ExportFilter, lang ExportLang, write func(row []string) error) error

// list finds the list of a kind.
func (p *Part) list(kind ExportKind, f *ExportFilter) (List, error) {
	switch kind {
	case ExportKindRuns:
		return p.listRuns, nil
	case ExportKindMessages:
		if p.o.Archive != nil {
			return p.listMessages, nil
		}
	case ExportKindTable:
		if _, err := p.readTable(deref(f.Table), 0); err != nil {
			return nil, err
		}
		return p.listTable, nil
	case ExportKindLedger:
		return p.listLedger, nil
	case ExportKindContacts, ExportKindCompanies, ExportKindDeals, ExportKindTickets:
		if p.o.CRM == nil {
			return nil, api.Conflict("no_builtin_crm", "there is no built-in CRM here", "Export the list in the CRM itself.")
		}
		return map[ExportKind]List{
			ExportKindContacts: p.listContacts, ExportKindCompanies: p.listCompanies, ExportKindDeals: p.listDeals, ExportKindTickets: p.listTickets,
		}[kind], nil
	}
	return nil, api.Conflict("no_such_list", "this list cannot be exported here", "")
}

// column is a column of a list of things: its names, the kind of its mask, and its value.
type column[T any] struct {
	en, zh, mask string
	value        func(*T) string
}

// write writes things page by page, those whose owner the caller sees.
func write[T any](
	c *access.Caller, lang ExportLang, out func([]string) error, columns []column[T], owner func(*T) string, next func(cursor string) (builtin.Page[T], error),
) error {
	head := make([]string, len(columns))
	for i, k := range columns {
		if head[i] = k.en; lang == Zh {
			head[i] = k.zh
		}
	}
	if err := out(head); err != nil {
		return err
	}
	for cursor := ""; ; {
		page, err := next(cursor)
		if err != nil {
			return err
		}
		for n := range page.Items {
			one := &page.Items[n]
			if !c.Sees(owner(one)) {
				continue
			}
			cells := make([]string, len(columns))
			for i, k := range columns {
				if k.mask == "" || !c.Masked(k.mask) {
					cells[i] = k.value(one)
				}
			}
			if err := out(cells); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func customText(m map[string]any) string {
	if len(m) == 0 {
		return ""
	}
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Sprint(m)
	}
	return string(b)
}

// pageSize is how many things are read at once.
const pageSize = 500

func (p *Part) listContacts(ctx context.Context, c *access.Caller, f ExportFilter, lang ExportLang, out func([]string) error) error {
	type T = builtin.Contact
	return write(c, lang, out, []column[T]{
		{"name", "姓名", "", func(x *T) string { return x.Name }},
		{"email", "邮箱", "address", func(x *T) string { return strings.Join(x.Addresses, "; ") }},
		{"company", "公司", "", func(x *T) string { return x.Company }},
		{"title", "职位", "", func(x *T) string { return x.Title }},
		{"phone", "电话", "phone", func(x *T) string { return x.Phone }},
		{"mobile", "手机", "phone", func(x *T) string { return x.Mobile }},
		{"owner", "负责人", "", func(x *T) string { return x.Owner }},
		{"note", "备注", "note", func(x *T) string { return x.Note }},
		{"custom", "自定义字段", "custom", func(x *T) string { return customText(x.Custom) }},
	}, func(x *T) string { return x.Owner }, func(cursor string) (builtin.Page[T], error) {
		return p.o.CRM.Contacts(ctx, builtin.ContactFilter{Query: deref(f.Query), Owner: deref(f.Owner), Paging: builtin.Paging{Cursor: cursor, Limit: pageSize}})
	})
}

func (p *Part) listCompanies(ctx context.Context, c *access.Caller, f ExportFilter, lang ExportLang, out func([]string) error) error {
	type T = builtin.Company
	return write(c, lang, out, []column[T]{
		{"id", "编号", "", func(x *T) string { return number(x.ID) }},
		{"name", "名称", "", func(x *T) string { return x.Name }},
		{"domain", "域名", "", func(x *T) string { return x.Domain }},
		{"phone", "电话", "phone", func(x *T) string { return x.Phone }},
		{"website", "网站", "", func(x *T) string { return x.Website }},
		{"address", "地址", "address", func(x *T) string { return x.Address }},
		{"owner", "负责人", "", func(x *T) string { return x.Owner }},
		{"note", "备注", "note", func(x *T) string { return x.Note }},
		{"custom", "自定义字段", "custom", func(x *T) string { return customText(x.Custom) }},
	}, func(x *T) string { return x.Owner }, func(cursor string) (builtin.Page[T], error) {
		return p.o.CRM.Companies(ctx, builtin.CompanyFilter{Query: deref(f.Query), Owner: deref(f.Owner), Paging: builtin.Paging{Cursor: cursor, Limit: pageSize}})
	})
}

func (p *Part) listDeals(ctx context.Context, c *access.Caller, f ExportFilter, lang ExportLang, out func([]string) error) error {
	type T = builtin.Deal
	return write(c, lang, out, []column[T]{
		{"id", "编号", "", func(x *T) string { return number(x.ID) }},
		{"title", "标题", "", func(x *T) string { return x.Title }},
		{"stage", "阶段", "", func(x *T) string { return x.Stage }},
		{"amount", "金额", "amount", func(x *T) string { return strings.ReplaceAll(builtin.FormatAmount(x.Amount, x.Currency), ",", "") }},
		{"currency", "币种", "amount", func(x *T) string { return x.Currency }},
		{"close_on", "预计成交日", "", func(x *T) string { return x.CloseOn }},
		{"owner", "负责人", "", func(x *T) string { return x.Owner }},
		{"company_id", "公司编号", "", func(x *T) string { return number(x.CompanyID) }},
		{"contact_id", "联系人编号", "", func(x *T) string { return number(x.ContactID) }},
		{"note", "备注", "note", func(x *T) string { return x.Note }},
		{"created", "创建时间", "", func(x *T) string { return moment(x.Created) }},
		{"updated", "更新时间", "", func(x *T) string { return moment(x.Updated) }},
	}, func(x *T) string { return x.Owner }, func(cursor string) (builtin.Page[T], error) {
		return p.o.CRM.Deals(ctx, builtin.DealFilter{
			Query: deref(f.Query), Stage: deref(f.State), Owner: deref(f.Owner), Paging: builtin.Paging{Cursor: cursor, Limit: pageSize},
		})
	})
}

func (p *Part) listTickets(ctx context.Context, c *access.Caller, f ExportFilter, lang ExportLang, out func([]string) error) error {
	type T = builtin.Ticket
	return write(c, lang, out, []column[T]{
		{"id", "编号", "", func(x *T) string { return number(x.ID) }},
		{"subject", "主题", "", func(x *T) string { return x.Subject }},
		{"status", "状态", "", func(x *T) string { return x.Status }},
		{"priority", "优先级", "", func(x *T) string { return x.Priority }},
		{"assignee", "处理人", "", func(x *T) string { return x.Assignee }},
		{"contact_id", "联系人编号", "", func(x *T) string { return number(x.ContactID) }},
		{"created", "创建时间", "", func(x *T) string { return moment(x.Created) }},
		{"closed", "关闭时间", "", func(x *T) string { return moment(x.Closed) }},
	}, func(x *T) string { return x.Assignee }, func(cursor string) (builtin.Page[T], error) {
		return p.o.CRM.Tickets(ctx, builtin.TicketFilter{
			Query: deref(f.Query), Status: deref(f.State), Assignee: deref(f.Owner), Paging: builtin.Paging{Cursor: cursor, Limit: pageSize},
		})
	})
}

func (p *Part) listTable(_ context.Context, _ *access.Caller, f ExportFilter, _ ExportLang, out func([]string) error) error {
	t, err := p.readTable(deref(f.Table), 0)
	if err != nil {
		return err
	}
	cells := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		cells[i] = c.Key
	}
	for n := -1; n < len(t.Rows); n++ {
		if n >= 0 {
			for i, v := range t.Rows[n] {
				cells[i] = textOf(v)
			}
		}
		if err := out(cells); err != nil {
			return err
		}
	}
	return nil
}

// listLedger writes what became of mail, of each account that the caller sees.
func (p *Part) listLedger(ctx context.Context, c *access.Caller, f ExportFilter, lang ExportLang, out func([]string) error) error {
	head := []string{"time", "account", "message_id", "entry", "target", "state", "reason"}
	if lang == Zh {
		head = []string{"时间", "账号", "邮件编号", "条目", "目标", "状态", "原因"}
	}
	if err := out(head); err != nil {
		return err
	}
	accounts := c.Accounts
	switch {
	case f.Account != nil:
		accounts = []string{strings.ToLower(*f.Account)}
	case c.Scope == access.ScopeAll:
		accounts = []string{""}
	}
	for _, account := range accounts {
		if account != "" && !c.Sees(account) {
			continue
		}
		// One more than fits, so that a longer list is known as such.
		rows, err := journal.ReadLedger(ctx, p.o.Store.Reader(), journal.LedgerFilter{
			Account: account, State: journal.LedgerState(deref(f.State)), From: deref(f.From), To: deref(f.To), Limit: p.o.Config.ExportRows + 1,
		})
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := out([]string{moment(r.At), r.Account, r.MessageID, r.Entry.String(), r.Target, string(r.State), r.Reason}); err != nil {
				return err
			}
		}
	}
	return nil
}
