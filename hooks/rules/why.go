package rules

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"heliograph/internal/store"
)

// The results of Verdicts that are no results of decisions.
const (
	VerdictUnfit = "unfit" // the trigger waits for something else
	VerdictGone  = "gone"  // the rule looked at it, and cannot be asked again: the rule or the event is not there any more
)

// The sources of Verdicts: where the result and its explanation come from.
const (
	FromRun      = "run"      // as it was when the run began
	FromDecision = "decision" // the result as it was; the explanation was worked out now, from what is stored
	FromNow      = "now"      // nobody decided at the time: all of it was worked out now, from what is stored
)

// Verdict is what a rule says to an event, and why.
type Verdict struct {
	Rule    string `json:"rule"`
	Name    string `json:"name"`
	Version int    `json:"version,omitempty"`
	State   State  `json:"state,omitempty"` // of the rule at present; empty: it is not there any more
	// Result is fires, not, unknown, error, unfit or gone. Zh and En say more where the explanation does not.
	Result string       `json:"result"`
	Zh     string       `json:"zh,omitempty"`
	En     string       `json:"en,omitempty"`
	Why    *Explanation `json:"why,omitempty"`
	Source string       `json:"source,omitempty"`
	// Now is what the rule would say today, where that is something else than what it said.
	Now  string `json:"now,omitempty"`
	Held string `json:"held,omitempty"` // why nothing of the rule is done at present
	Run  *Run   `json:"run,omitempty"`  // what came of it
}

// Judge says what each rule of the trial says to an event, and why. It starts nothing.
func (t *Trial) Judge(ctx context.Context, ev Event) ([]Verdict, error) {
	var out []Verdict
	shared, err := t.share(&ev)
	if err != nil {
		return nil, err
	}
	for _, id := range names(t.index.byID) {
		v, err := t.judge(ctx, t.index.byID[id], &ev, shared)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", id, err)
		}
		out = append(out, v)
	}
	return out, nil
}

func (t *Trial) judge(ctx context.Context, r *compiled, ev *Event, shared *shared) (Verdict, error) {
	v := Verdict{Rule: r.rule.ID, Name: r.rule.Name, Version: r.version, Source: FromNow}
	if zh, en := misfit(r, ev, t.o.Names); en != "" {
		v.Result, v.Zh, v.En = VerdictUnfit, zh, en
		return v, nil
	}
	d, run, err := t.decideOne(ctx, r, ev, shared)
	if err != nil {
		return v, err
	}
	v.Result, v.Zh, v.En = d.Result, d.Reason, d.Reason
	if run != nil {
		if r.when != nil {
			v.Why = &run.Why
		}
		return v, nil
	}
	if d.Result == decidedError {
		return v, nil
	}
	scope, err := t.scope(ev, r, nil)
	if err != nil {
		return v, err
	}
	why, err := r.when.Evaluate(ctx, scope, t.conditions(scope))
	if err != nil {
		return v, err
	}
	v.Zh, v.En, v.Why = why.ZH, why.EN, &why
	return v, nil
}

// misfit says what keeps an event from being one that a rule's trigger waits for; empty: it is one.
func misfit(r *compiled, e *Event, called *RecordNames) (zh, en string) {
	switch t := r.trigger.(type) {
	case *mailTrigger:
		zh, en = t.misfit(e)
	case *absenceTrigger:
		zh, en = t.misfit(e)
	case *recordTrigger:
		zh, en = t.misfit(e, called)
	case *webhookTrigger:
		if e.Type == TypeWebhook && e.text("event", "_hook") != t.Hook {
			zh, en = "推送来自 "+e.text("event", "_hook")+"，而不是 "+t.Hook, "it came by "+e.text("event", "_hook")+", not by "+t.Hook
		}
	default:
		if e.Rule != "" && e.Rule != r.rule.ID {
			zh, en = "事件只属于规则 "+e.Rule, "the event is for the rule "+e.Rule+" alone"
		}
	}
	if en == "" && e.Rule == "" && !r.trigger.fits(e) {
		zh, en = "触发器等待的不是这种事件（"+e.Type+"）", "the trigger waits for something else than "+e.Type
	}
	return zh, en
}

func (t *mailTrigger) misfit(e *Event) (zh, en string) {
	if e.Type != TypeMail || e.Rule != "" {
		return "", ""
	}
	direction, mailbox, accounts := e.text("mail", "direction"), e.text("mail", "mailbox"), accountsOf(e)
	wanted := t.Direction
	if wanted == "" {
		wanted = directionIn
	}
	listed := func(a string) bool {
		return slices.ContainsFunc(t.Accounts, func(x string) bool { return strings.EqualFold(x, a) })
	}
	switch {
	case e.Depth > 0:
		return "邮件由规则发出，不再触发规则", "a rule caused the mail, and such mail starts no rule"
	case e.Automated && !t.Automated:
		return "邮件由机器自动发出", "a machine wrote the mail"
	case wanted != directionAny && wanted != direction:
		is, want := ValueWords(direction), ValueWords(wanted)
		return "邮件方向为 " + is.Zh + "，而不是 " + want.Zh, "the direction of the mail is " + is.En + ", not " + want.En
	case len(t.Accounts) > 0 && !slices.ContainsFunc(accounts, listed):
		account := strings.Join(accounts, ", ")
		return "邮件属于账号 " + account + "，不在规则的账号中", "the mail is of the account " + account + ", which is none of the rule's"
	case !t.fits(e):
		return "邮件位于文件夹 " + mailbox, "the mail lies in the mailbox " + mailbox
	}
	return "", ""
}

func (t *recordTrigger) misfit(e *Event, called *RecordNames) (zh, en string) {
	inChinese, inEnglish, of := voice{Lang: Chinese, names: called}, voice{Lang: English, names: called}, RecordType{e.Target, e.Object}
	switch {
	case e.Type != TypeRecord || e.Rule != "" || t.fits(e):
		return "", ""
	case e.Target != t.Target || e.Object != t.Object:
		return "变更的是 " + inChinese.aRecord(of), "what changed is " + inEnglish.aRecord(of)
	}
	fields, _ := e.fact("change", "fields").(map[string]any)
	changed, kind := names(fields), ValueWords(e.text("change", "kind"))
	return "变更（" + kind.Zh + "：" + inChinese.fields(of, changed) + "）不是规则等待的变更", "the change (" + kind.En + ": " + inEnglish.fields(of, changed) + ") is not the one that the rule waits for"
}

// Told is what is written down of an event.
type Told struct {
	Event   Event      `json:"event"` // that of a message without its facts
	Decided []Decision `json:"decided"`
}

// ReadEvents returns the events with a key, or about an entry of the journal: at most 20, in the order of their times. It needs nothing but the store.
func ReadEvents(ctx context.Context, q store.Querier, keyOrEntry string) (list []Told, err error) {
	rows, err := q.QueryContext(ctx, `
		SELECT body, decided FROM rule_events WHERE id = $1 OR id = $2 OR entry = $3 OR event_key = $3 ORDER BY at, id LIMIT 20`,
		digest(TypeMail, keyOrEntry), digest(TypeRecord, keyOrEntry), keyOrEntry)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var body, decided string
		if err := rows.Scan(&body, &decided); err != nil {
			return nil, err
		}
		var t Told
		if err := decode([]byte(body), &t.Event); err != nil {
			return nil, fmt.Errorf("a stored event is broken: %w", err)
		}
		if decided != "" {
			if err := json.Unmarshal([]byte(decided), &t.Decided); err != nil {
				return nil, fmt.Errorf("event %s: %w", t.Event.Key, err)
			}
		}
		list = append(list, t)
	}
	return list, rows.Err()
}

// Held says why nothing of all rules is done at present; empty: it is.
func (b *Book) Held(ctx context.Context) (reason string, err error) {
	err = b.db.Reader().QueryRowContext(ctx, `SELECT held FROM rule_clock WHERE one = 1`).Scan(&reason)
	return reason, err
}

// Why says what each rule in force, and each that looked at it, says to an event: as it was at the time where that is written down, and otherwise
// worked out from the facts of o. Without Data the event cannot be looked at again.
func (b *Book) Why(ctx context.Context, ev Event, decided []Decision, o TrialOptions) ([]Verdict, error) {
	list, err := b.List(ctx)
	if err != nil {
		return nil, err
	}
	held, err := b.Held(ctx)
	if err != nil {
		return nil, err
	}
	var out []Verdict
	for _, s := range list {
		i := slices.IndexFunc(decided, func(d Decision) bool { return d.Rule == s.ID })
		if i < 0 && s.State != StateLive && s.State != StateShadow {
			continue
		}
		d := Decision{Rule: s.ID, Version: s.Version}
		if i >= 0 {
			d = decided[i]
		}
		v, err := b.why(ctx, ev, d, o)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", s.ID, err)
		}
		v.Name, v.State, v.Held = s.Rule.Name, s.State, s.Held
		if held != "" {
			v.Held = held
		}
		out = append(out, v)
	}
	for _, d := range decided { // of rules that were deleted
		if !slices.ContainsFunc(list, func(s Summary) bool { return s.ID == d.Rule }) {
			v, err := b.why(ctx, ev, d, o)
			if err != nil {
				return nil, fmt.Errorf("rule %s: %w", d.Rule, err)
			}
			out = append(out, v)
		}
	}
	return out, nil
}

// why is the verdict of one rule. d has no result where nobody decided.
func (b *Book) why(ctx context.Context, ev Event, d Decision, o TrialOptions) (Verdict, error) {
	run, err := readRun(ctx, b.db.Reader(), runID(d.Rule, ev.Type+" "+ev.Key))
	switch {
	case err == nil:
		v := Verdict{Rule: run.Rule, Version: run.Version, Result: decidedFires, Source: FromRun, Run: run, Zh: run.Why.ZH, En: run.Why.EN}
		if run.Why.Kind != "" {
			v.Why = &run.Why
		}
		return v, nil
	case !errors.Is(err, errNoRun):
		return Verdict{}, err
	}
	said := Verdict{Rule: d.Rule, Version: d.Version, Result: d.Result, Zh: d.Reason, En: d.Reason, Source: FromDecision}
	if d.Result == "" {
		said.Result, said.Source = VerdictGone, FromNow
		said.Zh, said.En = "当时没有规则处理，且邮件已不再保存", "no rule looked at it at the time, and it is not stored any more"
	}
	version, err := b.Version(ctx, d.Rule, d.Version)
	if errors.Is(err, ErrNoRule) || errors.Is(err, sql.ErrNoRows) || err == nil && ev.Data == nil {
		return said, nil
	}
	if err != nil {
		return said, err
	}
	t, err := NewTrial([]Version{version}, o)
	if err != nil { // another program published it
		said.Zh, said.En = err.Error(), err.Error()
		return said, nil //nolint:nilerr // it is the answer
	}
	t.clock = ev.At
	now, err := t.Judge(ctx, ev)
	if err != nil || len(now) != 1 {
		return said, err
	}
	v := now[0]
	if d.Result != "" {
		v.Source = FromDecision
		if v.Result != d.Result {
			v.Now, v.Result = v.Result, d.Result
		}
	}
	return v, nil
}
