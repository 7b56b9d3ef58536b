package main

import (
	"context"
	"fmt"
	"strings"

	"heliograph/internal/gateway"
	"heliograph/proxy/backfill"
)

type reconcileCmd struct {
	sideFlags
	Fix bool `help:"Fetch what is missing, and try again what failed. 补齐缺失邮件"`
}

// Help is shown below the flags.
func (*reconcileCmd) Help() string {
	return `Compares mailboxes with the ledger, message by message. MISSING is what capture is to take and has not; OLDER was there
before capture began, and heliograph backfill takes it. The exit code is 1 when messages are missing at the end.
逐封核对邮箱与采集账本。MISSING 为应采集而未采集的邮件；OLDER 为开始采集之前的邮件，可用 backfill 补录。如仍有缺失，退出码为 1。

Examples 示例:
  heliograph reconcile --account li@example.com --all
  heliograph reconcile --account li@example.com --mailbox 客户/华东 --fix --password-file li.pw`
}

// Run compares mailboxes with the ledger. The exit code is 1 when messages are missing.
func (c *reconcileCmd) Run(ctx context.Context) error {
	req, err := c.request(ctx)
	if err != nil {
		return err
	}
	req.Fix = c.Fix
	result, err := c.ask(ctx, gateway.ControlReconcile, req)
	if perr := c.print(result, reconcileTable(result)); perr != nil {
		return perr
	}
	n := result.Missing()
	switch {
	case err != nil:
		return err
	case n > 0 && c.Fix:
		return fmt.Errorf("%d messages are still missing", n)
	case n > 0:
		return fmt.Errorf("%d messages are missing; the same command with --fix fetches them", n)
	}
	return nil
}

// reconcileTable has a column for older messages only where there are any.
func reconcileTable(result backfill.Result) sideTable {
	older := false
	for _, r := range result.Rows {
		older = older || r.Older > 0
	}
	t := sideTable{head: []string{"MAILBOX", "IN MAILBOX", "CAPTURED", "EXCLUDED", "GONE", "FAILED", "MISSING", "FIRST MISSING"}}
	if older {
		t.head = append(t.head, "OLDER")
	}
	t.row = func(r backfill.Row) []string {
		cells := []string{
			r.Mailbox, thousands(r.Messages), thousands(r.Captured), thousands(r.Excluded), thousands(r.Gone), thousands(r.Failed),
			thousands(r.Missing), uids(r),
		}
		if older {
			cells = append(cells, thousands(r.Older))
		}
		return cells
	}
	return t
}

// uids names the first messages that are missing.
func uids(r backfill.Row) string {
	var names []string
	for _, uid := range r.FirstMissing {
		names = append(names, fmt.Sprint(uid))
	}
	text := strings.Join(names, " ")
	if r.Missing > len(r.FirstMissing) {
		text += " …"
	}
	return text
}
