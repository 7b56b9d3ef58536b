package automail_test

import (
	"strings"
	"testing"

	"heliograph/internal/journal"
	"heliograph/internal/mailtest"
	"heliograph/internal/store/storetest"
)

// With a real Postfix as upstream: the message arrives unchanged, and the notice about
// the other recipient comes back to the sender's mailbox.
func TestPostfixAsUpstream(t *testing.T) {
	t.Parallel()
	pf := mailtest.Postfix(t)
	users := mailtest.Users()
	from, to := users[0].Name, users[1].Name
	r := newRig(t, storetest.SQLite(t), pf.RelayAddr)
	id := r.sendFrom(from, text, "BODY=8BITMIME RET=FULL ENVID=E1", rcpt(to, "NOTIFY=FAILURE"), rcpt("nobody-here@example.com", "ORCPT=rfc822;old@example.com"))
	r.wantStates(r.rests(id), to+"=delivered nobody-here@example.com=failed")
	if got := pf.AwaitDeliveries(to, 1)[0].Data; string(got) != text {
		t.Errorf("delivered %q, want %q", got, text)
	}
	notice := pf.AwaitDeliveries(from, 1)[0]
	for _, want := range []string{"Auto-Submitted: auto-replied", "Final-Recipient: rfc822; nobody-here@example.com", "Original-Recipient: rfc822; old@example.com", "Status: 5.1.1", "ten pieces"} {
		if !strings.Contains(string(notice.Data), want) {
			t.Errorf("the notice lacks %q:\n%s", want, notice.Data)
		}
	}
	if !strings.Contains(notice.Trace, "Return-Path: <>") {
		t.Errorf("the notice has the trace %q", notice.Trace)
	}
	entries, err := r.journal.Entries(t.Context(), journal.Filter{Kind: journal.KindQueue})
	if err != nil || len(entries) != 2 {
		t.Errorf("the journal has %d queued messages, want the message and the notice: %v", len(entries), err)
	}
}
