package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"heliograph/config"

	"github.com/emersion/go-imap/v2"
)

// Finding is what a try of one mailbox came to.
type Finding struct {
	Mailbox  string `json:"mailbox"`
	Messages uint32 `json:"messages"`
	Idle     bool   `json:"idle"` // whether the server tells of new mail by itself
	Trouble  string `json:"trouble,omitempty"`
}

// Check signs in once as a watch does and looks at each mailbox that it means. It captures nothing and needs no running
// gateway. Its error says what to do. Of opts only Settings, Version and Logger are used.
func Check(ctx context.Context, opts Options, cfg config.Watch) ([]Finding, error) {
	opts.times = usual()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	u, err := opts.Settings().Router.Route(cfg.Upstream, "", cfg.Address)
	if err != nil {
		return nil, err
	}
	w := &Watcher{opts: opts, times: opts.times, log: opts.Logger, ctx: ctx, circuits: map[string]*circuit{}}
	a := newAccount(w, cfg, u.Config())
	defer a.cancel()
	l, err := a.once(ctx)
	if err != nil {
		return nil, err
	}
	defer l.close(true)
	names, err := a.list(ctx, l)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("the account has no mailbox that mailboxes: names")
	}
	var list []Finding
	for _, name := range names {
		f := Finding{Mailbox: name, Idle: l.canIdle()}
		err := l.do(ctx, answerBytes, func() error {
			data, err := l.client.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait()
			if err == nil {
				f.Messages = data.NumMessages
			}
			return err
		})
		if no := (*imap.Error)(nil); errors.As(err, &no) {
			f.Trouble = "the mail server refuses to open it: " + quote(no.Text)
		} else if err != nil {
			return nil, fmt.Errorf("open %s: %w", name, err)
		}
		list = append(list, f)
	}
	return list, nil
}
