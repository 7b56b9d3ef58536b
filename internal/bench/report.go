package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Report is all that a run found. Durations are in nanoseconds in JSON.
type Report struct {
	Started  time.Time     `json:"started"`
	Go       string        `json:"go"`
	CPUs     int           `json:"cpus"`
	Rounds   int           `json:"rounds"`
	Duration time.Duration `json:"duration"`
	Mirror   bool          `json:"mirror"`
	SyncTime time.Duration `json:"sync_time"` // median of one write of 5 KB and its sync
	InMemory bool          `json:"in_memory"` // the disk was none, so durable figures mean nothing
	Loads    []LoadReport  `json:"loads"`
}

// LoadReport is what one load found.
type LoadReport struct {
	Load
	Paths   []PathReport `json:"paths"`
	Foreign float64      `json:"foreign"` // largest share of the machine that other programs took in a round
	Error   string       `json:"error,omitempty"`
}

// PathReport is what one path found. Figures are medians over the rounds.
type PathReport struct {
	Path       Path          `json:"path"`
	Absent     string        `json:"absent,omitempty"` // why it was not measured
	Error      string        `json:"error,omitempty"`
	Messages   float64       `json:"messages_per_second"` // of an IMAP load, its units
	Bytes      float64       `json:"bytes_per_second"`
	P50        time.Duration `json:"p50"` // from MAIL to the reply after the dot; of IMAP, of one command or login
	P99        time.Duration `json:"p99"`
	CPU        time.Duration `json:"cpu_per_1000"` // of the proxy, for 1,000 units, work behind them included
	CPUPerGB   time.Duration `json:"cpu_per_gb"`   // likewise, for 10^9 bytes of messages
	PeakMemory int64         `json:"peak_memory"`  // bytes, of the proxy
	OwnMemory  int64         `json:"own_memory"`   // the most of it that was not pages of files; 0 if not told
	Settle     time.Duration `json:"settle"`       // how long work went on behind the load
	Counts     Counts        `json:"counts"`
	VsSplice   float64       `json:"vs_splice,omitempty"`  // median of the ratios within a round
	VsPostfix  float64       `json:"vs_postfix,omitempty"` // likewise
	Goals      []Goal        `json:"goals,omitempty"`
	Limits     []Limit       `json:"limits,omitempty"`
	Idle       *IdleReport   `json:"idle,omitempty"` // of a load that only holds sessions; the rates are zero then
}

// Counts are messages of all rounds, as three parties know them.
type Counts struct {
	Sent       int64  `json:"sent"`                 // that the load saw answered with 250, or read or appended
	Arrived    int64  `json:"arrived"`              // that the sink took, or that the mail store gave or took
	Journalled *int64 `json:"journalled,omitempty"` // that the journal's index has as accepted; nil without a journal
}

func (c Counts) agree() bool {
	return c.Sent == c.Arrived && (c.Journalled == nil || *c.Journalled == c.Sent)
}

// String says all three.
func (c Counts) String() string {
	s := fmt.Sprintf("%d sent, %d in the sink", c.Sent, c.Arrived)
	if c.Journalled != nil {
		s += fmt.Sprintf(", %d in the journal", *c.Journalled)
	}
	return s
}

// err names what failed, or is nil.
func (r LoadReport) err() error {
	var failed []string
	if r.Error != "" {
		failed = append(failed, "all")
	}
	for _, p := range r.Paths {
		if p.Error != "" {
			failed = append(failed, string(p.Path))
		}
	}
	if failed == nil {
		return nil
	}
	return fmt.Errorf("%s: failed: %s", r.Name, strings.Join(failed, ", "))
}

func (b *bench) report() LoadReport {
	lr := LoadReport{Load: b.load}
	for _, t := range b.tracks {
		pr := t.report()
		if t.path != Splice {
			pr.VsSplice = b.ratio(t, Splice)
		}
		if t.path != Postfix {
			pr.VsPostfix = b.ratio(t, Postfix)
		}
		pr.Goals = filter(goals, func(g Goal) bool { return g.Load == b.load.Name && g.Path == t.path })
		if t.path.isGateway() {
			pr.Limits = filter(limits, func(l Limit) bool { return l.Load == b.load.Name })
		}
		lr.Paths = append(lr.Paths, pr)
		for _, r := range t.rounds {
			lr.Foreign = max(lr.Foreign, r.foreign)
		}
	}
	return lr
}

func (t *track) report() PathReport {
	pr := PathReport{Path: t.path, Absent: t.absent, PeakMemory: t.peak, OwnMemory: t.own, Counts: t.final, Idle: t.idle}
	if t.err != nil {
		pr.Error = t.err.Error()
	}
	pr.Messages = median(t.rounds, round.rate)
	pr.Bytes = median(t.rounds, func(r round) float64 { return float64(r.Bytes) / r.Elapsed.Seconds() })
	pr.P50 = median(t.rounds, func(r round) time.Duration { return r.P50 })
	pr.P99 = median(t.rounds, func(r round) time.Duration { return r.P99 })
	pr.Settle = median(t.rounds, func(r round) time.Duration { return r.settle })
	pr.CPU = median(t.rounds, func(r round) time.Duration { return 1000 * r.cpu / time.Duration(r.Messages) })
	pr.CPUPerGB = median(t.rounds, func(r round) time.Duration {
		return time.Duration(1e9 * float64(r.cpu) / float64(max(r.Bytes, 1)))
	})
	return pr
}

func (r round) rate() float64 { return float64(r.Messages) / r.Elapsed.Seconds() }

// ratio is the median of the ratios of two rates within a round, or 0 without rounds.
func (b *bench) ratio(t *track, versus Path) float64 {
	i := slices.IndexFunc(b.tracks, func(t *track) bool { return t.path == versus })
	if i < 0 {
		return 0
	}
	var all []float64
	for r, o := range b.tracks[i].rounds {
		if r < len(t.rounds) {
			all = append(all, t.rounds[r].rate()/o.rate())
		}
	}
	return median(all, func(f float64) float64 { return f })
}

func median[T any, N float64 | time.Duration](of []T, value func(T) N) N {
	if len(of) == 0 {
		return 0
	}
	var all []N
	for _, v := range of {
		all = append(all, value(v))
	}
	slices.Sort(all)
	if n := len(all); n%2 == 0 {
		return (all[n/2-1] + all[n/2]) / 2
	}
	return all[len(all)/2]
}
