package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"heliograph/proxy/backfill"
)

// The control socket lets commands on the same machine ask a running gateway for work that only it can
// do, since the journal belongs to one process. It speaks HTTP; a POST of a request in JSON is answered with lines
// of JSON while the work goes on, the last of which is the end. When the client goes away, the work stops.
const controlSocket = "control.sock"

// The paths of the control socket.
const (
	ControlBackfill  = "/backfill"
	ControlReconcile = "/reconcile"
)

const (
	// controlBody bounds a request: ten thousand names of mailboxes, a token.
	controlBody = 4 << 20
	// controlWrite is how long a client may leave a line unread, as when it was stopped at its terminal; a side
	// session does not stay open for it.
	controlWrite = 30 * time.Second
	// controlHeader and controlRead bound a request in bytes and in time: it comes from this machine.
	controlHeader = 16 << 10
	controlRead   = 5 * time.Second
	// controlGoodbye is how long a command has to read that the gateway stops.
	controlGoodbye = 2 * time.Second
)

// controlLine is one line of an answer.
type controlLine struct {
	*backfill.Event
	End *controlEnd `json:"end,omitempty"`
}

// controlEnd is the last line.
type controlEnd struct {
	backfill.Result
	Error string `json:"error,omitempty"`
}

// control is the running server.
type control struct {
	path   string
	log    *slog.Logger
	runner *backfill.Runner
	http   *http.Server
	done   chan struct{}
}

// buildBackfill makes what the control socket offers.
func (g *Gateway) buildBackfill(context.Context) error {
	g.backfill = backfill.New(backfill.Options{
		Settings: func() backfill.Settings {
			g.mu.Lock()
			defer g.mu.Unlock()
			return backfill.Settings{Router: g.router.get(), Capture: g.cfg.Capture}
		},
		Journal: g.journal, Limiter: g.limits, Failures: g.failures,
		Pace: g.pace, Paused: g.pauses.Account, Logger: g.log, Registerer: g.registry,
	})
	g.onClose("backfill", func(context.Context) error { g.backfill.Close(); return nil })
	return nil
}

// startControl opens the control socket. A gateway without one serves mail all the same.
func (g *Gateway) startControl() {
	c := &control{path: filepath.Join(g.cfg.DataDir, controlSocket), log: g.log, runner: g.backfill, done: make(chan struct{})}
	l, err := c.listen()
	if err != nil {
		g.log.Error("no control socket, so that heliograph backfill and reconcile will not work", "err", err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+ControlBackfill, c.serve(g.backfill.Backfill))
	mux.HandleFunc("POST "+ControlReconcile, c.serve(g.backfill.Reconcile))
	c.http = &http.Server{
		Handler: mux, ReadHeaderTimeout: controlRead, MaxHeaderBytes: controlHeader,
		ErrorLog: slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(c.done)
		if err := c.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			c.log.Error("control socket ended", "err", err)
		}
	}()
	g.onClose("control socket", c.close)
}

// listen makes the socket. What a killed process left is in the way and nobody's: the lock of data_dir is ours.
func (c *control) listen() (net.Listener, error) {
	if err := os.Remove(c.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var l *net.UnixListener
	err := shortPath(c.path, func(path string) (err error) {
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", c.path, err)
	}
	l.SetUnlinkOnClose(false) // by a path that may be short-lived; close does it
	// Until here the mode of data_dir guards the socket, and peerMayControl always.
	if err := os.Chmod(c.path, 0o600); err != nil {
		_ = l.Close()
		return nil, err
	}
	return guarded{l, c.log}, nil
}

// close ends the runs, whose commands are told so, and then the server.
func (c *control) close(ctx context.Context) error {
	c.runner.Close()
	ctx, cancel := context.WithTimeout(ctx, controlGoodbye)
	defer cancel()
	err := c.http.Shutdown(ctx)
	if err != nil { // somebody does not read
		err = c.http.Close()
	}
	<-c.done
	return errors.Join(err, os.Remove(c.path))
}

// guarded accepts only peers that may control the gateway.
type guarded struct {
	net.Listener
	log *slog.Logger
}

// Accept implements net.Listener.
func (g guarded) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if err = peerMayControl(conn); err == nil {
			return conn, nil
		}
		g.log.Warn("control socket refused a peer", "err", err)
		_ = conn.Close()
	}
}

// maxSocketPath is what fits into the address of a Unix socket on all systems (unix(7) has 108 bytes).
const maxSocketPath = 100

// shortPath calls f with a name of path that fits into the address of a socket.
func shortPath(path string, f func(path string) error) error {
	if len(path) <= maxSocketPath {
		return f(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	// Only Linux has these names; elsewhere f says that the path is too long.
	return f(filepath.Join("/proc/self/fd", strconv.Itoa(int(dir.Fd())), filepath.Base(path)))
}

// work is a kind of run.
type work func(context.Context, *backfill.Request, func(backfill.Event)) (backfill.Result, error)

// serve answers one request.
func (c *control) serve(do work) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		// For the body only: a time-out later would look as if the client had gone.
		err := rc.SetReadDeadline(time.Now().Add(controlRead))
		req, rerr := readRequest(r)
		if err = errors.Join(err, rerr, rc.SetReadDeadline(time.Time{})); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		out := &lines{w: w, rc: rc}
		ctx, cancel := context.WithCancelCause(r.Context()) // which ends when the client goes away
		defer cancel(nil)
		result, err := do(ctx, req, func(e backfill.Event) {
			if err := out.write(controlLine{Event: &e}); err != nil {
				cancel(fmt.Errorf("the command does not listen any more: %w", err))
			}
		})
		end := &controlEnd{Result: result}
		if err != nil {
			end.Error = err.Error()
		}
		_ = out.write(controlLine{End: end}) // a client that is gone needs no end
	}
}

// readRequest decodes a request and leaves no second copy of the credentials behind that it could wipe.
func readRequest(r *http.Request) (*backfill.Request, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, controlBody))
	defer clear(body)
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	var req backfill.Request
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, errors.New("the request is not understood: command and gateway are of different versions")
	}
	return &req, nil
}

// lines writes JSON, one object a line, each at once.
type lines struct {
	mu sync.Mutex // guards w
	w  io.Writer
	rc *http.ResponseController
}

func (l *lines) write(v any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.rc.SetWriteDeadline(time.Now().Add(controlWrite)); err != nil {
		return err
	}
	if err := json.NewEncoder(l.w).Encode(v); err != nil {
		return err
	}
	return l.rc.Flush()
}
