package imapd_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"heliograph/config"
)

// tortureSteps is how many random commands are tried in all. HELIOGRAPH_TORTURE_STEPS changes it,
// HELIOGRAPH_TORTURE_SEED repeats a run that failed.
const tortureSteps = 100_000

const (
	tortureClients = 8
	tortureBatch   = 6  // pipelined commands at most
	tortureMails   = 40 // in the mailbox, about
)

// A client that does whatever it may, while other sessions deliver, expunge and flag and while captures go on
// within its own session, has the same view of its mailbox as a client without a gateway; and all that was ever
// in the mailbox is captured as it was, once.
func TestTorture(t *testing.T) {
	t.Parallel()
	steps := number(t, "HELIOGRAPH_TORTURE_STEPS", tortureSteps)
	if testing.Short() {
		steps /= 20
	}
	seed := uint64(number(t, "HELIOGRAPH_TORTURE_SEED", int(rand.Uint32())))
	w := newWorld(t, config.Capture{Policy: config.CaptureAll, ChunkBytes: 1500, Folders: config.Folders{Include: []string{"T*"}}})
	var group sync.WaitGroup
	create := dialIMAP(t, w.dovecot.IMAPAddr).login() // one after the other: Dovecot sometimes stumbles else
	for i := range tortureClients {
		create.ok("CREATE T%d", i)
		create.ok("CREATE T%d.copy", i)
	}
	for i := range tortureClients {
		x := &torture{
			T: t, world: w, name: fmt.Sprintf("T%d", i), seed: seed + uint64(i), rnd: rand.New(rand.NewPCG(seed, uint64(i))),
			sent: map[string][]byte{}, qresync: i%3 == 2, condstore: i%3 == 1,
		}
		group.Go(func() { x.run(steps / tortureClients) })
	}
	group.Wait()
	if !t.Failed() && w.metric("heliograph_imap_captured_messages_total", "way", "interject") == 0 {
		t.Error("nothing was captured by commands of our own")
	}
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// torture is one client with its mailbox, and two sessions that go to the server directly.
type torture struct {
	*testing.T
	world              *world
	name               string
	seed               uint64
	rnd                *rand.Rand
	qresync, condstore bool

	c        *imap // through the gateway
	other    *imap // changes the mailbox
	observer *imap // is the truth

	mails     atomic.Int64 // delivered so far
	mu        sync.Mutex
	sent      map[string][]byte // guarded by mu: what was delivered, by Message-ID
	view      []message         // what the client knows of its mailbox
	asked     bool              // a body was asked for in this batch
	silent    []int             // sequence numbers of silent stores
	selecting bool              // SELECT was sent and nothing of its answer came yet
	seqOnly   bool              // only commands under way during which nothing may be expunged
	history   []string          // the last lines, for the report
}

// message is one of the client's view.
type message struct {
	uid   uint32
	flags string
}

func (x *torture) fail(format string, args ...any) {
	x.Helper()
	x.Errorf("%s, seed %d: %s\nlast lines:\n%s", x.name, x.seed, fmt.Sprintf(format, args...), strings.Join(x.history, ""))
	panic(stop{})
}

// stop ends one client of the test.
type stop struct{}

func (x *torture) run(steps int) {
	defer func() {
		if v := recover(); v != nil && v != (stop{}) {
			panic(v)
		}
	}()
	x.c, x.other, x.observer = x.connect(x.world.addr), x.connect(x.world.dovecot.IMAPAddr), x.connect(x.world.dovecot.IMAPAddr)
	for range tortureMails / 2 {
		x.deliver(x.rnd)
	}
	x.direct(x.other, "SELECT "+x.name)
	x.direct(x.observer, "SELECT "+x.name)
	if x.qresync {
		x.batch([]string{"ENABLE QRESYNC"})
	}
	x.selectBox()
	for done := 0; done < steps; {
		done += x.turn()
		x.check()
	}
	began := time.Now()
	x.captured()
	x.Logf("%s: all is captured after %v", x.name, time.Since(began).Round(time.Millisecond))
}

func (x *torture) connect(addr string) *imap { return dialIMAP(x.T, addr).login() }

// direct gives a command that must succeed to a session without gateway.
func (x *torture) direct(c *imap, command string) []string {
	lines := c.ok("%s", command)
	return lines
}

func (x *torture) selectBox() {
	x.selecting = true
	command := "SELECT " + x.name
	if x.condstore && x.rnd.IntN(2) == 0 {
		command += " (CONDSTORE)"
	}
	x.batch([]string{command})
	x.selecting = false
	if x.qresync && len(x.view) > 0 { // VANISHED tells UIDs only
		x.batch([]string{"FETCH 1:* (UID FLAGS)"})
	}
}

// deliver puts a new message into the mailbox.
func (x *torture) deliver(rnd *rand.Rand) {
	n := int(x.mails.Add(1))
	id := fmt.Sprintf("%s.%d@test.example", x.name, n)
	body := mail(n, 200+rnd.IntN(1+rnd.IntN(12_000)))
	body = append([]byte("X-Test: "+id+"\r\n"), body...)
	x.mu.Lock()
	x.sent[id] = body
	x.mu.Unlock()
	x.other.store(x.name, "", body)
}

// disturb changes the mailbox from another session.
func (x *torture) disturb(rnd *rand.Rand, many bool) {
	any := func() int { return 1 + rnd.IntN(1+int(x.mails.Load())) }
	for range rnd.IntN(3) {
		switch rnd.IntN(6) {
		case 0, 1:
			x.deliver(rnd)
		case 2:
			if many || rnd.IntN(4) == 0 {
				x.other.ok("NOOP")
				first := any()
				if many {
					first = 1
				}
				x.other.ok("UID STORE %d:%d +FLAGS.SILENT (\\Deleted)", first, any())
				x.other.ok("EXPUNGE")
			}
		case 3, 4:
			x.other.ok("UID STORE %d:%d %sFLAGS.SILENT (%s)", any(), any(),
				[]string{"+", "-"}[rnd.IntN(2)], []string{`\Seen`, `\Flagged`, "$Work"}[rnd.IntN(3)])
		case 5:
			x.other.ok("NOOP")
		}
	}
}

// turn runs some commands while another session is at work, and returns how many.
func (x *torture) turn() int {
	rnd := rand.New(rand.NewPCG(x.rnd.Uint64(), 1))
	var wait sync.WaitGroup
	many := len(x.view) > tortureMails/2
	wait.Go(func() { x.disturb(rnd, many) })
	defer wait.Wait()
	switch n := x.rnd.IntN(20); {
	case n == 0:
		x.batch([]string{[]string{"CLOSE", "UNSELECT"}[x.rnd.IntN(2)]})
		x.selectBox()
		return 2
	case n == 1:
		x.selectBox()
		return 1
	case n < 5:
		return x.idle()
	case n == 5:
		x.store()
		return 1
	case n < 13:
		return x.pipeline(x.bySequence, true)
	}
	return x.pipeline(x.byUID, false)
}

// pipeline sends some commands at once.
func (x *torture) pipeline(command func() string, seqOnly bool) int {
	commands := make([]string, 1+x.rnd.IntN(tortureBatch))
	for i := range commands {
		commands[i] = command()
	}
	x.seqOnly = seqOnly
	x.batch(commands)
	for _, seq := range x.silent { // the server says nothing of these flags
		x.view[seq-1].flags = ""
	}
	x.seqOnly, x.silent = false, nil
	return len(commands)
}

func (x *torture) seq() int { return 1 + x.rnd.IntN(max(1, len(x.view))) }

func (x *torture) uid() string {
	a, b := 1+x.rnd.IntN(int(x.mails.Load())+2), 1+x.rnd.IntN(5)
	if x.rnd.IntN(8) == 0 {
		return fmt.Sprintf("%d:*", a)
	}
	return fmt.Sprintf("%d:%d", a, a+b)
}

func (x *torture) items() string {
	return []string{
		"(FLAGS)", "(UID FLAGS)", "(UID ENVELOPE)", "(BODY.PEEK[HEADER])", "(UID BODY.PEEK[])", "(BODY.PEEK[]<0.64>)", "FULL", "(UID BODY.PEEK[TEXT])",
		"(UID RFC822.SIZE)", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])", "(UID BODY[])", "(UID BODY.PEEK[]<100.1000>)",
	}[x.rnd.IntN(12)]
}

// bySequence is a command during which nothing may be expunged (RFC 9051, 7.5.1).
func (x *torture) bySequence() string {
	if len(x.view) == 0 {
		return "SEARCH ALL"
	}
	switch x.rnd.IntN(6) {
	case 0:
		seq, silent := x.seq(), ""
		if x.rnd.IntN(2) == 0 {
			silent = ".SILENT"
			x.silent = append(x.silent, seq)
		}
		return fmt.Sprintf("STORE %d %sFLAGS%s (\\Answered)", seq, []string{"+", "-"}[x.rnd.IntN(2)], silent)
	case 1:
		return "SEARCH UNSEEN"
	}
	a := x.seq()
	return fmt.Sprintf("FETCH %d:%d %s", a, min(a+x.rnd.IntN(4), len(x.view)), x.items())
}

func (x *torture) byUID() string {
	switch x.rnd.IntN(10) {
	case 0:
		return "NOOP"
	case 1:
		return fmt.Sprintf("UID STORE %s %sFLAGS (\\Flagged)", x.uid(), []string{"+", "-"}[x.rnd.IntN(2)])
	case 2:
		return "UID SEARCH ALL"
	case 3:
		return fmt.Sprintf("STATUS %s.copy (MESSAGES UIDNEXT)", x.name)
	case 4:
		return fmt.Sprintf("UID COPY %s %s.copy", x.uid(), x.name)
	case 5:
		if x.rnd.IntN(4) == 0 {
			return "EXPUNGE"
		}
		return "CHECK"
	case 6:
		return `LIST "" "` + x.name + `*"`
	}
	return fmt.Sprintf("UID FETCH %s %s", x.uid(), x.items())
}

// idle goes into IDLE and out of it at some moment.
func (x *torture) idle() int {
	tag := x.c.send("IDLE")
	x.note("C: " + tag + " IDLE\n")
	for {
		l := x.read()
		if strings.HasPrefix(l, "+") {
			break
		}
		x.untagged(l)
	}
	switch x.rnd.IntN(3) {
	case 0: // at once
	case 1:
		x.observer.ok("NOOP")
	case 2: // when something comes
		x.observer.store(x.name, "", x.extra())
		for {
			l := x.read()
			x.untagged(l)
			if strings.HasSuffix(l, " EXISTS\r\n") {
				break
			}
		}
	}
	x.c.write("DONE\r\n")
	x.note("C: DONE\n")
	x.finish([]string{tag})
	return 1
}

// extra is a message that the observer delivers.
func (x *torture) extra() []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	id := fmt.Sprintf("%s.extra.%d@test.example", x.name, len(x.sent))
	body := append([]byte("X-Test: "+id+"\r\n"), mail(len(x.sent), 3000)...)
	x.sent[id] = body
	return body
}

// store appends a message by the client itself.
func (x *torture) store() {
	body := x.extra()
	form := []string{"{%d}", "{%d+}"}[x.rnd.IntN(2)]
	tag := x.c.send("APPEND %s () "+form, x.name, len(body))
	x.note("C: " + tag + " APPEND\n")
	if !strings.Contains(form, "+") {
		for {
			l := x.read()
			if strings.HasPrefix(l, "+") {
				break
			}
			x.untagged(l)
		}
	}
	x.c.write(string(body) + "\r\n")
	x.finish([]string{tag})
}

// batch sends commands at once and reads up to their answers.
func (x *torture) batch(commands []string) {
	var all strings.Builder
	var tags []string
	x.asked = false
	for _, command := range commands {
		x.c.tag++
		tag := fmt.Sprintf("t%d", x.c.tag)
		tags = append(tags, tag)
		fmt.Fprintf(&all, "%s %s\r\n", tag, command)
		x.note("C: " + tag + " " + command + "\n")
		x.asked = x.asked || strings.Contains(command, "BODY")
	}
	text := all.String()
	if x.rnd.IntN(3) == 0 { // in pieces that end anywhere
		for len(text) > 0 {
			n := 1 + x.rnd.IntN(len(text))
			x.c.write(text[:n])
			text = text[n:]
		}
	}
	x.c.write(text)
	x.finish(tags)
	x.asked = false
}

// finish reads up to the answers to the tags, which Dovecot gives in any order.
func (x *torture) finish(tags []string) {
	for len(tags) > 0 {
		l := x.read()
		tag, rest, _ := strings.Cut(l, " ")
		i := slices.Index(tags, tag)
		switch {
		case tag == "*":
			x.untagged(l)
		case i < 0:
			x.fail("got %q while waiting for %v", l, tags)
		case !strings.HasPrefix(rest, "OK") && !strings.HasPrefix(rest, "NO"):
			x.fail("command failed: %q", l)
		default:
			tags = slices.Delete(tags, i, i+1)
		}
	}
}

func (x *torture) read() string {
	l := x.c.line()
	x.note("S: " + strings.TrimSpace(l[:min(len(l), 150)]) + "\n")
	return l
}

func (x *torture) note(l string) {
	if x.history = append(x.history, l); len(x.history) > 60 {
		x.history = slices.Delete(x.history, 0, 20)
	}
}
