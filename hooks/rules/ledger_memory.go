package rules

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"heliograph/internal/store"
)

// memory is the ledger of a try: nothing of it lasts. What has ended can be dropped (drop); then only the hash of its id is left, so that the
// same event does not start it again.
type memory struct {
	now    func() time.Time
	runs   map[string]*Run
	order  map[string]int64 // by run: which one it is, from 1
	made   int64
	ended  map[runHash]struct{} // runs that were dropped
	waits  map[string][]string  // by key: runs, in the order in which they began to wait
	keys   map[string][]string  // by run: the keys that it waits for
	wakes  wakes
	counts map[string][]use // by subject, in the order of their times
	window time.Duration    // the longest that a budget looked back
	sweep  int              // at so many subjects, old ones are looked for
	sent   map[string]string
	files  map[string]map[string][]File // by run and path
	// approvals are those that runs wait for, by id.
	approvals map[string]*Approval
}

// runHash is the id of a run as bytes.
type runHash [12]byte

// use is one effect that a budget counts.
type use struct {
	at     time.Time
	effect string
}

// wake is a time at which a run goes on. One that no longer fits its run is passed over.
type wake struct {
	at    time.Time
	order int64
	run   string
}

// wakes is a heap: the earliest first, those of one time as the runs began.
type wakes []wake

func (w wakes) Len() int           { return len(w) }
func (w wakes) Less(i, j int) bool { return w.compare(i, j) < 0 }
func (w wakes) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *wakes) Push(x any)        { *w = append(*w, x.(wake)) } //nolint:forcetypeassert // pushed below only
func (w *wakes) Pop() any {
	last := len(*w) - 1
	x := (*w)[last]
	(*w)[last] = wake{}
	*w = (*w)[:last]
	return x
}

func (w wakes) compare(i, j int) int {
	return cmp.Or(w[i].at.Compare(w[j].at), cmp.Compare(w[i].order, w[j].order))
}

// minSubjects is from how many subjects on old ones are looked for.
const minSubjects = 1024

func newMemory(now func() time.Time) *memory {
	return &memory{
		now: now, runs: map[string]*Run{}, order: map[string]int64{}, ended: map[runHash]struct{}{}, waits: map[string][]string{}, keys: map[string][]string{},
		counts: map[string][]use{}, sweep: minSubjects, sent: map[string]string{}, files: map[string]map[string][]File{},
	}
}

func hashOf(run string) (h runHash) {
	_, _ = hex.Decode(h[:], []byte(run)) // ids of runs are such
	return h
}

func (m *memory) start(_ context.Context, _ *Event, _ []Decision, runs []*Run) ([]string, error) {
	var started []string
	for _, r := range runs {
		if _, ok := m.runs[r.ID]; ok {
			continue
		}
		if _, ok := m.ended[hashOf(r.ID)]; ok {
			continue
		}
		m.made++
		m.runs[r.ID], m.order[r.ID] = cloneRun(r), m.made
		started = append(started, r.ID)
	}
	return started, nil
}

func (m *memory) load(_ context.Context, id string) (*Run, error) {
	r, ok := m.runs[id]
	if !ok {
		return nil, fmt.Errorf("run %s: %w", id, errNoRun)
	}
	return cloneRun(r), nil
}

func (m *memory) save(_ context.Context, r *Run) error {
	kept, ok := m.runs[r.ID]
	if !ok {
		return fmt.Errorf("run %s: %w", r.ID, errNoRun)
	}
	signals := kept.signals
	*kept = *cloneRun(r)
	kept.signals = signals
	for _, s := range r.Steps {
		s.dirty = false
	}
	if r.State != RunWaiting {
		m.forget(r.ID)
	} else if !r.WakeAt.IsZero() {
		heap.Push(&m.wakes, wake{r.WakeAt, m.order[r.ID], r.ID})
	}
	return nil
}

func (m *memory) park(ctx context.Context, r *Run, keys []string, then func(context.Context, store.Querier) error) (bool, error) {
	kept, ok := m.runs[r.ID]
	if !ok {
		return false, fmt.Errorf("run %s: %w", r.ID, errNoRun)
	}
	if kept.signals != r.signals {
		kept.Steps = cloneRun(r).Steps
		return true, nil
	}
	if err := m.save(ctx, r); err != nil {
		return false, err
	}
	m.forget(r.ID)
	for _, k := range keys {
		if !slices.Contains(m.keys[r.ID], k) {
			m.keys[r.ID] = append(m.keys[r.ID], k)
			m.waits[k] = append(m.waits[k], r.ID)
		}
	}
	if then == nil {
		return false, nil
	}
	return false, then(ctx, nil)
}

// forget ends what a run waits for.
func (m *memory) forget(run string) {
	for _, k := range m.keys[run] {
		left := slices.DeleteFunc(m.waits[k], func(id string) bool { return id == run })
		if m.waits[k] = left; len(left) == 0 {
			delete(m.waits, k)
		}
	}
	delete(m.keys, run)
}

// drop forgets a run that has ended, but for the fact that it was there.
func (m *memory) drop(run string) {
	m.forget(run)
	if r, ok := m.runs[run]; ok {
		for _, e := range r.Effects {
			delete(m.sent, e.MessageID)
		}
	}
	delete(m.runs, run)
	delete(m.order, run)
	delete(m.files, run)
	m.ended[hashOf(run)] = struct{}{}
}

// signal wakes the runs that wait for a key, and returns them.
func (m *memory) signal(key string) []string {
	woken := slices.Clone(m.waits[key])
	for _, id := range woken {
		m.runs[id].signals++
		m.runs[id].WakeAt = m.now()
	}
	return woken
}

func (m *memory) take(ctx context.Context, r *Run, e *EffectRow, budgets []charge) error {
	now := m.now()
	for _, c := range budgets {
		m.window = max(m.window, now.Sub(c.since))
		n := 0
		for _, u := range m.counts[c.subject] {
			if u.effect != e.ID && !u.at.Before(c.since) {
				n++
			}
		}
		if n >= c.budget.Count {
			return &budgetError{c.subject, c.budget}
		}
	}
	for _, c := range budgets {
		m.used(c.subject, use{e.MadeAt, e.ID})
	}
	if e.MessageID != "" {
		m.sent[e.MessageID] = r.ID
	}
	return m.settle(ctx, r, e)
}

// used counts an effect, and forgets what is too old to count.
func (m *memory) used(subject string, u use) {
	since := m.now().Add(-m.window)
	list := m.counts[subject]
	if !slices.ContainsFunc(list, func(o use) bool { return o.effect == u.effect }) {
		list = append(list, u)
	}
	m.counts[subject] = slices.DeleteFunc(list, func(o use) bool { return o.at.Before(since) })
	if len(m.counts) < m.sweep {
		return
	}
	for name, list := range m.counts {
		if len(list) == 0 || list[len(list)-1].at.Before(since) {
			delete(m.counts, name)
		}
	}
	m.sweep = max(minSubjects, 2*len(m.counts))
}

// settle keeps the steps and effects of a run. Its state is kept by save and park.
func (m *memory) settle(_ context.Context, r *Run, e *EffectRow) error {
	kept, ok := m.runs[r.ID]
	if !ok {
		return fmt.Errorf("run %s: %w", r.ID, errNoRun)
	}
	copied := cloneRun(r)
	kept.Steps = copied.Steps
	for _, s := range r.Steps {
		s.dirty = false
	}
	row := *e
	if i := slices.IndexFunc(kept.Effects, func(o *EffectRow) bool { return o.ID == e.ID }); i >= 0 {
		kept.Effects[i] = &row
	} else {
		kept.Effects = append(kept.Effects, &row)
	}
	return nil
}

func (m *memory) effectOf(_ context.Context, messageID string) (string, *EffectRow, error) {
	run, ok := m.sent[messageID]
	if !ok {
		return "", nil, errNoRun
	}
	for _, e := range m.runs[run].Effects {
		if e.MessageID == messageID {
			return run, e, nil
		}
	}
	return "", nil, errNoRun
}

func (m *memory) keep(_ context.Context, run, path string, files []File) error {
	if m.files[run] == nil {
		m.files[run] = map[string][]File{}
	}
	m.files[run][path] = files
	return nil
}

func (m *memory) kept(_ context.Context, run, path string) ([]File, error) {
	return m.files[run][path], nil
}

func (m *memory) count(_ context.Context, subject string, since time.Time) (int, error) {
	n := 0
	for _, u := range m.counts[subject] {
		if !u.at.Before(since) {
			n++
		}
	}
	return n, nil
}

// due takes the next run that waits for a time up to now; empty: there is none.
func (m *memory) due(now time.Time) string {
	if next := m.nextWake(); next.IsZero() || next.After(now) {
		return ""
	}
	return heap.Pop(&m.wakes).(wake).run //nolint:forcetypeassert // as pushed
}

// nextWake is when the next run goes on by itself; zero: none does.
func (m *memory) nextWake() time.Time {
	for len(m.wakes) > 0 {
		w := m.wakes[0]
		if r, ok := m.runs[w.run]; ok && r.State == RunWaiting && r.WakeAt.Equal(w.at) {
			return w.at
		}
		heap.Pop(&m.wakes)
	}
	return time.Time{}
}

// alive are the runs that are kept, in the order in which they began.
func (m *memory) alive() []*Run {
	out := make([]*Run, 0, len(m.runs))
	for _, r := range m.runs {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *Run) int { return cmp.Compare(m.order[a.ID], m.order[b.ID]) })
	return out
}

// cloneRun copies a run as far as runs change: rows are copied, events and outputs shared.
func cloneRun(r *Run) *Run {
	out := *r
	out.Steps = make([]*StepRow, len(r.Steps))
	for i, s := range r.Steps {
		row := *s
		out.Steps[i] = &row
	}
	out.Effects = make([]*EffectRow, len(r.Effects))
	for i, e := range r.Effects {
		row := *e
		out.Effects[i] = &row
	}
	return &out
}

// plain turns a value into what the database would give back for it, so that a try sees what a run sees.
func plain(v map[string]any) (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, decode(text, &out)
}
