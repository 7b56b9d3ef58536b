package main

import (
	"context"
	"fmt"

	"heliograph/hooks/automail"
)

type queueOutboxCmd struct {
	Finished bool `help:"List those that have left the outbox. 已完成的"`
	listFlags
}

// outboxLine is a message as JSON.
type outboxLine struct {
	Entry      string          `json:"entry"`
	Upstream   string          `json:"upstream"`
	From       string          `json:"from"` // empty: a bounce
	QueuedAt   string          `json:"queued_at"`
	ExpiresAt  string          `json:"expires_at"`
	NextTry    string          `json:"next_try,omitempty"`
	FinishedAt string          `json:"finished_at,omitempty"`
	Attempts   int             `json:"attempts"`
	Recipients []recipientLine `json:"recipients"`
}

type recipientLine struct {
	Address  string         `json:"address"`
	State    automail.State `json:"state"`
	Code     int            `json:"code,omitempty"`
	Enhanced string         `json:"enhanced,omitempty"`
	Text     string         `json:"text,omitempty"`
	Remote   string         `json:"remote,omitempty"`
	Attempts int            `json:"attempts"`
}

// Run lists the mail of the outbox, the newest first, a line for each recipient.
func (c *queueOutboxCmd) Run(ctx context.Context, parent *queueCmd) error {
	return parent.with(ctx, func(q openQueue) error {
		messages, err := q.outbox().List(ctx, automail.Filter{Finished: c.Finished, Limit: c.Limit + 1})
		if err != nil {
			return err
		}
		more := len(messages) > c.Limit
		messages = messages[:min(len(messages), c.Limit)]
		if c.JSON {
			lines := make([]outboxLine, len(messages))
			for i, m := range messages {
				lines[i] = outboxOf(m)
			}
			return printJSON(lines...)
		}
		type line struct {
			m automail.OutboxMessage
			r automail.OutboxRecipient
		}
		var lines []line
		for _, m := range messages {
			for _, r := range m.Recipients {
				lines = append(lines, line{m, r})
			}
		}
		t := &table{head: []string{"ENTRY", "QUEUED", "FROM", "TO", "STATE", "TRIES", "NEXT", "ANSWER"}, right: []int{5}}
		return printList(lines, more, false, "mail in the outbox", t, func(l line) []string {
			from := l.m.ReversePath
			if from == "" {
				from = "<>"
			}
			answer := l.r.Enhanced + " " + l.r.Text
			if l.r.Code > 0 {
				answer = fmt.Sprint(l.r.Code) + " " + answer
			}
			return []string{
				l.m.Entry.String(), clock(l.m.QueuedAt), from, l.r.Address, string(l.r.State), fmt.Sprint(l.r.Attempts), clock(l.r.NextTry), answer,
			}
		})
	})
}

func outboxOf(m automail.OutboxMessage) outboxLine {
	out := outboxLine{
		Entry: m.Entry.String(), Upstream: m.Upstream, From: m.ReversePath, QueuedAt: stamp(m.QueuedAt), ExpiresAt: stamp(m.ExpiresAt),
		NextTry: stamp(m.NextTry), FinishedAt: stamp(m.FinishedAt), Attempts: m.Attempts, Recipients: []recipientLine{},
	}
	for _, r := range m.Recipients {
		out.Recipients = append(out.Recipients, recipientLine{r.Address, r.State, r.Code, r.Enhanced, r.Text, r.Remote, r.Attempts})
	}
	return out
}
