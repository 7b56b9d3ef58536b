package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"
)

// postfixSpec says which Postfix to start: one of our own, with all that it writes in one
// folder. It takes mail into a queue on disk and relays it to the sink.
type postfixSpec struct {
	Program  string `json:"program"` // postfix(1)
	Daemons  string `json:"daemons"` // where its daemons are
	Dir      string `json:"dir"`     // an empty folder
	SinkPort string `json:"sink_port"`
	Port     int    `json:"port"`
}

// errAbsent says why there is no Postfix to compare with.
type errAbsent string

func (e errAbsent) Error() string { return string(e) }

var postfixMain = template.Must(template.New("main.cf").Parse(`compatibility_level = 3.6
queue_directory = {{.Dir}}/queue
data_directory = {{.Dir}}/data
daemon_directory = {{.Daemons}}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {{.Dir}}/maillog
maillog_file_prefixes = {{.Dir}}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = bench.example.net
mydestination =
local_recipient_maps =
alias_maps =
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{{.SinkPort}}
smtp_tls_security_level = none
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
disable_dns_lookups = yes
message_size_limit = 104857600
smtpd_client_connection_count_limit = 0
default_process_limit = 100
`))

var postfixMaster = template.Must(template.New("master.cf").Parse(`127.0.0.1:{{.Port}} inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
`))

// servePostfix is the body of the process above the master. It adopts what the master
// leaves behind, so that nothing of it outlives the measurement.
func servePostfix(ctx context.Context, in io.Reader, out io.Writer, s spec) (err error) {
	if err := adoptOrphans(); err != nil {
		return err
	}
	if err := s.Postfix.write(); err != nil {
		return fmt.Errorf("configure postfix: %w", err)
	}
	conf := filepath.Join(s.Postfix.Dir, "etc")
	// Makes the folders of the queue.
	if out, err := exec.CommandContext(ctx, s.Postfix.Program, "-c", conf, "check").CombinedOutput(); err != nil {
		return fmt.Errorf("postfix check: %w: %s", err, out)
	}
	// The master itself, because postfix(1) would let go of it. It changes its rights, for
	// which the kernel would forget to end it with us; -e ends it if all else fails.
	master := exec.Command(filepath.Join(s.Postfix.Daemons, "master"), "-c", conf, "-e", strconv.Itoa(int(s.Life/time.Second)))
	master.Env = append(os.Environ(), "MAIL_CONFIG="+conf)
	if err := master.Start(); err != nil {
		return fmt.Errorf("start postfix: %w", err)
	}
	defer func() { err = errors.Join(err, stopMaster(master)) }()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Postfix.Port))
	if err := waitFor(ctx, address); err != nil {
		log, _ := os.ReadFile(filepath.Join(s.Postfix.Dir, "maillog")) // empty when it is not there
		return fmt.Errorf("start postfix: %w: %s", err, log)
	}
	none := func(context.Context) (Status, error) { return Status{}, nil } // the sink counts
	return answer(ctx, in, out, ready{Address: address, PID: master.Process.Pid}, none, nil)
}

// stopMaster ends the master, which ends its children.
func stopMaster(master *exec.Cmd) error {
	_ = master.Process.Signal(syscall.SIGTERM) // it may have gone already
	kill := time.AfterFunc(stopTimeout, func() { _ = master.Process.Kill() })
	defer kill.Stop()
	err := master.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
		err = nil // as it was told
	}
	return errors.Join(err, reapOrphans())
}

// findPostfix says which Postfix there is, or with errAbsent why we cannot start one.
func findPostfix(ctx context.Context) (s postfixSpec, err error) {
	for _, name := range []string{"postfix", "/usr/sbin/postfix"} { // a user's path may lack sbin
		if s.Program, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		return s, errAbsent("Postfix is not installed")
	}
	if os.Geteuid() != 0 {
		return s, errAbsent("only root may start Postfix")
	}
	out, err := exec.CommandContext(ctx, filepath.Join(filepath.Dir(s.Program), "postconf"), "-d", "-h", "daemon_directory").Output()
	if err != nil {
		return s, fmt.Errorf("ask postconf for the daemon_directory: %w", err)
	}
	s.Daemons = strings.TrimSpace(string(out))
	return s, nil
}

// write writes the configuration. Postfix gives up its rights and must still get to its
// folders.
func (s postfixSpec) write() error {
	for _, d := range []string{"", "etc", "queue", "data"} {
		if err := os.MkdirAll(filepath.Join(s.Dir, d), 0o755); err != nil { //nolint:gosec // G301: see above
			return err
		}
	}
	owner, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		return err
	}
	if err := os.Chown(filepath.Join(s.Dir, "data"), uid, -1); err != nil {
		return err
	}
	for name, t := range map[string]*template.Template{"main.cf": postfixMain, "master.cf": postfixMaster} {
		var text strings.Builder
		if err := t.Execute(&text, s); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.Dir, "etc", name), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// freePort finds a port that nobody listens on. Postfix cannot be asked to choose.
func freePort(ctx context.Context) (int, error) {
	l, err := listen(ctx)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// waitFor waits until somebody greets at an address.
func waitFor(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, fmt.Errorf("no greeting within %s", answerTimeout))
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			deadline, _ := ctx.Deadline()
			_ = conn.SetReadDeadline(deadline) // an error comes again with Read
			_, err = conn.Read(make([]byte, 1))
			_ = conn.Close()
		}
		if err == nil {
			return nil
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// pause waits, or returns the cause of the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
