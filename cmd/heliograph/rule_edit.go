package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"heliograph/hooks/automail"
	"heliograph/hooks/rules"
	"heliograph/internal/gateway"
)

type ruleImportCmd struct {
	Files  []string `arg:"" help:"Rule files, or folders of them. 规则文件或目录"`
	Live   bool     `xor:"state" help:"Put them in force. Without --live and --shadow rules that are in force stay so, and others become drafts. 启用"`
	Shadow bool     `xor:"state" help:"Let them run without acting. 影子模式"`
	Note   string   `help:"Why, for the list of versions. 版本说明"`
	JSON   bool     `help:"Print JSON, one rule a line."`
}

// imported is what became of a rule.
type imported struct {
	Rule    string      `json:"rule"`
	Action  string      `json:"action"` // new, changed, state or unchanged
	State   rules.State `json:"state"`
	Version int         `json:"version,omitempty"`
	File    string      `json:"file"`
}

// Run imports rules: all of them are checked before the first is written.
func (c *ruleImportCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		around, err := gateway.Surroundings(o.cfg)
		if err != nil {
			return err
		}
		found, err := checkFiles(ctx, c.Files, around)
		if err != nil {
			return err
		}
		bad := 0
		for _, one := range found {
			if one.wrong() {
				bad++
			}
			for _, p := range one.problems {
				fmt.Fprintln(os.Stderr, p)
			}
		}
		if bad > 0 {
			return fmt.Errorf("nothing was imported: %d of %d rules have mistakes", bad, len(found))
		}
		for _, one := range found {
			done, err := c.one(ctx, o, one, around)
			if err != nil {
				return fmt.Errorf("%s: rule %s: %w", one.file, one.rule.ID, err)
			}
			if c.JSON {
				err = printJSON(done)
			} else {
				_, err = fmt.Println(done.sentence())
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (i imported) sentence() string {
	as := string(i.State)
	if i.Version > 0 {
		as = fmt.Sprintf("version %d, %s", i.Version, i.State)
	}
	switch i.Action {
	case "unchanged":
		return fmt.Sprintf("%s is unchanged (%s)", i.Rule, as)
	case "state":
		return fmt.Sprintf("%s is %s now (version %d, unchanged)", i.Rule, i.State, i.Version)
	}
	return fmt.Sprintf("%s: %s (%s)", i.Rule, i.Action, as)
}

func (c *ruleImportCmd) one(ctx context.Context, o openRules, one *checked, around rules.Surroundings) (imported, error) {
	done := imported{Rule: one.rule.ID, File: one.file, Action: "changed"}
	s, err := o.Get(ctx, one.rule.ID)
	switch {
	case errors.Is(err, rules.ErrNoRule):
		done.Action = "new"
	case err != nil:
		return done, err
	}
	switch {
	case c.Live:
		done.State = rules.StateLive
	case c.Shadow:
		done.State = rules.StateShadow
	case s.State == rules.StateLive || s.State == rules.StateShadow:
		done.State = s.State
	default:
		done.State = rules.StateDraft
	}
	same, err := o.sameAsLatest(ctx, s, one.rule, done.State == rules.StateDraft)
	if err != nil {
		return done, err
	}
	done.Version = s.Version
	switch {
	case same && (s.State == done.State || done.State == rules.StateDraft) && (s.Version == s.Latest || done.State == rules.StateDraft):
		done.Action, done.State = "unchanged", s.State
		return done, nil
	case same:
		done.Action, done.Version = "state", s.Latest
		return done, o.SetState(ctx, s.ID, done.State, s.Latest, operator())
	case done.State == rules.StateDraft:
		return done, o.SaveDraft(ctx, one.rule, operator())
	}
	done.Version, _, err = o.Publish(ctx, one.rule, done.State, s.Latest, c.Note, operator(), around)
	return done, err
}

// sameAsLatest says whether a rule is as its newest version, or as the draft where that is what would be written.
func (o openRules) sameAsLatest(ctx context.Context, s rules.Summary, r rules.Rule, draft bool) (bool, error) {
	if draft && s.Draft {
		have, ok, err := o.Draft(ctx, s.ID)
		if err != nil || !ok {
			return false, err
		}
		return equalRules(have, r)
	}
	if s.Latest == 0 {
		return false, nil
	}
	v, err := o.Version(ctx, s.ID, s.Latest)
	if err != nil {
		return false, err
	}
	return equalRules(v.Body, r)
}

// equalRules does not compare texts: the same parameters may stand in another order.
func equalRules(a, b rules.Rule) (bool, error) {
	changes, err := rules.Compare(a, b, nil)
	return len(changes) == 0, err
}

type ruleExportCmd struct {
	IDs []string `arg:"" optional:"" name:"id" help:"Rules; none: all. 规则编号"`
	Dir string   `type:"path" help:"Write a file for each rule into this folder. 输出目录"`
}

// Run writes rules as YAML: the version in force, or the draft where there is none.
func (c *ruleExportCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		list, err := o.chosen(ctx, c.IDs)
		if err != nil {
			return err
		}
		for i, s := range list {
			text, err := s.Rule.YAML()
			if err != nil {
				return fmt.Errorf("rule %s: %w", s.ID, err)
			}
			if c.Dir == "" {
				if i > 0 {
					fmt.Println("---")
				}
				if _, err := os.Stdout.Write(text); err != nil {
					return err
				}
				continue
			}
			if err := os.MkdirAll(c.Dir, 0o755); err != nil { //nolint:gosec // rules are no secret
				return err
			}
			if err := os.WriteFile(filepath.Join(c.Dir, s.ID+".yaml"), text, 0o644); err != nil {
				return err
			}
		}
		if c.Dir != "" {
			fmt.Printf("%d rules written to %s\n", len(list), c.Dir)
		}
		return nil
	})
}

// chosen are the rules of the ids; none means all.
func (o openRules) chosen(ctx context.Context, ids []string) ([]rules.Summary, error) {
	if len(ids) == 0 {
		return o.List(ctx)
	}
	var out []rules.Summary
	for _, id := range ids {
		s, err := o.summary(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// setState turns a rule on or off, and says so.
func (o openRules) setState(ctx context.Context, ref string, state rules.State) error {
	id, version, err := rules.ParseRef(ref)
	if err != nil {
		return err
	}
	s, err := o.Get(ctx, id)
	if err != nil {
		return noRule(id, err)
	}
	switch {
	case state == rules.StateOff && s.Version == 0:
		return fmt.Errorf("rule %s is a draft: nothing of it is in force", id)
	case s.Version == 0 && version == 0:
		return o.publishDraft(ctx, s, state)
	}
	if err := o.SetState(ctx, id, state, version, operator()); err != nil {
		return noRule(ref, err)
	}
	if s, err = o.Get(ctx, id); err != nil {
		return err
	}
	fmt.Printf("%s is %s (version %d)\n", id, s.State, s.Version)
	return nil
}

func (o openRules) publishDraft(ctx context.Context, s rules.Summary, state rules.State) error {
	around, err := gateway.Surroundings(o.cfg)
	if err != nil {
		return err
	}
	version, warnings, err := o.Publish(ctx, s.Rule, state, s.Latest, "", operator(), around)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintln(os.Stderr, "warning: "+oneLine(w.String()))
	}
	fmt.Printf("%s is %s (version %d)\n", s.ID, state, version)
	return nil
}

// ruleRefArg names a rule and maybe a version.
type ruleRefArg struct {
	Rule string `arg:"" help:"ID, or ID@VERSION. 规则编号"`
}

type ruleLiveCmd struct{ ruleRefArg }

// Run puts a rule in force.
func (c *ruleLiveCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error { return o.setState(ctx, c.Rule, rules.StateLive) })
}

type ruleShadowCmd struct{ ruleRefArg }

// Run lets a rule run without acting.
func (c *ruleShadowCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error { return o.setState(ctx, c.Rule, rules.StateShadow) })
}

type ruleOffCmd struct{ ruleRefArg }

// Run turns a rule off.
func (c *ruleOffCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error { return o.setState(ctx, c.Rule, rules.StateOff) })
}

type ruleRollbackCmd struct{ ruleRefArg }

// Run goes back to an earlier version, in the state that the rule has.
func (c *ruleRollbackCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		id, version, err := rules.ParseRef(c.Rule)
		if err != nil {
			return err
		}
		s, err := o.Get(ctx, id)
		if err != nil {
			return noRule(id, err)
		}
		if s.State != rules.StateLive && s.State != rules.StateShadow {
			return fmt.Errorf("rule %s is %s: heliograph rule live %s@VERSION puts an older version in force", id, s.State, id)
		}
		if version == 0 {
			list, err := o.Versions(ctx, id)
			if err != nil {
				return err
			}
			if version, err = rules.Before(list, s.Version); err != nil {
				return fmt.Errorf("rule %s: %w", id, err)
			}
		}
		return o.setState(ctx, fmt.Sprintf("%s@%d", id, version), s.State)
	})
}

// holdScope is what a hold is about.
type holdScope struct {
	ID     string `arg:"" optional:"" help:"A rule; none: all rules. 规则编号，缺省为全部"`
	Domain string `help:"Mail of rules to recipients of this domain, instead. 收件人域名"`
}

// check returns what the outbox calls it, and words for people.
func (h *holdScope) check() (automail.Scope, string, error) {
	switch {
	case h.ID != "" && h.Domain != "":
		return automail.Scope{}, "", errors.New("name a rule or --domain, not both")
	case h.Domain != "":
		return automail.Scope{Kind: automail.HoldDomain, Name: strings.ToLower(strings.TrimPrefix(h.Domain, "@"))}, "mail of rules to " + h.Domain, nil
	case h.ID != "":
		return automail.Scope{Kind: automail.HoldRule, Name: h.ID}, "the rule " + h.ID, nil
	}
	return automail.Scope{Kind: automail.HoldAll}, "all rules", nil
}

// deed is what is put on record: the first action for a rule, the second for more than that.
func (h *holdScope) deed(one, wide string, scope automail.Scope, reason string) deed {
	d := deed{wide, "holds", strings.TrimSuffix(string(scope.Kind)+"/"+scope.Name, "/"), nil}
	if scope.Kind == automail.HoldRule {
		d.action, d.kind, d.object = one, "rules", h.ID
	}
	if reason != "" {
		d.details = map[string]any{"reason": reason}
	}
	return d
}

type ruleHoldCmd struct {
	holdScope
	Reason string `required:"" help:"Why, for the others. 原因"`
}

// Run stops rules, and the mail of theirs that is on its way out.
func (c *ruleHoldCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		scope, words, err := c.check()
		if err != nil {
			return err
		}
		if strings.TrimSpace(c.Reason) == "" {
			return errors.New("--reason says why, for the others")
		}
		if err := record(ctx, o.cfg, o.db, c.deed("holdRule", "beginHold", scope, c.Reason)); err != nil {
			return err
		}
		if scope.Kind != automail.HoldDomain {
			if err := o.Hold(ctx, c.ID, c.Reason, operator()); err != nil {
				return noRule(c.ID, err)
			}
		}
		q := o.queue()
		defer q.Close()
		if err := (automail.Control{Store: o.db, Queue: q}).Hold(ctx, scope, c.Reason, operator()); err != nil {
			return err
		}
		fmt.Printf("%s held: %s. Nothing is lost: what comes meanwhile waits for heliograph rule release\n", words, oneLine(c.Reason))
		return nil
	})
}

type ruleReleaseCmd struct{ holdScope }

// Run ends a hold.
func (c *ruleReleaseCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		scope, words, err := c.check()
		if err != nil {
			return err
		}
		if err := record(ctx, o.cfg, o.db, c.deed("releaseRule", "endHold", scope, "")); err != nil {
			return err
		}
		if scope.Kind != automail.HoldDomain {
			if err := o.Hold(ctx, c.ID, "", operator()); err != nil {
				return noRule(c.ID, err)
			}
		}
		q := o.queue()
		defer q.Close()
		control := automail.Control{Store: o.db, Queue: q}
		holds, err := control.Holds(ctx)
		if err != nil {
			return err
		}
		held := slices.ContainsFunc(holds, func(h automail.Hold) bool { return h.Scope == scope })
		if held {
			if err := control.Release(ctx, scope); err != nil {
				return err
			}
		}
		if !held && scope.Kind == automail.HoldDomain {
			return fmt.Errorf("%s is not held", words)
		}
		fmt.Printf("%s released\n", words)
		return nil
	})
}

type ruleDeleteCmd struct {
	ID string `arg:"" help:"The rule. 规则编号"`
}

// Run removes a rule.
func (c *ruleDeleteCmd) Run(ctx context.Context, parent *ruleCmd) error {
	return parent.with(ctx, func(o openRules) error {
		s, err := o.Get(ctx, c.ID)
		if err != nil {
			return noRule(c.ID, err)
		}
		if s.State == rules.StateLive || s.State == rules.StateShadow {
			return fmt.Errorf("rule %s is %s: turn it off first (heliograph rule off %s)", c.ID, s.State, c.ID)
		}
		if err := o.Delete(ctx, c.ID); err != nil {
			return noRule(c.ID, err)
		}
		fmt.Printf("%s deleted; what it did stays in heliograph rule runs\n", c.ID)
		return nil
	})
}
