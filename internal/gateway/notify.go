package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"

	"heliograph/config"
	"heliograph/hooks/mirror"
	"heliograph/internal/notify"
)

// newNotifiers opens the channels of the configuration. The workers close them.
func (g *Gateway) newNotifiers(cfg *config.Config, w *workers) (map[string]*notify.Channel, error) {
	out := map[string]*notify.Channel{}
	for _, n := range cfg.Notifiers {
		c, err := notify.New(n, notify.Deps{UserAgent: "Heliograph/" + g.opts.Version, Logger: g.log, Registerer: w.metrics, Limiter: g.limits})
		if err != nil {
			return nil, err
		}
		out[n.Name] = c
		w.closers = append(w.closers, named{"notifier " + n.Name, c})
	}
	return out, nil
}

// named is something to be closed, for the log.
type named struct {
	name string
	io.Closer
}

// tellAlarms returns what tells people of a target's alarms, by the channels that the target names.
func tellAlarms(cfg *config.Config, channels map[string]*notify.Channel) func(context.Context, mirror.Alarm) error {
	to := map[string][]string{}
	for _, t := range cfg.Targets {
		to[t.Name] = t.Alarm.Notify
	}
	return func(ctx context.Context, a mirror.Alarm) error {
		var errs []error
		for _, name := range to[a.Target] {
			if err := channels[name].Send(ctx, alarmMessage(a)); err != nil {
				errs = append(errs, fmt.Errorf("notifier %s: %w", name, err))
			}
		}
		return errors.Join(errs...)
	}
}

// alarmTexts say in two languages what is wrong, and what to look at.
var alarmTexts = map[string]string{
	"lag":      "Mail waits too long for this target. 写入该目标的邮件积压过久。\nheliograph queue list",
	"failures": "Deliveries to this target fail one after the other. 该目标连续写入失败。\nheliograph check --network",
	"dead":     "Deliveries to this target were given up. 该目标有邮件写入被放弃。\nheliograph queue list --state discarded",
}

func alarmMessage(a mirror.Alarm) notify.Message {
	m := notify.Message{
		Key: fmt.Sprintf("alarm %s %s %t %d", a.Target, a.Kind, a.On, a.At.UnixNano()), At: a.At,
		Facts: []notify.Fact{{Name: "Target 目标", Value: a.Target}, {Name: "Alarm 告警", Value: a.Kind}},
	}
	if a.On {
		m.Level, m.Title, m.Text = notify.Warning, "Target "+a.Target+" needs attention 目标需要处理", alarmTexts[a.Kind]
	} else {
		m.Level, m.Title = notify.Info, "Target "+a.Target+" is well again 目标已恢复"
	}
	return m
}
