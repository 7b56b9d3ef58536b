package automail_test

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"heliograph/hooks/automail"
	"heliograph/internal/store/storetest"
)

// When the stored copy turns out to be damaged in the middle, what was sent of it must not
// become a message: the connection is dropped without a final dot.
func TestDamagedCopyIsNeverCompleted(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	r := newRig(t, storetest.SQLite(t), p.addr)
	r.stop()
	random := rand.New(rand.NewPCG(1, 2))
	var body bytes.Buffer
	body.WriteString("Subject: large\r\n\r\n")
	for body.Len() < 4<<20 {
		for range 76 {
			body.WriteByte('!' + byte(random.IntN(90))) // hardly compressible
		}
		body.WriteString("\r\n")
	}
	id := r.send(body.String(), "", rcpt("bob@example.org"))
	r.await("indexed", func() bool {
		_, ok := r.job(id)
		return ok
	})
	damage(t, filepath.Join(r.dir, "test", "journal"), 2<<20)
	r.open()
	m := r.rests(id)
	r.wantStates(m, "bob@example.org=pending")
	if m.Attempts != 0 {
		t.Errorf("our own trouble counts as %d attempts", m.Attempts)
	}
	r.await("the upstream saw the connection break", func() bool { return p.count(func(p *provider) int { return p.broken }) == 1 })
	if n := len(p.mails(sender)); n != 0 {
		t.Errorf("the upstream accepted %d messages, want none", n)
	}
}

// A worker on another node cannot read the message: it leaves it to the node that can.
func TestMessageOfAnotherNode(t *testing.T) {
	t.Parallel()
	p := newProvider(t, nil)
	r := newRig(t, storetest.SQLite(t), p.addr)
	r.stop()
	id := r.send(text, "", rcpt("bob@example.org"))
	other := r.journalOf("other")
	r.open(func(o *automail.Options) { o.Journal = other })
	if m := r.rests(id); m.Attempts != 0 || states(m) != "bob@example.org=pending" {
		t.Errorf("after the other node: %d attempts, %s", m.Attempts, states(m))
	}
	if conns := p.count(func(p *provider) int { return p.conns }); conns != 0 {
		t.Errorf("the upstream was troubled %d times", conns)
	}
	r.stop()
	r.open()
	r.wantStates(r.next(id), "bob@example.org=delivered")
}

// damage turns some bytes over at an offset of the largest file in dir.
func damage(t *testing.T, dir string, offset int64) {
	t.Helper()
	var largest string
	var size int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > size {
			largest, size = path, info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(largest, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	if _, err := f.ReadAt(b, offset); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] ^= 0xff
	}
	if _, err := f.WriteAt(b, offset); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
