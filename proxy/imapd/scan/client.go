package scan

import "bytes"

// Client frames what a downstream sends, strictly: what one server could read otherwise than
// another ends with Bad. The zero value is ready at the start of a command. The exported
// fields say what the upstream offers, and may change between commands.
type Client struct {
	// LiteralPlus lets literals of any size go without being asked for (RFC 7888).
	LiteralPlus bool
	// LiteralMinus lets those of up to 4096 bytes (RFC 7888, 5; RFC 9051).
	LiteralMinus bool
	// Literal8 says that the upstream knows literal8, so that "~{5+}" is no riddle to it.
	Literal8 bool

	line    line
	within  bool // between the fragments of a command
	verb    verb // of the command under way
	waiting bool // for the upstream's word on a literal
	literal bool // in a literal
	left    int64
	idle    bool // what comes next must be DONE
	err     error
}

// Offer sets the exported fields from what the upstream offers: has tells whether it has the
// capability of that name.
func (c *Client) Offer(has func(capability string) bool) {
	c.LiteralPlus = has("LITERAL+")
	c.LiteralMinus = has("LITERAL-") || has("IMAP4rev2")
	// RFC 3516; RFC 6855, 4; RFC 5464, 5.
	c.Literal8 = has("BINARY") || has("UTF8=ACCEPT") || has("UTF8=ONLY") || has("METADATA") || has("IMAP4rev2")
}

// Next tells what the first n bytes of p are. Called with nothing it returns More, Wait or Bad.
func (c *Client) Next(p []byte) (ev Event, n int) {
	c.line.open()
	switch {
	case c.err != nil:
		return Event{Kind: Bad, Err: c.err}, 0
	case c.waiting:
		return Event{Kind: Wait}, 0
	case c.literal && (len(p) > 0 || c.left == 0):
		n = int(min(int64(len(p)), c.left))
		c.left -= int64(n)
		c.literal = c.left > 0
		return Event{Kind: Literal, Done: !c.literal}, n
	case len(p) == 0:
		return Event{Kind: More, First: !c.within}, 0
	}
	piece, whole := p, false
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		piece, whole = p[:i], true
	}
	if c.err = c.check(piece, whole); c.err != nil {
		return Event{Kind: Bad, Err: c.err}, 0
	}
	if !whole {
		c.line.add(p)
		return Event{Kind: More, First: !c.within}, len(p)
	}
	text, _, _ := c.line.end(piece)
	if ev, c.err = c.fragment(text); c.err != nil {
		return Event{Kind: Bad, Err: c.err}, 0
	}
	return ev, len(piece) + 1
}

// check looks at the next bytes of a line, which end before its LF when whole is set. Of
// several faults it finds the first one, however the line is split.
func (c *Client) check(piece []byte, whole bool) error {
	last := c.line.last()
	if last == '\r' && len(piece) > 0 {
		return ErrBareCR
	}
	have := 0
	if !c.line.empty() {
		have = int(c.line.size)
	}
	limit := MaxCommandLine - have // the byte of piece that must be CR, if there is one
	head := piece[:min(len(piece), limit+1)]
	cr, nul := bytes.IndexByte(head, '\r'), bytes.IndexByte(head, 0)
	switch {
	case cr >= 0 && cr+1 < len(piece) && (nul < 0 || cr < nul):
		return ErrBareCR
	case nul >= 0:
		return ErrNUL
	case 0 <= limit && limit < len(piece) && piece[limit] != '\r':
		return ErrLineTooLong
	}
	if len(piece) > 0 {
		last = piece[len(piece)-1]
	}
	if whole && last != '\r' {
		return ErrBareLF
	}
	return nil
}

// fragment reads a whole line.
func (c *Client) fragment(text []byte) (Event, error) {
	ev := Event{Kind: Line, First: !c.within, Last: true, Text: text}
	if c.idle && ev.First {
		if !foldEqual(text, "DONE") { // RFC 9051, 6.3.13
			return ev, ErrIdle
		}
		c.idle = false
		ev.Command.Verb = "DONE"
		return ev, nil
	}
	if ev.First {
		ev.Command, c.verb = parseCommand(text)
	}
	a, announced, err := clientLiteral(text)
	if err != nil {
		return ev, err
	}
	if !announced {
		c.within = false
		if ev.First && ev.Command.Verb == "IDLE" {
			if !c.verb.clear || len(text) != len(ev.Command.Tag)+len(" IDLE") {
				return ev, ErrIdle // one server idles, another does not
			}
			c.idle = true
		}
		return ev, nil
	}
	switch {
	case !c.verb.clear || !c.verb.literal || a.binary && !c.verb.binary:
		return ev, ErrLiteralPlace
	case a.plus && !c.LiteralPlus && (!c.LiteralMinus || a.size > maxLiteralMinus),
		a.plus && a.binary && !c.Literal8:
		return ev, ErrLiteralPlus
	}
	ev.Last, ev.Size, ev.Binary, ev.Synchronising = false, a.size, a.binary, !a.plus
	c.within, c.left = true, a.size
	c.waiting, c.literal = !a.plus, a.plus
	return ev, nil
}

// Continue says that the upstream asks for the literal ("+"). It returns false when no
// literal waits, and changes nothing then.
func (c *Client) Continue() bool {
	if !c.waiting {
		return false
	}
	c.waiting, c.literal = false, true
	return true
}

// Refuse says that the upstream has answered the command instead of asking for the literal:
// what comes next is a new command. It returns false when no literal waits.
func (c *Client) Refuse() bool {
	if !c.waiting {
		return false
	}
	c.waiting, c.within, c.left = false, false, 0
	return true
}

// EndIdle says that the upstream refused IDLE or ended it: what comes next is a command,
// even if it is the DONE that was under way.
func (c *Client) EndIdle() { c.idle = false }

// Waiting tells whether a literal waits for Continue or Refuse.
func (c *Client) Waiting() bool { return c.waiting }

// Idling tells whether only DONE may come next.
func (c *Client) Idling() bool { return c.idle }

// AtBoundary tells whether the next byte begins a command, or the DONE of an IDLE.
func (c *Client) AtBoundary() bool { return !c.within && c.line.empty() }

// Release gives back the memory of the last line, whose Text is no longer valid then. Call
// it when the connection goes idle.
func (c *Client) Release() { c.line.release() }
