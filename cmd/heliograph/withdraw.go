package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"heliograph/config"
	"heliograph/hooks/mirror"
	"heliograph/internal/queue"
)

type withdrawCmd struct {
	configFlag
	MessageID string `arg:"" optional:"" name:"message-id" help:"Message-ID of the mail. 邮件的 Message-ID"`
	Account   string `help:"All mail of this employee instead; what others have too stays, but not as this employee's. 员工邮箱"`
	Address   string `help:"All mail with this correspondent instead. 往来对象的地址"`
	Target    string `help:"Only from this target. 仅此目标"`
	Reason    string `required:"" help:"Why; it is in the ledger. 原因"`
	Yes       bool   `help:"Do it. Without this, only what would be done is shown. 确认执行"`
	JSON      bool   `help:"Print JSON, one object a line."`
}

// withdrawnLine is a message at a target as JSON.
type withdrawnLine struct {
	MessageID string              `json:"message_id"`
	Key       string              `json:"key"`
	Target    string              `json:"target"`
	RemoteID  string              `json:"remote_id,omitempty"`
	Step      mirror.WithdrawStep `json:"step"`
}

// stepTexts say what is done, or would be.
var stepTexts = map[mirror.WithdrawStep]string{
	mirror.StepDelete: "delete the record",
	mirror.StepDrop:   "not sent yet: never send it",
	mirror.StepUpdate: "others have it too: take only the account off",
	mirror.StepAvoid:  "not there: keep it away",
}

// Run takes mail back from CRMs. A running gateway does what the targets must be asked for.
func (c *withdrawCmd) Run(ctx context.Context) (err error) {
	cfg, db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if known := slices.ContainsFunc(cfg.Targets, func(t config.Target) bool { return t.Name == c.Target }); c.Target != "" && !known {
		return fmt.Errorf("there is no target %q in the configuration", c.Target)
	}
	w := mirror.Withdrawal{
		MessageID: strings.Trim(strings.TrimSpace(c.MessageID), "<>"), Account: c.Account, Address: c.Address, Target: c.Target, Reason: c.Reason,
	}
	if strings.TrimSpace(w.Reason) == "" {
		return errors.New("--reason must not be empty: it is all that will be known of the mail")
	}
	steps, err := mirror.PlanWithdrawal(ctx, db.Reader(), w)
	if err != nil {
		return err
	}
	if c.Yes && len(steps) > 0 {
		if err := record(ctx, cfg, db, withdrawal(w, len(steps))); err != nil {
			return err
		}
		q := queue.Open(db, queue.Options{})
		defer q.Close()
		if steps, err = mirror.Withdraw(ctx, db, q, w); err != nil {
			return err
		}
	}
	if err := c.print(steps); err != nil || c.JSON {
		return err
	}
	switch {
	case len(steps) == 0:
	case c.Yes:
		fmt.Println("Done here. What targets must delete or change, the running gateway asks them for; heliograph ledger tells how it went.")
	default:
		fmt.Println("Nothing is done yet: add --yes to do it.")
	}
	return nil
}

// withdrawal is what is put on record.
func withdrawal(w mirror.Withdrawal, steps int) deed {
	d := deed{"withdrawMessage", "messages", w.MessageID, map[string]any{"reason": w.Reason, "copies": steps}}
	for name, value := range map[string]string{"account": w.Account, "correspondent": w.Address, "target": w.Target} {
		if value != "" {
			d.details[name] = value
		}
	}
	return d
}

func (c *withdrawCmd) print(steps []mirror.Withdrawn) error {
	if c.JSON {
		lines := make([]withdrawnLine, len(steps))
		for i, s := range steps {
			lines[i] = withdrawnLine{s.MessageID, s.Key, s.Target, s.RemoteID, s.Step}
		}
		return printJSON(lines...)
	}
	t := &table{head: []string{"MESSAGE-ID", "TARGET", "RECORD", "STEP"}}
	return printList(steps, false, false, "messages to withdraw", t, func(s mirror.Withdrawn) []string {
		return []string{s.MessageID, s.Target, s.RemoteID, stepTexts[s.Step]}
	})
}
