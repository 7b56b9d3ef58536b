package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
)

const (
	crashIMAPLanes   = 3
	crashIMAPRounds  = 14 // each
	crashIMAPClients = 3
	crashPassword    = "secret"
)

// crashIMAPConfig writes a configuration for a Dovecot. All of its mail is wanted, in small pieces.
func crashIMAPConfig(t *testing.T, dir string, d *mailtest.DovecotServer) (file string) {
	t.Helper()
	file = filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`
data_dir: data
console: {address: "127.0.0.1:0"}
upstreams:
  - {name: main, domains: [corp.example], default: true, imap: {address: %q, tls: none}}
listeners:
  - {protocol: imap, address: "127.0.0.1:0", tls: none, allow_plaintext_auth: true, hostname: gw.example}
targets:
  - {name: crm, type: builtin}
capture: {policy: all, chunk_bytes: 16KiB}
journal: {segment_bytes: 8MiB}
`, d.IMAPAddr)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// crashIMAP is a mail program whose server may vanish at any time.
type crashIMAP struct {
	conn net.Conn
	in   *bufio.Reader
	tag  int
}

func crashIMAPDial(addr string) (*crashIMAP, error) {
	conn, err := net.DialTimeout("tcp", addr, crashPatience)
	if err != nil {
		return nil, err
	}
	c := &crashIMAP{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	_ = conn.SetDeadline(time.Now().Add(3 * crashPatience))
	if _, err = c.in.ReadString('\n'); err == nil {
		_, err = c.do("LOGIN " + crashUser + " " + crashPassword)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// line reads a line, with the literals in it.
func (c *crashIMAP) line() (string, error) {
	var all strings.Builder
	for {
		l, err := c.in.ReadString('\n')
		all.WriteString(l)
		if err != nil {
			return all.String(), err
		}
		at := strings.LastIndexByte(l, '{')
		if at < 0 || !strings.HasSuffix(l, "}\r\n") {
			return all.String(), nil
		}
		n, err := strconv.Atoi(l[at+1 : len(l)-3])
		if err != nil {
			return all.String(), nil //nolint:nilerr // it only looks like a literal
		}
		if _, err := io.CopyN(&all, c.in, int64(n)); err != nil {
			return all.String(), err
		}
	}
}

// do gives a command that must succeed, and returns what was said.
func (c *crashIMAP) do(command string) (lines []string, err error) {
	c.tag++
	tag := fmt.Sprintf("c%d ", c.tag)
	if _, err := io.WriteString(c.conn, tag+command+"\r\n"); err != nil {
		return nil, err
	}
	for {
		l, err := c.line()
		if err != nil {
			return lines, err
		}
		if strings.HasPrefix(l, tag) {
			if !strings.HasPrefix(l, tag+"OK") {
				return lines, fmt.Errorf("%.40s: %s", command, l)
			}
			return lines, nil
		}
		lines = append(lines, l)
	}
}

func (c *crashIMAP) put(mailbox string, body []byte) error {
	_, err := c.do(fmt.Sprintf("APPEND %s {%d+}\r\n%s", mailbox, len(body), body))
	return err
}

// use does what mail programs do until the gateway is gone.
func (c *crashIMAP) use(name string, r *rand.Rand) {
	defer func() { _ = c.conn.Close() }()
	_, err := c.do("SELECT INBOX")
	for n := 0; err == nil; n++ {
		switch r.IntN(6) {
		case 0, 1:
			_, err = c.do("FETCH 1:* (UID FLAGS BODY.PEEK[HEADER])")
		case 2:
			_, err = c.do("FETCH * (UID BODY.PEEK[]<0.1000>)")
		case 3:
			_, err = c.do("UID FETCH 1:* (BODY.PEEK[])")
		case 4:
			size := r.IntN(30 << 10)
			err = c.put("Sent", crashMail(fmt.Sprintf("%s-sent%d.%d", name, n, size)))
		case 5:
			_, err = c.do("NOOP")
		}
		<-time.After(time.Duration(r.IntN(120)) * time.Millisecond) // so that the gateway gets its turn
	}
}

// TestKillsDuringCapture kills the gateway while it captures mail of a real server. In the end all that is in the
// mailboxes must be captured, and in the CRM once.
func TestKillsDuringCapture(t *testing.T) {
	t.Parallel()
	for lane := range crashIMAPLanes {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			crashIMAPLane(t, lane)
		})
	}
}

func crashIMAPLane(t *testing.T, lane int) {
	d := mailtest.Dovecot(t, mailtest.User{Name: crashUser, Password: crashPassword})
	dir := t.TempDir()
	file := crashIMAPConfig(t, dir, d)
	direct, err := crashIMAPDial(d.IMAPAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = direct.conn.Close() }()
	for round := range crashIMAPRounds {
		crashIMAPRound(t, file, direct, lane*crashIMAPRounds+round)
		_ = direct.conn.SetDeadline(time.Now().Add(3 * crashPatience))
	}
	crashExpireLeases(t, filepath.Join(dir, "data"))
	before := crashIMAPStored(t, direct)
	g := crashGateway(t, file, nil, func(c *config.Config) {
		c.Journal.UnconfirmedAfter = config.Duration(time.Second)
	})
	crashIMAPCheck(t, g.Addr(0).String(), before, func(n int64) map[string]int {
		crashSettled(t, g, n)
		return crashCaptured(t, g.Journal())
	})
	activities := crashActivities(t, g)
	for id := range before {
		if n := len(activities[id]); n != 1 {
			t.Errorf("%s is in the CRM %d times", id, n)
		}
	}
	for id, a := range activities {
		if len(a) != 1 {
			t.Errorf("%s is in the CRM %d times", id, len(a))
		}
		if before[id] == 0 && !a[0].Unconfirmed {
			t.Errorf("%s is in no mailbox", id)
		}
	}
}

// crashIMAPRound runs the gateway under load and kills it.
func crashIMAPRound(t *testing.T, file string, direct *crashIMAP, round int) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(round), 3))
	p := crashSpawn(t, file)
	addr, err := p.addr()
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	var wg sync.WaitGroup
	for i := range crashIMAPClients {
		wg.Go(func() {
			if c, err := crashIMAPDial(addr); err == nil {
				c.use(fmt.Sprintf("r%d-c%d", round, i), rand.New(rand.NewPCG(uint64(round), uint64(i))))
			}
		})
	}
	for n := range 1 + r.IntN(4) {
		size := r.IntN(40 << 10)
		if r.IntN(6) == 0 {
			size = 200<<10 + r.IntN(200<<10) // of many pieces
		}
		if err := direct.put("INBOX", crashMail(fmt.Sprintf("r%d-%d.%d", round, n, size))); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
	}
	<-time.After(time.Duration(50+r.IntN(500)) * time.Millisecond)
	if err := p.kill(); err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	wg.Wait()
}

// crashIMAPStored is how often each message is in the mailboxes of the server.
func crashIMAPStored(t *testing.T, direct *crashIMAP) map[string]int {
	t.Helper()
	stored := map[string]int{}
	for _, box := range []string{"INBOX", "Sent"} {
		if _, err := direct.do("EXAMINE " + box); err != nil {
			t.Fatal(err)
		}
		lines, err := direct.do("UID FETCH 1:* (BODY.PEEK[HEADER])")
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if id := crashID([]byte(l)); id != "" {
				stored[id]++
			}
		}
	}
	return stored
}

// crashIMAPCheck lets a client return, and waits until all that is stored is captured.
func crashIMAPCheck(t *testing.T, addr string, stored map[string]int, captured func(n int64) map[string]int) {
	t.Helper()
	for _, box := range []string{"INBOX", "Sent"} {
		c, err := crashIMAPDial(addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.conn.Close() }()
		if _, err := c.do("SELECT " + box); err != nil {
			t.Fatal(err)
		}
	}
	mailtest.Eventually(t, 2*time.Minute, func() error {
		have := captured(0)
		missing := 0
		for id := range stored {
			if have[id] == 0 {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d messages are not captured", missing, len(stored))
		}
		return nil
	})
	captured(int64(len(stored))) // and all of it has reached the CRM
	twice := 0
	for id, n := range captured(0) {
		if n > 1 && stored[id] < n {
			twice++
		}
	}
	t.Logf("%d messages are stored, of %d there is more than one sighting", len(stored), twice)
}

// crashCaptured is how often each message is in the journal. All entries must be messages that were sent.
func crashCaptured(t *testing.T, j *journal.Journal) map[string]int {
	t.Helper()
	times := map[string]int{}
	for f := (journal.Filter{Limit: 500}); ; {
		page, err := j.Entries(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page {
			f.Before = e.ID
			body, err := crashJournalBody(t.Context(), j, e)
			if err != nil {
				t.Fatalf("entry %s: %v", e.ID, err)
			}
			id := crashID(body)
			if id == "" || string(body) != string(crashMail(id)) {
				t.Fatalf("entry %s is not as it is in the mailbox: %.200q", e.ID, body)
			}
			times[id]++
		}
		if len(page) == 0 {
			return times
		}
	}
}

func crashJournalBody(ctx context.Context, j *journal.Journal, e journal.Entry) ([]byte, error) {
	r, err := j.Body(ctx, e)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(r)
}
