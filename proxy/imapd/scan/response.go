package scan

import (
	"bytes"
	"math"
)

// Status is the verdict in a status response (RFC 9051, 7.1).
type Status string

// The five verdicts, and none.
const (
	StatusNone    Status = ""
	StatusOK      Status = "OK"
	StatusNo      Status = "NO"
	StatusBad     Status = "BAD"
	StatusBye     Status = "BYE"
	StatusPreauth Status = "PREAUTH"
)

// Response is the first line of a response, taken apart. Its slices are parts of the line.
type Response struct {
	// Tag of the command that is answered, nil for an untagged response or a continuation.
	Tag []byte
	// Continuation says that this is "+".
	Continuation bool
	// Status is set in status responses, tagged and untagged.
	Status Status
	// Code and CodeArgs are the response code: "UIDVALIDITY" and "123" of "[UIDVALIDITY 123]".
	Code, CodeArgs []byte
	// Number stands before the keyword in EXISTS, EXPUNGE, FETCH and the like, else 0.
	Number uint32
	// Keyword names other untagged responses as the server wrote it: see Is.
	Keyword []byte
	// Rest is what follows: the data behind the keyword, or the text of a status or "+".
	Rest []byte
}

// Is tells whether the untagged response is the one with this keyword, given in upper case.
func (r *Response) Is(keyword string) bool { return foldEqual(r.Keyword, keyword) }

// HasCode tells whether the response carries this code, given in upper case.
func (r *Response) HasCode(code string) bool { return foldEqual(r.Code, code) }

// ParseResponse takes the first line of a response apart. It never fails: what it cannot
// read is an untagged response with an odd keyword, or a tagged one with no status.
func ParseResponse(text []byte) Response {
	var r Response
	tag, rest := token(text)
	switch {
	case string(tag) == "+":
		r.Continuation = true
		r.code(rest)
		return r
	case string(tag) != "*":
		r.Tag = tag
	}
	word, behind := token(trimSpace(rest))
	if i := bytes.IndexByte(word, '['); i > 0 { // "OK[ALERT]", as if there were a space
		if statusOf(word[:i]) != StatusNone {
			word, behind = word[:i], trimSpace(rest)[i:]
		}
	}
	if r.Status = statusOf(word); r.Status != StatusNone {
		r.code(behind)
		return r
	}
	if r.Tag == nil {
		if n, ok := number(word); ok && n <= math.MaxUint32 {
			r.Number = uint32(n)
			word, behind = token(trimSpace(behind))
		}
		r.Keyword = word
	}
	r.Rest = trimSpace(behind)
	return r
}

// statusOf reads a verdict.
func statusOf(word []byte) Status {
	if len(word) < 2 || len(word) > 7 {
		return StatusNone
	}
	switch upperByte(word[0]) {
	case 'O':
		if foldEqual(word, "OK") {
			return StatusOK
		}
	case 'N':
		if foldEqual(word, "NO") {
			return StatusNo
		}
	case 'B':
		if foldEqual(word, "BAD") {
			return StatusBad
		}
		if foldEqual(word, "BYE") {
			return StatusBye
		}
	case 'P':
		if foldEqual(word, "PREAUTH") {
			return StatusPreauth
		}
	}
	return StatusNone
}

// code reads "[CODE args] text".
func (r *Response) code(p []byte) {
	p = trimSpace(p)
	r.Rest = p
	if len(p) == 0 || p[0] != '[' {
		return
	}
	end := closing(p)
	if end < 0 {
		return
	}
	r.Rest = trimSpace(p[end+1:])
	r.Code, r.CodeArgs = token(p[1:end])
	r.CodeArgs = trimSpace(r.CodeArgs)
}

// closing returns where the "]" is that ends a response code, -1 if there is none. One
// within quotes does not count.
func closing(p []byte) int {
	quoted := false
	for i := 1; i < len(p); i++ {
		switch c := p[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ']' && !quoted:
			return i
		}
	}
	return bytes.IndexByte(p, ']')
}
