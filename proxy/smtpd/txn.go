package smtpd

import (
	"bytes"
	"context"
	"sync"
	"time"

	"heliograph/config"
	"heliograph/internal/journal"
)

// transaction is one message on its way, from MAIL to the verdict.
type transaction struct {
	env     journal.Envelope // Recipients are guarded by tap.mu
	size    int64            // bytes of the body so far
	started time.Time        // when the body began
	ended   time.Time        // when the last of it was sent

	entry *journal.Pending // nil before the body, and when the copy was given up
	begun bool
	asked int // RCPT commands so far

	mu     sync.Mutex
	failed []byte // the upstream's refusal of a BDAT before the last
}

// begin opens the entry of a message whose body is about to come.
func (t *tap) begin(txn *transaction, dotStuffed bool) {
	if txn.begun {
		return
	}
	txn.begun, txn.started = true, time.Now()
	txn.env.ID = journal.NewID(txn.started)
	txn.env.DotStuffed = dotStuffed
	txn.env.Session = t.conn.ID
	txn.env.Account = t.account
	txn.env.Upstream = t.target.Name()
	txn.env.Listener = t.conn.Listener.Address
	txn.env.ClientIP = t.conn.Client().Addr().String()
	txn.env.Helo = t.helo
	txn.env.Kind = journal.KindSubmission
	if t.relay() {
		txn.env.Kind = journal.KindRelay
	}
	if t.relay() || t.srv.opts.Paused == nil || !t.srv.opts.Paused(t.account) {
		txn.entry = t.srv.opts.Journal.Begin(&txn.env)
	}
	t.srv.opts.Pace.Mail()
	t.cur = txn
}

// tee copies a part of the body to the journal. It fails only when the mail must not go
// on without its copy.
func (t *tap) tee(txn *transaction, p []byte) error {
	txn.size += int64(len(p))
	if txn.entry == nil {
		return nil
	}
	if _, err := txn.entry.Write(p); err != nil {
		return t.gap(txn, err)
	}
	return nil
}

// seal makes the copy durable. Only then may the end of the message be sent.
func (t *tap) seal(txn *transaction) error {
	if txn.entry == nil {
		return nil
	}
	t.mu.Lock()
	env := txn.env
	env.Recipients = append([]journal.Recipient(nil), txn.env.Recipients...)
	t.mu.Unlock()
	env.Size = txn.size
	start := time.Now()
	ctx, cancel := context.WithTimeoutCause(context.Background(), sealTimeout, errSealSlow)
	defer cancel()
	if err := txn.entry.Seal(ctx, &env); err != nil {
		return t.gap(txn, err)
	}
	t.srv.metrics.sealed(time.Since(start))
	return nil
}

// gap decides, by policy, about a message whose copy could not be stored.
func (t *tap) gap(txn *transaction, err error) error {
	why := "copy not stored: " + err.Error()
	if t.set.OnFailure == config.FailureDefer {
		txn.refuse(why) // the client is told that it was not sent
		t.log.Error("message deferred, its copy could not be stored", "err", err)
		return errNoCopy
	}
	txn.discard(why)
	t.srv.opts.Journal.Gap(journal.GapReason(err))
	t.log.Error("message passes without a copy", "err", err)
	return nil
}

func (txn *transaction) commit(v journal.Verdict) {
	if txn.entry != nil {
		txn.entry.Commit(v)
		txn.entry = nil
	}
}

// leave lets go of an entry whose verdict will not come; the journal calls it unconfirmed.
func (txn *transaction) leave() {
	if txn.entry != nil {
		txn.entry.Close()
		txn.entry = nil
	}
}

func (txn *transaction) discard(why string) {
	if txn.entry != nil {
		txn.entry.Discard(why)
		txn.entry = nil
	}
}

// refuse is discard for what the client is about to be told.
func (txn *transaction) refuse(why string) {
	if txn.entry != nil {
		txn.entry.Refuse(why)
		txn.entry = nil
	}
}

// fail keeps the first refusal of a chunk.
func (txn *transaction) fail(reply []byte) {
	txn.mu.Lock()
	defer txn.mu.Unlock()
	if txn.failed == nil {
		txn.failed = bytes.Clone(reply)
	}
}

func (txn *transaction) failure() []byte {
	txn.mu.Lock()
	defer txn.mu.Unlock()
	return txn.failed
}
