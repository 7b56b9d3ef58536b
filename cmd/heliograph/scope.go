package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/hooks/mirror/scope"
)

// scopeCmd are the commands for what may leave.
type scopeCmd struct {
	configFlag
	Preview scopePreviewCmd `cmd:"" help:"Show what would become of a message at each target, and which rule decides. 预览隐私规则"`
	List    scopeListCmd    `cmd:"" help:"List what employees keep from being mirrored. 员工的选择"`
	Pause   scopePauseCmd   `cmd:"" help:"Mirror nothing of an employee for a while. 暂停"`
	Resume  scopeResumeCmd  `cmd:"" help:"End a pause. What came meanwhile is not mirrored. 恢复"`
	OptOut  scopeOptOutCmd  `cmd:"" help:"Mirror nothing of an employee. 退出"`
	OptIn   scopeOptInCmd   `cmd:"" help:"Take an opt-out back. 重新加入"`
	Exclude scopeExcludeCmd `cmd:"" help:"Keep an employee's mail with some people, in some folders or with some marks. 排除"`
	Allow   scopeAllowCmd   `cmd:"" help:"Take exclusions back. 取消排除"`
}

func (c *scopeCmd) choices(ctx context.Context, do func(*scope.Choices) error) (err error) {
	_, db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(scope.NewChoices(db, nil))
}

type scopeListCmd struct {
	Account string `arg:"" optional:"" help:"Only of this employee. 员工邮箱"`
	JSON    bool   `help:"Print JSON, one object a line."`
}

// choiceLine is a choice as JSON.
type choiceLine struct {
	Account string           `json:"account"`
	Kind    scope.ChoiceKind `json:"kind"`
	Value   string           `json:"value,omitempty"`
	Until   string           `json:"until,omitempty"`
	Since   string           `json:"since"`
	Over    bool             `json:"over"` // a pause that has ended
}

// Run lists choices.
func (c *scopeListCmd) Run(ctx context.Context, parent *scopeCmd) error {
	return parent.choices(ctx, func(choices *scope.Choices) error {
		list, err := choices.List(ctx, c.Account)
		if err != nil {
			return err
		}
		lines := make([]choiceLine, len(list))
		for i, one := range list {
			lines[i] = choiceLine{one.Account, one.Kind, one.Value, stamp(one.Until), stamp(one.CreatedAt), !one.Until.IsZero() && one.Until.Before(time.Now())}
		}
		t := &table{head: []string{"ACCOUNT", "KEEPS BACK", "VALUE", "UNTIL"}}
		return printList(lines, false, c.JSON, "choices", t, func(l choiceLine) []string {
			until := l.Until
			if l.Over {
				until += " (over)"
			}
			return []string{l.Account, string(l.Kind), l.Value, until}
		})
	})
}

// employee is the account that a command is about.
type employee struct {
	Account string `arg:"" help:"Mail address that the employee logs in with. 员工邮箱"`
}

// set changes choices of the employee, and says so.
func (e employee) set(ctx context.Context, parent *scopeCmd, on bool, done string, list ...scope.Choice) error {
	if _, _, ok := config.ParsePattern(e.Account); !ok || !strings.Contains(e.Account, "@") {
		return fmt.Errorf("%q is not a mail address", e.Account)
	}
	return parent.choices(ctx, func(choices *scope.Choices) error {
		change := choices.Unset
		if on {
			change = choices.Set
		}
		if err := change(ctx, e.Account, list...); err != nil {
			return err
		}
		fmt.Printf("%s: %s\n", strings.ToLower(e.Account), done)
		return nil
	})
}

type scopePauseCmd struct {
	employee
	For   string    `help:"How long: 2h, 3d. 时长" xor:"end"`
	Until time.Time `help:"Until when: 2026-01-31T15:04:05+08:00. 截止时间" xor:"end"`
}

// Run pauses. It holds for each delivery that begins after it has returned.
func (c *scopePauseCmd) Run(ctx context.Context, parent *scopeCmd) error {
	until, words := c.Until, "paused until it is resumed"
	if c.For != "" {
		d, err := config.ParseDuration(c.For)
		if err != nil || d.D() <= 0 {
			return fmt.Errorf("%q is no length of time: write 2h or 3d", c.For)
		}
		until = time.Now().Add(d.D())
	}
	if !until.IsZero() {
		if until.Before(time.Now()) {
			return errors.New("that time is over")
		}
		words = "paused until " + clock(until)
	}
	return c.set(ctx, parent, true, words, scope.Choice{Kind: scope.ChoicePause, Until: until})
}

type scopeResumeCmd struct{ employee }

// Run ends a pause.
func (c *scopeResumeCmd) Run(ctx context.Context, parent *scopeCmd) error {
	return c.set(ctx, parent, false, "resumed", scope.Choice{Kind: scope.ChoicePause})
}

type scopeOptOutCmd struct{ employee }

// Run opts an employee out.
func (c *scopeOptOutCmd) Run(ctx context.Context, parent *scopeCmd) error {
	return c.set(ctx, parent, true, "opted out", scope.Choice{Kind: scope.ChoiceOptOut})
}

type scopeOptInCmd struct{ employee }

// Run takes an opt-out back.
func (c *scopeOptInCmd) Run(ctx context.Context, parent *scopeCmd) error {
	return c.set(ctx, parent, false, "opted in", scope.Choice{Kind: scope.ChoiceOptOut})
}

// exclusions are what an employee keeps back for good.
type exclusions struct {
	employee
	People  []string `arg:"" optional:"" name:"address" help:"Addresses, domains (example.com), or *.example.com for all below one. 地址或域名"`
	Folder  []string `sep:"none" help:"Folders: names with * and %, or special uses such as \\Archive. 文件夹"`
	Subject []string `sep:"none" help:"Marks in the subject; ^mark only at its beginning. 主题标记"`
}

func (c *exclusions) list() (out []scope.Choice, err error) {
	for _, p := range c.People {
		one, err := scope.ParseChoice(p)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	for _, f := range c.Folder {
		out = append(out, scope.Choice{Kind: scope.ChoiceFolder, Value: f})
	}
	for _, s := range c.Subject {
		out = append(out, scope.Choice{Kind: scope.ChoiceSubject, Value: s})
	}
	if len(out) == 0 {
		err = errors.New("say what: addresses, domains, --folder or --subject")
	}
	return out, err
}

type scopeExcludeCmd struct{ exclusions }

// Run adds exclusions.
func (c *scopeExcludeCmd) Run(ctx context.Context, parent *scopeCmd) error {
	list, err := c.list()
	if err != nil {
		return err
	}
	return c.set(ctx, parent, true, fmt.Sprintf("%d exclusions added", len(list)), list...)
}

type scopeAllowCmd struct{ exclusions }

// Run takes exclusions back.
func (c *scopeAllowCmd) Run(ctx context.Context, parent *scopeCmd) error {
	list, err := c.list()
	if err != nil {
		return err
	}
	return c.set(ctx, parent, false, fmt.Sprintf("%d exclusions taken back", len(list)), list...)
}
