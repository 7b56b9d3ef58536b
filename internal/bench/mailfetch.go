package bench

import (
	"fmt"
	"strconv"
	"strings"
)

// wanted are the items of one FETCH that the store knows.
type wanted struct {
	uid, flags, size, date, envelope bool

	body   bool
	offset int64
	length int64 // of a part; -1: the whole message
}

// wantedItems reads the items of a FETCH; false if there is one that the store does not know.
func wantedItems(args string) (w wanted, ok bool) {
	for item := range strings.FieldsSeq(strings.ToUpper(strings.Trim(args, "()"))) {
		switch item {
		case "UID":
			w.uid = true
		case "FLAGS":
			w.flags = true
		case "RFC822.SIZE":
			w.size = true
		case "INTERNALDATE":
			w.date = true
		case "ENVELOPE":
			w.envelope = true
		default:
			if !w.part(item) {
				return w, false
			}
		}
	}
	return w, true
}

// part reads BODY[], BODY.PEEK[] or either with <offset.length>.
func (w *wanted) part(item string) (ok bool) {
	item = strings.Replace(item, ".PEEK", "", 1)
	item, ok = strings.CutPrefix(item, "BODY[]")
	if !ok {
		return false
	}
	w.body, w.length = true, -1
	if item == "" {
		return true
	}
	offset, length, ok := strings.Cut(strings.Trim(item, "<>"), ".")
	var err1, err2 error
	w.offset, err1 = strconv.ParseInt(offset, 10, 64)
	w.length, err2 = strconv.ParseInt(length, 10, 64)
	return ok && err1 == nil && err2 == nil && w.offset >= 0 && w.length > 0
}

// plain reports whether the items are those that loads ask for when they read mail.
func (w wanted) plain() bool { return w == wanted{uid: true, flags: true, body: true, length: -1} }

// fetch answers a FETCH and returns its tagged answer.
func (s *mailSession) fetch(args string, byUID bool) string {
	set, items, _ := strings.Cut(args, " ")
	w, ok := wantedItems(items)
	if !ok {
		return "BAD no such item"
	}
	w.uid = w.uid || byUID
	for stretch := range strings.SplitSeq(set, ",") {
		first, last, ok := s.stretch(stretch)
		switch {
		case !ok:
			return "BAD no such messages"
		case !w.plain():
			for uid := first; uid <= last; uid++ {
				s.items(uid, w)
			}
			continue
		case s.folder.name == inbox:
			_, _ = s.w.Write(s.store.inbox.bytes[s.store.inbox.at[first-1]:s.store.inbox.at[last]]) // an error stays
		default:
			s.fetchFresh(first, last)
		}
		s.store.gave(s.folder.name, first, last)
	}
	return "OK done"
}

// stretch reads a number or two with a colon; false if they name no message.
func (s *mailSession) stretch(text string) (first, last uint32, ok bool) {
	a, b, two := strings.Cut(text, ":")
	first, last = s.number(a), s.number(b)
	if !two {
		last = first
	}
	if first > last {
		first, last = last, first
	}
	last = min(last, s.folder.size)
	return first, last, first > 0 && first <= last
}

func (s *mailSession) number(text string) uint32 {
	if text == "*" {
		return s.folder.size
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// together is how many messages fetchFresh writes in one go: five pieces each, and the
// system takes 1,024.
const together = 200

var behindBody = []byte(")\r\n")

// fetchFresh writes messages in pieces, so that none is copied to be made unique.
func (s *mailSession) fetchFresh(first, last uint32) {
	const around = 300 // more than the text of one message around its body
	if s.text == nil {
		s.text = make([]byte, 0, together*around) // s.many points into it: it must not move
	}
	for first <= last {
		s.many, s.text = s.many[:0], s.text[:0]
		for end := min(last, first+together-1); first <= end; first++ {
			l := s.store.letter(first)
			head := len(s.text)
			s.text = appendWhole(s.text, first, len(l.body))
			id := len(s.text)
			s.text = idOf(s.text, s.folder.hash, first)
			s.many = append(s.many, s.text[head:id], l.body[:l.id], s.text[id:], l.body[l.id+len(idPlace):], behindBody)
		}
		if s.w.Flush() != nil {
			return
		}
		pieces := s.many
		_, _ = pieces.WriteTo(s.conn) // the next read says that the client has gone
	}
}

// items writes the answer for one message, whatever was asked for.
func (s *mailSession) items(uid uint32, w wanted) {
	var answer []string
	add := func(want bool, format string, args ...any) {
		if want {
			answer = append(answer, fmt.Sprintf(format, args...))
		}
	}
	size := len(s.store.letter(uid).body)
	add(w.uid, "UID %d", uid)
	add(w.flags, `FLAGS (\Seen)`)
	add(w.size, "RFC822.SIZE %d", size)
	add(w.date, `INTERNALDATE "21-Nov-2026 10:00:00 +0000"`)
	if w.envelope {
		who := fmt.Sprintf(`(("Sender %d" NIL "sender%d" "example.org"))`, uid, uid)
		add(true, `ENVELOPE ("Sat, 21 Nov 2026 10:00:00 +0000" "Offer number %d" %s %s %s (("Bench" NIL "bench" "example.com")) NIL NIL NIL "<%s@bench.example.com>")`,
			uid, who, who, who, nameOf(s.folder.hash, uid))
	}
	if w.body {
		body := s.store.body(s.folder, uid)
		if w.length < 0 {
			add(true, "BODY[] {%d}\r\n%s", len(body), body)
			s.store.gave(s.folder.name, uid, uid)
		} else {
			body = body[min(w.offset, int64(len(body))):]
			body = body[:min(w.length, int64(len(body)))]
			add(true, "BODY[]<%d> {%d}\r\n%s", w.offset, len(body), body)
		}
	}
	s.say("* %d FETCH (%s)", uid, strings.Join(answer, " "))
}
