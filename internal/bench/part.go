package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/pprof"
	"time"
)

// The parts that run as processes of their own.
const (
	partSink    = "sink"
	partMail    = "mail"
	partSplice  = "splice"
	partGateway = "gateway"
	partPostfix = "postfix"
	partLoad    = "load"
)

// spec says what one process is to be. It is its only argument.
type spec struct {
	Part     string        `json:"part"`
	Life     time.Duration `json:"life"`               // after it the process ends, whatever happens
	Upstream string        `json:"upstream,omitempty"` // address, of a splice
	Kernel   bool          `json:"kernel,omitempty"`   // a splice leaves the copying to the kernel
	TLS      *keyPair      `json:"tls,omitempty"`      // that a mail store or splice ends TLS with; nil: plain text
	Gateway  *GatewaySpec  `json:"gateway,omitempty"`
	Postfix  *postfixSpec  `json:"postfix,omitempty"`
	Traffic  *traffic      `json:"traffic,omitempty"`
	// CPUProfile is the file for a profile of a gateway; empty means none.
	CPUProfile string `json:"cpu_profile,omitempty"`
}

// GatewaySpec says which gateway to start.
type GatewaySpec struct {
	Upstream string `json:"upstream"` // address of an SMTP or IMAP server without TLS
	IMAP     bool   `json:"imap"`     // take IMAP instead of SMTP
	TLSFiles bool   `json:"tls"`      // end TLS with the files cert.pem and key.pem in Dir
	Dir      string `json:"dir"`      // a folder for configuration and data, else empty
	Durable  bool   `json:"durable"`  // sync each message before its end goes to the upstream
	Mirror   bool   `json:"mirror"`   // mirror into the built-in CRM
	User     string `json:"user"`     // who will log in
}

// Gateway is one that runs. Its methods are called one at a time.
type Gateway interface {
	// Addr is where it takes mail.
	Addr() string
	// Status counts what it knows of.
	Status(ctx context.Context) (Status, error)
	// Checksum is the Digest of all messages in its journal.
	Checksum(ctx context.Context) (string, error)
	// Stop ends it; it is called once.
	Stop(ctx context.Context) error
}

// Status is how far a part has come.
type Status struct {
	Messages int64 `json:"messages"` // that the sink took, that a mail store gave or took, or that the journal knows as accepted
	Pending  int64 `json:"pending"`  // work that waits or runs behind the mail
	// Digest is of the same messages; only when it was asked for.
	Digest string `json:"digest,omitempty"`
}

// ready is the first line that a serving part prints.
type ready struct {
	Address string `json:"address"`
	PID     int    `json:"pid"` // of the process to measure, its descendants included
}

// RunPart is the body of a process that [Run] started. The argument is what Run gave it.
// A serving part prints its address, answers each line that it reads with its Status,
// and ends when in does, or when its life is over. A load prints what it measured and holds its
// sessions until in ends. Start starts a gateway.
func RunPart(ctx context.Context, argument string, in io.Reader, out io.Writer, start func(context.Context, GatewaySpec) (Gateway, error)) error {
	var s spec
	if err := json.Unmarshal([]byte(argument), &s); err != nil {
		return fmt.Errorf("read the specification of the part: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.Life, fmt.Errorf("part %s: its life of %s is over", s.Part, s.Life))
	defer cancel()
	switch {
	case s.Part == partSink:
		return serveTCP(ctx, in, out, &sink{})
	case s.Part == partMail:
		config, err := s.TLS.server()
		if err != nil {
			return err
		}
		return serveTCP(ctx, in, out, newMailStore(config))
	case s.Part == partSplice:
		config, err := s.TLS.server()
		if err != nil {
			return err
		}
		return serveTCP(ctx, in, out, splice{to: s.Upstream, tls: config, kernel: s.Kernel})
	case s.Part == partLoad && s.Traffic != nil:
		return runTraffic(ctx, in, out, s.Traffic)
	case s.Part == partGateway && s.Gateway != nil:
		return serveGateway(ctx, in, out, s, start)
	case s.Part == partPostfix && s.Postfix != nil:
		return servePostfix(ctx, in, out, s)
	}
	return fmt.Errorf("no such part: %s", argument)
}

// runTraffic is the body of a load.
func runTraffic(ctx context.Context, in io.Reader, out io.Writer, t *traffic) error {
	if t.Kind == "" {
		m, err := t.run(ctx)
		return errors.Join(err, json.NewEncoder(out).Encode(m))
	}
	m, leave, err := t.runIMAP(ctx)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(m); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, in)
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-ended:
		return leave()
	}
}

// tcpPart is a part that needs no more than a listener.
type tcpPart interface {
	serve(ctx context.Context, l net.Listener) error // returns nil when ctx ended it
	status(ctx context.Context) (Status, error)
}

// checked is a part that can tell the Digest of its messages.
type checked interface {
	checksum(ctx context.Context) (string, error)
}

func serveTCP(ctx context.Context, in io.Reader, out io.Writer, p tcpPart) error {
	l, err := listen(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		defer cancel()
		served <- p.serve(ctx, l)
	}()
	var sum func(context.Context) (string, error)
	if c, ok := p.(checked); ok {
		sum = c.checksum
	}
	err = answer(ctx, in, out, ready{l.Addr().String(), os.Getpid()}, p.status, sum)
	cancel()
	return errors.Join(err, <-served)
}

// stopTimeout is how long a part may take to end.
const stopTimeout = 20 * time.Second

func serveGateway(ctx context.Context, in io.Reader, out io.Writer, s spec, start func(context.Context, GatewaySpec) (Gateway, error)) (err error) {
	if s.CPUProfile != "" {
		f, err := os.Create(s.CPUProfile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	g, err := start(ctx, *s.Gateway)
	if err != nil {
		return err
	}
	err = answer(ctx, in, out, ready{g.Addr(), os.Getpid()}, g.Status, g.Checksum)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return errors.Join(err, g.Stop(stop))
}

// The lines that a part answers.
const (
	askStatus = "status"
	askDigest = "digest" // with a Digest
)

// answer says that the part is ready and then a Status for each line, until there are no more
// lines or ctx ends. Then the goroutine that reads goes with the process. Digest may be nil.
func answer(ctx context.Context, in io.Reader, out io.Writer, r ready, status func(context.Context) (Status, error), digest func(context.Context) (string, error)) error {
	enc := json.NewEncoder(out)
	if err := enc.Encode(r); err != nil {
		return err
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for sc := bufio.NewScanner(in); sc.Scan(); {
			select {
			case lines <- sc.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		var line string
		var more bool
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case line, more = <-lines:
			if !more {
				return nil
			}
		}
		st, err := status(ctx)
		if err != nil {
			return fmt.Errorf("status: %w", err)
		}
		if line == askDigest && digest != nil {
			if st.Digest, err = digest(ctx); err != nil {
				return fmt.Errorf("digest: %w", err)
			}
		}
		if err := enc.Encode(st); err != nil {
			return err
		}
	}
}
