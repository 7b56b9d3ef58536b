// Package deploy_test checks what operators install: the unit with systemd's own
// tools, the image by what its file says and by a run of the program in such a root,
// the alert rules by their unit tests, and every metric that a rule or a panel names
// against those that the gateway has.
package deploy_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tool runs a program that `make deps` installs and returns what it said.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v; run make deps, which installs it", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// goCommand is the go tool at the root of the project. Under sudo it runs as who called
// that, lest its cache fill with files of root.
func goCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if uid, gid, is := caller(t); is {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	return cmd
}

// caller is the user that sudo serves, if there is one.
func caller(t *testing.T) (uid, gid uint32, is bool) {
	t.Helper()
	if os.Geteuid() != 0 || os.Getenv("SUDO_UID") == "" {
		return 0, 0, false
	}
	u, uerr := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 32)
	g, gerr := strconv.ParseUint(os.Getenv("SUDO_GID"), 10, 32)
	if err := errors.Join(uerr, gerr); err != nil {
		t.Fatal(err)
	}
	return uint32(u), uint32(g), true
}

// program builds heliograph in dir, as an image or a package has it.
func program(t *testing.T, dir string) string {
	t.Helper()
	work, err := os.MkdirTemp("", "heliograph-build-") // the caller may not enter t.TempDir, which may be on another disk
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	if uid, gid, is := caller(t); is {
		if err := os.Chown(work, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
	}
	built := filepath.Join(work, "heliograph")
	out, err := goCommand(t, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=test", "-o", built, "./cmd/heliograph").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	text, err := os.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "heliograph")
	if err := errors.Join(os.WriteFile(path, text, 0o600), os.Chmod(path, 0o755)); err != nil {
		t.Fatal(err)
	}
	return path
}
