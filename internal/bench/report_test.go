package bench

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	const paths = " direct splice durable background gateway postfix"
	const mail = "fetch fresh commands-1 commands-16 mix login tls-fetch tls-login idle tls-idle"
	for words, want := range map[string]string{
		"":               "5kb-1 5kb-16 5kb-64 10mb-4 " + mail + paths,
		"smtp":           "5kb-1 5kb-16 5kb-64 10mb-4" + paths,
		"imap gateway":   mail + " splice gateway",
		"5kb-1":          "5kb-1" + paths,
		"5kb":            "5kb-1 5kb-16 5kb-64" + paths,
		"10MB durable":   "10mb-4 splice durable",
		"durable 5kb-1":  "5kb-1 splice durable",
		"fetch commands": "fetch commands-1 commands-16" + paths,
		"tls":            "tls-fetch tls-login tls-idle" + paths,
	} {
		loads, paths, err := choose(strings.Fields(words))
		var got []string
		for _, l := range loads {
			got = append(got, l.Name)
		}
		for _, p := range paths {
			got = append(got, string(p))
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q chose %v, %v; want %s", words, got, err, want)
		}
	}
	if _, _, err := choose([]string{"5kb-1", "nonsense"}); err == nil || !strings.Contains(err.Error(), `"nonsense"`) {
		t.Errorf("got %v", err)
	}
}

func TestMedianAndQuantile(t *testing.T) {
	t.Parallel()
	id := func(f float64) float64 { return f }
	for _, c := range []struct {
		of   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}} {
		if got := median(c.of, id); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.of, got, c.want)
		}
	}
	var all []time.Duration
	for i := range 100 {
		all = append(all, time.Duration(i+1))
	}
	if p50, p99, of1, of0 := quantile(all, 0.5), quantile(all, 0.99), quantile(all[:1], 0.99), quantile(nil, 0.5); p50 != 50 || p99 != 99 || of1 != 1 || of0 != 0 {
		t.Errorf("got %d %d %d %d", p50, p99, of1, of0)
	}
}

// tracked returns a track whose rounds had these rates.
func tracked(p Path, perSecond ...int64) *track {
	t := &track{path: p, peak: 90 << 20, own: 40 << 20}
	for _, n := range perSecond {
		t.rounds = append(t.rounds, round{measured: measured{Messages: n, Bytes: 5000 * n, Elapsed: time.Second}, cpu: time.Duration(n) * time.Millisecond})
		t.sent += n
	}
	t.final = Counts{Sent: t.sent, Arrived: t.sent}
	if p.isGateway() {
		t.final.Journalled = &t.sent
	}
	return t
}

// Ratios are taken within a round: a machine that is slow for one round changes nothing.
func TestReport(t *testing.T) {
	t.Parallel()
	missing := &track{path: Postfix, absent: "Postfix is not installed"}
	broken := tracked(Background, 900)
	broken.err = errAbsent("first line\nsecond line")
	b := &bench{load: allLoads[1], tracks: []*track{
		tracked(Direct, 2000, 200, 2000), tracked(Splice, 1000, 100, 1000), tracked(Durable, 400, 60, 550), broken, missing,
	}}
	lr := b.report()
	if got := lr.Paths[0].VsSplice; got != 2 {
		t.Errorf("direct is %v x splice, want 2", got)
	}
	durable := lr.Paths[2]
	if durable.VsSplice != 0.55 || durable.Messages != 400 || durable.CPU != time.Second {
		t.Errorf("durable: %+v", durable)
	}
	if lr.Paths[3].VsSplice != 0.9 { // of the one round that it has
		t.Errorf("background: %+v", lr.Paths[3])
	}
	if err := lr.err(); err == nil || err.Error() != "5kb-16: failed: background" {
		t.Errorf("got %v", err)
	}
	var out strings.Builder
	if err := lr.Write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"5kb-16: 5 KB, 16 clients",
		"durable    400   2.0      0.55   0.50  0.60",
		"durable: 0.55 x splice: above the floor, short of the aim",
		"durable: 40 MiB of its own at the peak: above the floor, short of the aim (floor 64, aim 32)",
		"durable: messages: 1010 sent, 1010 in the sink, 1010 in the journal",
		"background: FAILED: first line\n    second line\n",
		"postfix: not measured: Postfix is not installed",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	text, err := json.Marshal(lr)
	if err != nil || !strings.Contains(string(text), `"vs_splice":0.55`) {
		t.Errorf("JSON: %s, %v", text, err)
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		floor, aim bool
		want       string
	}{{false, false, "BELOW THE FLOOR"}, {true, false, "short of the aim"}, {true, true, "reached"}} {
		if got := verdict(c.floor, c.aim); !strings.Contains(got, c.want) {
			t.Errorf("%v, %v: %q", c.floor, c.aim, got)
		}
	}
}

func TestCountsMustAgree(t *testing.T) {
	t.Parallel()
	n := func(i int64) *int64 { return &i }
	for _, c := range []struct {
		counts Counts
		want   bool
	}{
		{Counts{Sent: 5, Arrived: 5}, true},
		{Counts{Sent: 5, Arrived: 5, Journalled: n(5)}, true},
		{Counts{Sent: 5, Arrived: 6}, false},
		{Counts{Sent: 5, Arrived: 5, Journalled: n(4)}, false},
		{Counts{Sent: 5, Arrived: 5, Journalled: n(6)}, false},
	} {
		if got := c.counts.agree(); got != c.want {
			t.Errorf("%s: agree is %v", c.counts, got)
		}
	}
}

// Every goal and limit is about a load and paths that exist.
func TestGoals(t *testing.T) {
	t.Parallel()
	for _, l := range limits {
		if !slices.ContainsFunc(allLoads, func(o Load) bool { return o.Name == l.Load }) ||
			l.Floor <= 0 || l.Aim > l.Floor || l.What != cpuPerGB && l.What != kibPerSession {
			t.Errorf("odd limit: %+v", l)
		}
	}
	for _, g := range goals {
		if !slices.ContainsFunc(allLoads, func(l Load) bool { return l.Name == g.Load }) ||
			!slices.Contains(allPaths, g.Path) || !slices.Contains(allPaths, g.Versus) || g.Floor <= 0 || g.Aim != 0 && g.Aim < g.Floor {
			t.Errorf("odd goal: %+v", g)
		}
	}
}

func TestTableOfIMAP(t *testing.T) {
	t.Parallel()
	fetch := allLoads[slices.IndexFunc(allLoads, func(l Load) bool { return l.Name == "fetch" })]
	b := &bench{load: fetch, tracks: []*track{tracked(Direct, 2000), tracked(Splice, 1000), tracked(Capture, 900)}}
	var out strings.Builder
	if err := b.report().Write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"fetch: IMAP, 100 messages a FETCH, all known, 4 clients",
		"messages/s",
		"gateway         900   4.5      0.90   0.85  1.00       -       -       1.000    200.00        90       40         -",
		"gateway: 0.90 x splice: above the floor, short of the aim",
		"gateway: 200.00 CPU s/GB: BELOW THE FLOOR (floor 0.60, aim -)",
		"gateway: messages: 900 sent, 900 in the sink, 900 in the journal",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}

func TestTableOfIdleSessions(t *testing.T) {
	t.Parallel()
	idle := allLoads[len(allLoads)-1]
	idle.Clients = 1000
	holding := &track{path: Capture, peak: 100 << 20, own: 90 << 20, idle: &IdleReport{Sessions: 1000, Memory: 20 << 10, CPU: 0.012, Descriptors: 2, Opened: 500}}
	b := &bench{load: idle, tracks: []*track{holding}}
	var out strings.Builder
	if err := b.report().Write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"tls-idle: IMAP, sessions in IDLE, TLS to the client, 1000 clients",
		"gateway      1000      20.0         1.2               2.0       500       100",
		"gateway: 20.00 KiB per session: above the floor, short of the aim (floor 24.00, aim 15.00)",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "of its own") {
		t.Error("the memory of sessions is held against the limit of traffic")
	}
}
