package deploy_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	traced = regexp.MustCompile(`(?m)^\d+ +([a-z][a-z0-9_]*)\(`)
	resume = regexp.MustCompile(`(?m)^\d+ +<\.\.\. ([a-z][a-z0-9_]*) resumed>`)
)

// TestSystemCalls plays the demo, which takes mail the whole way, as nobody, and compares the
// system calls with those that the unit allows.
func TestSystemCalls(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("only root becomes nobody; run make test, which sees to it")
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatalf("%v; run make deps, which installs it", err)
	}
	// Not below t.TempDir, whose parent nobody may not enter.
	dir, err := os.MkdirTemp("", "heliograph-trace-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	heliograph := program(t, dir)
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	trace := filepath.Join(dir, "trace")
	cmd := exec.CommandContext(ctx, strace, "-f", "-qq", "-s", "0", "-o", trace, heliograph, "demo", "--once")
	cmd.Dir = dir
	cmd.Env = []string{"TMPDIR=" + dir, "HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("demo under strace: %v\n%s", err, out)
	}
	used := map[string]bool{}
	text := read(t, trace)
	for _, m := range append(traced.FindAllStringSubmatch(text, -1), resume.FindAllStringSubmatch(text, -1)...) {
		used[m[1]] = true
	}
	for _, sure := range []string{"openat", "fdatasync", "accept4", "epoll_pwait", "futex"} {
		if !used[sure] {
			t.Errorf("the trace has no %s: it is not that of a gateway", sure)
		}
	}
	allowed := map[string]bool{}
	for _, filter := range settings(t)["SystemCallFilter"] {
		names, denied := strings.CutPrefix(filter, "~")
		for name := range expand(t, strings.Fields(names)) {
			allowed[name] = !denied
		}
	}
	for name := range used {
		if !allowed[name] {
			t.Errorf("the unit forbids %s, which the gateway uses", name)
		}
	}
}

// expand resolves systemd's names of groups of system calls.
func expand(t *testing.T, names []string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, name := range names {
		if !strings.HasPrefix(name, "@") {
			all[name] = true
			continue
		}
		var inner []string
		for line := range strings.Lines(tool(t, "systemd-analyze", "syscall-filter", "--no-pager", name)) {
			if line = strings.TrimSpace(line); line != name && line != "" && !strings.HasPrefix(line, "#") {
				inner = append(inner, line)
			}
		}
		for name := range expand(t, inner) {
			all[name] = true
		}
	}
	return all
}
