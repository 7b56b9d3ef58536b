package rules

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"heliograph/hooks/rules/condition"
)

// Difference is what two versions of a rule do differently to an event.
type Difference struct {
	Rule   string    `json:"rule"`
	Event  string    `json:"event"`
	At     time.Time `json:"at"`
	Title  string    `json:"title,omitempty"`
	Before []Line    `json:"before"` // that it fires, and its effects; empty: it does not fire
	After  []Line    `json:"after"`

	run string
}

// Line says one thing that a run does, in both languages.
type Line struct {
	Zh   string     `json:"zh"`
	En   string     `json:"en"`
	Kind EffectKind `json:"kind,omitempty"` // of the effect; empty: how the run ends

	digest string // of the content: what is said alike may have another one
}

// Hidden is the line for who may not see what is written in it.
func (l Line) Hidden() Line {
	if l.Kind == "" {
		return Line{Zh: "触发", En: "it fires"}
	}
	w := effectWords[l.Kind]
	return Line{Zh: w.zh, En: w.en, Kind: l.Kind}
}

// Differences are what two versions do differently.
type Differences struct {
	Same    int `json:"same"`   // runs that both have, with equal effects
	Before  int `json:"before"` // that only the first has
	After   int `json:"after"`  // that only the second has
	Changed int `json:"changed"`
	// List are the first of the differences, by time.
	List []Difference `json:"list"`
}

// maxDifferences bounds how many differences are listed.
const maxDifferences = 1000

// Differ compares two trials over the same events while they go on: what both do is forgotten at once. Its Before and After are for
// TrialOptions.Ended.
type Differ struct {
	open    map[string]half // by run: what one side did and the other not yet
	same    int
	changed []Difference
	count   int // of changed
}

// half is what one side did.
type half struct {
	fired Fired
	after bool
}

// NewDiffer returns a Differ that knows nothing.
func NewDiffer() *Differ { return &Differ{open: map[string]half{}} }

// Before takes note of a run of the first trial.
func (d *Differ) Before(f Fired) { d.see(f, false) }

// After takes note of a run of the second trial.
func (d *Differ) After(f Fired) { d.see(f, true) }

func (d *Differ) see(f Fired, after bool) {
	other, ok := d.open[f.Run]
	if !ok || other.after == after {
		d.open[f.Run] = half{f, after}
		return
	}
	delete(d.open, f.Run)
	before, now := &other.fired, &f
	if !after {
		before, now = now, before
	}
	diff := differenceOf(before, now)
	if slices.Equal(diff.Before, diff.After) {
		d.same++
		return
	}
	if d.count++; len(d.changed) < maxDifferences {
		d.changed = append(d.changed, diff)
	}
}

// Result says how the two differ, after both have given their results.
func (d *Differ) Result() Differences {
	out := Differences{Same: d.same, Changed: d.count, List: slices.Clone(d.changed)}
	for _, h := range d.open {
		if h.after {
			out.After++
			out.List = append(out.List, differenceOf(nil, &h.fired))
		} else {
			out.Before++
			out.List = append(out.List, differenceOf(&h.fired, nil))
		}
	}
	slices.SortFunc(out.List, func(a, b Difference) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.run, b.run)) })
	if len(out.List) > maxDifferences {
		out.List = out.List[:maxDifferences]
	}
	if out.List == nil {
		out.List = []Difference{}
	}
	return out
}

func differenceOf(before, after *Fired) Difference {
	d := Difference{Before: linesOf(before), After: linesOf(after)}
	for i, l := range d.After {
		if !slices.Contains(d.Before, l) && slices.ContainsFunc(d.Before, func(b Line) bool { return b.Zh == l.Zh && b.En == l.En }) {
			d.After[i].Zh, d.After[i].En = l.Zh+"（内容不同）", l.En+" (with other content)"
		}
	}
	for _, f := range []*Fired{before, after} {
		if f != nil {
			d.Rule, d.Event, d.At, d.Title, d.run = f.Rule, f.Event, f.At, f.Title, f.Run
		}
	}
	return d
}

// Diff compares two reports over the same events, as far as they list runs.
func Diff(before, after Report) []Difference {
	d := NewDiffer()
	for _, f := range before.Fired {
		d.Before(f)
	}
	for _, f := range after.Fired {
		d.After(f)
	}
	return d.Result().List
}

// linesOf are the lines that say what a run does; equal runs have equal ones.
func linesOf(f *Fired) []Line {
	if f == nil {
		return []Line{}
	}
	end, ok := endWords[f.State]
	if !ok {
		end = words{"触发，仍在等待", "it fires, and waits"}
	}
	lines := []Line{{Zh: end.zh + because("：", f.Reason), En: end.en + because(": ", f.Reason)}}
	for _, e := range f.Effects {
		lines = append(lines, lineOf(e, e.At.Sub(f.At)))
	}
	return lines
}

// endWords say how a run ends.
var endWords = map[RunState]words{
	RunDone: {"触发，执行完成", "it fires, and ends"}, RunFailed: {"触发，但执行失败", "it fires, and fails"}, RunCancelled: {"触发，但被取消", "it fires, and is cancelled"},
}

// effectWords are what people call the kinds of effects.
var effectWords = map[EffectKind]words{
	EffectMail: {"发邮件", "mail"}, EffectNotify: {"发群通知", "notice"}, EffectTicket: {"建工单", "new ticket"}, EffectAssign: {"指派工单", "assignment of a ticket"},
	EffectCreate: {"新建记录", "new record"}, EffectUpdate: {"更新记录", "change of a record"}, EffectTag: {"打标签", "tags"},
	EffectWebhook: {"通知其他系统", "call of another system"}, EffectAppend: {"存入邮箱", "message put into a mailbox"}, EffectApproval: {"请人审批", "question to approvers"},
}

// lineOf says an effect that comes some time after its run began.
func lineOf(e Imagined, after time.Duration) Line {
	w := effectWords[e.Kind]
	zh, en := w.zh, w.en
	if e.Title != "" {
		zh, en = zh+"“"+e.Title+"”", en+" “"+e.Title+"”"
	}
	if len(e.Recipients) > 0 {
		zh, en = zh+" → "+strings.Join(e.Recipients, "、"), en+" → "+strings.Join(e.Recipients, ", ")
	}
	if after = after.Truncate(time.Second); after > 0 {
		zh, en = condition.DurationWords(after, string(Chinese))+"后"+zh, "after "+condition.DurationWords(after, string(English))+": "+en
	}
	switch e.State {
	case EffectShadow:
	case EffectBlocked:
		zh, en = zh+"（被拦下"+because("：", e.Reason)+"）", en+" (held back"+because(": ", e.Reason)+")"
	default:
		zh, en = zh+"（未完成"+because("：", e.Reason)+"）", en+" (not done"+because(": ", e.Reason)+")"
	}
	return Line{Zh: zh, En: en, Kind: e.Kind, digest: e.Digest}
}

// because is a reason behind a mark, where there is one.
func because(mark, reason string) string {
	if reason == "" {
		return ""
	}
	return mark + reason
}
