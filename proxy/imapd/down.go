package imapd

import (
	"errors"
	"time"

	"heliograph/proxy/imapd/scan"
)

// issued is one of the client's commands that waits for its tagged answer.
type issued struct {
	tag  string
	kind commandKind
	args []byte // of those whose mailbox matters, literals included; bounded by maxArgs

	box     *selected // SELECT: what its answer tells
	sure    bool      // SELECT: and the mailbox before is closed
	idling  bool      // IDLE: the upstream has sent its "+"
	ending  bool      // IDLE: the client has sent DONE
	appends *appending
}

type commandKind uint8

const (
	commandOther commandKind = iota
	commandSelect
	commandClose // CLOSE and UNSELECT
	commandIdle
	commandAppend
	commandLogout
)

// maxArgs bounds what is kept of a command's arguments: a mailbox name, flags and a date.
const maxArgs = 8 << 10

// errFraming closes a session whose client sends what servers read in different ways.
var errFraming = errors.New("framing of a command is in doubt")

// kindOf finds what the tap must know of a command. verb is in upper case.
func kindOf(verb string) commandKind {
	switch verb {
	case "SELECT", "EXAMINE":
		return commandSelect
	case "CLOSE", "UNSELECT":
		return commandClose
	case "IDLE":
		return commandIdle
	case "APPEND":
		return commandAppend
	case "LOGOUT":
		return commandLogout
	}
	return commandOther
}

// refusal is the gateway's own answer to a command that cannot pass, empty for all others.
// TLS and compression end here, and another login would be another account's mail.
func refusal(verb string) string {
	switch verb {
	case "COMPRESS", "UNAUTHENTICATE", "STARTTLS":
		return "BAD " + verb + " is not available here"
	}
	return ""
}

// takeClient passes on what the client sent. While a command of our own is under way
// the bytes wait, for the time of one chunk at most.
func (t *tap) takeClient(p []byte) error {
	t.mu.Lock()
	t.lastClient = time.Now()
	err := t.passClient(p)
	t.mu.Unlock()
	t.store(&t.sent)
	return err
}

// chunk is what was read of the client at once: p[:sent] has left, p[sent:off] may leave.
type chunk struct {
	p         []byte
	sent, off int
}

// passClient is takeClient under mu.
func (t *tap) passClient(p []byte) error {
	c := &chunk{p: p}
	for c.off < len(p) {
		if t.mustWait() {
			if err := t.clearAnd(c, t.waitTurn); err != nil {
				return err
			}
		}
		if err := t.clientEvent(c); err != nil {
			return err
		}
	}
	return t.clear(c)
}

// clear sends what may leave.
func (t *tap) clear(c *chunk) error {
	p := c.p[c.sent:c.off]
	c.sent = c.off
	return t.forward(p)
}

// clearAnd sends what may leave, since what is not sent is not answered, and then waits.
func (t *tap) clearAnd(c *chunk, wait func() bool) error {
	if err := t.clear(c); err != nil {
		return err
	}
	if !wait() {
		return errOver
	}
	return nil
}

// clientEvent takes the next piece of a chunk.
func (t *tap) clientEvent(c *chunk) error {
	ev, n := t.fromClient.Next(c.p[c.off:])
	switch ev.Kind {
	case scan.Bad:
		if err := t.clear(c); err != nil {
			return err
		}
		return t.reject(ev)
	case scan.Wait:
		return t.clearAnd(c, t.waitLiteral)
	case scan.More: // it stays here until the line is whole: the upstream sees no half ones
		t.half = append(t.half, c.p[c.off:c.off+n]...) // bounded by the scanner's limit on lines
		err := t.clear(c)
		c.off += n
		c.sent = c.off
		return err
	case scan.Literal:
		t.clientLiteral(c.p[c.off:c.off+n], ev.Done)
	case scan.Line:
		return t.passLine(c, &ev, n)
	}
	c.off += n
	return nil
}

// passLine lets a line of n bytes go, unless the answer to it is ours.
func (t *tap) passLine(c *chunk, ev *scan.Event, n int) error {
	if ev.First && t.box != nil && len(t.box.orphans) > 0 && (len(t.box.orphans) >= askOrphans || leaves(ev.Command.Verb)) {
		if err := t.clearAnd(c, t.askUIDs); err != nil {
			return err
		}
	}
	if own := t.clientLine(ev); own != "" {
		err := t.clear(c)
		c.off += n
		c.sent, t.half = c.off, nil
		t.answer(own)
		return err
	}
	half := t.half
	t.half = nil
	c.off += n
	return t.forward(half) // of a chunk's first line: nothing is before it
}

// leaves says whether a command ends the selection of a mailbox or takes messages out of it.
func leaves(verb string) bool {
	switch kindOf(verb) {
	case commandSelect, commandClose, commandLogout:
		return true
	}
	return verb == "EXPUNGE" || verb == "UID EXPUNGE" || verb == "MOVE" || verb == "UID MOVE"
}

// askUIDs lets us ask something before the client's command goes on. It reports false when the session is over.
func (t *tap) askUIDs() bool {
	for t.identify() {
		command := t.turn.command
		t.turn.command = nil
		t.mu.Unlock()
		t.send(command)
		t.mu.Lock()
		if !t.waitTurn() {
			return false
		}
	}
	return true
}

// errOver says that the session ended meanwhile.
var errOver = errors.New("the session is over")

// mustWait says that no further command may be sent now.
func (t *tap) mustWait() bool {
	return !t.mid && (t.turn.phase != phaseNone || len(t.cmds) >= maxCommands || t.cost >= maxCost || len(t.local) >= maxLocal)
}

// waitTurn waits until a command may be sent. It reports false when the session is over.
func (t *tap) waitTurn() bool {
	began := time.Now()
	for t.mustWait() {
		if !t.pause() {
			return false
		}
	}
	t.srv.tap.held.Observe(time.Since(began).Seconds())
	return true
}

// waitLiteral waits for the upstream's word on a literal, which may have come already. It reports false when the
// session is over.
func (t *tap) waitLiteral() bool {
	for t.fromClient.Waiting() {
		if !t.pause() {
			return false
		}
	}
	return true
}

// pause waits for the next change.
func (t *tap) pause() bool {
	if t.over {
		return false
	}
	t.waiting = true
	t.free.Wait()
	t.waiting = false
	return !t.over
}

// forward writes to the upstream, without mu. What it writes was noted before, so that no
// command of our own can come between.
func (t *tap) forward(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	t.mu.Unlock()
	_, err := t.toServer.Write(p)
	t.mu.Lock()
	return err
}

// answer gives the client a response of our own.
func (t *tap) answer(text string) {
	t.mu.Unlock()
	t.say(text)
	t.mu.Lock()
}

// reject answers bytes whose framing is in doubt and ends the session.
func (t *tap) reject(ev scan.Event) error {
	t.srv.metrics.refused(refusedFraming)
	t.log.Warn("client's command refused", "reason", ev.Err)
	tag := "*"
	if len(ev.Command.Tag) > 0 {
		tag = string(ev.Command.Tag)
	}
	t.answer(tag + " BAD " + ev.Err.Error() + "\r\n* BYE closing\r\n")
	return errFraming
}

// clientLine notes one line of a command. It returns our own answer to a command that does not pass.
func (t *tap) clientLine(ev *scan.Event) (own string) {
	t.mid = !ev.Last
	t.stray = t.stray && !ev.First
	if !ev.First {
		if cmd := t.newest(); cmd != nil && !t.stray {
			cmd.more(ev)
			t.appendLine(cmd, ev)
		}
		return ""
	}
	if idle := t.idleOf(t.newest()); idle != nil && !idle.ending { // the scanner lets nothing but DONE through
		idle.ending = true
		return ""
	}
	if text := refusal(ev.Command.Verb); text != "" {
		return string(ev.Command.Tag) + " " + text + "\r\n"
	}
	if ev.Command.Verb == "" || !scan.ValidTag(ev.Command.Tag) {
		return "" // no command: its answer has no tag, or one that is not waited for
	}
	cmd := &issued{tag: string(ev.Command.Tag), kind: kindOf(ev.Command.Verb)}
	t.cmds = append(t.cmds, cmd)
	t.cost += cmd.cost()
	switch cmd.kind {
	case commandSelect, commandAppend:
		cmd.args = append(cmd.args, ev.Command.Args[:min(len(ev.Command.Args), maxArgs)]...)
		if !ev.Last {
			cmd.args = append(cmd.args, "\r\n"...)
		}
		t.appendLine(cmd, ev)
	}
	return ""
}

// cost is the most memory that the command takes, in bytes.
func (c *issued) cost() int {
	switch c.kind {
	case commandSelect, commandAppend:
		return len(c.tag) + maxArgs
	}
	return len(c.tag)
}

// more adds a further line to the arguments.
func (c *issued) more(ev *scan.Event) {
	if c.args != nil && len(c.args)+len(ev.Text) < maxArgs {
		c.args = append(c.args, ev.Text...)
		if !ev.Last {
			c.args = append(c.args, "\r\n"...)
		}
	}
}

// clientLiteral notes bytes of a literal.
func (t *tap) clientLiteral(p []byte, done bool) {
	cmd := t.newest()
	if cmd == nil || t.stray {
		return
	}
	if cmd.appends != nil && cmd.appends.literal(t, p, done) {
		return
	}
	if cmd.args != nil && len(cmd.args)+len(p) < maxArgs {
		cmd.args = append(cmd.args, p...)
	}
}

func (t *tap) newest() *issued {
	if len(t.cmds) == 0 {
		return nil
	}
	return t.cmds[len(t.cmds)-1]
}

func (t *tap) idleOf(c *issued) *issued {
	if c != nil && c.kind == commandIdle {
		return c
	}
	return nil
}

// idling is the client's IDLE when that is all that is under way and the upstream waits for its end.
func (t *tap) idling() *issued {
	if len(t.cmds) != 1 || !t.cmds[0].idling || t.cmds[0].ending {
		return nil
	}
	return t.cmds[0]
}
