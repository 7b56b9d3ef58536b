package bench_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/internal/bench"
)

// build builds the program whose processes are measured.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "heliograph")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "heliograph/cmd/heliograph").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

// The smallest measurement with every real part. It says nothing about time.
func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// Users of Postfix pass through, as they do through the folder for temporary files.
	for d := dir; strings.HasPrefix(d, os.TempDir()+"/"); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	profile := filepath.Join(dir, "cpu.prof")
	var told []string
	rep, err := bench.Run(t.Context(), bench.Options{
		Program: []string{build(t), "bench-part"}, Dir: dir, Rounds: 1, Duration: 50 * time.Millisecond,
		Only: []string{"5kb-1", "10mb-4"}, Mirror: true, CPUProfile: profile, Sessions: 1, Calm: time.Millisecond,
		Progress: func(l bench.LoadReport) error { told = append(told, l.Name); return l.Write(t.Output()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, []string{"5kb-1", "10mb-4"}) || len(rep.Loads) != 2 {
		t.Fatalf("told of %v, reported %d loads", told, len(rep.Loads))
	}
	for _, l := range rep.Loads {
		for _, p := range l.Paths {
			if p.Absent != "" && p.Path == bench.Postfix {
				continue
			}
			if p.Messages <= 0 || p.P50 <= 0 || p.Counts.Sent < int64(l.Clients) || p.Counts.Arrived != p.Counts.Sent {
				t.Errorf("%s, %s: %+v", l.Name, p.Path, p)
			}
			if gateway := p.Path == bench.Durable || p.Path == bench.Background; gateway {
				if p.Counts.Journalled == nil || *p.Counts.Journalled != p.Counts.Sent || p.PeakMemory == 0 || p.VsSplice <= 0 {
					t.Errorf("%s, %s: %+v", l.Name, p.Path, p)
				}
				name := strings.TrimSuffix(profile, ".prof") + "-" + l.Name + "-" + string(p.Path) + ".prof"
				if fi, err := os.Stat(name); err != nil || fi.Size() == 0 {
					t.Errorf("no profile: %v", err)
				}
			}
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "heliograph-bench-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Likewise of IMAP: each message that was read or appended must be in the journal as it is
// in the mail store.
func TestRunIMAP(t *testing.T) {
	t.Parallel()
	rep, err := bench.Run(t.Context(), bench.Options{
		Program: []string{build(t), "bench-part"}, Dir: t.TempDir(), Rounds: 1, Duration: 20 * time.Millisecond, Sessions: 20, Calm: 100 * time.Millisecond,
		Only:     []string{"fresh", "mix", "tls-login", "tls-idle"},
		Progress: func(l bench.LoadReport) error { return l.Write(t.Output()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	paths := 0
	for _, l := range rep.Loads {
		for _, p := range l.Paths {
			paths++
			if l.Name == "tls-idle" {
				if p.Idle == nil || p.Idle.Sessions != 20 || p.Idle.Descriptors < 2 || p.Idle.Opened <= 0 {
					t.Errorf("%s, %s: %+v", l.Name, p.Path, p.Idle)
				}
				continue
			}
			if p.Messages <= 0 || p.P50 <= 0 || p.Counts.Sent != p.Counts.Arrived || (l.Unit == "logins") != (p.Counts.Sent == 0) {
				t.Errorf("%s, %s: %+v", l.Name, p.Path, p)
			}
			if p.Path == bench.Capture && (p.Counts.Journalled == nil || *p.Counts.Journalled != p.Counts.Sent || p.VsSplice <= 0) {
				t.Errorf("%s, %s: %+v", l.Name, p.Path, p)
			}
		}
	}
	if len(rep.Loads) != 4 || paths != 11 {
		t.Errorf("%d loads, %d paths", len(rep.Loads), paths)
	}
}

// A part that cannot start fails its path with what it said, and the others go on.
func TestRunReportsBrokenParts(t *testing.T) {
	t.Parallel()
	rep, err := bench.Run(t.Context(), bench.Options{
		Program: []string{"sh", "-c", "echo no such thing >&2; exit 3", "sh"}, Dir: t.TempDir(), Rounds: 1, Duration: time.Millisecond, Only: []string{"5kb-1", "direct"}, Sessions: 1, Calm: time.Millisecond,
	})
	if err == nil || err.Error() != "5kb-1: failed: direct, splice" {
		t.Errorf("got %v", err)
	}
	if len(rep.Loads) != 1 || len(rep.Loads[0].Paths) != 2 || !strings.Contains(rep.Loads[0].Paths[0].Error, "no such thing") {
		t.Errorf("got %+v", rep.Loads)
	}
}

func TestRunRefusesNonsense(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]bench.Options{
		"rounds":   {Duration: time.Second, Sessions: 1, Calm: time.Second},
		"duration": {Rounds: 1, Sessions: 1, Calm: time.Second},
		"sessions": {Rounds: 1, Duration: time.Second, Calm: time.Second},
		"calm":     {Rounds: 1, Duration: time.Second, Sessions: 1},
		"only":     {Rounds: 1, Duration: time.Second, Sessions: 1, Calm: time.Second, Only: []string{"nonsense"}},
		"dir":      {Rounds: 1, Duration: time.Second, Sessions: 1, Calm: time.Second, Dir: filepath.Join(t.TempDir(), "none")},
	} {
		if _, err := bench.Run(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
