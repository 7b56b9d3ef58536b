package operations

import (
	"context"
	"slices"
	"strings"

	"heliograph/config"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/proxy/watch"
)

// watched tells how it stands with each watched mailbox that the caller sees.
func (p *Part) watched(ctx context.Context) ([]Watched, error) {
	stored, err := watch.List(ctx, p.o.Store)
	if err != nil {
		return nil, err
	}
	c := access.From(ctx)
	out := []Watched{}
	for _, w := range p.o.Config().Watch {
		if c == nil || !c.Sees(w.Address) {
			continue
		}
		n := len(out)
		for _, r := range stored {
			if r.Account == strings.ToLower(w.Address) {
				out = append(out, watchedOf(r))
			}
		}
		if len(out) > n {
			continue
		}
		for _, name := range w.Mailboxes { // no gateway has begun yet
			out = append(out, Watched{Account: w.Address, Mailbox: name, Upstream: w.Upstream, State: WatchedStateUnknown, Level: LevelWarning})
		}
	}
	return out, nil
}

func watchedOf(r watch.Row) Watched {
	w := Watched{
		Account: r.Account, Mailbox: r.Mailbox, Upstream: r.Upstream, State: WatchedState(r.State), Level: LevelOk, Detail: r.Detail, Node: r.Node,
		ChangedAt: r.Changed, SyncedAt: r.Synced, MailAt: r.Mail,
	}
	switch r.State {
	case watch.StateRefused, watch.StateFailed:
		w.Level = LevelFailed
	case watch.StateWaiting:
		w.Level = LevelWarning
	case "":
		w.State, w.Level = WatchedStateUnknown, LevelWarning
	}
	return w
}

// ListWatched lists watched mailboxes.
func (p *Part) ListWatched(ctx context.Context, _ ListWatchedRequestObject) (ListWatchedResponseObject, error) {
	list, err := p.watched(ctx)
	return ListWatched200JSONResponse{Items: list}, err
}

// CheckWatched signs in as a watch does.
func (p *Part) CheckWatched(ctx context.Context, r CheckWatchedRequestObject) (CheckWatchedResponseObject, error) {
	address, err := account(ctx, r.Address)
	if err != nil {
		return nil, err
	}
	list := p.o.Config().Watch
	i := slices.IndexFunc(list, func(w config.Watch) bool { return strings.EqualFold(w.Address, address) })
	if i < 0 {
		return nil, api.NotFound("not_watched", "the account is not watched")
	}
	if p.o.CheckWatch == nil {
		return nil, unavailable("the watch")
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	t := p.trial()
	found, err := p.o.CheckWatch(ctx, list[i])
	t.step("", "sign_in", err, "signed in", "enrol the account again, if its login is refused")
	for _, f := range found {
		s := Step{Part: f.Mailbox, Name: "mailbox", Level: LevelOk, Detail: f.Trouble}
		switch {
		case f.Trouble != "":
			s.Level, s.Remedy = LevelFailed, "correct mailboxes of the watch, or the rights to it"
		case !f.Idle:
			s.Level, s.Detail = LevelWarning, "the mail server does not tell of new mail: it is looked at from time to time"
		}
		t.steps = append(t.steps, s)
	}
	return CheckWatched200JSONResponse(t.result(ctx)), nil
}
