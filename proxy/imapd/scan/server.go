package scan

import "bytes"

// Server frames what an upstream sends. It never refuses: a bare LF ends a line as CRLF
// does, a line may have any length, and an announcement counts only where a literal can be.
// The zero value is ready at the start of a response.
type Server struct {
	line    line
	within  bool  // between the fragments of a response
	data    bool  // the response under way is one that can hold literals
	literal bool  // in a literal
	left    int64 // bytes of the literal still to come
}

// Next tells what the first n bytes of p are. Called with nothing it returns More.
func (s *Server) Next(p []byte) (ev Event, n int) {
	s.line.open()
	switch {
	case s.literal && (len(p) > 0 || s.left == 0):
		n = int(min(int64(len(p)), s.left))
		s.left -= int64(n)
		s.literal = s.left > 0
		return Event{Kind: Literal, Done: !s.literal}, n
	case len(p) == 0:
		return Event{Kind: More, First: !s.within}, 0
	}
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		s.line.add(p)
		return Event{Kind: More, First: !s.within}, len(p)
	}
	text, end, cut := s.line.end(p[:i])
	ev = Event{Kind: Line, First: !s.within, Last: true, Cut: cut, Text: text}
	if ev.First {
		s.data = holdsLiterals(text)
	}
	if s.data {
		if a, ok := announced(end); ok {
			ev.Last, ev.Size, ev.Binary = false, a.size, a.binary
			s.literal, s.left = true, a.size
		}
	}
	s.within = !ev.Last
	return ev, i + 1
}

// AtBoundary tells whether the next byte begins a response.
func (s *Server) AtBoundary() bool { return !s.within && s.line.empty() }

// Release gives back the memory of the last line, whose Text is no longer valid then. Call
// it when the connection goes idle.
func (s *Server) Release() { s.line.release() }

// holdsLiterals tells whether the response that begins with this line may hold literals:
// the text of OK, NO, BAD, BYE and PREAUTH, of "+" and of tagged responses may end in
// "{5}" and mean nothing by it.
func holdsLiterals(text []byte) bool {
	if len(text) < 2 || text[0] != '*' || text[1] != ' ' {
		return false
	}
	word, _ := token(bytes.TrimLeft(text[2:], " "))
	return statusOf(word) == StatusNone
}
