package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a part, seen from the process that started it.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *os.File
	replies *json.Decoder
	errors  *tail
	ready
}

// answerTimeout bounds each wait for a line of a part.
const answerTimeout = 20 * time.Second

// digestTimeout is for some gigabytes that are read from a journal.
const digestTimeout = 3 * time.Minute

// command prepares the start of one part, which does not outlive this process.
func command(ctx context.Context, program []string, s spec, errs io.Writer) (*exec.Cmd, error) {
	arg, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program[0], append(program[1:len(program):len(program)], string(arg))...) // our own program
	cmd.Stderr = errs
	cmd.SysProcAttr = dieWithParent(s.Part == partPostfix)
	// It may have to end others first.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * stopTimeout
	return cmd, nil
}

// start starts a serving part and waits until it serves.
func start(ctx context.Context, program []string, s spec) (*process, error) {
	p, err := launch(ctx, program, s)
	if err != nil {
		return nil, err
	}
	if err := p.next(&p.ready, answerTimeout); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", s.Part, err), p.stop())
	}
	return p, nil
}

// launch starts a part.
func launch(ctx context.Context, program []string, s spec) (*process, error) {
	p := &process{errors: &tail{}}
	var err error
	if p.cmd, err = command(ctx, program, s, p.errors); err != nil {
		return nil, err
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.out, p.replies = w, out, json.NewDecoder(out)
	err = p.cmd.Start()
	_ = w.Close() // the part has its own
	if err != nil {
		_ = out.Close()
		return nil, fmt.Errorf("start %s: %w", s.Part, err)
	}
	return p, nil
}

// next reads one line of the part.
func (p *process) next(into any, limit time.Duration) error {
	if err := p.out.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if err := p.replies.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the process ended")
		}
		return fmt.Errorf("wait for its answer: %w", err)
	}
	return nil
}

// status asks the part how far it is.
func (p *process) status() (st Status, err error) {
	return st, p.ask(askStatus, &st, answerTimeout)
}

// digest asks the part for a checksum over all its messages.
func (p *process) digest() (string, error) {
	var st Status
	err := p.ask(askDigest, &st, digestTimeout)
	return st.Digest, err
}

func (p *process) ask(line string, into *Status, limit time.Duration) error {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return err
	}
	return p.next(into, limit)
}

// stop tells the part to end and waits for it. What the part last wrote to its standard
// error is in the error.
func (p *process) stop() error {
	_ = p.in.Close() // it may have gone already
	kill := time.AfterFunc(2*stopTimeout, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	err := p.cmd.Wait()
	_ = p.out.Close()
	return p.errors.explain(err)
}

// runLoad sends traffic from a process of its own and returns what it measured. The process
// holds its sessions until it is stopped.
func runLoad(ctx context.Context, program []string, t traffic) (m measured, p *process, err error) {
	p, err = launch(ctx, program, spec{Part: partLoad, Life: t.Duration + 2*stuck + settleTimeout, Traffic: &t})
	if err != nil {
		return m, nil, err
	}
	p.PID = p.cmd.Process.Pid
	if err := p.next(&m, t.Duration+2*stuck); err != nil {
		return m, nil, errors.Join(fmt.Errorf("load: %w", err), p.stop())
	}
	return m, p, nil
}

// tail keeps the beginning, where a panic says what it is, and the end of what is written
// to it.
type tail struct {
	mu          sync.Mutex // guards the others
	first, last []byte
}

const tailBytes = 1024 // of each

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(p), tailBytes-len(t.first))
	t.first = append(t.first, p[:n]...)
	t.last = append(t.last, p[n:]...)
	if over := len(t.last) - tailBytes; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	return len(p), nil
}

// explain adds what was written to an error; nil stays nil.
func (t *tail) explain(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	said := string(t.first)
	if len(t.last) == tailBytes {
		said += " … "
	}
	said = strings.TrimSpace(said + string(t.last))
	if err == nil || said == "" {
		return err
	}
	return fmt.Errorf("%w; it said: %s", err, said)
}
