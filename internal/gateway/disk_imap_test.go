//go:build linux

package gateway_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"heliograph/internal/gateway"
	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
)

// TestDiskFullDuringCapture fills the disk under a gateway whose clients read mail: they notice nothing, and what
// could not be captured is captured when there is room again.
func TestDiskFullDuringCapture(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t, mailtest.User{Name: crashUser, Password: crashPassword})
	dir := diskMount(t)
	g := crashGateway(t, crashIMAPConfig(t, dir, d), nil, nil)
	direct, err := crashIMAPDial(d.IMAPAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = direct.conn.Close() }()
	stored := map[string]int{}
	put := func(kind string, n, size int) {
		t.Helper()
		for i := range n {
			id := fmt.Sprintf("%s-%d.%d", kind, i, size)
			if err := direct.put("INBOX", crashMail(id)); err != nil {
				t.Fatal(err)
			}
			stored[id] = 1
		}
	}
	put("before", 3, 2000)
	c := diskReader(t, g)
	diskCaptured(t, g, stored)
	crashSettled(t, g, int64(len(stored)))

	free := diskFill(t, dir)
	put("whole", 40, 300_000)
	put("part", 5, 60_000)
	for i := range 43 { // whole messages, of which the journal can take few
		began := time.Now()
		lines, err := c.do(fmt.Sprintf("FETCH %d (UID BODY.PEEK[])", i+1))
		if err != nil || len(lines) == 0 {
			t.Fatalf("reading message %d: %q, %v", i+1, lines, err)
		}
		text := strings.Join(lines, "")
		if id := crashID([]byte(text)); stored[id] == 0 || !strings.Contains(text, string(crashMail(id))) {
			t.Fatalf("message %d came as %.200q", i+1, text)
		}
		if took := time.Since(began); took > crashPatience {
			t.Errorf("message %d took %v", i+1, took)
		}
	}
	if _, err := c.do("FETCH 44:* (UID BODY.PEEK[HEADER])"); err != nil {
		t.Fatal(err)
	}
	again := 0
	mailtest.Eventually(t, time.Minute, func() error {
		err := g.Journal().Err()
		if errors.Is(err, syscall.ENOSPC) {
			return nil
		}
		// Where the machine is busy the gateway had to let go of messages that were read so fast, and the journal is not
		// full yet. It would fetch them by and by; the client that reads them again hands them out sooner.
		again = again%43 + 1
		if _, err := c.do(fmt.Sprintf("FETCH %d (BODY.PEEK[])", again)); err != nil {
			t.Fatal(err)
		}
		return fmt.Errorf("the journal says %w", err)
	})
	another := diskReader(t, g) // whose mailbox is selected while nothing can be written
	if _, err := another.do("FETCH 1:* (FLAGS)"); err != nil {
		t.Fatal(err)
	}
	free()
	for _, c := range []*crashIMAP{c, another} {
		if _, err := c.do("NOOP"); err != nil {
			t.Fatal(err)
		}
	}
	diskCaptured(t, g, stored)
	crashSettled(t, g, int64(len(stored)))
	activities := crashActivities(t, g)
	for id := range stored {
		if n := len(activities[id]); n != 1 {
			t.Errorf("%s is in the CRM %d times", id, n)
		}
	}
}

// diskReader is a client that has selected its mailbox.
func diskReader(t *testing.T, g *gateway.Gateway) *crashIMAP {
	t.Helper()
	c, err := crashIMAPDial(g.Addr(0).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.conn.Close() })
	_ = c.conn.SetDeadline(time.Now().Add(6 * time.Minute))
	if _, err := c.do("SELECT INBOX"); err != nil {
		t.Fatal(err)
	}
	return c
}

// diskCaptured waits until all is captured. A journal that was full for long is tried once a minute.
func diskCaptured(t *testing.T, g *gateway.Gateway, stored map[string]int) {
	t.Helper()
	mailtest.Eventually(t, 2*time.Minute, func() error {
		all, err := g.Journal().Mailboxes(t.Context(), journal.MailboxFilter{})
		if err != nil {
			return err
		}
		var have uint64
		for _, m := range all {
			have += m.Sets[journal.UIDCaptured].Len()
		}
		if have != uint64(len(stored)) {
			return fmt.Errorf("%d of %d messages are captured", have, len(stored))
		}
		return nil
	})
	for id, n := range crashCaptured(t, g.Journal()) {
		if n != 1 || stored[id] == 0 {
			t.Errorf("%s is captured %d times", id, n)
		}
	}
}
