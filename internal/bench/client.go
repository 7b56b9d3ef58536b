package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// traffic is one run of a load against one address.
type traffic struct {
	Address  string        `json:"address"`
	Clients  int           `json:"clients"`
	Size     int           `json:"size"`            // bytes of a message that is sent
	Duration time.Duration `json:"duration"`        // after it no client begins another message; 0: one message each
	Kind     Kind          `json:"kind,omitempty"`  // of an IMAP load; empty: SMTP
	Fresh    string        `json:"fresh,omitempty"` // makes names of mailboxes that nobody has seen
	Most     int64         `json:"most,omitempty"`  // after that many units in all no client begins another; 0: no limit
	CA       []byte        `json:"ca,omitempty"`    // PEM; if there is one, clients speak TLS
}

// measured is what a run of traffic came to.
type measured struct {
	Messages int64         `json:"messages"` // that were answered with 250; of an IMAP load, its units
	Stored   int64         `json:"stored"`   // messages that must arrive where mail is kept, each counted once
	Bytes    int64         `json:"bytes"`    // of messages
	Elapsed  time.Duration `json:"elapsed"`
	P50      time.Duration `json:"p50"` // from MAIL to the reply after the dot; of IMAP, of one command or login
	P99      time.Duration `json:"p99"`
	Digest   string        `json:"digest,omitempty"` // of all bodies, if they were looked at
}

// stuck bounds what a run may take beyond its duration, so that a server which hangs
// fails the run.
const stuck = time.Minute

// run logs all clients in, which is not measured, and lets them send.
func (t traffic) run(ctx context.Context) (measured, error) {
	ctx, cancel := context.WithTimeout(ctx, t.Duration+stuck)
	defer cancel()
	clients := make([]*client, t.Clients)
	defer func() {
		for _, c := range clients {
			if c != nil {
				_ = c.conn.Close()
			}
		}
	}()
	body := message(t.Size)
	var open errgroup.Group
	for i := range clients {
		open.Go(func() (err error) {
			clients[i], err = dial(ctx, t.Address, bytes.Clone(body))
			return err
		})
	}
	if err := open.Wait(); err != nil {
		return measured{}, err
	}

	var over atomic.Bool
	var send errgroup.Group
	start := time.Now()
	end := time.AfterFunc(t.Duration, func() { over.Store(true) })
	defer end.Stop()
	for _, c := range clients {
		send.Go(func() error {
			for {
				if err := c.send(); err != nil {
					return err
				}
				if over.Load() || t.Duration == 0 {
					return nil
				}
			}
		})
	}
	err := send.Wait()
	return sum(clients, time.Since(start)), err
}

func sum(clients []*client, elapsed time.Duration) measured {
	m := measured{Elapsed: elapsed}
	var all []time.Duration
	for _, c := range clients {
		m.Messages += int64(len(c.latencies))
		m.Bytes += int64(len(c.latencies) * len(c.body))
		all = append(all, c.latencies...)
	}
	slices.Sort(all)
	m.Stored = m.Messages
	m.P50, m.P99 = quantile(all, 0.5), quantile(all, 0.99)
	return m
}

// quantile of sorted values, by nearest rank.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// client is one connection that is logged in.
type client struct {
	conn      net.Conn
	r         *bufio.Reader
	body      []byte // of this client alone, with the end of data
	id        []byte // the part of body that makes the Message-ID unique
	latencies []time.Duration
}

const benchUser = "bench@example.com"

func dial(ctx context.Context, address string, body []byte) (*client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		_ = conn.Close()
		return nil, err
	}
	at := bytes.Index(body, idPlace)
	c := &client{conn: conn, r: bufio.NewReader(conn), body: body, id: body[at : at+len(idPlace)]}
	if err := c.login(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) login() error {
	if _, err := c.reply('2'); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	ext, err := c.command("EHLO bench.example.com\r\n")
	if err != nil {
		return fmt.Errorf("EHLO: %w", err)
	}
	if !strings.Contains(ext, "PIPELINING") {
		return errors.New("the server offers no PIPELINING")
	}
	if !strings.Contains(ext, "AUTH") { // a relay
		return nil
	}
	response := base64.StdEncoding.EncodeToString([]byte("\x00" + benchUser + "\x00bench"))
	if _, err := c.command("AUTH PLAIN " + response + "\r\n"); err != nil {
		return fmt.Errorf("AUTH: %w", err)
	}
	return nil
}

func (c *client) command(line string) (string, error) {
	if _, err := c.conn.Write([]byte(line)); err != nil {
		return "", err
	}
	return c.reply('2')
}

// reply reads one reply, which must be of the class want, and returns its text.
func (c *client) reply(want byte) (string, error) {
	var text strings.Builder
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		if line[0] != want {
			return "", fmt.Errorf("the server said %q", line)
		}
		text.Write(line)
		if len(line) < 4 || line[3] != '-' {
			return text.String(), nil
		}
	}
}

var transaction = []byte("MAIL FROM:<" + benchUser + ">\r\nRCPT TO:<customer@example.org>\r\nDATA\r\n")

// send sends one message and notes how long it took.
func (c *client) send() error {
	copy(c.id, placed(rand.Text())) // each message is one of its own for whoever compares them
	start := time.Now()
	if _, err := c.conn.Write(transaction); err != nil {
		return err
	}
	for _, class := range []byte("223") { // MAIL, RCPT, DATA
		if _, err := c.reply(class); err != nil {
			return err
		}
	}
	if _, err := c.conn.Write(c.body); err != nil {
		return err
	}
	if _, err := c.reply('2'); err != nil {
		return fmt.Errorf("end of data: %w", err)
	}
	c.latencies = append(c.latencies, time.Since(start))
	return nil
}

// idPlace is what makes each message one of its own: the end of its header, with an id in the Message-ID and in the
// Subject, as mail of the same words under many ids is what no company has. The ids are as long as rand.Text.
var idPlace = placed("IDIDIDIDIDIDIDIDIDIDIDIDID")

func placed(id string) []byte {
	return []byte(id + "@bench.example.com>\r\nSubject: Offer " + id)
}

// message makes a message of size octets, its end of data included, or a little more
// when that is too few for a header. Text of 64 signs compresses as base64 does.
func message(size int) []byte {
	var b bytes.Buffer
	b.Grow(size + 80)
	fmt.Fprintf(&b, "Date: %s\r\nFrom: Bench <%s>\r\nTo: Customer <customer@example.org>\r\n", time.Now().Format(time.RFC1123Z), benchUser)
	fmt.Fprintf(&b, "Message-ID: <%s\r\n", idPlace)
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n")
	const signs = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ,"
	r := mathrand.New(mathrand.NewPCG(1, uint64(size)))
	for left := size - b.Len() - len(".\r\n"); left > 0; left = size - b.Len() - len(".\r\n") {
		bits := uint64(0)
		for i := range min(76, max(0, left-2)) {
			if i%10 == 0 { // ten signs of six bits
				bits = r.Uint64()
			}
			b.WriteByte(signs[bits%uint64(len(signs))])
			bits /= uint64(len(signs))
		}
		b.WriteString("\r\n")
	}
	b.WriteString(".\r\n")
	return b.Bytes()
}
