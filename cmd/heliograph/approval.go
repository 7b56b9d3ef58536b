package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"heliograph/hooks/rules"
	"heliograph/internal/queue"
)

// approvalCmd are the commands for what rules ask people to decide.
type approvalCmd struct {
	configFlag
	List     approvalListCmd     `cmd:"" default:"withargs" help:"List what waits for a decision. 待审批事项"`
	Show     approvalShowCmd     `cmd:"" help:"Show one: what is to be decided, and who said what. 详情"`
	Decide   approvalDecideCmd   `cmd:"" help:"Take the decision of somebody who is asked. 登记审批决定"`
	Delegate approvalDelegateCmd `cmd:"" help:"Hand the vote of somebody who is asked to another person. 转交审批"`
}

// with opens the store. What is to be changed is put on record first.
func (c *approvalCmd) with(ctx context.Context, do func(*rules.Approvals) error, changes ...deed) (err error) {
	cfg, db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, d := range changes {
		if err := record(ctx, cfg, db, d); err != nil {
			return err
		}
	}
	q := queue.Open(db, queue.Options{})
	defer q.Close()
	return do(rules.NewApprovals(db, q, nil))
}

type approvalListCmd struct {
	All    bool   `help:"Also those that were decided. 包括已决定的"`
	Person string `help:"Only what this person is, or was, asked. 审批人邮箱"`
	listFlags
}

// Run lists approvals, those first that were asked last.
func (c *approvalListCmd) Run(ctx context.Context, parent *approvalCmd) error {
	return parent.with(ctx, func(b *rules.Approvals) error {
		list, more, err := b.List(ctx, rules.ApprovalFilter{Open: !c.All, Person: c.Person, Limit: c.Limit})
		if err != nil {
			return err
		}
		t := &table{head: []string{"ID", "RULE", "ASKED", "UNTIL", "STATE", "WAITS FOR", "TITLE"}}
		return printList(list, more, c.JSON, "approvals", t, func(a rules.Approval) []string {
			return []string{a.ID, a.Rule, clock(a.AskedAt), clock(a.ExpiresAt), approvalState(a), waitsFor(a), a.Shown.Title}
		})
	})
}

func approvalState(a rules.Approval) string {
	switch {
	case a.State != rules.ApprovalOpen:
		return string(a.State)
	case a.RunEnded:
		return "run ended"
	case !time.Now().Before(a.ExpiresAt):
		return "expires"
	}
	return string(a.State)
}

// waitsFor are those who have not decided.
func waitsFor(a rules.Approval) string {
	var people []string
	for _, p := range a.Approvers {
		if p.Decision == "" && a.State == rules.ApprovalOpen {
			people = append(people, p.Person)
		}
	}
	return strings.Join(people, ", ")
}

type approvalShowCmd struct {
	ID   string `arg:"" help:"Id as the list shows it. 编号"`
	JSON bool   `help:"Print JSON."`
}

// Run shows one approval.
func (c *approvalShowCmd) Run(ctx context.Context, parent *approvalCmd) error {
	return parent.with(ctx, func(b *rules.Approvals) error {
		a, err := b.Get(ctx, c.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(a)
		}
		return showApproval(a)
	})
}

func showApproval(a rules.Approval) error {
	field("id", a.ID)
	field("rule", fmt.Sprintf("%s, version %d", a.Rule, a.Version))
	field("run", a.Run)
	field("state", approvalState(a))
	field("needs", fmt.Sprintf("%d of %d", a.Need, voters(a)))
	field("asked", clock(a.AskedAt))
	field("until", clock(a.ExpiresAt))
	field("decided", clock(a.DecidedAt))
	field("caused by", strings.Join(a.Initiators, ", "))
	field("title", a.Shown.Title)
	for _, r := range a.Shown.Rows() {
		field(oneLine(r[0]), r[1])
	}
	text := a.Shown.Text
	if m := a.Shown.Mail; m != nil {
		text = m.Text + "\n" + m.HTML
	}
	if text = strings.TrimSpace(paragraphs(text)); text != "" {
		fmt.Printf("\n%s\n", text)
	}
	fmt.Println()
	t := &table{head: []string{"WHO", "DECISION", "AT", "BY", "HANDED OVER BY", "COMMENT"}}
	return printList(a.Approvers, false, false, "people", t, func(p rules.Approver) []string {
		who := p.Person
		if p.Escalated {
			who += " (escalated)"
		}
		return []string{who, string(p.Decision), clock(p.DecidedAt), p.Via, p.From, p.Comment}
	})
}

// voters is how many votes there are.
func voters(a rules.Approval) (n int) {
	for _, p := range a.Approvers {
		if p.Decision != rules.VoteDelegated && !p.Escalated {
			n++
		}
	}
	return n
}

type approvalDecideCmd struct {
	ID      string `arg:"" help:"Id as the list shows it. 编号"`
	As      string `required:"" help:"Mail address of the person whose decision it is. 审批人邮箱"`
	Approve bool   `help:"The person approves. 同意"`
	Refuse  bool   `help:"The person refuses. 拒绝"`
	Comment string `help:"What the person says. 意见"`
}

// Run takes the decision. A running gateway goes on with the run within a second.
func (c *approvalDecideCmd) Run(ctx context.Context, parent *approvalCmd) error {
	if c.Approve == c.Refuse {
		return errors.New("write --approve or --refuse")
	}
	return parent.with(ctx, func(b *rules.Approvals) error {
		decision := rules.ApprovalRefused
		if c.Approve {
			decision = rules.ApprovalApproved
		}
		a, err := b.Vote(ctx, c.ID, rules.Vote{Person: c.As, Decision: decision, Comment: c.Comment, Via: commandLine()})
		if err != nil {
			return fmt.Errorf("approval %.64q: %w", c.ID, err)
		}
		if a.State == rules.ApprovalOpen {
			fmt.Printf("taken; it waits for %s\n", waitsFor(a))
		} else {
			fmt.Printf("taken; it is %s\n", a.State)
		}
		return nil
	}, deed{"decideApproval", "approvals", c.ID, map[string]any{"as": c.As, "approve": c.Approve}})
}

type approvalDelegateCmd struct {
	ID      string `arg:"" help:"Id as the list shows it. 编号"`
	From    string `required:"" help:"Mail address of the person who hands the vote over. 原审批人"`
	To      string `required:"" help:"Mail address of the person who gets it. 新审批人"`
	Comment string `help:"Why. 原因"`
}

// Run hands a vote over. The gateway asks the other person by mail.
func (c *approvalDelegateCmd) Run(ctx context.Context, parent *approvalCmd) error {
	return parent.with(ctx, func(b *rules.Approvals) error {
		a, err := b.Delegate(ctx, c.ID, rules.Delegation{From: c.From, To: c.To, Comment: c.Comment, Via: commandLine()})
		if err != nil {
			return fmt.Errorf("approval %.64q: %w", c.ID, err)
		}
		fmt.Printf("handed over; it waits for %s\n", waitsFor(a))
		return nil
	}, deed{"delegateApproval", "approvals", c.ID, map[string]any{"from": c.From, "to": c.To}})
}

// commandLine says who typed it, as far as the system knows.
func commandLine() string {
	name := os.Getenv("SUDO_USER")
	if u, err := user.Current(); name == "" && err == nil {
		name = u.Username
	}
	return strings.TrimSpace("command line " + oneLine(name))
}
