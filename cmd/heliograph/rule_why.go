package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"heliograph/hooks/rules"
	"heliograph/internal/gateway"
	"heliograph/internal/gateway/actions"
)

// stdout is where tables go.
var stdout = os.Stdout

type ruleWhyCmd struct {
	Which string `arg:"" help:"A Message-ID, an entry of the journal, or an event as rule runs --json shows it. Message-ID、条目编号或事件"`
	All   bool   `help:"Also rules whose trigger waits for something else. 显示全部规则"`
	JSON  bool   `help:"Print JSON, one event a line."`
	langFlag
}

// answer is what rules said to one event.
type answer struct {
	Event  runEvent `json:"event"`
	Title  string   `json:"title,omitempty"`
	Looked bool     `json:"looked"` // a rule looked at it at the time
	// Note says why no rule looks at it, or that it is not stored any more.
	Note     *actions.Skipped `json:"note,omitempty"`
	Verdicts []verdictLine    `json:"rules"`
}

// verdictLine is a verdict as JSON.
type verdictLine struct {
	rules.Verdict
	Run *runLine `json:"run,omitempty"`
}

// Run tells what rules said.
func (c *ruleWhyCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		return o.offline(func(off *gateway.Offline) error {
			answers, err := c.answers(ctx, off)
			if err != nil {
				return err
			}
			for i, a := range answers {
				switch {
				case c.JSON:
					if err := printJSON(a); err != nil {
						return err
					}
					continue
				case i > 0:
					fmt.Println()
				}
				if err := c.print(a); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// answers finds the events that are meant, with what is said of them.
func (c *ruleWhyCmd) answers(ctx context.Context, off *gateway.Offline) (out []answer, err error) {
	list, err := off.Why(ctx, c.Which)
	if errors.Is(err, gateway.ErrNothingKnown) {
		return nil, fmt.Errorf("nothing is known of %q: %w", oneLine(strings.Trim(strings.TrimSpace(c.Which), "<>")), err)
	}
	if err != nil {
		return nil, err
	}
	for _, found := range list {
		a := answer{Event: eventLine(&found.Event), Title: found.Event.Title, Looked: found.Looked, Note: found.Note}
		for _, v := range found.Rules {
			line := verdictLine{Verdict: v}
			if v.Run != nil {
				run := runLineOf(v.Run)
				run.Why = nil // it is in the verdict
				line.Run = &run
			}
			if c.All || c.JSON || v.Result != rules.VerdictUnfit {
				a.Verdicts = append(a.Verdicts, line)
			}
		}
		out = append(out, a)
	}
	return out, nil
}

func (c *ruleWhyCmd) print(a answer) error {
	fmt.Printf("%s %s, %s\n", a.Event.Type, a.Event.Key, a.Event.At)
	field("  about", a.Title)
	if a.Event.Entry != "" {
		field("  entry", a.Event.Entry)
	}
	if a.Note != nil {
		fmt.Printf("  no rule can look at it: %s / %s\n", a.Note.Zh, a.Note.En)
	}
	if !a.Looked {
		fmt.Println("  no rule looked at it at the time; what follows is worked out from what is stored now / 当时没有规则处理，以下按现有数据推算")
	}
	if len(a.Verdicts) == 0 {
		fmt.Println("  no rule waits for such events (--all shows the others) / 没有规则等待此类事件")
	}
	for _, v := range a.Verdicts {
		if err := c.printVerdict(v); err != nil {
			return err
		}
	}
	return nil
}

// sources are the words for where an answer comes from.
var sources = map[string]string{
	rules.FromRun:      "as it was at the time",
	rules.FromDecision: "as it was at the time; the tree is worked out from what is stored now",
	rules.FromNow:      "worked out from what is stored now",
}

func (c *ruleWhyCmd) printVerdict(v verdictLine) error {
	fmt.Printf("\n  %s (%s): %s, %s\n", refText(v.Rule, v.Version), oneLine(v.Name), v.Result, sources[v.Source])
	reason := v.En
	if c.Lang == "zh" {
		reason = v.Zh
	}
	if reason != "" && v.Why == nil {
		fmt.Printf("    %s\n", oneLine(reason))
	}
	if v.Now != "" {
		fmt.Printf("    with the facts of now it would be: %s\n", v.Now)
	}
	if v.Held != "" {
		fmt.Printf("    the rule is held: %s\n", oneLine(v.Held))
	}
	printExplanation(v.Why, c.Lang, "    ")
	if v.Verdict.Run == nil {
		return nil
	}
	fmt.Printf("\n    run %s: %s", v.Verdict.Run.ID, runState(v.Verdict.Run))
	if v.Verdict.Run.Reason != "" {
		fmt.Printf(" (%s)", oneLine(v.Verdict.Run.Reason))
	}
	fmt.Println()
	return printTimeline(v.Verdict.Run)
}
