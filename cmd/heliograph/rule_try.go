package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/hooks/rules"
	"heliograph/internal/calendar"
	"heliograph/internal/gateway"
	"heliograph/internal/gateway/actions"
	"heliograph/internal/store"
)

type ruleTestCmd struct {
	Rule      string            `arg:"" help:"A rule file, an ID or ID@VERSION. 规则文件或编号"`
	Files     []string          `arg:"" help:"Mail files, or folders of *.eml. 邮件文件"`
	Fact      map[string]string `help:"What is known besides: contact.name=Li. May be repeated. 附加事实" mapsep:"none"`
	Facts     string            `type:"existingfile" help:"The same in a YAML or JSON file: {contact: {name: Li}}. 附加事实文件"`
	Account   string            `help:"Whose copy it is; the first colleague among its people if left out. 所属员工"`
	Mailbox   string            `default:"INBOX" help:"Where it lies. 所在文件夹"`
	Direction string            `enum:",in,out,internal" default:"" help:"in, out or internal; as its people say if left out. 方向"`
	At        moment            `help:"When it came; its date if left out. 收到时间"`
	For       time.Duration     `default:"8760h" help:"How long waits are followed. 等待推演时长"`
	JSON      bool              `help:"Print JSON, one message a line."`
	langFlag
}

// tried is what a rule would do about a mail file.
type tried struct {
	File    string        `json:"file"`
	Event   runEvent      `json:"event"`
	Title   string        `json:"title,omitempty"`
	Verdict rules.Verdict `json:"verdict"`
	Report  rules.Report  `json:"report"`
}

// Run tries a rule on files. Facts that nobody gives are unknown.
func (c *ruleTestCmd) Run(ctx context.Context, parent *ruleCmd) error {
	facts, err := c.facts()
	if err != nil {
		return err
	}
	v, off, done, err := c.open(ctx, parent)
	if err != nil {
		return err
	}
	defer func() { _ = done() }() // it was read only
	n := 0
	for _, name := range c.Files {
		files, err := mailFiles(name)
		if err != nil {
			return err
		}
		for _, file := range files {
			t, err := c.one(ctx, v, off, file, facts)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			if n++; c.JSON {
				err = printJSON(t)
			} else {
				err = c.print(t, n)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// facts are what the command line gives.
func (c *ruleTestCmd) facts() (map[string]any, error) {
	out := map[string]any{}
	if c.Facts != "" {
		text, err := os.ReadFile(c.Facts)
		if err != nil {
			return nil, err
		}
		if out, err = rules.ParseFacts(text); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Facts, err)
		}
	}
	for path, text := range c.Fact {
		if err := rules.SetFact(out, path, text); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// open finds the rule, and what it is tried with. A rule in a file needs no store, and no configuration.
func (c *ruleTestCmd) open(ctx context.Context, parent *ruleCmd) (v rules.Version, off *gateway.Offline, done func() error, err error) {
	var cfg *config.Config
	var db *store.DB
	done = func() error { return nil }
	if info, err := os.Stat(c.Rule); err == nil && info.Mode().IsRegular() {
		if v, err = ruleFromFile(c.Rule); err != nil {
			return v, nil, done, err
		}
		if _, cfg, err = parent.surroundings(); err != nil {
			return v, nil, done, err
		}
		if cfg == nil {
			cfg = &config.Config{Rules: config.Rules{Calendar: calendar.China}}
		}
	} else {
		if cfg, db, err = parent.openStore(ctx); err != nil {
			return v, nil, done, err
		}
		done = db.Close
		if v, err = (openRules{rules.NewBook(db, nil), cfg, db}).version(ctx, c.Rule); err != nil {
			return v, nil, done, errors.Join(err, done())
		}
	}
	off, err = gateway.NewOffline(cfg, nil)
	return v, off, done, err
}

func (c *ruleTestCmd) one(ctx context.Context, v rules.Version, off *gateway.Offline, file string, facts map[string]any) (tried, error) {
	t := tried{File: file}
	ev, err := off.World().FileEvent(ctx, func() (io.ReadCloser, error) { return os.Open(file) }, actions.FileOptions{
		Account: strings.ToLower(c.Account), Mailbox: c.Mailbox, Direction: c.Direction, Received: c.At.Time, ID: filepath.Base(file),
	})
	if err != nil {
		return t, err
	}
	ev.Rule = ""
	t.Event, t.Title = eventLine(&ev), ev.Title
	o := off.Trial(rules.Given(facts))
	o.From = ev.At
	trial, err := rules.NewTrial([]rules.Version{v}, o)
	if err != nil {
		return t, err
	}
	verdicts, err := trial.Judge(ctx, ev)
	if err != nil {
		return t, err
	}
	t.Verdict = verdicts[0]
	if err := trial.Feed(ctx, ev); err != nil {
		return t, err
	}
	if t.Verdict.Result == "fires" {
		if err := trial.Until(ctx, ev.At.Add(c.For)); err != nil {
			return t, err
		}
	}
	t.Report = trial.Result()
	return t, nil
}

func (c *ruleTestCmd) print(t tried, n int) error {
	if n > 1 {
		fmt.Println()
	}
	fmt.Printf("%s: %s\n", t.File, oneLine(t.Title))
	reason := t.Verdict.En
	if c.Lang == "zh" {
		reason = t.Verdict.Zh
	}
	fmt.Printf("  %s: %s", refText(t.Verdict.Rule, t.Verdict.Version), t.Verdict.Result)
	if reason != "" && t.Verdict.Why == nil {
		fmt.Printf(": %s", oneLine(reason))
	}
	fmt.Println()
	printExplanation(t.Verdict.Why, c.Lang, "  ")
	for _, f := range t.Report.Fired {
		fmt.Println()
		if err := printFired(f, "  "); err != nil {
			return err
		}
	}
	return nil
}

// printFired prints a run with what it would do.
func printFired(f rules.Fired, indent string) error {
	fmt.Printf("%s%s %s %s: %s", indent, seconds(f.At), refText(f.Rule, f.Version), oneLine(f.Title), f.State)
	if f.Reason != "" {
		fmt.Printf(" (%s)", oneLine(f.Reason))
	}
	fmt.Println()
	for _, e := range f.Effects {
		printImagined(e, indent+"  ")
	}
	if len(f.Effects) == 0 {
		fmt.Printf("%s  it does nothing outside\n", indent)
	}
	return nil
}

// printImagined prints an effect with its content, where that is kept.
func printImagined(e rules.Imagined, indent string) {
	state := "would do"
	if e.State != rules.EffectShadow {
		state = string(e.State) + " (" + oneLine(e.Reason) + ")"
	}
	to := ""
	if len(e.Recipients) > 0 {
		to = " → " + strings.Join(e.Recipients, ", ")
	}
	fmt.Printf("%s%s %s [%s] %s: %s\n", indent, seconds(e.At), e.Kind, e.Step, state, oneLine(e.Title+to))
	if e.Effect != nil {
		printContent(e.Effect, indent+"    ")
	}
}

// readable shows mailboxes as people write them: names in a header are encoded (RFC 2047).
func readable(boxes ...string) string {
	var d mime.WordDecoder
	text := strings.Join(boxes, ", ")
	if plain, err := d.DecodeHeader(text); err == nil {
		return plain
	}
	return text
}

func printContent(e *rules.Effect, indent string) {
	row := func(name, value string) {
		if value = oneLine(value); value != "" {
			fmt.Printf("%s%s: %s\n", indent, name, value)
		}
	}
	block := func(text string) {
		if text = strings.TrimSpace(paragraphs(text)); text != "" {
			fmt.Printf("%s| %s\n", indent, strings.ReplaceAll(text, "\n", "\n"+indent+"| "))
		}
	}
	switch {
	case e.Mail != nil:
		row("from", e.Mail.As)
		row("to", readable(e.Mail.To...))
		row("cc", readable(e.Mail.CC...))
		row("bcc", readable(e.Mail.BCC...))
		row("subject", e.Mail.Subject)
		for _, f := range e.Mail.Files {
			row("file", fmt.Sprintf("%s (%s, %d bytes)", f.Name, f.Type, len(f.Content)))
		}
		if block(e.Mail.Text); e.Mail.Text == "" {
			block(e.Mail.HTML)
		}
	case e.Notice != nil:
		row("channel", e.Notice.Channel)
		for _, f := range e.Notice.Facts {
			row(f[0], f[1])
		}
		block(e.Notice.Text)
	case e.Ticket != nil:
		row("target", e.Ticket.Target)
		row("queue", e.Ticket.Queue)
		row("priority", e.Ticket.Priority)
		row("assignee", e.Ticket.Assignee)
		row("requester", readable(e.Ticket.Requester))
		block(e.Ticket.Text)
	case e.Record != nil:
		for name, v := range sortedFields(e.Record.Fields) {
			row(name, fmt.Sprint(v))
		}
	case e.Tags != nil:
		row("add", strings.Join(e.Tags.Add, ", "))
		row("remove", strings.Join(e.Tags.Remove, ", "))
	}
}
