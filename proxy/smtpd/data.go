package smtpd

import (
	"errors"
	"fmt"
	"time"
)

var endOfData = []byte(".\r\n")

// data forwards a group that ends in DATA, and then the message if the upstream wants it.
func (t *tap) data(size int, batch []expectation) error {
	t.mu.Lock()
	t.gate = gateWaiting
	t.mu.Unlock()
	if err := t.flush(size, batch); err != nil {
		return err
	}
	if len(t.in.buffered()) == 0 {
		// A client that keeps to the protocol says nothing before it knows.
		if err := t.fill(); err != nil {
			return err
		}
	}
	open, txn, err := t.awaitGate()
	if err != nil || !open {
		return err
	}
	t.begin(txn, true)
	err = t.body(txn)
	if err == nil || !errors.Is(err, errDropUpstream) {
		return err
	}
	return t.afterDrop()
}

// awaitGate waits for the reply to DATA.
func (t *tap) awaitGate() (open bool, txn *transaction, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.gate == gateWaiting && !t.gone {
		t.changed.Wait()
	}
	if t.gate == gateWaiting {
		return false, nil, errUpstreamGone
	}
	txn = t.active
	if txn == nil {
		txn = &transaction{} // 354 without a MAIL that was accepted: the upstream's business
		t.active = txn
	}
	return t.gate == gateOpen, txn, nil
}

// body passes the message on up to its end, which goes out only when the copy is durable.
func (t *tap) body(txn *transaction) error {
	sc := dataScanner{refuseBareLF: t.conn.Listener.BareLF == "refuse"}
	defer t.in.shrink()
	for {
		p, at := t.in.buffered(), sc.at
		out, used, done, err := sc.next(p)
		if err != nil {
			t.srv.metrics.refused("framing")
			return t.refuse(txn, at, "550 5.6.0 "+err.Error())
		}
		if err := t.tee(txn, out); err != nil {
			return t.refuse(txn, at, t.deferral())
		}
		if most := int64(t.set.Limits.MessageBytes); most > 0 && txn.size > most {
			t.srv.metrics.refused("size")
			return t.refuse(txn, at, fmt.Sprintf("552 5.3.4 the message is larger than the %d bytes allowed here", most))
		}
		if done {
			return t.finish(txn, &sc, out, p[:used])
		}
		if _, err := t.upOut.Write(out); err != nil {
			return err
		}
		t.in.use(used)
		if err := t.more(txn); err != nil {
			return err
		}
	}
}

// more reads the next part of a message.
func (t *tap) more(txn *transaction) error {
	t.in.grow()
	if d := time.Since(txn.started); d > slowGrace && float64(txn.size) < slowRate*d.Seconds() {
		t.answer("421 4.4.2 the message comes too slowly, closing")
		return errors.New("message comes too slowly")
	}
	return t.fill()
}

// finish seals the copy and sends the last bytes of the message with the final dot.
func (t *tap) finish(txn *transaction, sc *dataScanner, out, whole []byte) error {
	if err := t.seal(txn); err != nil {
		t.in.use(len(whole))
		return t.refuseWhole(txn, t.deferral())
	}
	last := whole // the same bytes, and the dot behind them
	if len(out)+len(endOfData) != len(whole) || len(sc.repair) > 0 {
		last = append(out, endOfData...)
	}
	txn.ended = time.Now()
	t.cur = nil // from here on the entry is the verdict's
	err := t.forward(last, expectation{kind: expectVerdict, txn: txn})
	if errors.Is(err, errUpstreamGone) {
		txn.discard("upstream lost before the end of the message")
	}
	t.in.use(len(whole))
	return err
}

func (t *tap) deferral() string {
	return fmt.Sprintf("451 4.3.0 the mail cannot be journaled now and was not sent, try again later (session %s)", t.conn.ID)
}

// refuse drops the upstream in the middle of a message, reads the rest of it from
// what is buffered on, where the scanner was at, and gives the client our reply.
func (t *tap) refuse(txn *transaction, at lineStart, reply string) error {
	t.drop()
	txn.discard(reply)
	t.in.idle.timeout = drainTimeout
	t.in.idle.revive()
	drain := dataScanner{at: at}
	for deadline := time.Now().Add(drainTimeout); time.Now().Before(deadline); {
		used, done := drain.skip(t.in.buffered())
		t.in.use(used)
		if done {
			return t.refuseWhole(txn, reply)
		}
		t.in.grow()
		if err := t.in.fill(); err != nil {
			break
		}
	}
	t.answer("%s", reply)
	return errGoodbye
}

// refuseWhole answers a message that came in full but was not sent.
func (t *tap) refuseWhole(txn *transaction, reply string) error {
	t.drop()
	txn.discard(reply)
	t.srv.metrics.message("deferred", t.relay(), txn.size, 0)
	t.answer("%s", reply)
	return errDropUpstream
}

// afterDrop speaks with a client whose upstream we dropped: it has its answer and may
// say goodbye, but for anything else it must come again.
func (t *tap) afterDrop() error {
	l, err := t.in.readLine(maxAuthLine)
	if err != nil {
		return errDropUpstream
	}
	if c, _ := parseCommand(l); c.verb == "QUIT" {
		t.answer("221 2.0.0 %s closing", t.hostname())
	} else {
		t.answer("421 4.3.0 %s closing, connect again", t.hostname())
	}
	return errDropUpstream
}
