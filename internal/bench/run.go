package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options say what to measure.
type Options struct {
	// Program is the command that runs [RunPart] with one more argument.
	Program []string
	// Dir is where the folders of journals and queues are made, and removed at the end;
	// empty means the folder for temporary files. Its disk is part of what is measured.
	Dir      string
	Rounds   int
	Duration time.Duration // of one load
	Only     []string      // names of loads and paths; none means all
	Mirror   bool          // the gateway also mirrors into the built-in CRM
	Sessions int           // of loads that only hold them
	// Calm is how long the memory of a proxy must stay about the same when all sessions are open:
	// collections and what a proxy puts off until a session has been silent for a while come late.
	Calm time.Duration
	// CPUProfile is the name of a file for profiles of the gateways; name.prof becomes
	// name-LOAD-PATH.prof. Empty means none.
	CPUProfile string
	// Begin is told of the conditions before the first load, Progress of each load when
	// it is done; nil means nobody. An error of theirs ends the run.
	Begin    func(Report) error
	Progress func(LoadReport) error
}

// settleTimeout is how long the sink, the journal's index and the work behind it may
// need after a load to catch up.
const settleTimeout = 2 * time.Minute

// Run measures. The error names the paths that could not be measured or that lost or doubled
// a message; the report says why and holds the others. How fast anything is is no error.
func Run(ctx context.Context, o Options) (Report, error) {
	rep := Report{
		Started: time.Now().UTC(), Go: runtime.Version(), CPUs: runtime.NumCPU(),
		Rounds: o.Rounds, Duration: o.Duration, Mirror: o.Mirror,
	}
	loads, paths, err := choose(o.Only)
	if err != nil {
		return rep, err
	}
	if o.Rounds < 1 || o.Duration <= 0 || o.Sessions < 1 || o.Calm <= 0 {
		return rep, fmt.Errorf("%d rounds of %s and %d sessions that are calm for %s measure nothing", o.Rounds, o.Duration, o.Sessions, o.Calm)
	}
	keys, err := newKeyPair()
	if err != nil {
		return rep, err
	}
	dir, err := os.MkdirTemp(o.Dir, "heliograph-bench-")
	if err != nil {
		return rep, err
	}
	defer os.RemoveAll(dir)                      //nolint:errcheck // a folder for temporary files
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // G302: Postfix's own users pass through
		return rep, err
	}
	rep.InMemory = inMemory(dir)
	if rep.SyncTime, err = syncTime(dir); err != nil {
		return rep, fmt.Errorf("try the disk: %w", err)
	}
	if o.Begin != nil {
		if err := o.Begin(rep); err != nil {
			return rep, err
		}
	}
	var errs []error
	for _, l := range loads {
		if l.Kind == kindIdle {
			l.Clients = o.Sessions
		}
		b := &bench{o: o, load: l, dir: filepath.Join(dir, l.Name)}
		if l.TLS {
			b.keys = keys
		}
		lr := b.run(ctx, paths)
		rep.Loads = append(rep.Loads, lr)
		errs = append(errs, lr.err())
		if o.Progress != nil {
			if err := o.Progress(lr); err != nil {
				return rep, errors.Join(append(errs, err)...)
			}
		}
		if ctx.Err() != nil {
			errs = append(errs, context.Cause(ctx))
			break
		}
	}
	return rep, errors.Join(errs...)
}

// bench is one load on all paths.
type bench struct {
	o      Options
	load   Load
	dir    string
	keys   *keyPair // nil without TLS
	tracks []*track
}

// track is one path with its own sink.
type track struct {
	path   Path
	sink   *process
	proxy  *process // nil for some
	sent   int64
	rounds []round     // a track that fails has no more, so indexes agree between tracks
	idle   *IdleReport // of a load that only holds sessions
	final  Counts
	peak   int64  // bytes in memory, the most
	own    int64  // of them not of the program's file, the most; 0 if that is not told
	absent string // why it is not there
	err    error
}

// round is one run of the load on one path.
type round struct {
	measured
	cpu     time.Duration // of the proxy, until all that it put off was done
	settle  time.Duration // how long that took after the load
	foreign float64       // share of the machine that other programs took
}

func (b *bench) run(ctx context.Context, paths []Path) LoadReport {
	if err := os.Mkdir(b.dir, 0o711); err != nil { //nolint:gosec // G301: Postfix's own users pass through
		return LoadReport{Load: b.load, Error: err.Error()}
	}
	defer os.RemoveAll(b.dir) //nolint:errcheck // a folder for temporary files
	for _, p := range paths {
		if !slices.Contains(b.load.paths(), p) {
			continue
		}
		t := &track{path: p}
		b.tracks = append(b.tracks, t)
		t.err = b.start(ctx, t)
		var absent errAbsent
		if errors.As(t.err, &absent) {
			t.absent, t.err = absent.Error(), nil
		}
	}
	if b.load.Kind == kindIdle {
		for _, t := range b.tracks {
			if t.live() {
				t.err = b.hold(ctx, t)
			}
		}
	} else {
		b.rounds(ctx)
	}
	for _, t := range b.tracks {
		t.finish()
	}
	return b.report()
}

// start starts the sink and the proxy of a track.
func (b *bench) start(ctx context.Context, t *track) (err error) {
	// All rounds at their slowest.
	life := time.Minute + time.Duration((b.o.Rounds+1)*len(allPaths))*(b.o.Duration+stuck+settleTimeout)
	if t.sink, err = start(ctx, b.o.Program, b.sink(t.path, life)); err != nil {
		return err
	}
	s := spec{Upstream: t.sink.Address}
	switch t.path {
	case Direct:
		return nil
	case Postfix:
		if s, err = b.postfix(ctx, t.sink.Address); err != nil {
			return err
		}
	case Splice:
		s.Part, s.TLS, s.Kernel = partSplice, b.keys, b.load.Protocol == smtp
	case Durable, Background, Capture:
		s.Part, s.CPUProfile = partGateway, b.profile(t.path)
		if s.Gateway, err = b.gateway(t.path, t.sink.Address); err != nil {
			return err
		}
	}
	s.Life = life
	t.proxy, err = start(ctx, b.o.Program, s)
	return err
}

// sink says which end the path has.
func (b *bench) sink(p Path, life time.Duration) spec {
	s := spec{Part: partSink, Life: life}
	if b.load.Protocol == imap {
		s.Part = partMail
		if p == Direct {
			s.TLS = b.keys
		}
	}
	return s
}

// gateway makes the folder of a gateway and says which one to start there.
func (b *bench) gateway(p Path, upstream string) (*GatewaySpec, error) {
	dir := filepath.Join(b.dir, string(p))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	g := &GatewaySpec{Upstream: upstream, IMAP: p == Capture, Dir: dir, Durable: p == Durable, Mirror: b.o.Mirror, User: benchUser}
	if b.keys != nil {
		g.TLSFiles = true
		return g, b.keys.write(dir)
	}
	return g, nil
}

func (b *bench) postfix(ctx context.Context, sink string) (s spec, err error) {
	p, err := findPostfix(ctx)
	if err != nil {
		return s, err
	}
	p.Dir = filepath.Join(b.dir, string(Postfix))
	if _, p.SinkPort, err = net.SplitHostPort(sink); err != nil {
		return s, err
	}
	p.Port, err = freePort(ctx)
	return spec{Part: partPostfix, Postfix: &p}, err
}

func (b *bench) profile(p Path) string {
	if b.o.CPUProfile == "" {
		return ""
	}
	ext := filepath.Ext(b.o.CPUProfile)
	return fmt.Sprintf("%s-%s-%s%s", strings.TrimSuffix(b.o.CPUProfile, ext), b.load.Name, p, ext)
}

// rounds runs the load on each path in turn, each round beginning with another path. The
// first round only warms up: one message a client, or all that is to be known beforehand.
func (b *bench) rounds(ctx context.Context) {
	for r := -1; r < b.o.Rounds; r++ {
		for i := range b.tracks {
			t := b.tracks[(i+max(r, 0))%len(b.tracks)]
			if !t.live() {
				continue
			}
			m, err := b.one(ctx, t, b.traffic(t, r))
			if r < 0 && err == nil {
				err = t.unchanged(m)
			}
			t.err = err
			if r >= 0 && err == nil {
				t.rounds = append(t.rounds, m)
			}
		}
	}
}

// freshMost is how many new messages a round gives the gateway at most. It captures in a second
// what keeps the work behind it busy for a minute or two, and the next round waits for that. It is
// far more than all buffers hold.
const freshMost = 5000

// traffic is what goes by a path in a round; -1 is the one that warms up.
func (b *bench) traffic(t *track, r int) traffic {
	tr := traffic{
		Address: t.address(), Clients: b.load.Clients, Size: b.load.Size, Duration: b.o.Duration,
		Kind: b.load.Kind, Fresh: strconv.Itoa(r),
	}
	if b.keys != nil {
		tr.CA = b.keys.CA
	}
	if b.load.Kind == kindFresh && t.path == Capture {
		tr.Most = freshMost
	}
	if r < 0 {
		tr.Duration = 0
		switch b.load.Kind {
		case kindFetch, kindCommands, kindMix:
			tr.Kind, tr.Clients = kindPrime, 1
		}
	}
	return tr
}

// unchanged compares the bodies that the load got with those that the mail store has.
func (t *track) unchanged(m round) error {
	if m.Digest == "" {
		return nil
	}
	has, err := t.sink.digest()
	if err == nil && has != m.Digest {
		err = fmt.Errorf("bodies are not what they were: got %s, want %s", m.Digest, has)
	}
	return err
}

// live reports whether the track is worth another round.
func (t *track) live() bool { return t.err == nil && t.absent == "" }

func (t *track) address() string {
	if t.proxy != nil {
		return t.proxy.Address
	}
	return t.sink.Address
}

// used is the CPU time that the proxy, the sink and we have used until now.
func (t *track) used() (proxy, others time.Duration) {
	if t.proxy != nil {
		proxy = cpuTime(t.proxy.PID)
	}
	return proxy, ownTime(t.sink.PID) + ownTime(os.Getpid())
}

// one runs the load once and waits until all that it left behind is done.
func (b *bench) one(ctx context.Context, t *track, tr traffic) (r round, err error) {
	busy0, all0 := hostTime()
	proxy0, others0 := t.used()
	if t.proxy != nil && t.path != Postfix {
		most := watchMemory(t.proxy.PID)
		defer func() { t.own = max(t.own, most()) }()
	}
	m, load, err := runLoad(ctx, b.o.Program, tr)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, load.stop()) }()
	t.sent += m.Stored
	if t.path == Postfix {
		t.peak = max(t.peak, treeMemory(t.proxy.PID))
	}
	if r.settle, err = t.settle(ctx); err != nil {
		return r, err
	}
	busy1, all1 := hostTime()
	proxy1, others1 := t.used()
	r.measured, r.cpu = m, proxy1-proxy0
	ours := r.cpu + others1 - others0 + ownTime(load.PID)
	if all := all1 - all0; all > 0 {
		r.foreign = max(0, float64(busy1-busy0-ours)/float64(all))
	}
	return r, nil
}

// settle waits until everything sent has arrived and, behind a gateway, is in the index
// with no work left. It returns how long that took.
func (t *track) settle(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, fmt.Errorf("not done within %s", settleTimeout))
	defer cancel()
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		c, pending, err := t.counts()
		if err != nil {
			return 0, err
		}
		if c.Arrived >= t.sent && (c.Journalled == nil || *c.Journalled >= t.sent) && pending == 0 {
			return time.Since(begin), nil
		}
		if err := pause(ctx, wait); err != nil {
			return 0, fmt.Errorf("%s, %d pending: %w", c, pending, err)
		}
	}
}

// counts asks the parts what they know of.
func (t *track) counts() (c Counts, pending int64, err error) {
	c.Sent = t.sent
	st, err := t.sink.status()
	if err != nil {
		return c, 0, fmt.Errorf("sink: %w", err)
	}
	c.Arrived = st.Messages
	if !t.path.isGateway() {
		return c, 0, nil
	}
	if st, err = t.proxy.status(); err != nil {
		return c, 0, fmt.Errorf("gateway: %w", err)
	}
	c.Journalled = &st.Messages
	return c, st.Pending, nil
}

// finish takes the last figures and ends the processes.
func (t *track) finish() {
	var errs []error
	if t.live() {
		c, _, err := t.counts()
		t.final = c
		errs = append(errs, err)
		if err == nil && !c.agree() {
			errs = append(errs, fmt.Errorf("messages were lost or doubled: %s", c))
		}
		if t.path == Capture {
			errs = append(errs, t.captured())
		}
		if t.proxy != nil && t.path != Postfix {
			t.peak = peakMemory(t.proxy.PID)
		}
	}
	for _, p := range []*process{t.proxy, t.sink} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	t.err = errors.Join(slices.Concat([]error{t.err}, errs)...)
}

// captured compares what the journal has with what the mail store gave and was given.
func (t *track) captured() error {
	has, err1 := t.proxy.digest()
	want, err2 := t.sink.digest()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if has != want {
		return fmt.Errorf("the journal does not have what the mail store has: %s, want %s", has, want)
	}
	return nil
}
