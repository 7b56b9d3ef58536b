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
		Only: []string{"5kb-1", "10mb-4"}, Mirror: true, CPUProfile: profile,
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

// A part that cannot start fails its path with what it said, and the others go on.
func TestRunReportsBrokenParts(t *testing.T) {
	t.Parallel()
	rep, err := bench.Run(t.Context(), bench.Options{
		Program: []string{"sh", "-c", "echo no such thing >&2; exit 3", "sh"}, Dir: t.TempDir(), Rounds: 1, Duration: time.Millisecond, Only: []string{"5kb-1", "direct"},
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
		"rounds":   {Duration: time.Second},
		"duration": {Rounds: 1},
		"only":     {Rounds: 1, Duration: time.Second, Only: []string{"nonsense"}},
		"dir":      {Rounds: 1, Duration: time.Second, Dir: filepath.Join(t.TempDir(), "none")},
	} {
		if _, err := bench.Run(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
