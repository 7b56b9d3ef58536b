package imapd

import (
	"bytes"
	"strings"

	"heliograph/proxy/imapd/scan"
)

// takeServer passes on what the upstream sent, but for the answers to commands of our own.
func (t *tap) takeServer(p []byte) error {
	t.writing.Lock()
	t.mu.Lock()
	t.out = t.out[:0]
	passed := 0 // p[:passed] is in out or swallowed
	for off := 0; off < len(p); {
		ev, n := t.fromServer.Next(p[off:])
		switch ev.Kind {
		case scan.More:
			passed = t.serverPart(&ev, p, passed, off, off+n)
		case scan.Line:
			passed = t.serverLine(&ev, p, passed, off, off+n)
		case scan.Literal:
			if t.serverLiteral(p[off:off+n], ev.Done) {
				t.out = append(t.out, p[passed:off])
				passed = off + n
			}
		}
		off += n
	}
	t.out = append(t.out, p[passed:])
	if len(t.local) > 0 && t.boundary() {
		t.out = append(t.out, t.local)
		t.local = nil
		t.free.Broadcast()
	}
	if t.box != nil && len(t.box.named) > 0 {
		t.takeNamed(t.box)
	}
	t.kick()
	command := t.turn.command
	t.turn.command = nil
	gone, dead, leaving := t.gone, t.closed, t.leaving
	t.mu.Unlock()
	err := t.write(dead)
	t.writing.Unlock()
	t.send(command)
	t.store(&t.seen)
	if leaving {
		t.farewell()
	}
	if !gone {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hangUp()
	if t.finished() {
		return errOver
	}
	return nil
}

// serverPart handles p[off:end], which belong to a line that goes on. It returns up to where p is done with.
func (t *tap) serverPart(ev *scan.Event, p []byte, passed, off, end int) int {
	switch {
	case t.turn.mine && !ev.First: // of an answer to us: the client sees nothing of it
	case ev.First && !t.flowing && len(t.held)+end-off <= maxHeld:
		t.held = append(t.held, p[off:end]...)
	default:
		t.flowing = true
		t.unhold()
		return passed
	}
	t.out = append(t.out, p[passed:off])
	return end
}

// write gives the pieces to the client. Callers hold writing.
func (t *tap) write(dead bool) error {
	for _, b := range t.out {
		if len(b) == 0 || dead {
			continue
		}
		if _, err := t.toClient.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// unhold lets a line go on that is longer than the tap must look at.
func (t *tap) unhold() {
	if len(t.held) > 0 {
		t.out = append(t.out, t.held)
		t.held = nil
	}
}

// action is what becomes of a line.
type action uint8

const (
	pass action = iota
	swallow
	replace
)

// serverLine handles the line that ends at p[end]; it begins at p[off], or in held. It
// returns up to where p is done with.
func (t *tap) serverLine(ev *scan.Event, p []byte, passed, off, end int) int {
	do, text := t.judge(ev)
	if do == pass || t.flowing {
		t.flowing = false
		if len(t.held) > 0 {
			t.unhold()
		}
		return passed
	}
	t.held = nil
	t.out = append(t.out, p[passed:off])
	if do == replace {
		t.out = append(t.out, text)
	}
	return end
}

// judge moves the state by one line and says what becomes of it.
func (t *tap) judge(ev *scan.Event) (action, []byte) {
	if !ev.First {
		return t.further(ev)
	}
	t.in, t.turn.mine = false, false
	r := scan.ParseResponse(ev.Text)
	switch {
	case r.Continuation:
		return t.continuation(), nil
	case r.Tag != nil:
		return t.tagged(ev, &r)
	}
	return t.untagged(ev, &r)
}

// further handles a line behind a literal.
func (t *tap) further(ev *scan.Event) (action, []byte) {
	if !t.in {
		return pass, nil
	}
	t.fetch.Fragment(ev.Text)
	if t.turn.mine {
		return t.ownFetch(ev)
	}
	t.fetched(ev)
	return pass, nil
}

// continuation handles "+".
func (t *tap) continuation() action {
	if t.turn.phase == phaseReturning {
		t.returned()
		return swallow
	}
	if t.mid {
		t.fromClient.Continue()
		t.free.Broadcast()
		return pass
	}
	if len(t.cmds) > 0 && t.cmds[0].kind == commandIdle {
		t.cmds[0].idling = true
	}
	return pass
}

// tagged handles the answer to a command.
func (t *tap) tagged(ev *scan.Event, r *scan.Response) (action, []byte) {
	if t.turn.phase == phaseOurs && bytes.Equal(r.Tag, t.turn.tag) {
		t.answered(r)
		return swallow, nil
	}
	i := t.find(r.Tag)
	if i < 0 {
		t.srv.tap.lost("foreign_tag")
		return pass, nil
	}
	cmd := t.cmds[i]
	ok := r.Status == scan.StatusOK
	if t.turn.phase == phaseLeaving && cmd.kind == commandIdle && ok && !t.flowing { // what has passed in part has passed
		t.doneLeaving()
		return swallow, nil
	}
	t.cmds = append(t.cmds[:i], t.cmds[i+1:]...)
	t.cost -= cmd.cost()
	if t.turn.phase != phaseNone { // our DONE or IDLE got an answer that ends the client's IDLE
		t.turn.phase = phaseNone
	}
	if i == len(t.cmds) && t.mid { // before its end
		if t.fromClient.Refuse() {
			t.mid = false
		} else { // what is left of it is on its way
			t.stray = true
		}
	}
	if cmd.kind == commandIdle {
		t.fromClient.EndIdle()
	}
	t.free.Broadcast()
	t.settle(cmd, r, ok)
	t.capabilities(r)
	return t.hide(ev, r)
}

// find returns the place of the command with a tag, normally the first.
func (t *tap) find(tag []byte) int {
	for i, c := range t.cmds {
		if string(tag) == c.tag {
			return i
		}
	}
	return -1
}

// settle draws the conclusions of an answer.
func (t *tap) settle(cmd *issued, r *scan.Response, ok bool) {
	switch cmd.kind {
	case commandSelect:
		if cmd.box == nil { // refused without a word
			t.leaveBox()
			return
		}
		t.leaveBox()
		if ok {
			t.enterBox(cmd.box)
		}
	case commandClose:
		if ok {
			t.leaveBox()
		}
	case commandAppend:
		t.appended(cmd, r, ok)
	}
}

// untagged handles data.
func (t *tap) untagged(ev *scan.Event, r *scan.Response) (action, []byte) {
	box, sure := t.current()
	switch {
	case r.Status == scan.StatusOK || r.Status == scan.StatusPreauth:
		t.code(r, box)
		t.capabilities(r)
		return t.hide(ev, r)
	case r.Is("CAPABILITY"):
		t.capabilities(r)
		return t.hide(ev, r)
	case r.Is("LIST"), r.Is("XLIST"):
		t.listed(r)
	case r.Is("ENABLED"):
		t.uidOnly = t.uidOnly || bytes.Contains(bytes.ToUpper(r.Rest), []byte("UIDONLY"))
		t.qresync = t.qresync || bytes.Contains(bytes.ToUpper(r.Rest), []byte("QRESYNC"))
	case r.Is("SEARCH"):
		if t.ownSearch(r) {
			return swallow, nil
		}
	case box == nil:
	case r.Is("EXISTS"):
		box.setExists(r.Number)
	case !sure:
	case r.Is("FETCH"), r.Is("UIDFETCH"):
		t.in = !ev.Cut
		if !t.in {
			return pass, nil
		}
		if t.fetch == nil {
			t.fetch = new(scan.Fetch)
		}
		if r.Is("UIDFETCH") {
			t.fetch.BeginUID(r.Number, r.Rest)
		} else {
			t.fetch.Begin(r.Number, r.Rest)
		}
		if t.isOwn(ev) {
			return t.ownFetch(ev)
		}
		t.fetched(ev)
	case r.Is("EXPUNGE"):
		box.expunge(r.Number)
	case r.Is("VANISHED"):
		box.vanished(r.Rest)
	}
	return pass, nil
}

// current is the mailbox that untagged data is about: that of a SELECT which is being answered, or the
// selected one. Servers answer in order, so that a SELECT counts once nothing before it is open. sure says that
// sequence numbers are of this mailbox: at first they may be of the one before, whose changes are told still.
func (t *tap) current() (box *selected, sure bool) {
	if len(t.cmds) == 0 || t.cmds[0].kind != commandSelect {
		return t.box, t.box != nil
	}
	cmd := t.cmds[0]
	if cmd.box == nil {
		cmd.box = t.newBox(cmd.args)
		cmd.sure = t.box == nil
	}
	return cmd.box, cmd.sure
}

// code reads a response code about the mailbox (RFC 9051, 7.1).
func (t *tap) code(r *scan.Response, box *selected) {
	if box == nil {
		return
	}
	switch strings.ToUpper(string(r.Code)) {
	case "UIDVALIDITY":
		box.validity = number(r.CodeArgs)
	case "UIDNEXT":
		box.uidNext = number(r.CodeArgs)
	case "CLOSED": // what follows is of the mailbox that is being selected (RFC 7162, 3.2.11)
		if cmd := t.cmds; len(cmd) > 0 && cmd[0].kind == commandSelect {
			cmd[0].sure = true
		}
	}
}

// number reads a number of 32 bits, 0 if it is none.
func number(b []byte) uint32 {
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' || n > 1<<32 {
			return 0
		}
		n = n*10 + uint64(c-'0')
	}
	if n >= 1<<32 {
		return 0
	}
	return uint32(n)
}

// hide takes out of a capability list what ends at the gateway.
func (t *tap) hide(ev *scan.Event, r *scan.Response) (action, []byte) {
	if !r.Is("CAPABILITY") && !r.HasCode("CAPABILITY") || ev.Cut || !ev.Last {
		return pass, nil
	}
	line := hideCapabilities(ev.Text)
	if len(line) == len(ev.Text) {
		return pass, nil
	}
	return replace, append(bytes.Clone(line), "\r\n"...)
}

// serverLiteral notes bytes of a literal, and reports whether they are ours to keep.
func (t *tap) serverLiteral(p []byte, done bool) (own bool) {
	if t.tee != nil {
		t.seen = append(t.seen, copied{tee: t.tee, data: p})
	}
	if m := t.turn.body; t.turn.mine && m != nil {
		m.part += int64(len(p))
		if t.tee != nil {
			m.copied += int64(len(p))
		}
	}
	if done {
		t.tee = nil
		if t.in {
			t.fetch.LiteralDone()
		}
	}
	return t.turn.mine
}
