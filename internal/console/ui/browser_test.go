package ui_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// browserTime is how long the tests in the browser may take on a busy machine.
const browserTime = 20 * time.Minute

// TestScripts checks the pages' code: its types against the API's documents, its style, its units.
func TestScripts(t *testing.T) {
	run(t, nil, "npm", "run", "--silent", "check")
}

// TestPages opens the pages in Chromium, on the real program (e2e/). `npx playwright test` does the same in less time while one works on them.
func TestPages(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "heliograph")
	run(t, nil, "go", "build", "-o", bin, "heliograph/cmd/heliograph")
	run(t, []string{"HELIOGRAPH_BIN=" + bin, "CI=1"}, "npx", "playwright", "test")
}

// run runs a command in this folder and shows what it said when it fails. What it started ends with it.
func run(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), browserTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
