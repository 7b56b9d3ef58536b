package rules

import (
	"context"
	"errors"
	"time"
)

// EffectKind is what kind of outside action an effect is.
type EffectKind string

// The kinds of effects.
const (
	EffectMail     EffectKind = "mail"
	EffectNotify   EffectKind = "notify"
	EffectTicket   EffectKind = "ticket"
	EffectAssign   EffectKind = "assign"
	EffectCreate   EffectKind = "create_record"
	EffectUpdate   EffectKind = "update_record"
	EffectTag      EffectKind = "tag"
	EffectWebhook  EffectKind = "webhook"
	EffectAppend   EffectKind = "append"
	EffectApproval EffectKind = "approval" // people are asked
)

// Effect is one outside action, as data: what a step wants, and what a try shows.
type Effect struct {
	// ID follows from the run, the step and the item. Who acts uses it as the idempotency key: Message-ID, key of a ticket, id of a webhook.
	ID    string     `json:"id"`
	Kind  EffectKind `json:"kind"`
	Rule  string     `json:"rule"`
	Run   string     `json:"run"`
	Title string     `json:"title,omitempty"` // a line for people
	// Recipients are the mail addresses of the people it reaches, lower case. Guards count by them.
	Recipients []string `json:"recipients,omitempty"`
	Thread     string   `json:"thread,omitempty"`
	// Depth and Cause say what the effect follows from: how many rules, and the message or event.
	Depth int    `json:"depth,omitempty"`
	Cause string `json:"cause,omitempty"`
	// Message is the key of the message that caused it; At is when it was decided on.
	Message string    `json:"message,omitempty"`
	At      time.Time `json:"at"`
	// One of these says what is to be done.
	Mail    *Mail        `json:"mail,omitempty"`
	Notice  *Notice      `json:"notice,omitempty"`
	Ticket  *Ticket      `json:"ticket,omitempty"`
	Record  *RecordWrite `json:"record,omitempty"`
	Tags    *Tagging     `json:"tags,omitempty"`
	Webhook *WebhookCall `json:"webhook,omitempty"`
	Append  *Append      `json:"append,omitempty"`
	// Question is what people are asked to decide. The approval is kept by the rules themselves: nobody else performs it.
	Question *Question `json:"question,omitempty"`

	approval *Approval
	ask      askKind // of mails and notices that ask
}

// Performer takes effects. Perform is idempotent on Effect.ID: called again, also after a crash, it repeats nothing outside that can be told
// apart, and returns the same output. An error is temporary unless its method Temporary says otherwise.
type Performer interface {
	Perform(ctx context.Context, e *Effect) (output map[string]any, err error)
}

// Foreseer is a Performer that knows what an effect would be, without acting: the Message-ID that a mail will have.
type Foreseer interface {
	Foresee(e *Effect) (messageID string)
}

// Mail is a mail to be sent.
type Mail struct {
	As          string   `json:"as,omitempty"` // address of the sender; empty: the default sender
	FromName    string   `json:"from_name,omitempty"`
	To          []string `json:"to"` // mailboxes, with names where there are some
	CC          []string `json:"cc,omitempty"`
	BCC         []string `json:"bcc,omitempty"`
	ReplyTo     []string `json:"reply_to,omitempty"`
	Subject     string   `json:"subject"`
	Text        string   `json:"text,omitempty"`
	HTML        string   `json:"html,omitempty"`
	Answers     string   `json:"answers,omitempty"` // entry of the message that this one answers; empty: none
	Quote       bool     `json:"quote,omitempty"`   // with the words of that message below
	Files       []File   `json:"files,omitempty"`
	Unsubscribe string   `json:"unsubscribe,omitempty"` // list that the recipient can leave; empty: none
	SaveSent    bool     `json:"save_sent,omitempty"`   // a copy in the sender's mailbox of sent mail
	AtLeastOnce bool     `json:"at_least_once,omitempty"`
	Bulk        bool     `json:"bulk,omitempty"`   // one of many
	Urgent      bool     `json:"urgent,omitempty"` // marked as of high priority
}

// File is a file that a step made.
type File struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Content []byte `json:"content"`
	Inline  string `json:"inline,omitempty"` // Content-ID where it is a picture inside the text
}

// Notice is what people are told in a chat.
type Notice struct {
	Channel  string      `json:"channel"`
	Level    string      `json:"level,omitempty"` // info, warning, critical
	Text     string      `json:"text,omitempty"`
	Facts    [][2]string `json:"facts,omitempty"`
	Links    [][2]string `json:"links,omitempty"` // label and address
	Mentions []string    `json:"mentions,omitempty"`
	// To are the people whom it is for, in place of the channel's group: addresses.
	To []string `json:"to,omitempty"`
}

// Ticket is a request for service.
type Ticket struct {
	Target    string         `json:"target"`
	ID        string         `json:"id,omitempty"` // of one that is there, to be assigned
	Subject   string         `json:"subject,omitempty"`
	Text      string         `json:"text,omitempty"`
	Priority  string         `json:"priority,omitempty"`
	Queue     string         `json:"queue,omitempty"`
	Assignee  string         `json:"assignee,omitempty"`
	Requester string         `json:"requester,omitempty"` // mailbox
	Entry     string         `json:"entry,omitempty"`     // the mail that asks: its files go along
	Fields    map[string]any `json:"fields,omitempty"`
}

// RecordWrite is a record to be made or changed.
type RecordWrite struct {
	Target string         `json:"target"`
	Object string         `json:"object"`
	ID     string         `json:"id,omitempty"` // empty: a new one
	Fields map[string]any `json:"fields"`
}

// Tagging sets tags of a message.
type Tagging struct {
	Message string   `json:"message"`
	Add     []string `json:"add,omitempty"`
	Remove  []string `json:"remove,omitempty"`
	// Suggest are labels on which people decide.
	Suggest []Suggested `json:"suggest,omitempty"`
}

// Append is a message to be put into a mailbox: that of Entry, or without one the Mail of the effect.
type Append struct {
	Account string   `json:"account"` // address, lower case
	Mailbox string   `json:"mailbox"`
	Create  bool     `json:"create,omitempty"` // the mailbox, where there is none
	Flags   []string `json:"flags,omitempty"`  // seen, flagged
	Entry   string   `json:"entry,omitempty"`
}

// WebhookCall is a call of another system.
type WebhookCall struct {
	URL  string `json:"url"`            // checked against private addresses where it is called
	Hook string `json:"hook,omitempty"` // name of its secret in the configuration
	Body any    `json:"body"`
}

// act takes an effect of a step, once, if the guards let it. n tells several effects of one step apart. The outcome is done with the effect's
// output, or waiting, or done with "blocked" in the output.
func (x *exec) act(n int, e *Effect) (outcome, error) {
	e.ID = effectID(x.run.ID, x.path, n)
	e.Rule, e.Run = x.run.Rule, x.run.ID
	e.Depth, e.Cause = x.run.Event.Depth+1, x.run.Event.Key
	if e.Thread == "" && e.Kind == EffectMail && !e.Mail.Bulk { // one of many is no part of the conversation
		e.Thread = x.run.Event.Thread
	}
	e.Message = x.run.Event.Message
	row := x.effect[e.ID]
	if row == nil {
		verdict, err := x.admit(n, e)
		if err != nil || verdict.state == StepWaiting {
			return verdict, err
		}
		row = &EffectRow{
			ID: e.ID, Path: x.path, Kind: e.Kind, State: EffectPending, Title: e.Title, Recipients: e.Recipients, MadeAt: x.e.now(), ChangedAt: x.e.now(),
		}
		if f, ok := x.e.performer.(Foreseer); ok && e.Kind == EffectMail {
			row.MessageID = f.Foresee(e)
		}
		if verdict.reason != "" {
			row.State, row.Reason = EffectBlocked, verdict.reason
		} else if x.run.Mode == Shadow {
			row.State = EffectShadow
		}
		if err := x.begin(row, e); err != nil {
			return outcome{}, err
		}
	} else if row.State == EffectPending {
		if err := x.readmit(e); err != nil {
			return outcome{}, err
		}
	}
	e.At = row.MadeAt
	switch row.State {
	case EffectDone:
		return done(row.Output), nil
	case EffectBlocked:
		return done(map[string]any{"blocked": row.Reason}), nil
	case EffectShadow:
		return done(imagined(e, row)), nil
	case EffectFailed:
		return outcome{}, Permanent(errors.New(row.Reason))
	}
	return x.perform(row, e)
}

// begin notes that an effect is about to happen. One whose budget is used up is noted as blocked.
func (x *exec) begin(row *EffectRow, e *Effect) error {
	about, err := x.about(e)
	if err != nil {
		return err
	}
	charges := append(x.charges(e), about...)
	if row.State == EffectBlocked {
		charges = nil
	}
	x.run.Effects = append(x.run.Effects, row)
	err = x.ledger.take(x.Context, x.run, row, charges)
	var spent *budgetError
	if errors.As(err, &spent) {
		row.State, row.Reason = EffectBlocked, spent.Error()
		err = x.ledger.take(x.Context, x.run, row, nil)
	}
	if err != nil {
		x.run.Effects = x.run.Effects[:len(x.run.Effects)-1]
		return &ledgerError{err}
	}
	x.effect[row.ID] = row
	x.e.metrics.effects.WithLabelValues(string(row.Kind), string(row.State)).Inc()
	return nil
}

// perform has the effect happen.
func (x *exec) perform(row *EffectRow, e *Effect) (outcome, error) {
	output, err := x.carryOut(x.Context, e)
	row.ChangedAt = x.e.now()
	switch {
	case err != nil && x.Err() != nil:
		return outcome{}, &ledgerError{err} // we are stopping: nothing is known
	case err != nil && temporary(err) && x.row.Attempts+1 < maxAttempts:
		return outcome{}, err
	case err != nil:
		row.State, row.Reason = EffectFailed, err.Error()
	default:
		row.State = EffectDone
		if row.Output, err = plain(output); err != nil {
			return outcome{}, err
		}
	}
	if row.State == EffectDone { // before it is noted as done: after a crash here all of it comes again, under the same ids
		if err := x.e.follow(x.Context, e, row); err != nil {
			row.State = EffectPending
			return outcome{}, err
		}
	}
	x.e.metrics.effects.WithLabelValues(string(row.Kind), string(row.State)).Inc()
	if err := x.ledger.settle(x.Context, x.run, row); err != nil {
		return outcome{}, &ledgerError{err}
	}
	if row.State == EffectFailed {
		return outcome{}, Permanent(errors.New(row.Reason))
	}
	x.facts.fresh()
	return done(row.Output), nil
}

// imagined is the output of an effect that did not happen, so that later steps have something to go on.
func imagined(e *Effect, row *EffectRow) map[string]any {
	out := map[string]any{"imagined": true, "id": "imagined-" + e.ID[:8]}
	if row.MessageID != "" {
		out["message_id"] = row.MessageID
	}
	return out
}

// window is where a budget begins to count.
func window(now time.Time, b Budget) time.Time { return now.Add(-b.Per.D()) }
