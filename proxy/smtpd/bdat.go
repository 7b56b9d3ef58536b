package smtpd

import (
	"errors"
	"fmt"
	"time"
)

// bdat passes on one BDAT command (RFC 3030), whose line l is the first that is buffered.
//
// A chunk that is not the last goes on as it came. The last one must not reach the
// upstream as the last before all of it is here and in the journal, and it may be as large
// as the message; so where it is not buffered whole, it goes out in pieces of our own,
// whose replies the client does not see, and only the rest of it is LAST.
func (t *tap) bdat(c command, l []byte) error {
	size, last, ok := parseBDAT(c.args)
	if !ok {
		t.srv.metrics.refused("framing")
		t.in.use(len(l))
		_ = t.reply("501 5.5.4 syntax: BDAT size [LAST]\r\n421 4.7.0 closing")
		return errGoodbye // where the next command begins cannot be known
	}
	txn := t.cur
	if txn == nil { // no MAIL: the upstream will say so, but the octets come all the same
		txn = &transaction{begun: true, started: time.Now()}
		t.cur = txn
	}
	t.begin(txn, false)
	if most := int64(t.set.Limits.MessageBytes); most > 0 && size > most-txn.size {
		t.in.use(len(l))
		t.srv.metrics.refused("size")
		return t.refuseChunk(txn, size, fmt.Sprintf("552 5.3.4 the message is larger than the %d bytes allowed here", most))
	}
	var err error
	if last {
		err = t.lastChunk(txn, size, len(l))
	} else {
		err = t.chunk(txn, size, len(l))
	}
	t.in.shrink()
	return err
}

// chunk passes on a chunk that is not the last, while it arrives.
func (t *tap) chunk(txn *transaction, size int64, head int) error {
	if err := t.push(expectation{kind: expectChunk, txn: txn}); err != nil {
		return err
	}
	for size += int64(head); size > 0; {
		p := t.in.buffered()
		p = p[:min(int64(len(p)), size)]
		if len(p) == 0 {
			if err := t.more(txn); err != nil {
				return err
			}
			continue
		}
		if err := t.tee(txn, p[head:]); err != nil {
			t.in.use(len(p))
			return t.refuseChunk(txn, size-int64(len(p)), t.deferral())
		}
		head = 0
		if _, err := t.upOut.Write(p); err != nil {
			return err
		}
		t.in.use(len(p))
		size -= int64(len(p))
	}
	return nil
}

// lastChunk passes on the last chunk once all of it is here.
func (t *tap) lastChunk(txn *transaction, size int64, head int) error {
	whole := true // the line and its chunk are in the buffer together, as they came
	for int64(len(t.in.buffered())-head) < size {
		if len(t.in.buffered())-head < dataBuffer/2 {
			if err := t.more(txn); err != nil {
				return err
			}
			continue
		}
		t.in.use(head)
		whole, head = false, 0
		p := t.in.buffered()
		if int64(len(p)) >= size {
			break
		}
		if err := t.tee(txn, p); err != nil {
			t.in.use(len(p))
			return t.refuseChunk(txn, size-int64(len(p)), t.deferral())
		}
		if err := t.forward(fmt.Appendf(nil, "BDAT %d\r\n", len(p)), expectation{kind: expectPiece, txn: txn}); err != nil {
			return err
		}
		if _, err := t.upOut.Write(p); err != nil {
			return err
		}
		t.in.use(len(p))
		size -= int64(len(p))
	}
	p := t.in.buffered()[:int64(head)+size]
	if !whole {
		p = append(fmt.Appendf(make([]byte, 0, len(p)+32), "BDAT %d LAST\r\n", len(p)), p...)
	}
	err := t.finishChunk(txn, p, p[int64(len(p))-size:])
	t.in.use(head + int(size))
	return err
}

// finishChunk seals the copy and sends the last chunk.
func (t *tap) finishChunk(txn *transaction, p, chunk []byte) error {
	if err := t.tee(txn, chunk); err != nil {
		return t.refuseLast(txn)
	}
	if !t.awaitReplies(txn) {
		txn.discard("the upstream refused the transaction")
	}
	if err := t.seal(txn); err != nil {
		return t.refuseLast(txn)
	}
	txn.ended = time.Now()
	t.cur = nil // from here on the entry is the verdict's
	err := t.forward(p, expectation{kind: expectVerdict, txn: txn})
	if errors.Is(err, errUpstreamGone) {
		txn.discard("upstream lost before the end of the message")
	}
	return err
}

func (t *tap) refuseLast(txn *transaction) error {
	_ = t.refuseWhole(txn, t.deferral())
	return t.afterDrop()
}

// awaitReplies waits until the upstream has answered everything, so that the recipients
// are known, and says whether it accepted the transaction.
func (t *tap) awaitReplies(txn *transaction) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.queue) > 0 && !t.gone {
		t.changed.Wait()
	}
	return t.active == txn
}

// refuseChunk drops the upstream, reads the rest of a chunk and gives the client our reply.
func (t *tap) refuseChunk(txn *transaction, rest int64, reply string) error {
	t.drop()
	t.in.idle.timeout = drainTimeout
	t.in.idle.revive()
	for deadline := time.Now().Add(drainTimeout); ; {
		n := min(int64(len(t.in.buffered())), rest)
		t.in.use(int(n))
		if rest -= n; rest == 0 {
			break
		}
		t.in.grow()
		if err := t.in.fill(); err != nil || time.Now().After(deadline) {
			t.answer("%s", reply)
			return errGoodbye
		}
	}
	_ = t.refuseWhole(txn, reply)
	return t.afterDrop()
}
