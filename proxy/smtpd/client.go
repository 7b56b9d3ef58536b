package smtpd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"heliograph/internal/limit"
)

var (
	errUpstreamGone = errors.New("the upstream closed the connection")
	// errDropUpstream ends a session whose message must not be completed.
	errDropUpstream = errors.New("message dropped")
	errNoCopy       = errors.New("copy of the message could not be stored")
	errSealSlow     = errors.New("the journal's disk is too slow")
)

// sealTimeout bounds the wait for the disk, below every client's patience for a verdict.
const sealTimeout = time.Minute

// fromClient passes commands and messages on until the client quits or closes.
func (t *tap) fromClient() error {
	for {
		quit, err := t.group()
		if quit || err != nil {
			return err
		}
		if err := t.fill(); err != nil {
			return err
		}
	}
}

// group passes on the whole command lines that are buffered, in one write where the
// client pipelined them (RFC 2920).
func (t *tap) group() (quit bool, err error) {
	for {
		var batch []expectation
		size := 0
		for {
			l, err := line(t.in.buffered()[size:], maxAuthLine)
			if err == nil && len(l) > maxCommandLine {
				err = errLineTooLong
			}
			if err != nil {
				return false, t.badLine(size, batch, err)
			}
			if l == nil {
				return false, t.flush(size, batch)
			}
			c, refused := parseCommand(l)
			t.srv.metrics.command(c.verb)
			e, own := t.check(c, l, refused)
			if own != "" {
				if err := t.flush(size, batch); err != nil {
					return false, err
				}
				t.in.use(len(l))
				if err := t.reply(own); err != nil {
					return false, err
				}
				if c.verb == "QUIT" {
					return true, errGoodbye
				}
				break
			}
			if c.verb == "BDAT" {
				if err := t.flush(size, batch); err != nil {
					return false, err
				}
				if err := t.bdat(c, l); err != nil {
					return false, err
				}
				break
			}
			size += len(l)
			batch = append(batch, e)
			switch {
			case c.verb == "DATA":
				err = t.data(size, batch)
			case c.verb == "QUIT":
				if err := t.flush(size, batch); err != nil {
					return false, err
				}
				return true, errGoodbye
			case t.idle > maxIdleCommands:
				_ = t.flush(size, batch)
				_ = t.reply("421 4.7.0 too many commands without a message, closing")
				return false, errGoodbye
			default:
				continue
			}
			if err != nil {
				return false, err
			}
			break
		}
	}
}

// flush forwards the first size buffered bytes, whose replies are batch.
func (t *tap) flush(size int, batch []expectation) error {
	if size == 0 {
		return nil
	}
	err := t.forward(t.in.buffered()[:size], batch...)
	t.in.use(size)
	return err
}

// badLine ends the session over a line whose end readers could disagree about.
func (t *tap) badLine(size int, batch []expectation, err error) error {
	t.srv.metrics.refused("framing")
	if ferr := t.flush(size, batch); ferr != nil {
		return ferr
	}
	_ = t.reply("500 5.5.2 " + err.Error() + " (RFC 5321, 2.3.8)\r\n421 4.7.0 closing")
	return fmt.Errorf("%w: %w", errGoodbye, err)
}

// check decides about one command: what its reply will mean, or our own answer in place of the upstream's.
func (t *tap) check(c command, l []byte, refused bool) (e expectation, own string) {
	switch c.verb {
	case "MAIL":
		t.idle = 0
		return t.checkMail(c, l)
	case "RCPT":
		return t.checkRcpt(c)
	case "DATA":
		return expectation{kind: expectData}, ""
	case "BDAT":
		return e, ""
	case "QUIT":
		return t.checkQuit()
	case "RSET":
		t.abandon("RSET")
		e.kind = expectReset
	case "EHLO", "HELO":
		t.abandon("EHLO")
		e.kind = expectHello
	case "AUTH":
		return e, "503 5.5.1 already authenticated"
	case "STARTTLS":
		return e, "503 5.5.1 STARTTLS is not possible now"
	}
	t.idle++
	if refused {
		return e, "502 5.5.1 this command is not possible through the gateway"
	}
	return e, ""
}

func (t *tap) checkMail(c command, l []byte) (e expectation, own string) {
	address, params, _ := path(c.args, "FROM:")
	if _, utf8 := param(params, "SMTPUTF8"); !utf8 && !asciiOnly(l) {
		return e, "553 5.6.7 a non-ASCII address needs SMTPUTF8 (RFC 6531)"
	}
	if most := int64(t.set.Limits.MessageBytes); most > 0 && declaredSize(params) > most {
		t.srv.metrics.refused("size")
		return e, fmt.Sprintf("552 5.3.4 the message is larger than the %d bytes allowed here", most)
	}
	if d := t.rate("messages", t.set.Limits.MessagesPerHour); !d.Allowed {
		return e, fmt.Sprintf("450 4.7.1 too many messages, try again in %d seconds", seconds(d.RetryAfter))
	}
	t.abandon("transaction ended")
	txn := &transaction{}
	txn.env.ReversePath, txn.env.MailParams = address, params
	t.cur = txn
	return expectation{kind: expectMail, txn: txn}, ""
}

func (t *tap) checkRcpt(c command) (e expectation, own string) {
	address, params, _ := path(c.args, "TO:")
	if t.cur != nil {
		if t.cur.asked++; t.set.Limits.Recipients > 0 && t.cur.asked > t.set.Limits.Recipients {
			t.srv.metrics.refused("recipients")
			return e, "452 4.5.3 too many recipients, send the message to the rest of them separately"
		}
	}
	if d := t.rate("recipients", t.set.Limits.RecipientsPerHour); !d.Allowed {
		return e, fmt.Sprintf("452 4.7.1 too many recipients, try again in %d seconds", seconds(d.RetryAfter))
	}
	return expectation{kind: expectRcpt, rcpt: address, param: params}, ""
}

// checkQuit answers QUIT itself where the upstream connection is wanted for the next client.
func (t *tap) checkQuit() (e expectation, own string) {
	if t.pooled {
		return e, fmt.Sprintf("221 2.0.0 %s closing", t.hostname())
	}
	return expectation{kind: expectQuit}, ""
}

// rate asks the limiter for one more of what, per account and hour. A limiter in trouble
// allows: mail first.
func (s *session) rate(what string, perHour int) limit.Decision {
	if perHour <= 0 {
		return limit.Decision{Allowed: true}
	}
	who := s.account
	if who == "" {
		who = s.conn.Client().Addr().String()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	d, err := s.srv.opts.Limiter.Allow(ctx, what+":"+who, limit.Rate{Count: perHour, Per: time.Hour, Burst: perHour}, 1)
	if err != nil {
		return limit.Decision{Allowed: true}
	}
	if !d.Allowed {
		s.srv.metrics.refused(what)
		s.log.Warn("rate limit reached", "limit", what)
	}
	return d
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
