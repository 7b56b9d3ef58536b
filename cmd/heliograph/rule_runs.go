package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/hooks/rules"
	"heliograph/internal/gateway"
	"heliograph/internal/queue"
)

// langFlag chooses the language of explanations.
type langFlag struct {
	Lang string `enum:"en,zh" default:"en" help:"Language of explanations: en or zh. 语言"`
}

type ruleRunsCmd struct {
	Rule  string         `help:"Only of this rule. 规则编号"`
	State rules.RunState `enum:",running,waiting,done,failed,cancelled" default:"" help:"Only in this state: running waiting done failed cancelled. 状态"`
	listFlags
}

// runLine is a run as JSON.
type runLine struct {
	ID      string             `json:"id"`
	Rule    string             `json:"rule"`
	Version int                `json:"version"`
	Mode    rules.Mode         `json:"mode"`
	State   rules.RunState     `json:"state"`
	Title   string             `json:"title,omitempty"`
	Reason  string             `json:"reason,omitempty"`
	Event   runEvent           `json:"event"`
	Made    string             `json:"made"`
	Changed string             `json:"changed"`
	Wakes   string             `json:"wakes,omitempty"`
	Why     *rules.Explanation `json:"why,omitempty"`
	Steps   []*rules.StepRow   `json:"steps,omitempty"`
	Effects []*rules.EffectRow `json:"effects,omitempty"`
}

// runEvent is what started a run, without its facts.
type runEvent struct {
	Type   string `json:"type"`
	Key    string `json:"key"`
	At     string `json:"at"`
	Entry  string `json:"entry,omitempty"`
	Target string `json:"target,omitempty"`
	Object string `json:"object,omitempty"`
	Record string `json:"record,omitempty"`
}

func eventLine(e *rules.Event) runEvent {
	return runEvent{e.Type, e.Key, stamp(e.At), e.Entry, e.Target, e.Object, e.Record}
}

func runLineOf(r *rules.Run) runLine {
	out := runLine{
		ID: r.ID, Rule: r.Rule, Version: r.Version, Mode: r.Mode, State: r.State, Title: r.Title, Reason: r.Reason, Event: eventLine(&r.Event),
		Made: stamp(r.MadeAt), Changed: stamp(r.ChangedAt), Wakes: stamp(r.WakeAt), Steps: r.Steps, Effects: r.Effects,
	}
	if r.Why.Kind != "" {
		out.Why = &r.Why
	}
	return out
}

// Run lists runs, the newest first.
func (c *ruleRunsCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		list, err := rules.Runs(ctx, o.db.Reader(), rules.RunFilter{Rule: c.Rule, State: c.State, Limit: c.Limit + 1})
		if err != nil {
			return err
		}
		more := len(list) > c.Limit
		list = list[:min(len(list), c.Limit)]
		if c.JSON {
			lines := make([]runLine, len(list))
			for i, r := range list {
				lines[i] = runLineOf(r)
			}
			return printJSON(lines...)
		}
		t := &table{head: []string{"RUN", "RULE", "STATE", "BEGAN", "GOES ON", "ABOUT", "REASON"}}
		return printList(list, more, false, "runs", t, func(r *rules.Run) []string {
			return []string{r.ID, fmt.Sprintf("%s@%d", r.Rule, r.Version), runState(r), clock(r.MadeAt), clock(r.WakeAt), r.Title, r.Reason}
		})
	})
}

func runState(r *rules.Run) string {
	if r.Mode == rules.Shadow {
		return string(r.State) + ", shadow"
	}
	return string(r.State)
}

// ruleRunCmd are the commands for one run.
type ruleRunCmd struct {
	Show   ruleRunShowCmd   `cmd:"" help:"Show a run: why it began, its steps, what it did. 运行详情"`
	Cancel ruleRunCancelCmd `cmd:"" help:"End a run. What it did stays done. 终止运行"`
	Retry  ruleRunRetryCmd  `cmd:"" help:"Let a run that failed go on where it failed, after what was wrong is mended. 重试"`
}

type ruleRunShowCmd struct {
	ID   string `arg:"" name:"run" help:"As rule runs shows it. 运行编号"`
	JSON bool   `help:"Print JSON."`
	langFlag
}

// Run shows a run.
func (c *ruleRunShowCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		r, err := rules.ReadRun(ctx, o.db.Reader(), c.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(runLineOf(r))
		}
		field("run", r.ID)
		field("rule", fmt.Sprintf("%s@%d", r.Rule, r.Version))
		field("state", runState(r))
		field("reason", r.Reason)
		field("about", r.Title)
		field("event", r.Event.Type+" "+r.Event.Key)
		field("entry", r.Event.Entry)
		if r.Event.Record != "" {
			field("record", strings.Join([]string{r.Event.Target, r.Event.Object, r.Event.Record}, " "))
		}
		field("began", clock(r.MadeAt))
		field("goes on", clock(r.WakeAt))
		printExplanation(&r.Why, c.Lang, "")
		return printTimeline(r)
	})
}

// printExplanation prints a tree, each line with an indent.
func printExplanation(why *rules.Explanation, lang, indent string) {
	if why == nil || why.Kind == "" {
		return
	}
	fmt.Printf("\n%swhy:\n", indent)
	for _, line := range strings.Split(strings.TrimRight(why.Text(lang), "\n"), "\n") {
		fmt.Printf("%s  %s\n", indent, strings.TrimRight(paragraphs(line), " "))
	}
}

// moments is a row of a timeline.
type moments struct {
	at    time.Time
	cells []string
}

// printTimeline prints steps and effects as they happened.
func printTimeline(r *rules.Run) error {
	var rows []moments
	steps := map[string]string{}
	for _, s := range r.Steps {
		steps[s.Path] = s.Step
		about := s.Reason
		if s.State == rules.StepWaiting && !s.DueAt.IsZero() {
			about = strings.TrimSpace("until " + clock(s.DueAt) + " " + s.Reason)
		}
		rows = append(rows, moments{s.BeganAt, []string{seconds(s.BeganAt), s.Path, s.Step, s.Kind, string(s.State), about}})
	}
	for _, e := range r.Effects {
		about := e.Title
		if len(e.Recipients) > 0 {
			about += " → " + strings.Join(e.Recipients, ", ")
		}
		if e.Reason != "" {
			about += " (" + e.Reason + ")"
		}
		rows = append(rows, moments{e.MadeAt, []string{seconds(e.MadeAt), e.Path, steps[e.Path], "· " + string(e.Kind), string(e.State), about}})
	}
	if len(rows) == 0 {
		return nil
	}
	slices.SortStableFunc(rows, func(a, b moments) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.cells[1], b.cells[1])
	})
	t := &table{head: []string{"AT", "PLACE", "STEP", "KIND", "STATE", "ABOUT"}}
	for _, row := range rows {
		t.add(row.cells...)
	}
	fmt.Println()
	return t.print(stdout)
}

// seconds is clock with seconds.
func seconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

type ruleRunCancelCmd struct {
	ID     string `arg:"" name:"run" help:"As rule runs shows it. 运行编号"`
	Reason string `required:"" help:"Why, for the others. 原因"`
}

// Run ends a run.
func (c *ruleRunCancelCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		if err := rules.Cancel(ctx, o.db, time.Now(), c.ID, c.Reason+" ("+operator()+")"); err != nil {
			return err
		}
		fmt.Printf("run %s ended\n", c.ID)
		return nil
	})
}

type ruleRunRetryCmd struct {
	IDs []string `arg:"" name:"run" help:"As rule runs shows them. 运行编号"`
}

// Run lets runs go on.
func (c *ruleRunRetryCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		q := queue.Open(o.db, queue.Options{})
		defer q.Close()
		for _, id := range c.IDs {
			if err := rules.Retry(ctx, o.db, q, time.Now(), id); err != nil {
				return err
			}
			fmt.Printf("run %s goes on\n", id)
		}
		return nil
	})
}

type ruleStartCmd struct {
	ID     string `arg:"" help:"The rule. 规则编号"`
	Mail   string `help:"About this message: an entry or a Message-ID. 相关邮件"`
	Record string `help:"About this record: target/object/id. 相关记录"`
	JSON   bool   `help:"Print JSON."`
}

// Run starts a rule. A running gateway sees it within a second.
func (c *ruleStartCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		about := rules.Event{}
		if c.Record != "" {
			parts := strings.SplitN(c.Record, "/", 3)
			if len(parts) != 3 || slices.Contains(parts, "") {
				return fmt.Errorf("--record is target/object/id, not %q", oneLine(c.Record))
			}
			about.Target, about.Object, about.Record, about.Title = parts[0], parts[1], parts[2], parts[1]+" "+parts[2]
		}
		if c.Mail != "" {
			mail, err := o.mailEvent(ctx, c.Mail)
			if err != nil {
				return err
			}
			about.Entry, about.Message, about.Thread, about.Title, about.Data = mail.Entry, mail.Message, mail.Thread, mail.Title, mail.Data
			about.Automated, about.Depth = mail.Automated, mail.Depth
		}
		q := o.queue()
		defer q.Close()
		key, err := rules.Start(ctx, o.db, q, c.ID, operator(), about, time.Now())
		if err != nil {
			return noRule(c.ID, err)
		}
		if c.JSON {
			return printJSON(map[string]string{"rule": c.ID, "event": key})
		}
		fmt.Printf("%s starts with a running gateway; heliograph rule why '%s' tells what came of it\n", c.ID, key)
		return nil
	})
}

// mailEvent is the event of a stored message, by entry or Message-ID.
func (o openRules) mailEvent(ctx context.Context, which string) (ev rules.Event, err error) {
	err = o.offline(func(off *gateway.Offline) error {
		found, err := off.World().Find(ctx, which)
		if err != nil {
			return err
		}
		if found == nil {
			return fmt.Errorf("the journal has no message %q", oneLine(which))
		}
		ev = found.Event
		if found.Skipped != nil {
			return fmt.Errorf("message %s starts no rule: %s", oneLine(which), found.Skipped.En)
		}
		return nil
	})
	return ev, err
}
