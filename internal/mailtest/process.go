package mailtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 30 * time.Second // generous: the machine may be busy with other tests
	stopTimeout  = 10 * time.Second
)

// program finds a program that `make deps` installs, also where only root has
// it in the path.
func program(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
	}
	t.Fatalf("the program %s is not installed; run `make deps`", name)
	return ""
}

// process is a server that runs in the foreground.
type process struct {
	cmd    *exec.Cmd
	logs   []string // files with its words
	done   chan struct{}
	err    error // of Wait, once done is closed
	keeper *exec.Cmd
	leash  io.Closer // the keeper acts when this end of its pipe closes
}

// start runs cmd until stop, the end of the test, or the end of the test's
// process, whichever is first. Its output goes to a file in dir.
func start(t testing.TB, dir string, cmd *exec.Cmd) *process {
	t.Helper()
	logFile := filepath.Join(dir, filepath.Base(cmd.Path)+".out")
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	// Its own session and so its own group: ^C at the terminal reaches it by way of
	// the test only, and Postfix's master insists on it.
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setsid = true
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	p := &process{cmd: cmd, logs: []string{logFile}, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.stop)
	if err := p.guard(dir); err != nil {
		t.Fatalf("guard %s: %v", cmd.Path, err)
	}
	return p
}

// EndWithTest starts a program that ends, with all that it starts, when the test or
// the test's process does.
func EndWithTest(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	start(t, dir(t), cmd)
}

// guard starts a shell that ends the server and removes its directory when this
// process dies. A parent-death signal would not do: it is cleared when a server
// changes its user.
func (p *process) guard(dir string) error {
	const script = `cat >/dev/null; kill -TERM -"$1" 2>/dev/null; sleep 2; kill -KILL -"$1" 2>/dev/null; rm -rf "$2"`
	p.keeper = exec.Command("/bin/sh", "-c", script, "keeper", strconv.Itoa(p.cmd.Process.Pid), dir)
	p.keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	leash, err := p.keeper.StdinPipe()
	if err != nil {
		return err
	}
	p.leash = leash
	return p.keeper.Start()
}

// stop ends the server and waits for it. It may be called more than once, not concurrently.
func (p *process) stop() {
	if p.keeper != nil && p.keeper.Process != nil {
		// First the keeper, so that it never signals a number that is used again.
		_ = syscall.Kill(-p.keeper.Process.Pid, syscall.SIGKILL)
		_ = p.leash.Close()
		_ = p.keeper.Wait()
		p.keeper = nil
	}
	p.signal(syscall.SIGTERM)
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.signal(syscall.SIGKILL)
		<-p.done
	}
}

// kill ends the server without a chance to say goodbye.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
	p.stop()
}

// signal reaches the server and what it started, by its process group.
func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.done: // the number may belong to someone else by now
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

// await polls ready until it answers nil. It fails the test when the server ends
// or takes too long, with the server's own words.
func (p *process) await(t testing.TB, ready func() error) {
	t.Helper()
	err := poll(t.Context(), startTimeout, func() error {
		select {
		case <-p.done:
			return fatal{errors.Join(errors.New("it ended"), p.err)}
		default:
			return ready()
		}
	})
	if err != nil {
		var words []byte
		for _, name := range p.logs {
			text, _ := os.ReadFile(name)
			words = append(words, text...)
		}
		t.Fatalf("%s does not come up: %v\n%s", filepath.Base(p.cmd.Path), err, words)
	}
}

// fatal is an error that polling cannot mend.
type fatal struct{ error }

// poll calls f until it returns nil or a fatal error, or the time is over.
func poll(ctx context.Context, limit time.Duration, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		if stop := (fatal{}); errors.As(err, &stop) {
			return stop.error
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", limit, err)
		case <-tick.C:
		}
	}
}

// Eventually polls f until it returns nil; after limit it fails the test with
// f's last error.
func Eventually(t testing.TB, limit time.Duration, f func() error) {
	t.Helper()
	if err := poll(t.Context(), limit, f); err != nil {
		t.Fatal(err)
	}
}

// givenPorts are the ports that FreePort has given out, once each: two draws of one server may be the same.
var givenPorts sync.Map

// FreePort returns a TCP port on 127.0.0.1 that was free a moment ago, for servers
// that cannot choose one themselves. It lies below the range that the system hands
// out for port 0 and for outgoing connections, so that nobody gets it meanwhile by chance.
func FreePort(t testing.TB) int {
	t.Helper()
	const first, last = 15000, 32000
	for range 1000 {
		port := first + rand.IntN(last-first)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, taken := givenPorts.LoadOrStore(port, true); taken { // and its server is not up yet
			continue
		}
		return port
	}
	t.Fatal("no free port on 127.0.0.1")
	return 0
}

// dir returns a directory with a short name that other users may enter: the
// servers change users, and a Unix socket's path has at most 107 bytes.
func dir(t testing.TB) string {
	t.Helper()
	parent := os.TempDir()
	if info, err := os.Stat(parent); err != nil || info.Mode()&os.ModeSticky == 0 || len(parent) > len("/dev/shm/heliograph") {
		parent = "/tmp" // short, and open to all
	}
	d, err := os.MkdirTemp(parent, "hg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(d); err != nil {
			t.Errorf("remove %s: %v", d, err)
		}
	})
	// Servers that change their user must pass through.
	if err := os.Chmod(d, 0o755); err != nil {
		t.Fatal(err)
	}
	return d
}

func writeFile(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
