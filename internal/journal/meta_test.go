package journal

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"heliograph/internal/journal/segment"
	"heliograph/internal/queue"
	"heliograph/internal/store/storetest"
)

func fullMeta() meta {
	zone := time.FixedZone("", -5*3600-1800)
	return meta{SealedAt: time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC), Envelope: Envelope{
		Kind: KindFetch, Account: "王芳@example.com", Upstream: "main", Listener: ":993", Session: "s-1", ClientIP: "2001:db8::1",
		Helo: "[192.0.2.1]", ReversePath: "a@example.com", MailParams: "BODY=8BITMIME SIZE=12", DotStuffed: true,
		Recipients: []Recipient{{Address: "b@example.org", Params: "NOTIFY=NEVER", Code: 250}, {}, {Address: "c@example.org", Code: 550, Reply: "5.1.1 no\xff"}},
		Received:   time.Date(2026, 1, 2, 3, 4, 0, 1, zone), Mailbox: "已发送", UIDValidity: 4294967295, UID: 4294967295,
		InternalDate: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC),
		Automation: Automation{
			Effect: "run-7/receipt", Rule: "complaint-ticket", Run: "run-7", Sender: "service@example.com", MessageID: "e7@example.com", List: "news",
			Essential: true, AtMostOnce: true, Copy: true, Priority: 20,
			NotBefore: time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC), ExpiresAt: time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC),
		},
	}}
}

func TestMetaComesBack(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]meta{"full": fullMeta(), "empty": {}} {
		var got meta
		if err := got.decode(want.encode()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !got.Envelope.Received.Equal(want.Envelope.Received) || got.Envelope.Received.Format(time.RFC3339Nano) != want.Envelope.Received.Format(time.RFC3339Nano) {
			t.Errorf("%s: received %v, want %v", name, got.Envelope.Received, want.Envelope.Received)
		}
		got.Envelope.Received = want.Envelope.Received // times in one zone are not always deeply equal
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v\nwant %+v", name, got, want)
		}
	}
	// A field of the envelope that the encoding does not know would be lost.
	for _, e := range []reflect.Value{reflect.ValueOf(fullMeta().Envelope), reflect.ValueOf(fullMeta().Envelope.Automation)} {
		for i := range e.NumField() {
			if name := e.Type().Field(i).Name; e.Field(i).IsZero() && name != "ID" && name != "Size" {
				t.Errorf("the test lacks the field %s", name)
			}
		}
	}
	verdict := Verdict{Code: 250, Text: "2.0.0 queued\nas 1", At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), UIDValidity: 7, UID: 8}
	var got Verdict
	if err := got.decode(verdict.encode()); err != nil || got != verdict {
		t.Errorf("verdict %+v, %v, want %+v", got, err, verdict)
	}
}

func FuzzMeta(f *testing.F) {
	full := fullMeta()
	f.Add(full.encode())
	f.Add((&meta{}).encode())
	f.Add([]byte(`{"envelope":{"id":"06d5bv9t0400000000000000a0"}}`))
	f.Add([]byte{metaVersion, tagRecipient, 3, tagCode, 1, 5})
	f.Add([]byte{metaVersion, 99, 1, 'x'}) // of a newer program
	f.Add([]byte{metaVersion + 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again meta
		if err := m.decode(b); err != nil {
			return
		}
		if err := again.decode(m.encode()); err != nil {
			t.Fatalf("%x: its own bytes are refused: %v", b, err)
		}
		if again.Envelope.Mailbox != m.Envelope.Mailbox || again.Envelope.UID != m.Envelope.UID || len(again.Envelope.Recipients) != len(m.Envelope.Recipients) || !again.SealedAt.Equal(m.SealedAt) {
			t.Errorf("%+v became %+v", m, again)
		}
		var v Verdict
		_ = v.decode(b) // does not panic
	})
}

func TestDamagedMeta(t *testing.T) {
	t.Parallel()
	full := fullMeta()
	whole := full.encode()
	for name, b := range map[string][]byte{
		"nothing": nil, "newer": {metaVersion + 1}, "cut": whole[:len(whole)-1], "length": {metaVersion, tagKind, 200, 'x'},
		"wild length": {metaVersion, tagKind, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, "wide UID": {metaVersion, tagUID, 6, 255, 255, 255, 255, 255, 1},
		"time": {metaVersion, tagSealedAt, 1, 2}, "json": []byte(`{"envelope":`),
	} {
		var m meta
		if err := m.decode(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestLogOfAnEarlierProgram reads entries and verdicts that were written as JSON.
func TestLogOfAnEarlierProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := Options{Dir: filepath.Join(dir, "journal"), KeyFile: filepath.Join(dir, "key"), Store: storetest.SQLite(t)}
	keys, _, err := segment.LoadKeyring(o.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	log, err := segment.Open(segment.Options{Dir: o.Dir, Keys: keys, Sync: true})
	if err != nil {
		t.Fatal(err)
	}
	m := fullMeta()
	m.Envelope.Kind, m.Envelope.ID = KindSubmission, NewID(time.Now())
	m.Envelope.Recipients[2].Reply = "no"
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	w := log.Begin(m.Envelope.ID)
	if _, err := w.Write([]byte("text")); err != nil {
		t.Fatal(err)
	}
	if err := w.Seal(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := log.Mark(m.Envelope.ID, segment.KindCommit, []byte(`{"code":250,"text":"ok","at":"2026-01-02T03:04:05Z"}`)); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}

	o.Queue = queue.Open(o.Store, queue.Options{})
	defer o.Queue.Close()
	j, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	hold, err := j.OpenMailbox(t.Context(), MailboxKey{}, 0) // when the log is read
	if err != nil {
		t.Fatal(err)
	}
	hold.Close()
	e, err := j.Entry(t.Context(), m.Envelope.ID)
	if err != nil || e.State != StateConfirmed || e.Verdict.Text != "ok" || e.Account != m.Envelope.Account || len(e.Recipients) != 3 || e.Size != 4 {
		t.Errorf("entry %+v, %v", e, err)
	}
}
