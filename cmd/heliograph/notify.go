package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/internal/notify"
)

type notifyCmd struct {
	Test notifyTestCmd `cmd:"" help:"Post a message to a notifier, to see that it arrives. 发送测试通知"`
}

type notifyTestCmd struct {
	configFlag
	Name     string   `arg:"" help:"Name of the notifier in the configuration."`
	Text     string   `help:"What to post." default:"This is a test. 这是一条测试通知。"`
	Mentions []string `name:"mention" help:"Mail addresses of people to be mentioned, as in people."`
}

// Run posts one message and says what the vendor answered.
func (c *notifyTestCmd) Run(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(cfg.Notifiers, func(n config.Notifier) bool { return n.Name == c.Name })
	if i < 0 {
		names := make([]string, len(cfg.Notifiers))
		for i, n := range cfg.Notifiers {
			names[i] = n.Name
		}
		if len(names) == 0 {
			return errors.New("the configuration has no notifiers: add one (heliograph example shows how)")
		}
		return fmt.Errorf("there is no notifier %q; there are %s", c.Name, strings.Join(names, ", "))
	}
	channel, err := notify.New(cfg.Notifiers[i], notify.Deps{})
	if err != nil {
		return err
	}
	defer func() { _ = channel.Close() }()
	now := time.Now()
	err = channel.Send(ctx, notify.Message{
		Key: fmt.Sprint("test ", now.UnixNano()), Title: "Heliograph", Text: c.Text, Mentions: c.Mentions, At: now,
	})
	if e := new(crmclient.Error); errors.As(err, &e) && e.Remedy != "" {
		return fmt.Errorf("%w\n  → %s", err, e.Remedy)
	}
	if err != nil {
		return err
	}
	fmt.Printf("%s took the message; look whether it can be read there.\n", c.Name)
	return nil
}
