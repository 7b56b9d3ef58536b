package smtpd

import (
	"bytes"
	"errors"
)

// Errors of a message's framing. Both mean that the rest cannot be trusted.
var (
	errBareCR = errors.New("bare CR in the message (RFC 5321, 2.3.8)")
	errBareLF = errors.New("bare LF in the message (RFC 5321, 2.3.8)")
)

// lineStart says what stands before the next byte.
type lineStart uint8

const (
	afterCRLF   lineStart = iota // also the start: the CRLF of the DATA line counts
	afterBareLF                  // a line that began behind a repaired LF cannot end the message
	midLine
)

// dataScanner finds the end of DATA and makes sure that what is passed on means
// the same to every reader (RFC 5321, 4.5.2 and 2.3.8).
//
// The client decides what a line is: where it sends a bare LF, it stuffs dots
// behind it or does not, and we cannot know. So a bare LF becomes CRLF, a dot behind
// it stays, and a lone dot that is not within CRLF.CRLF becomes a line of the
// message by a second dot. Then no server behind us can see an end that we did not see.
type dataScanner struct {
	refuseBareLF bool

	at     lineStart
	repair []byte // output of a chunk that had to be repaired
	// Repaired counts line ends that were normalised.
	repaired int
}

// next scans p. It returns the bytes to pass on (p itself unless something was
// repaired), how many bytes of p were used, and whether the end was among them;
// the end itself (".CRLF") is used but never part of out. At most two bytes at the
// end of p stay unused, because they need what follows: present them again.
func (s *dataScanner) next(p []byte) (out []byte, used int, done bool, err error) {
	s.repair = s.repair[:0]
	kept := 0 // p[kept:i] is not yet in repair
	fix := func(upTo int, with string, from int) {
		s.repair = append(append(s.repair, p[kept:upTo]...), with...)
		kept = from
		s.repaired++
	}
	crlfs, i := 0, 0
scan:
	for i < len(p) {
		if s.at != midLine && p[i] == '.' {
			switch dot := p[i:]; {
			case len(dot) == 1, len(dot) == 2 && dot[1] == '\r':
				break scan // undecided
			case dot[1] == '\n': // LF.LF, CRLF.LF
				if s.refuseBareLF {
					return nil, 0, false, errBareLF
				}
				fix(i, "..\r\n", i+2)
				i += 2
				s.at = afterBareLF
				continue
			case dot[1] == '\r' && dot[2] == '\n':
				if s.at == afterCRLF {
					done = true
					break scan
				}
				fix(i, "..\r\n", i+3) // LF.CRLF
				crlfs++
				i += 3
				s.at = afterCRLF
				continue
			}
		}
		nl := bytes.IndexByte(p[i:], '\n')
		if nl < 0 {
			if end := len(p); p[end-1] == '\r' {
				if end-1 > i {
					s.at = midLine
				}
				i = end - 1 // undecided: a CRLF or a bare CR
			} else {
				i, s.at = end, midLine
			}
			break
		}
		nl += i
		if nl > 0 && p[nl-1] == '\r' && nl-1 >= i {
			crlfs++
			s.at = afterCRLF
		} else {
			if s.refuseBareLF {
				return nil, 0, false, errBareLF
			}
			fix(nl, "\r\n", nl+1)
			s.at = afterBareLF
		}
		i = nl + 1
	}
	if bytes.Count(p[:i], []byte{'\r'}) != crlfs {
		return nil, 0, false, errBareCR
	}
	out = p[:i]
	if kept > 0 {
		s.repair = append(s.repair, p[kept:i]...)
		out = s.repair
	}
	if done {
		i += len(".\r\n")
	}
	return out, i, done, nil
}

// skip looks for the end of a message that is refused, and for nothing else.
func (s *dataScanner) skip(p []byte) (used int, done bool) {
	for i := 0; i < len(p); {
		if s.at == afterCRLF && p[i] == '.' {
			if rest := p[i:]; len(rest) < 3 && bytes.HasPrefix([]byte(".\r\n"), rest) {
				return i, false
			} else if bytes.HasPrefix(rest, []byte(".\r\n")) {
				return i + 3, true
			}
		}
		nl := bytes.IndexByte(p[i:], '\n')
		if nl < 0 {
			s.at = midLine
			if p[len(p)-1] == '\r' {
				return max(i, len(p)-1), false
			}
			return len(p), false
		}
		nl += i
		s.at = afterBareLF
		if nl > i && p[nl-1] == '\r' {
			s.at = afterCRLF
		}
		i = nl + 1
	}
	return len(p), false
}
