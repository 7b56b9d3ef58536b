package office

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"
)

// patience bounds each step of a client.
const patience = 20 * time.Second

// submitPatience is how long a letter may take, over all attempts.
const submitPatience = 15 * time.Second

// line is a connection that speaks in lines.
type line struct {
	net.Conn
	in *bufio.Reader
}

func dial(addr string) (*line, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return &line{c, bufio.NewReaderSize(c, 64<<10)}, nil
}

func (c *line) say(text string) error {
	_ = c.SetDeadline(time.Now().Add(patience)) // a closed connection fails at the write
	_, err := io.WriteString(c, text)
	return err
}

// smtpReply reads one reply.
func (c *line) smtpReply(want int) error {
	for {
		s, err := c.in.ReadString('\n')
		if err != nil {
			return err
		}
		if len(s) < 4 || s[3] != ' ' {
			continue
		}
		if code, err := strconv.Atoi(s[:3]); err != nil || code != want {
			return fmt.Errorf("answer %q, want %d", s, want)
		}
		return nil
	}
}

func (c *line) smtp(command string, want int) error {
	if err := c.say(command + "\r\n"); err != nil {
		return err
	}
	return c.smtpReply(want)
}

// submit sends one letter and repeats until the gateway has said yes.
func submit(ctx context.Context, addr string, l *letter) error {
	ctx, cancel := context.WithTimeout(ctx, submitPatience)
	defer cancel()
	for {
		err := submitOnce(addr, l)
		if err == nil {
			return nil
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return err
		}
	}
}

func submitOnce(addr string, l *letter) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if err := c.smtpReply(220); err != nil {
		return err
	}
	auth := base64.StdEncoding.EncodeToString([]byte("\x00" + l.from + "\x00" + password))
	steps := []struct {
		say  string
		want int
	}{{"EHLO me.test", 250}, {"AUTH PLAIN " + auth, 235}, {"MAIL FROM:<" + l.from + ">", 250}}
	for _, to := range l.everybody() {
		steps = append(steps, struct {
			say  string
			want int
		}{"RCPT TO:<" + to + ">", 250})
	}
	for _, s := range steps {
		if err := c.smtp(s.say, s.want); err != nil {
			return err
		}
	}
	if err := c.smtp("DATA", 354); err != nil {
		return err
	}
	if err := c.say(strings.ReplaceAll(string(l.raw), "\r\n.", "\r\n..") + ".\r\n"); err != nil {
		return err
	}
	return c.smtpReply(250)
}

// pause waits, or returns an error when ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reader is the mail program of one employee.
type reader struct {
	user  string
	addr  string
	style int // 0 reads whole messages, 1 pieces, 2 flags only
	r     *rand.Rand
	file  chan *letter   // to be stored in Sent
	again []*letter      // of which it is not known whether they were stored
	seen  map[string]int // messages that were looked at, by mailbox
}

// run works until ctx ends, over all losses of the connection.
func (m *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		_ = m.session(ctx) // the gateway was killed: it comes again
		_ = pause(ctx, 50*time.Millisecond)
	}
}

func (m *reader) session(ctx context.Context) error {
	c, err := dial(m.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.in.ReadString('\n'); err != nil {
		return err
	}
	p := &program{line: c}
	if _, err := p.do(fmt.Sprintf("LOGIN %s %s", m.user, password)); err != nil {
		return err
	}
	for {
		for _, box := range []string{"INBOX", "Sent", "Projects"} {
			if err := m.read(p, box); err != nil {
				return err
			}
			// A person looks at the list: the moments in which the gateway asks for the rest.
			if err := pause(ctx, time.Duration(m.r.IntN(400))*time.Millisecond); err != nil {
				return err
			}
		}
		if err := m.store(ctx, p); err != nil {
			return err
		}
	}
}

// read looks at what is new in a mailbox.
func (m *reader) read(p *program, box string) error {
	exists, err := p.do("SELECT " + box)
	if err != nil {
		return err
	}
	from := m.seen[box] + 1
	if from > exists {
		_, err := p.do("NOOP")
		return err
	}
	set := fmt.Sprintf("%d:%d", from, exists)
	switch m.style {
	case 0:
		_, err = p.do("FETCH " + set + " (FLAGS BODY.PEEK[])")
	case 1:
		if _, err = p.do("FETCH " + set + " (UID FLAGS ENVELOPE BODYSTRUCTURE)"); err == nil {
			_, err = p.do("FETCH " + set + " (BODY.PEEK[]<0.700>)")
		}
	default:
		_, err = p.do("FETCH " + set + " (FLAGS UID)")
	}
	if err != nil {
		return err
	}
	m.seen[box] = exists
	if box == "INBOX" && m.r.IntN(4) == 0 { // a label: the same message in another mailbox
		if _, err := p.do(fmt.Sprintf("COPY %d Projects", exists)); err != nil {
			return err
		}
	}
	_, err = p.do("NOOP")
	return err
}

// store puts copies of what was sent into Sent. A copy whose end is not known is stored again.
func (m *reader) store(ctx context.Context, p *program) error {
	for {
		if len(m.again) == 0 {
			select {
			case l := <-m.file:
				m.again = append(m.again, l)
			default:
				return pause(ctx, 20*time.Millisecond)
			}
		}
		l := m.again[0]
		if _, err := p.do(fmt.Sprintf("APPEND Sent (\\Seen) {%d}", len(l.raw)), l.raw...); err != nil {
			return err
		}
		m.again = m.again[1:]
	}
}

// program speaks IMAP as far as this office needs it.
type program struct {
	*line
	tag int
}

var errNo = errors.New("the server says no")

// do runs one command and reads to its end. It returns the last number of EXISTS.
func (p *program) do(command string, literal ...byte) (exists int, err error) {
	p.tag++
	tag := "a" + strconv.Itoa(p.tag)
	if err := p.say(tag + " " + command + "\r\n"); err != nil {
		return 0, err
	}
	for {
		s, err := p.in.ReadString('\n')
		if err != nil {
			return exists, err
		}
		switch {
		case strings.HasPrefix(s, "+"):
			if err := p.say(string(literal) + "\r\n"); err != nil {
				return exists, err
			}
		case strings.HasPrefix(s, tag+" OK"):
			return exists, nil
		case strings.HasPrefix(s, tag+" "):
			return exists, fmt.Errorf("%w: %s to %.20q", errNo, s, command)
		case strings.HasSuffix(s, " EXISTS\r\n"):
			if _, err := fmt.Sscanf(s, "* %d EXISTS", &exists); err != nil {
				return exists, err
			}
		default:
			if err := p.skip(s); err != nil {
				return exists, err
			}
		}
	}
}

// skip reads the literals of a response whose first line is s.
func (p *program) skip(s string) error {
	for strings.HasSuffix(s, "}\r\n") {
		i := strings.LastIndexByte(s, '{')
		n, err := strconv.Atoi(s[i+1 : len(s)-3])
		if err != nil {
			return err
		}
		_ = p.SetDeadline(time.Now().Add(patience))
		if _, err := p.in.Discard(n); err != nil {
			return err
		}
		if s, err = p.in.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}
