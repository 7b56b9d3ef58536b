package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/builtin"
)

type crmActivitiesCmd struct {
	Query   string `arg:"" optional:"" help:"Words that must be in subject, text, people or file names; Chinese works. 关键词"`
	Contact string `help:"Only of this contact: number or mail address. 联系人"`
	Account string `help:"Only what this employee sent or got, by mail address. 员工"`
	Thread  string `help:"Only of this thread."`
	Since   moment `help:"Only since 2026-01-31, or since so long ago: 12h, 7d. 起始时间"`
	listFlags
}

// Run lists mail, the latest first.
func (c *crmActivitiesCmd) Run(ctx context.Context, parent *crmCmd) error {
	return parent.with(ctx, func(crm *builtin.CRM) error {
		contact, err := contactID(ctx, crm, c.Contact)
		if err != nil {
			return err
		}
		items, more, err := pages(c.Limit, func(p builtin.Paging) (builtin.Page[builtin.Activity], error) {
			return crm.Activities(ctx, builtin.ActivityFilter{
				Query: c.Query, ContactID: contact, Account: c.Account, Thread: c.Thread, From: c.Since.Time, WithText: c.JSON, Paging: p,
			})
		})
		if err != nil {
			return err
		}
		return printList(items, more, c.JSON, "mail", activityTable(), activityRow)
	})
}

func activityTable() *table {
	return &table{head: []string{"ID", "DATE", "", "FROM", "TO", "SUBJECT", "FILES"}, right: []int{0, 6}}
}

var arrows = map[crmclient.Direction]string{crmclient.Outbound: "out", crmclient.Inbound: "in", crmclient.Internal: "own"}

func activityRow(a builtin.Activity) []string {
	to := ""
	if n := len(a.To) + len(a.CC) + len(a.BCC); n > 0 {
		to = short(append(append(a.To[:len(a.To):len(a.To)], a.CC...), a.BCC...)[0])
		if n > 1 {
			to += fmt.Sprintf(" +%d", n-1)
		}
	}
	return []string{
		number(a.ID), clock(a.Date), arrows[a.Direction], cut(short(a.From), 30), cut(to, 30), a.Subject, number(int64(len(a.Attachments))),
	}
}

func short(p crmclient.Person) string {
	if p.Name != "" {
		return p.Name
	}
	return p.Address
}

type crmActivityCmd struct {
	Activity string `arg:"" help:"Number, key or Message-ID. 编号、键或 Message-ID"`
	Text     bool   `xor:"as" help:"Print the text only."`
	JSON     bool   `xor:"as" help:"Print JSON."`
}

// Run shows one mail with its whole text.
func (c *crmActivityCmd) Run(ctx context.Context, parent *crmCmd) error {
	return parent.with(ctx, func(crm *builtin.CRM) error {
		a, err := findActivity(ctx, crm, c.Activity)
		switch {
		case errors.Is(err, builtin.ErrNotFound):
			return fmt.Errorf("no mail has the number, key or Message-ID %q: search with heliograph crm activities, or ask heliograph ledger what became of it", c.Activity)
		case err != nil:
			return err
		case c.JSON:
			return printJSON(a)
		case !c.Text:
			printActivity(a)
			fmt.Println()
		}
		fmt.Println(strings.TrimRight(paragraphs(a.Text), " \n"))
		return nil
	})
}

func findActivity(ctx context.Context, crm *builtin.CRM, text string) (builtin.Activity, error) {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		return crm.Activity(ctx, id)
	}
	a, err := crm.ActivityByKey(ctx, text)
	if !errors.Is(err, builtin.ErrNotFound) {
		return a, err
	}
	page, err := crm.Activities(ctx, builtin.ActivityFilter{MessageID: text, WithText: true})
	switch {
	case err != nil:
		return a, err
	case len(page.Items) == 0:
		return a, builtin.ErrNotFound
	case len(page.Items) == 1:
		return page.Items[0], nil
	}
	var ids []string
	for _, a := range page.Items {
		ids = append(ids, number(a.ID))
	}
	return a, fmt.Errorf("several mails have this Message-ID: %s; give one of these numbers", strings.Join(ids, ", "))
}

func printActivity(a builtin.Activity) {
	field("Activity", number(a.ID))
	field("Subject", a.Subject)
	field("Date", clock(a.Date))
	field("From", persons(a.From))
	field("To", persons(a.To...))
	field("Cc", persons(a.CC...))
	field("Bcc", persons(a.BCC...))
	for _, f := range a.Attachments {
		field("File", fmt.Sprintf("%s (%s, %s)", f.Name, f.Type, size(f.Size)))
	}
	direction := string(a.Direction)
	if a.Automated {
		direction += ", written by a machine"
	}
	if a.Unconfirmed {
		direction += ", whether the provider took it is not known"
	}
	field("Direction", direction)
	field("Employees", strings.Join(a.Accounts, ", "))
	field("Thread", a.Thread)
	field("Message-ID", a.MessageID)
	field("Key", a.Key)
	field("Remarks", strings.Join(a.Flags, ", "))
}

func persons(list ...crmclient.Person) string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.Address
		if p.Name != "" {
			out[i] = p.Name + " <" + p.Address + ">"
		}
	}
	return strings.Join(out, ", ")
}

// size shows a number of bytes in the largest unit that leaves a whole number.
func size(n int64) string {
	for _, unit := range []string{"bytes", "kB", "MB"} {
		if n < 10_000 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		n /= 1000
	}
	return fmt.Sprintf("%d GB", n)
}
