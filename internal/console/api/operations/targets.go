package operations

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/hooks/contacts"
	"heliograph/hooks/mirror"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/pause"
	"heliograph/internal/queue"
)

// target finds one in the configuration.
func (p *Part) target(name string) (config.Target, error) {
	for _, t := range p.o.Config().Targets {
		if t.Name == name {
			return t, nil
		}
	}
	return config.Target{}, api.NotFound("no_target", "there is no such target")
}

func (p *Part) client(name string) crmclient.Client {
	if p.o.Clients == nil {
		return nil
	}
	return p.o.Clients()[name]
}

// standing is how it stands with a target.
type standing struct {
	state  TargetState
	reason string
	remedy string
	until  time.Time
	pause  pause.Pause
}

var states = map[mirror.TargetState]TargetState{
	mirror.TargetOK: TargetStateOk, mirror.TargetPaused: TargetStatePaused, mirror.TargetTrouble: TargetStateTrouble,
	mirror.TargetCircuit: TargetStateCircuitOpen, mirror.TargetSlow: TargetStateSlow,
}

// standings tells how it stands with all targets.
func (p *Part) standings(ctx context.Context) (map[string]standing, error) {
	out := map[string]standing{}
	for _, t := range p.o.Config().Targets {
		out[t.Name] = standing{state: TargetStateUnknown}
	}
	if p.o.Targets != nil {
		for _, s := range p.o.Targets() {
			st := standing{state: states[s.State], reason: s.Reason, until: s.Until}
			if st.state != TargetStateOk {
				st.remedy = remedyOf(JobWhatDelivery, s.Reason)
			}
			out[s.Target] = st
		}
	}
	paused, err := p.o.Pauses.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range paused {
		if _, there := out[s.Name]; there && s.Kind == pause.Target {
			out[s.Name] = standing{state: TargetStatePaused, reason: s.Reason, remedy: "Resume the target when it may go on.", pause: s}
		}
	}
	return out, nil
}

// load is what waits for targets.
type load struct {
	queued, dead, review int
	lag                  time.Duration
}

// loads counts what waits for each target.
func (p *Part) loads(ctx context.Context) (map[string]*load, error) {
	out := map[string]*load{}
	of := func(name string) *load {
		if out[name] == nil {
			out[name] = &load{}
		}
		return out[name]
	}
	stats, err := p.o.Queue.Stats(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range stats {
		switch what, target := sortOf(s.Kind); {
		case target == "" || what == JobWhatContacts && s.State != queue.StateDiscarded:
		case s.State == queue.StateDiscarded:
			of(target).dead += s.Count
		default:
			of(target).queued += s.Count
		}
	}
	now := p.o.Now()
	err = p.rows(ctx, `SELECT target, MIN(received_at) FROM deliveries WHERE state = 'pending' AND held = 0 GROUP BY target`, nil, func(scan func(...any) error) error {
		var name string
		var oldest int64
		err := scan(&name, &oldest)
		of(name).lag = max(now.Sub(stamp(oldest)), 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = p.rows(ctx, `SELECT target, COUNT(DISTINCT message_key) FROM review_messages WHERE state = 'waiting' GROUP BY target`, nil, func(scan func(...any) error) error {
		var name string
		var n int
		err := scan(&name, &n)
		of(name).review = n
		return err
	})
	return out, err
}

// abilities are what connectors may have.
var abilities = []struct {
	name Capability
	has  func(crmclient.Client) bool
}{
	{CapabilityFind, func(crmclient.Client) bool { return true }},
	{CapabilityLog, func(crmclient.Client) bool { return true }},
	{CapabilityUpdate, has[crmclient.ActivityUpdater]},
	{CapabilityWithdraw, has[crmclient.ActivityWithdrawer]},
	{CapabilityFiles, has[crmclient.FileAttacher]},
	{CapabilityContacts, has[crmclient.ContactLister]},
	{CapabilityCreate, func(c crmclient.Client) bool {
		return has[crmclient.ContactCreator](c) || has[crmclient.LeadCreator](c)
	}},
	{CapabilityTickets, has[crmclient.TicketCreator]},
	{CapabilityRecords, has[crmclient.RecordReader]},
	{CapabilityChanges, has[crmclient.RecordChanges]},
	{CapabilityWebhooks, has[crmclient.WebhookReceiver]},
}

func has[T any](c crmclient.Client) bool {
	_, ok := crmclient.As[T](c)
	return ok
}

// show makes targets as the API tells them.
func (p *Part) show(ctx context.Context, list []config.Target) ([]Target, error) {
	standings, err := p.standings(ctx)
	if err != nil {
		return nil, err
	}
	loads, err := p.loads(ctx)
	if err != nil {
		return nil, err
	}
	syncs, err := p.o.Contacts().Status(ctx)
	if err != nil {
		return nil, err
	}
	out := []Target{}
	for _, t := range list {
		s, l := standings[t.Name], loads[t.Name]
		if l == nil {
			l = &load{}
		}
		shown := Target{
			Name: t.Name, Type: t.Type, State: s.state, Reason: s.reason, Remedy: s.remedy, Until: s.until, PausedBy: s.pause.By, PausedAt: s.pause.At,
			LagSeconds: float32(l.lag.Seconds()), Queued: l.queued, Dead: l.dead, WaitingForReview: l.review, Capabilities: []Capability{}, Limits: []Meter{}, Webhooks: []Webhook{},
		}
		if shown.RecentErrors, err = p.failures(ctx, t.Name, 5); err != nil {
			return nil, err
		}
		if err := p.outcomes(ctx, &shown); err != nil {
			return nil, err
		}
		p.equip(ctx, &shown)
		if i := slices.IndexFunc(syncs, func(s contacts.Status) bool { return s.Target == t.Name }); i >= 0 {
			shown.Contacts = syncOf(syncs[i])
		}
		out = append(out, shown)
	}
	return out, nil
}

// equip says what the client of a target can do.
func (p *Part) equip(ctx context.Context, t *Target) {
	c := p.client(t.Name)
	if c != nil {
		for _, a := range abilities {
			if a.has(c) {
				t.Capabilities = append(t.Capabilities, a.name)
			}
		}
	}
	if p.o.Meters != nil {
		for _, m := range p.o.Meters(ctx, t.Name) {
			t.Limits = append(t.Limits, Meter{Name: m.Name, Limit: m.Limit, Used: m.Used, PerSeconds: float32(m.Per.Seconds()), ResetsAt: m.ResetsAt})
		}
	}
	if base := p.o.Config().Console.PublicURL; c != nil && has[crmclient.WebhookReceiver](c) {
		t.Webhooks = append(t.Webhooks, Webhook{Url: strings.TrimSuffix(base, "/") + "/hooks/" + url.PathEscape(t.Name), Purpose: "changes of records and contacts"})
	}
}

func syncOf(s contacts.Status) *ContactSync {
	return &ContactSync{
		Phase: ContactSyncPhase(s.Phase), Complete: s.Complete, Records: s.Records, Merged: s.Merged, Conflicts: s.Conflicts, Duplicates: s.Duplicates, Writes: s.Writes,
		Failures: s.Failures, Reason: s.Reason, ListedAt: s.ListedAt, SyncedAt: s.SyncedAt, RanAt: s.RanAt, NextAt: s.NextAt,
	}
}

// outcomes finds when a target last took something, and when not.
func (p *Part) outcomes(ctx context.Context, t *Target) error {
	err := p.rows(ctx, `SELECT at FROM ledger WHERE state = 'mirrored' AND target = $1 ORDER BY at DESC LIMIT 1`, args{t.Name}, func(scan func(...any) error) error {
		var at int64
		err := scan(&at)
		t.LastSuccessAt = stamp(at)
		return err
	})
	for _, f := range t.RecentErrors {
		if f.LastAt.After(t.LastErrorAt) {
			t.LastErrorAt = f.LastAt
		}
	}
	return err
}

// requestID is what a CRM calls a single request by in its refusals (crmclient.Error): the reason is the same without it.
var requestID = regexp.MustCompile(` \(request [^)]*\)`)

// failures groups what failed at a target, or at all, by its reason.
func (p *Part) failures(ctx context.Context, target string, most int) ([]Failure, error) {
	a := args{}
	query := `SELECT kind, state, last_error, COUNT(*), MAX(COALESCE(finished_at, run_at)) FROM jobs WHERE last_error <> '' AND state IN ('discarded', 'retryable', 'scheduled')
		AND last_error NOT LIKE 'waits: %' AND last_error <> 'stopped meanwhile'`
	if target != "" {
		kinds := []string{mirror.Kind(target), mirror.UpdateKind(target), mirror.WithdrawKind(target), contacts.SyncKind(target), contacts.WriteKind(target)}
		query += ` AND kind IN ` + a.list(kinds)
	}
	out := []Failure{}
	err := p.rows(ctx, query+` GROUP BY kind, state, last_error`, a, func(scan func(...any) error) error {
		var kind string
		var f Failure
		var at int64
		if err := scan(&kind, &f.State, &f.Reason, &f.Count, &at); err != nil {
			return err
		}
		f.What, f.Target = sortOf(kind)
		f.Reason = requestID.ReplaceAllString(f.Reason, "")
		f.Remedy, f.LastAt = remedyOf(f.What, f.Reason), stamp(at)
		same := func(o Failure) bool {
			return o.What == f.What && o.Target == f.Target && o.State == f.State && o.Reason == f.Reason
		}
		if i := slices.IndexFunc(out, same); i >= 0 {
			out[i].Count += f.Count
			if f.LastAt.After(out[i].LastAt) {
				out[i].LastAt = f.LastAt
			}
			return nil
		}
		out = append(out, f)
		return nil
	})
	slices.SortFunc(out, func(x, y Failure) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), y.LastAt.Compare(x.LastAt), cmp.Compare(x.Reason, y.Reason))
	})
	return out[:min(len(out), most)], err
}

// ListTargets lists all targets.
func (p *Part) ListTargets(ctx context.Context, _ ListTargetsRequestObject) (ListTargetsResponseObject, error) {
	list, err := p.show(ctx, p.o.Config().Targets)
	return ListTargets200JSONResponse{Items: list}, err
}

func (p *Part) one(ctx context.Context, name string) (Target, error) {
	t, err := p.target(name)
	if err != nil {
		return Target{}, err
	}
	list, err := p.show(ctx, []config.Target{t})
	if err != nil {
		return Target{}, err
	}
	return list[0], nil
}

// GetTarget shows one.
func (p *Part) GetTarget(ctx context.Context, r GetTargetRequestObject) (GetTargetResponseObject, error) {
	t, err := p.one(ctx, r.Name)
	return GetTarget200JSONResponse(t), err
}

// PauseTarget leaves a target alone.
func (p *Part) PauseTarget(ctx context.Context, r PauseTargetRequestObject) (PauseTargetResponseObject, error) {
	reason, err := reasonOf(ctx, r.Body.Reason)
	if err != nil {
		return nil, err
	}
	if _, err := p.target(r.Name); err != nil {
		return nil, err
	}
	if err := p.o.Pauses.Pause(ctx, pause.Target, r.Name, reason, access.From(ctx).Person.Email); err != nil {
		return nil, err
	}
	t, err := p.one(ctx, r.Name)
	return PauseTarget200JSONResponse(t), err
}

// ResumeTarget goes on with a target.
func (p *Part) ResumeTarget(ctx context.Context, r ResumeTargetRequestObject) (ResumeTargetResponseObject, error) {
	if _, err := p.target(r.Name); err != nil {
		return nil, err
	}
	if err := p.o.Pauses.Resume(ctx, pause.Target, r.Name); err != nil {
		return nil, err
	}
	jobs, err := mirror.Go(ctx, p.o.Queue, r.Name)
	if err != nil {
		return nil, err
	}
	api.Note(ctx, "jobs", jobs)
	t, err := p.one(ctx, r.Name)
	return ResumeTarget200JSONResponse(t), err
}

// ResyncTarget asks for changes of contacts.
func (p *Part) ResyncTarget(ctx context.Context, r ResyncTargetRequestObject) (ResyncTargetResponseObject, error) {
	t, err := p.one(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	if t.Contacts == nil || t.Contacts.Phase == "" {
		return nil, api.Conflict("not_followed", fmt.Sprintf("the contacts of %s are not followed", r.Name), "The target does not list its contacts, or the gateway has not run yet.")
	}
	if err := p.o.Contacts().Poke(ctx, r.Name); err != nil {
		return nil, err
	}
	t, err = p.one(ctx, r.Name)
	return ResyncTarget202JSONResponse(t), err
}
