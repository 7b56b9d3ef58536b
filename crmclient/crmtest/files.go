package crmtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"testing"

	"heliograph/crmclient"
)

// FileKeeper is an ObjectKeeper whose object takes files. Its client must be a crmclient.FileAttacher.
type FileKeeper interface {
	// Files returns the files of a record of the ObjectKeeper's object.
	Files(t *testing.T, id string) []File
	// FilesOnce says that the connector can tell a file that is there already.
	FilesOnce() bool
	// WritesFile says whether the request adds a file to a record.
	WritesFile(r *http.Request) bool
}

// File is a stored file.
type File struct {
	ID, Name string
	Content  []byte
}

// NewFile returns an attachment with the content.
func NewFile(name, mediaType string, content []byte) crmclient.Attachment {
	sum := sha256.Sum256(content)
	return crmclient.Attachment{
		Name: name, Type: mediaType, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	}
}

func testFiles(t *testing.T, o *objects) {
	k, ok := o.fake.(FileKeeper)
	if !ok {
		return
	}
	a, ok := crmclient.As[crmclient.FileAttacher](o.client)
	if !ok {
		t.Fatal("the fake keeps files, but the client attaches none")
	}
	id := o.keep.PutObject(t, "", o.fields("with files", "1"))
	files := map[string][]byte{
		"quotation.pdf":             []byte("%PDF-1.4 \x00\xff binary"),
		"报价单 📎 \"final\".xlsx":      bytes.Repeat([]byte("0123456789abcdef"), 8<<10),
		"two\r\nlines; x=\"y\".txt": []byte("a name is data"),
	}
	for name, content := range files {
		first, err := a.AttachFile(t.Context(), o.Name, id, NewFile(name, "application/octet-stream", content))
		if err != nil || first == "" {
			t.Fatalf("%q: got the id %q, %v", name, first, err)
		}
		if !k.FilesOnce() {
			continue
		}
		again, err := a.AttachFile(t.Context(), o.Name, id, NewFile(name, "application/octet-stream", content))
		if err != nil || again != first {
			t.Errorf("%q: again: got the id %q, %v; want %q", name, again, err, first)
		}
	}
	stored := k.Files(t, id)
	if len(stored) != len(files) {
		t.Fatalf("files: got %d, want %d", len(stored), len(files))
	}
	for _, content := range files {
		found := false
		for _, f := range stored {
			found = found || bytes.Equal(f.Content, content)
		}
		if !found {
			t.Errorf("the file of %d bytes did not arrive whole", len(content))
		}
	}
	if _, err := a.AttachFile(t.Context(), o.Name, o.MissingID, NewFile("ghost.txt", "text/plain", []byte("x"))); err == nil || crmclient.ClassOf(err) == crmclient.ClassRetry {
		t.Errorf("a record that is not there: got %v, want an error that does not ask for another try", err)
	}
}

func (s Subject) filesOnWire(t *testing.T) {
	f, ok := s.Fake(t).(FileKeeper)
	if _, http := f.(HTTPFake); !ok || !http || !f.FilesOnce() {
		return
	}
	for name, fault := range around {
		t.Run("records: a file, "+name, func(t *testing.T) {
			t.Parallel()
			timeout := longTimeout
			if name == "silence after" {
				timeout = shortTimeout
			}
			b := s.start(t, timeout)
			keep, object := b.fake.(FileKeeper), b.fake.(ObjectKeeper).Object()
			id := b.fake.(ObjectKeeper).PutObject(t, "", map[string]any{object.Text: "file around"})
			file := NewFile("around.txt", "text/plain", []byte("once"))
			b.gate.setOnly(keep.WritesFile, func(w http.ResponseWriter, r *http.Request) { fault(b, w, r) })
			if _, err := able[crmclient.FileAttacher](b.client).AttachFile(t.Context(), object.Name, id, file); err != nil {
				s.wantClass(t, err, crmclient.ClassRetry)
			}
			b.gate.set(nil)
			if _, err := able[crmclient.FileAttacher](b.connect(t, longTimeout)).AttachFile(t.Context(), object.Name, id, file); err != nil {
				t.Errorf("second try: %v", err)
			}
			if n := len(keep.Files(t, id)); n != 1 {
				t.Errorf("files: got %d, want 1", n)
			}
		})
	}
}
