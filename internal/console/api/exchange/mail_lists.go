package exchange

import (
	"context"
	"strconv"
	"strings"
	"time"

	"heliograph/hooks/archive"
	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
)

// scopeOf are the accounts whose mail a caller sees; nil: all.
func scopeOf(c *access.Caller) []string {
	if c.Scope == access.ScopeAll {
		return nil
	}
	return append([]string{}, c.Accounts...)
}

// listMessages writes the list of mail: who, when and what about, no texts.
func (p *Part) listMessages(ctx context.Context, c *access.Caller, f ExportFilter, lang ExportLang, out func([]string) error) error {
	head := []string{"time", "direction", "subject", "from", "to", "files", "message_id", "accounts"}
	if lang == Zh {
		head = []string{"时间", "方向", "主题", "发件人", "收件人", "附件", "邮件编号", "账号"}
	}
	if err := out(head); err != nil {
		return err
	}
	filter := archive.Filter{Scope: scopeOf(c), Words: deref(f.Query), Account: strings.ToLower(deref(f.Account)), Since: deref(f.From), Until: deref(f.To)}
	if f.Customer != nil {
		filter.Persons = []string{strings.ToLower(*f.Customer)}
	}
	for before := int64(0); ; {
		page, next, err := p.o.Archive.Search(ctx, filter, before, pageSize)
		if err != nil {
			return err
		}
		for i := range page {
			if err := out(messageRow(c, &page[i])); err != nil {
				return err
			}
		}
		if before = next; before == 0 {
			return nil
		}
	}
}

func messageRow(c *access.Caller, s *archive.Summary) []string {
	var from, to []string
	for _, person := range s.People {
		if person.Role == archive.From {
			from = append(from, person.Address)
		} else {
			to = append(to, person.Address)
		}
	}
	row := []string{
		moment(s.SentAt), s.Direction, s.Subject, strings.Join(from, "; "), strings.Join(to, "; "), strings.Join(s.Files, "; "), s.MessageID, strings.Join(s.Accounts, "; "),
	}
	for at, mask := range map[int]string{2: "subject", 3: "address", 4: "address"} {
		if c.Masked(mask) {
			row[at] = ""
		}
	}
	return row
}

// listRuns writes the runs of rules: those about mail that the caller sees, and with the scope of all those about no mail.
func (p *Part) listRuns(ctx context.Context, c *access.Caller, f ExportFilter, lang ExportLang, out func([]string) error) error {
	head := []string{"time", "rule", "version", "mode", "state", "title", "reason", "changed", "id"}
	if lang == Zh {
		head = []string{"时间", "规则", "版本", "模式", "状态", "标题", "原因", "更新时间", "编号"}
	}
	if err := out(head); err != nil {
		return err
	}
	filter := rules.RunFilter{
		Rule: deref(f.Rule), State: rules.RunState(deref(f.State)), Since: deref(f.From), Until: deref(f.To), Accounts: scopeOf(c), Limit: pageSize,
	}
	for {
		list, err := rules.Runs(ctx, p.o.Store.Reader(), filter)
		if err != nil {
			return err
		}
		for _, r := range list {
			title := r.Title
			if c.Masked("subject") {
				title = ""
			}
			err := out([]string{
				moment(r.MadeAt), r.Rule, strconv.Itoa(r.Version), string(r.Mode), string(r.State), title, r.Reason, r.ChangedAt.UTC().Format(time.RFC3339), r.ID,
			})
			if err != nil {
				return err
			}
		}
		if len(list) < pageSize {
			return nil
		}
		filter.Before, filter.After = list[len(list)-1].MadeAt, list[len(list)-1].ID
	}
}
