package mail

import (
	"context"

	"heliograph/hooks/rules"
	"heliograph/internal/console/access"
)

// maxRuns bounds how many runs of rules a story tells of.
const maxRuns = 50

// rules tells which rules ran because of the message, and which mails came of it.
func (s *story) rules(ctx context.Context, key string) error {
	if !s.c.May(access.RulesRead) {
		return nil
	}
	runs, err := rules.Runs(ctx, s.p.o.Store.Reader(), rules.RunFilter{Message: key, Limit: maxRuns})
	if err != nil {
		return err
	}
	for _, short := range runs {
		run, err := rules.ReadRun(ctx, s.p.o.Store.Reader(), short.ID)
		if err != nil {
			return err
		}
		s.run(run)
	}
	return nil
}

func (s *story) run(run *rules.Run) {
	which := func(e *StoryEvent) { e.Rule, e.Run = some(run.Rule), some(run.ID) }
	s.add(run.MadeAt, StoryEventCodeRuleRan, Info, "The rule "+run.Rule+" ran.", which, data("mode", string(run.Mode), "state", string(run.State)))
	switch run.State {
	case rules.RunFailed:
		s.add(run.ChangedAt, StoryEventCodeRuleFailed, Bad, "The rule "+run.Rule+" failed.", which, because(run.Reason), remedy("see_run", "The run says which step failed and why; it can be tried again there."))
	case rules.RunWaiting:
		at := run.WakeAt
		more := []func(*StoryEvent){which}
		if at.IsZero() {
			at = run.ChangedAt
		} else {
			more = append(more, planned)
		}
		s.add(at, StoryEventCodeRuleWaits, Info, "The rule "+run.Rule+" waits.", more...)
	case rules.RunRunning, rules.RunDone, rules.RunCancelled:
	}
	for _, e := range run.Effects {
		if e.Kind != rules.EffectMail || e.State == rules.EffectShadow {
			continue
		}
		level, title := Info, "The rule "+run.Rule+" wrote a mail."
		if e.State == rules.EffectFailed || e.State == rules.EffectBlocked {
			level, title = Warning, "A mail of the rule "+run.Rule+" was not sent."
		}
		s.add(e.MadeAt, StoryEventCodeRuleMail, level, title, which, because(e.Reason), data("message_id", e.MessageID, "state", string(e.State)))
	}
}
