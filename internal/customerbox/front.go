package customerbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"heliograph/proxy"
)

// readOnly is the answer to all that would change something.
const readOnly = "NO [NOPERM] customer mailboxes are read-only"

// writePatience bounds each piece of an answer that a client does not take.
const writePatience = time.Minute

// front is a client's connection. Until the login it is served by login; then imapserver reads commands from
// it that are known to be whole, and writes answers to it.
type front struct {
	srv  *Server
	conn *proxy.Conn
	log  *slog.Logger
	in   *input

	account string // who has logged in
	scope   string // whose messages are shown; empty means all

	ready  []byte // of a command, for imapserver to read
	idling bool   // the next line ends an IDLE
	over   bool   // nothing is read any more

	closing sync.Once
	done    chan struct{} // closed when imapserver has let go
	bye     atomic.Pointer[string]

	write   sync.Mutex // guards writing, and the fields below
	greeted bool       // imapserver's own greeting has passed, which the client must not see
	held    *[]byte    // what has been written but not sent; nil for nothing
	waiting bool       // imapserver waits for a command: nothing is held
}

// maxHeld is how much is sent at once: imapserver writes line by line, and a list of mailboxes has thousands.
const maxHeld = 16 << 10

// holds are buffers for what is held; a session that waits needs none.
var holds = sync.Pool{New: func() any {
	b := make([]byte, 0, maxHeld)
	return &b
}}

var _ net.Conn = (*front)(nil)

func newFront(s *Server, c *proxy.Conn) *front {
	return &front{srv: s, conn: c, log: s.log.With("session", c.ID), in: newInput(c.Conn), done: make(chan struct{})}
}

// end makes the session say goodbye, with a reason, when it is done with what it does.
func (f *front) end(why string) {
	f.bye.CompareAndSwap(nil, &why)
	_ = f.conn.TCP().SetReadDeadline(time.Now()) // wakes whoever waits for a command
}

// await sets how long the client may take. The order matters: see end.
func (f *front) await(d time.Duration) error {
	if err := f.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	if f.bye.Load() != nil {
		return io.EOF
	}
	return nil
}

// next reads a command. Errors in it that leave no doubt about the next one are answered here.
func (f *front) next(patience time.Duration) (command, error) {
	for {
		if err := f.await(patience); err != nil {
			return command{}, err
		}
		if err := f.in.fill(); err != nil {
			return command{}, err
		}
		if err := f.await(commandPatience); err != nil {
			return command{}, err
		}
		c, err := readCommand(f.in, func() error { return f.say("+ go ahead") })
		if errors.Is(err, errFraming) {
			tag := c.tag
			if tag == "" {
				tag = "*"
			}
			_ = f.say("%s BAD %s", tag, strings.TrimPrefix(err.Error(), errFraming.Error()+": "))
			why := "the rest cannot be told apart from commands"
			f.bye.CompareAndSwap(nil, &why)
		}
		if err != nil || c.refused == "" {
			return c, err
		}
		if err := f.say("%s %s", c.tag, c.refused); err != nil {
			return c, err
		}
	}
}

// say writes a line to the client.
func (f *front) say(format string, args ...any) error {
	f.write.Lock()
	defer f.write.Unlock()
	if err := f.flush(); err != nil {
		return err
	}
	return f.send(fmt.Appendf(nil, format+"\r\n", args...))
}

// flush sends what is held. The caller holds write.
func (f *front) flush() error {
	if f.held == nil {
		return nil
	}
	b := f.held
	f.held = nil
	defer func() {
		*b = (*b)[:0]
		holds.Put(b)
	}()
	return f.send(*b)
}

// wait says whether imapserver waits for a command.
func (f *front) wait(waiting bool) error {
	f.write.Lock()
	defer f.write.Unlock()
	f.waiting = waiting
	return f.flush()
}

func (f *front) send(b []byte) error {
	if err := f.conn.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return err
	}
	_, err := f.conn.Write(b)
	return err
}

// farewell is the last word, said once.
func (f *front) farewell(err error) {
	var why string
	switch bye := f.bye.Load(); {
	case bye != nil:
		why = *bye
	case isTimeout(err):
		why = "idle for too long"
	default:
		return // the client has gone
	}
	_ = f.say("* BYE %s", why)
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// Read gives imapserver the next command.
func (f *front) Read(b []byte) (int, error) {
	for len(f.ready) == 0 {
		if f.over {
			return 0, io.EOF
		}
		err := f.wait(true)
		if err == nil {
			err = f.feed()
		}
		if err != nil {
			f.over = true
			f.farewell(err)
			return 0, io.EOF
		}
	}
	if !f.idling {
		_ = f.wait(false) // nothing is held that could fail
	}
	n := copy(b, f.ready)
	f.ready = f.ready[n:]
	return n, nil
}

// feed waits for a command that imapserver should see, and answers the others.
func (f *front) feed() error {
	if f.idling {
		return f.feedDone()
	}
	c, err := f.next(idlePatience)
	if err != nil {
		return err
	}
	rest := c.line[c.args:]
	switch c.verb {
	case "CAPABILITY":
		return f.say("* CAPABILITY %s\r\n%s OK CAPABILITY completed", capabilities, c.tag)
	case "ID":
		return f.say("* ID NIL\r\n%s OK ID completed", c.tag)
	case "ENABLE": // imapserver would switch UTF8=ACCEPT on, and then mangle each & in the name of a customer
		return f.say("* ENABLED\r\n%s OK nothing to enable", c.tag)
	case "APPEND":
		return f.say("%s %s", c.tag, readOnly)
	case "SELECT": // imapserver would promise READ-WRITE
		f.ready = fmt.Appendf(nil, "%s EXAMINE%s\r\n", c.tag, rest)
		return nil
	case "IDLE":
		f.idling = len(rest) == 0
	case "SEARCH", "UID":
		c.line = withoutSmaller(c.line)
	}
	f.ready = append(c.line, "\r\n"...)
	return nil
}

// feedDone waits for the end of an IDLE (RFC 2177).
func (f *front) feedDone() error {
	if err := f.await(idlePatience); err != nil {
		return err
	}
	line, err := f.in.line(nil)
	if err == nil && !strings.EqualFold(string(line), "DONE") {
		err = framing("DONE ends IDLE")
	}
	if errors.Is(err, errFraming) {
		why := "DONE ends IDLE"
		f.bye.CompareAndSwap(nil, &why)
	}
	if err != nil {
		return err
	}
	f.idling = false
	f.ready = []byte("DONE\r\n")
	return nil
}

// Write passes imapserver's answers on, but for its greeting.
func (f *front) Write(b []byte) (int, error) {
	f.write.Lock()
	defer f.write.Unlock()
	n := len(b)
	if !f.greeted {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return n, nil
		}
		f.greeted = true
		b = b[end+1:]
	}
	switch {
	case len(b) == 0:
		return n, nil
	case f.held != nil && len(*f.held)+len(b) > maxHeld:
		if err := f.flush(); err != nil {
			return 0, err
		}
	}
	if f.waiting || len(b) > maxHeld {
		return n, f.send(b)
	}
	if f.held == nil {
		f.held, _ = holds.Get().(*[]byte)
	}
	*f.held = append(*f.held, b...)
	return n, nil
}

// abort breaks the connection where an answer cannot be finished: a literal that is short must not look whole.
func (f *front) abort() { _ = f.conn.TCP().Close() }

// Close lets ServeConn return, which closes the connection with care.
func (f *front) Close() error {
	f.closing.Do(func() {
		_ = f.wait(true)
		close(f.done)
	})
	return nil
}

// LocalAddr is that of the connection.
func (f *front) LocalAddr() net.Addr { return f.conn.LocalAddr() }

// RemoteAddr is that of the connection.
func (f *front) RemoteAddr() net.Addr { return f.conn.RemoteAddr() }

// SetDeadline does nothing: await and send know better how long to wait.
func (f *front) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (f *front) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (f *front) SetWriteDeadline(time.Time) error { return nil }
