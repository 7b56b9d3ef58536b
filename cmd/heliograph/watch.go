package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"heliograph/config"
	"heliograph/internal/accounts"
	"heliograph/internal/gateway"
	"heliograph/proxy/upstream"
	"heliograph/proxy/watch"
)

// watchCmd are the commands for mailboxes that the gateway reads by itself.
type watchCmd struct {
	configFlag
	List  watchListCmd  `cmd:"" default:"withargs" help:"List watched mailboxes, how it stands with them, and what to do. 监看邮箱状态"`
	Check watchCheckCmd `cmd:"" help:"Sign in to watched mailboxes once, and look at them, without capturing anything. 检查监看邮箱"`
}

type watchListCmd struct {
	JSON bool `help:"Print JSON, one object a line."`
}

// Run prints what the gateways have stored of the mailboxes of the configuration.
func (c *watchListCmd) Run(ctx context.Context, parent *watchCmd) (err error) {
	cfg, db, err := parent.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	stored, err := watch.List(ctx, db)
	if err != nil {
		return err
	}
	var rows []watch.Row
	for _, w := range cfg.Watch {
		n := len(rows)
		for _, row := range stored {
			if row.Account == w.Address {
				rows = append(rows, row)
			}
		}
		if len(rows) == n { // no gateway has begun yet
			for _, name := range w.Mailboxes {
				rows = append(rows, watch.Row{Account: w.Address, Mailbox: name, Upstream: w.Upstream})
			}
		}
	}
	head := &table{head: []string{"ACCOUNT", "MAILBOX", "STATE", "SINCE", "LOOKED", "LAST MAIL", "NODE", "DETAIL"}}
	return printList(rows, false, c.JSON, "watched mailboxes", head, func(r watch.Row) []string {
		return []string{r.Account, r.Mailbox, string(r.State), clock(r.Changed), clock(r.Synced), clock(r.Mail), r.Node, r.Detail}
	})
}

type watchCheckCmd struct {
	Address string `arg:"" optional:"" help:"Only this account. 邮箱地址"`
	JSON    bool   `help:"Print JSON, one object a line."`
}

// checkedBox is one line of the check.
type checkedBox struct {
	Account string `json:"account"`
	watch.Finding
}

// Run signs in as a watch does.
func (c *watchCheckCmd) Run(ctx context.Context, parent *watchCmd) error {
	return (&accountCmd{configFlag: parent.configFlag}).with(ctx, func(a access) error {
		list := a.cfg.Watch
		if c.Address != "" {
			list = slices.DeleteFunc(slices.Clone(list), func(w config.Watch) bool { return w.Address != accounts.Address(c.Address) })
		}
		switch {
		case len(list) == 0 && c.Address != "":
			return fmt.Errorf("%s is not watched: name it under watch in the configuration", accounts.Address(c.Address))
		case len(list) == 0:
			return errors.New("no mailbox is watched: name some under watch in the configuration")
		}
		router, err := upstream.New(a.cfg.Upstreams, upstream.Options{Accounts: a.book})
		if err != nil {
			return err
		}
		defer router.Close()
		opts := watch.Options{
			Settings: func() watch.Settings { return watch.Settings{Router: router, Book: a.book} }, Version: buildVersion(),
			Logger: gateway.NewLogger(config.Log{Level: "warn", Format: "text"}, os.Stderr),
		}
		return c.check(ctx, opts, list)
	})
}

func (c *watchCheckCmd) check(ctx context.Context, opts watch.Options, list []config.Watch) error {
	var rows []checkedBox
	failed := false
	for _, w := range list {
		found, err := watch.Check(ctx, opts, w)
		if err != nil {
			found = []watch.Finding{{Trouble: err.Error()}}
		}
		for _, f := range found {
			failed = failed || f.Trouble != ""
			rows = append(rows, checkedBox{w.Address, f})
		}
	}
	head := &table{head: []string{"ACCOUNT", "MAILBOX", "MESSAGES", "IDLE", "TROUBLE"}}
	err := printList(rows, false, c.JSON, "watched mailboxes", head, func(r checkedBox) []string {
		if r.Trouble != "" {
			return []string{r.Account, r.Mailbox, "", "", r.Trouble}
		}
		return []string{r.Account, r.Mailbox, strconv.FormatUint(uint64(r.Messages), 10), map[bool]string{true: "yes", false: "no"}[r.Idle], ""}
	})
	if err == nil && failed {
		err = errors.New("not all watched mailboxes can be read")
	}
	return err
}
