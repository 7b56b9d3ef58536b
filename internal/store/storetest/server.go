package storetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// shared is the server of this test binary.
var shared server

// server is a PostgreSQL server in a temporary directory.
type server struct {
	mu   sync.Mutex // guards all fields
	done bool       // start was called
	url  string
	err  error

	dir   string
	cmd   *exec.Cmd
	alive io.Closer     // the writing end of the pipe that the server hangs on
	log   *bytes.Buffer // read only after the server has ended
}

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 20 * time.Second
)

// watch starts the server given in its arguments and ends it when the pipe on descriptor 3
// ends, which it does when the test binary is gone for whatever reason, and
// removes its directory, which is $0. SIGINT asks the server for a fast shutdown.
const watch = `"$@" </dev/null & server=$!
trap 'kill -INT $server' INT TERM
( cat >/dev/null <&3; kill -INT $server 2>/dev/null ) &
wait $server; status=$?
while kill -0 $server 2>/dev/null; do wait $server; status=$?; done
rm -rf "$0"
exit $status`

// start starts the server, the first time it is called, and returns its url.
func (s *server) start() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done {
		s.done = true
		s.url, s.err = s.launch()
	}
	return s.url, s.err
}

func (s *server) launch() (string, error) {
	initdb, err := findBinary("initdb")
	if err != nil {
		return "", err
	}
	postgres, err := findBinary("postgres")
	if err != nil {
		return "", err
	}
	// A short path: the name of a socket has to fit in about 100 bytes.
	if s.dir, err = os.MkdirTemp("", "pg"); err != nil {
		return "", err
	}
	owner, err := serverUser()
	if err != nil {
		return "", err
	}
	if owner != nil {
		if err := os.Chown(s.dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return "", err
		}
	}
	data := filepath.Join(s.dir, "data")
	attr := &syscall.SysProcAttr{Credential: owner}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	create := exec.CommandContext(ctx, initdb, "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	create.SysProcAttr, create.Dir, create.Env = attr, s.dir, environment()
	if out, err := create.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, out)
	}
	if err := s.run(postgres, data, attr); err != nil {
		return "", err
	}
	q := url.Values{"host": {s.dir}, "user": {"test"}}
	u := "postgres:///postgres?" + q.Encode()
	return u, s.await(ctx, u)
}

// run starts the server process. Only a Unix socket is opened, so no port is needed.
func (s *server) run(postgres, data string, attr *syscall.SysProcAttr) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	s.log, s.alive = &bytes.Buffer{}, w
	s.cmd = exec.Command("/bin/sh", "-c", watch, s.dir, postgres, "-D", data, "-k", s.dir, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
		"-c", "max_connections=300", "-c", "shared_buffers=64MB", "-c", "autovacuum=on")
	s.cmd.SysProcAttr, s.cmd.Dir, s.cmd.Env = attr, s.dir, environment()
	s.cmd.ExtraFiles = []*os.File{r} // descriptor 3
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.WaitDelay = stopTimeout
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return errors.Join(err, w.Close())
	}
	return nil
}

// await waits until the server answers.
func (s *server) await(ctx context.Context, u string) error {
	pool, err := sql.Open("pgx", u)
	if err != nil {
		return err
	}
	defer pool.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if err = pool.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		}
	}
}

// stop ends the server and removes its files.
func (s *server) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		return nil
	}
	defer os.RemoveAll(s.dir)
	if s.cmd == nil {
		return nil
	}
	// The server ends when the pipe does.
	err := s.alive.Close()
	timer := time.AfterFunc(stopTimeout, func() { _ = s.cmd.Process.Kill() })
	defer timer.Stop()
	if waitErr := s.cmd.Wait(); waitErr != nil {
		err = errors.Join(err, fmt.Errorf("%w\n%s", waitErr, s.log))
	}
	return err
}

// serverUser returns the user to run the server as: nobody else unless this is root, as
// whom PostgreSQL refuses to run.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("running as root, for which PostgreSQL needs a user to run as: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// environment is empty but for what the programs need: variables such as PGDATA must not reach them.
func environment() []string { return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"} }
