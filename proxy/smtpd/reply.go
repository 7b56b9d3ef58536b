package smtpd

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"heliograph/internal/journal"
	"heliograph/proxy/upstream"
)

var errReply = errors.New("the upstream's reply is malformed or too long")

// splitReply finds the first whole reply in p (RFC 5321, 4.2.1). n is 0 while it is incomplete.
func splitReply(p []byte) (n, code int, err error) {
	for {
		nl := bytes.IndexByte(p[n:], '\n')
		if nl < 0 {
			if len(p) >= lineBuffer {
				return 0, 0, errReply
			}
			return 0, 0, nil
		}
		l := p[n : n+nl+1]
		n += nl + 1
		text := bytes.TrimRight(l, "\r\n")
		if len(text) < 3 || len(text) > 3 && text[3] != ' ' && text[3] != '-' {
			return 0, 0, errReply
		}
		c := 0
		for _, d := range text[:3] {
			if d < '0' || d > '9' {
				return 0, 0, errReply
			}
			c = c*10 + int(d-'0')
		}
		if len(text) == 3 || text[3] == ' ' {
			return n, c, nil
		}
	}
}

// settle notes what a reply means. own replaces the reply, swallow keeps it from the
// client; quit ends the session. The journal learns a verdict before the client does.
func (t *tap) settle(e expectation, code int, text []byte) (own []byte, swallow, quit bool) {
	ok := code/100 == 2
	switch e.kind {
	case expectMail:
		if ok {
			t.setActive(e.txn)
		}
	case expectRcpt:
		t.addRecipient(e, code, text)
	case expectData:
		t.mu.Lock()
		t.gate = gateShut
		if code == 354 {
			t.gate = gateOpen
		}
		t.mu.Unlock()
	case expectVerdict:
		own = t.verdict(e.txn, code, text)
	case expectPiece:
		if !ok {
			e.txn.fail(text)
		}
		swallow = true
	case expectReset:
		if ok {
			t.setActive(nil)
		}
	case expectHello:
		if ok {
			t.setActive(nil)
			own = t.filterEHLO(text)
		}
	case expectQuit:
		return nil, false, true
	default:
		// A command we do not know changed the protocol: what follows cannot be followed.
		if code == 334 || code == 354 {
			return []byte("421 4.7.0 this command is not possible through the gateway, closing\r\n"), false, true
		}
	}
	if code == 421 {
		quit = true
	}
	return own, swallow, quit
}

func (t *tap) setActive(txn *transaction) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.active = txn
}

func (t *tap) addRecipient(e expectation, code int, text []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.active == nil {
		return
	}
	r := journal.Recipient{Address: e.rcpt, Params: e.param, Code: code}
	if code/100 != 2 {
		r.Reply = replyText(text)
	}
	t.active.env.Recipients = append(t.active.env.Recipients, r)
}

// verdict tells the journal what became of a message.
func (t *tap) verdict(txn *transaction, code int, text []byte) (own []byte) {
	if failure := txn.failure(); failure != nil && code/100 != 2 {
		own = failure // the reply to the piece that failed says more than "503 bad sequence"
	}
	outcome := "refused"
	if code/100 == 2 {
		outcome = "accepted"
		txn.commit(journal.Verdict{Code: code, Text: replyText(text), At: time.Now().UTC()})
	} else {
		txn.refuse(fmt.Sprintf("refused by the upstream: %d %s", code, replyText(text)))
	}
	t.srv.metrics.message(outcome, t.relay(), txn.size, time.Since(txn.ended))
	t.log.Info("message "+outcome, "entry", txn.env.ID.String(), "code", code, "bytes", txn.size, "recipients", len(txn.env.Recipients))
	t.setActive(nil)
	return own
}

// replyText is a reply without codes and line ends, cut to what a ledger needs.
func replyText(raw []byte) string {
	var sb strings.Builder
	for l := range bytes.Lines(raw) {
		if l = bytes.TrimRight(l, "\r\n"); len(l) > 4 && sb.Len() < 500 {
			if sb.Len() > 0 {
				sb.WriteByte(' ')
			}
			sb.Write(l[4:min(len(l), 504)])
		}
	}
	return sb.String()
}

// filterEHLO shows the client of the upstream's reply what is true of us.
func (t *tap) filterEHLO(raw []byte) []byte {
	ext, err := upstream.ParseEHLO(raw)
	if err != nil {
		return nil
	}
	first, _, _ := bytes.Cut(raw[4:], []byte("\r\n"))
	lines := append([]string{string(first)}, t.downstream(ext)...)
	return helloReply(lines)
}

// helloReply renders a 250 reply of many lines.
func helloReply(lines []string) []byte {
	var b []byte
	for i, l := range lines {
		sep := byte('-')
		if i == len(lines)-1 {
			sep = ' '
		}
		b = append(append(b, "250"...), sep)
		b = append(append(b, l...), "\r\n"...)
	}
	return b
}
