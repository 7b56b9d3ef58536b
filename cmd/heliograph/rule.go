package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"

	"heliograph/config"
	"heliograph/hooks/rules"
	"heliograph/internal/gateway"
	"heliograph/internal/queue"
	"heliograph/internal/store"
)

// ruleCmd are the commands for rules: what is to happen by itself when mail comes or a record changes. They work on the store; a running gateway
// notices within a second.
type ruleCmd struct {
	configFlag
	List     ruleListCmd     `cmd:"" default:"1" help:"List the rules and what is in force of them. 规则列表"`
	Show     ruleShowCmd     `cmd:"" help:"Show a rule, and say what it does in one sentence. 查看规则"`
	Versions ruleVersionsCmd `cmd:"" help:"List the versions of a rule. 版本列表"`
	Diff     ruleDiffCmd     `cmd:"" help:"Compare two versions of a rule. 版本对比"`
	Check    ruleCheckCmd    `cmd:"" help:"Say what is wrong with rule files, and run the tests in them. 检查规则文件"`
	Import   ruleImportCmd   `cmd:"" help:"Take rules from files. What has not changed makes no new version. 导入规则"`
	Export   ruleExportCmd   `cmd:"" help:"Write rules as YAML. 导出规则"`
	Live     ruleLiveCmd     `cmd:"" help:"Put a rule in force. 启用"`
	Shadow   ruleShadowCmd   `cmd:"" help:"Let a rule run without acting: what it would do is written down. 影子模式"`
	Off      ruleOffCmd      `cmd:"" help:"Turn a rule off. Runs that have begun go on. 停用"`
	Rollback ruleRollbackCmd `cmd:"" help:"Go back to an earlier version; without @VERSION to the one before. 回退版本"`
	Hold     ruleHoldCmd     `cmd:"" help:"Stop one rule, all rules, or mail to one domain, until released. 紧急停止"`
	Release  ruleReleaseCmd  `cmd:"" help:"End a hold. 解除停止"`
	Delete   ruleDeleteCmd   `cmd:"" help:"Remove a rule that is off, with its versions. 删除"`
	Runs     ruleRunsCmd     `cmd:"" help:"List what rules did. 运行记录"`
	Run      ruleRunCmd      `cmd:"" help:"Show or end one run. 查看或终止运行"`
	Start    ruleStartCmd    `cmd:"" help:"Start a rule by hand. 手动启动"`
	Test     ruleTestCmd     `cmd:"" help:"Try a rule on mail files: nothing is sent, nothing stored. 试运行"`
	Replay   ruleReplayCmd   `cmd:"" help:"Try a rule on what happened: nothing is sent, nobody asked. 历史回放"`
	Why      ruleWhyCmd      `cmd:"" help:"Say why rules did something about a message or event, or did not. 触发原因"`
	Schema   ruleSchemaCmd   `cmd:"" help:"Print the JSON Schema of rules, for editors. 规则的 JSON Schema"`
	Fields   ruleFieldsCmd   `cmd:"" help:"List the facts that conditions and templates can use. 可用字段"`
}

// openRules is what the commands work on.
type openRules struct {
	*rules.Book
	cfg *config.Config
	db  *store.DB
}

func (c *ruleCmd) with(ctx context.Context, do func(openRules) error) (err error) {
	cfg, db, err := c.openStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(openRules{rules.NewBook(db, nil), cfg, db})
}

// queue opens the queue, for what a running gateway is to do.
func (o openRules) queue() *queue.Queue { return queue.Open(o.db, queue.Options{}) }

// offline opens what rules are tried with.
func (o openRules) offline(do func(*gateway.Offline) error) (err error) {
	off, err := gateway.NewOffline(o.cfg, o.db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, off.Close()) }()
	return do(off)
}

// refText names a version of a rule; one from a file has no number.
func refText(id string, version int) string {
	if version == 0 {
		return id
	}
	return fmt.Sprintf("%s@%d", id, version)
}

// operator names the person at the command line in histories.
func operator() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username + " (command line)"
	}
	return "command line"
}

// noRule turns the store's answer into one that says what to do.
func noRule(id string, err error) error {
	if errors.Is(err, rules.ErrNoRule) {
		return fmt.Errorf("there is no rule %s, or not this version of it: heliograph rule list shows what there is", oneLine(id))
	}
	return err
}

type ruleListCmd struct {
	JSON bool `help:"Print JSON, one object a line."`
}

// ruleLine is a rule as JSON.
type ruleLine struct {
	rules.Summary
	ZH string `json:"zh,omitempty"`
	EN string `json:"en,omitempty"`
}

func (o openRules) lineOf(s rules.Summary) ruleLine {
	out, called := ruleLine{Summary: s}, gateway.RecordNames(o.cfg)
	out.ZH, _ = rules.Describe(s.Rule, rules.Chinese, called) // a draft may have mistakes
	out.EN, _ = rules.Describe(s.Rule, rules.English, called)
	return out
}

// Run lists rules.
func (c *ruleListCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		list, err := o.List(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			lines := make([]ruleLine, len(list))
			for i, s := range list {
				lines[i] = o.lineOf(s)
			}
			return printJSON(lines...)
		}
		held, err := o.Held(ctx)
		if err != nil {
			return err
		}
		if held != "" {
			fmt.Printf("all rules are held: %s\n", oneLine(held))
		}
		t := &table{head: []string{"RULE", "STATE", "VERSION", "NAME", "OWNER", "CHANGED", "BY"}, right: []int{2}}
		return printList(list, false, false, "rules", t, func(s rules.Summary) []string {
			return []string{s.ID, stateText(s), number(int64(s.Version)), s.Rule.Name, s.Rule.Owner, clock(s.UpdatedAt), s.UpdatedBy}
		})
	})
}

// stateText is the state of a rule in a cell.
func stateText(s rules.Summary) string {
	text := string(s.State)
	if s.Held != "" {
		text += ", held"
	}
	if s.Draft && s.State != rules.StateDraft {
		text += ", draft"
	}
	return text
}

type ruleShowCmd struct {
	Rule string `arg:"" help:"ID, or ID@VERSION. 规则编号"`
	YAML bool   `help:"Print the rule as YAML. 输出 YAML"`
	JSON bool   `help:"Print JSON."`
}

// Run shows a rule.
func (c *ruleShowCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		s, err := o.summary(ctx, c.Rule)
		if err != nil {
			return err
		}
		switch {
		case c.YAML:
			text, err := s.Rule.YAML()
			if err != nil {
				return err
			}
			_, err = os.Stdout.Write(text)
			return err
		case c.JSON:
			return printJSON(o.lineOf(s))
		}
		line := o.lineOf(s)
		field("rule", s.ID)
		field("name", s.Rule.Name)
		field("owner", s.Rule.Owner)
		field("state", stateText(s))
		field("held", s.Held)
		field("version", versionText(s))
		field("changed", clock(s.UpdatedAt)+" "+s.UpdatedBy)
		field("about", s.Rule.Description)
		field("tests", number(int64(len(s.Rule.Tests))))
		fmt.Printf("\n%s\n%s\n", oneLine(line.ZH), oneLine(line.EN))
		return nil
	})
}

func versionText(s rules.Summary) string {
	if s.Latest == 0 {
		return "none yet"
	}
	return fmt.Sprintf("%d of %d", s.Version, s.Latest)
}

// summary is a rule, at a version if the reference names one.
func (o openRules) summary(ctx context.Context, ref string) (rules.Summary, error) {
	id, version, err := rules.ParseRef(ref)
	if err != nil {
		return rules.Summary{}, err
	}
	s, err := o.Get(ctx, id)
	if err != nil {
		return s, noRule(ref, err)
	}
	if version > 0 {
		v, err := o.Version(ctx, id, version)
		if err != nil {
			return s, noRule(ref, err)
		}
		s.Version, s.Rule = version, v.Body
	}
	return s, nil
}

// version is a version of a rule by reference: the one in force where none is named, and the draft where none is in force.
func (o openRules) version(ctx context.Context, ref string) (rules.Version, error) {
	s, err := o.summary(ctx, ref)
	if err != nil {
		return rules.Version{}, err
	}
	return rules.Version{Rule: s.ID, Number: s.Version, Body: s.Rule}, nil
}

// ruleOrFile is a version of a rule of the store, or the rule in a file.
func (o openRules) ruleOrFile(ctx context.Context, ref string) (rules.Version, error) {
	if info, err := os.Stat(ref); err == nil && info.Mode().IsRegular() {
		return ruleFromFile(ref)
	}
	return o.version(ctx, ref)
}

// ruleFromFile is the one rule in a file.
func ruleFromFile(name string) (rules.Version, error) {
	texts, err := readRules(name)
	if err != nil {
		return rules.Version{}, err
	}
	if len(texts) != 1 {
		return rules.Version{}, fmt.Errorf("%s has %d rules; one is wanted", name, len(texts))
	}
	r, problems := texts[0].parse()
	if len(problems) > 0 {
		return rules.Version{}, errors.New(problems[0].String())
	}
	return rules.Version{Rule: r.ID, Body: r}, nil
}

type ruleVersionsCmd struct {
	ID   string `arg:"" help:"The rule. 规则编号"`
	JSON bool   `help:"Print JSON, one object a line."`
}

// Run lists versions, the newest first.
func (c *ruleVersionsCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		s, err := o.Get(ctx, c.ID)
		if err != nil {
			return noRule(c.ID, err)
		}
		list, err := o.Versions(ctx, c.ID)
		if err != nil {
			return err
		}
		t := &table{head: []string{"VERSION", "MADE", "BY", "IN FORCE", "NOTE"}, right: []int{0}}
		return printList(list, false, c.JSON, "versions", t, func(v rules.Version) []string {
			force := ""
			if v.Number == s.Version {
				force = string(s.State)
			}
			return []string{fmt.Sprint(v.Number), clock(v.MadeAt), v.MadeBy, force, v.Note}
		})
	})
}

type ruleDiffCmd struct {
	ID   string `arg:"" help:"The rule. 规则编号"`
	A    int    `arg:"" help:"A version; 0 is the one in force. 版本"`
	B    int    `arg:"" help:"Another version. 版本"`
	JSON bool   `help:"Print JSON: the places that differ, one a line."`
}

// Run compares versions.
func (c *ruleDiffCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		var texts [2]string
		var bodies [2]rules.Rule
		for i, number := range []int{c.A, c.B} {
			v, err := o.Version(ctx, c.ID, number)
			if err != nil {
				return noRule(fmt.Sprintf("%s@%d", c.ID, number), err)
			}
			text, err := v.Body.YAML()
			if err != nil {
				return err
			}
			texts[i], bodies[i] = string(text), v.Body
		}
		if c.JSON {
			places, err := rules.Places(bodies[0], bodies[1])
			if err != nil {
				return err
			}
			return printJSON(places...)
		}
		if texts[0] == texts[1] {
			fmt.Println("the versions are equal")
			return nil
		}
		for _, line := range rules.LineDiff(strings.Split(strings.TrimSuffix(texts[0], "\n"), "\n"), strings.Split(strings.TrimSuffix(texts[1], "\n"), "\n")) {
			fmt.Println(paragraphs(line))
		}
		return nil
	})
}
