package scan

import (
	"errors"
	"math"
)

// Bounds on what a peer controls.
const (
	// MaxText is how much of a line is kept when it is split over reads, and how much of any
	// line an Event shows. A BODYSTRUCTURE of some hundred parts fits; a longer line passes,
	// but what lies behind is not looked at.
	MaxText = 64 << 10
	// MaxCommandLine bounds what the downstream may send without a literal. Sets in FETCH and
	// SEARCH get long, and servers stop reading at 64 KiB (Dovecot's default) or before.
	MaxCommandLine = MaxText
	// MaxLiteral is the largest literal a downstream may announce. Servers that keep the size
	// in a signed int read more as something else.
	MaxLiteral = math.MaxInt32
	// maxLiteralMinus is the largest literal that LITERAL- lets go without being asked for.
	// RFC 7888, 5.
	maxLiteralMinus = 4096
)

// Kind tells what the bytes at the start of a chunk are.
type Kind uint8

const (
	// More says that all of the chunk belongs to a line that goes on.
	More Kind = iota
	// Line says that the bytes end a line: a fragment of a command or response.
	Line
	// Literal says that the bytes belong to a literal.
	Literal
	// Wait says that nobody knows yet what the bytes are: the upstream has not answered to the
	// literal announced before. No byte is taken. Client only.
	Wait
	// Bad says that the frame is in doubt; Err tells why. No byte is taken, then or later.
	// Client only.
	Bad
)

func (k Kind) String() string {
	switch k {
	case More:
		return "more"
	case Line:
		return "line"
	case Literal:
		return "literal"
	case Wait:
		return "wait"
	case Bad:
		return "bad"
	}
	return "unknown"
}

// Event is what Next found.
type Event struct {
	Kind Kind
	// First says that the line begins a command or response. Also set with More.
	First bool
	// Last says that the line ends a command or response: no literal follows.
	Last bool
	// Cut says that Text lacks the end of the line.
	Cut bool
	// Binary says that the literal that follows is a literal8 (RFC 3516), which may hold NUL.
	Binary bool
	// Synchronising says that the literal that follows waits for the upstream's "+": Next
	// returns Wait until Continue or Refuse. Client only.
	Synchronising bool
	// Done says that these bytes, which may be none, are the last of the literal.
	Done bool
	// Text is the line without its end, but with the announcement of the literal that follows.
	// It is valid until the next call, and as long as the chunk is not overwritten.
	Text []byte
	// Size of the literal that follows, when Last is not set.
	Size int64
	// Command is set when First is. Client only.
	Command Command
	// Err says why the frame is in doubt. It is one of the sentinels of this package and
	// holds nothing of what the client sent.
	Err error
}

// Reasons why the frame of what a downstream sends is in doubt.
var (
	ErrBareCR        = errors.New("bare CR in a command")
	ErrBareLF        = errors.New("bare LF in a command")
	ErrNUL           = errors.New("NUL in a command")
	ErrLineTooLong   = errors.New("command line too long")
	ErrQuote         = errors.New("quoted string not closed")
	ErrLiteralSyntax = errors.New("malformed literal")
	ErrLiteralPlace  = errors.New("literal where none can be")
	ErrLiteralSize   = errors.New("literal too large")
	ErrLiteralPlus   = errors.New("non-synchronising literal not offered")
	ErrIdle          = errors.New("IDLE not followed by DONE")
)
