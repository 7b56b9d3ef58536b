package kingdee_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/kingdee"
)

// withFiles is a mail with files of all lengths around a piece.
func withFiles(sizes ...int) *crmclient.Activity {
	a := crmtest.Activity("files")
	a.Attachments = nil
	for i, n := range sizes {
		content := bytes.Repeat([]byte{byte('a' + i)}, n)
		a.Attachments = append(a.Attachments, crmtest.NewFile(strings.Repeat("f", i+1)+".bin", "application/octet-stream", content))
	}
	return a
}

// Files go up in pieces, once each, also where uploading broke off between two files.
func TestFilesGoUpOnce(t *testing.T) {
	t.Parallel()
	const piece = 3 << 19
	s := newSite(t)
	var broken bool
	uploads := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.WritesFile(r) {
			if uploads++; uploads == 4 && !broken { // the first piece of the third file
				broken = true
				w.WriteHeader(http.StatusBadGateway)
				return
			}
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	cfg := sectionFor(server.URL)
	cfg.Mail.Attachments = true
	c := open(t, cfg, crmclient.Deps{})
	a := withFiles(5, piece+1, piece, 0)
	if _, err := c.LogEmail(t.Context(), a); crmclient.ClassOf(err) != crmclient.ClassRetry {
		t.Fatalf("broken off: got %v, want retry", err)
	}
	for range 2 {
		if _, err := open(t, cfg, crmclient.Deps{}).LogEmail(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.Records(t)) != 1 || len(s.uploads) != 4 {
		t.Fatalf("got %d records and %d files, want 1 and 4", len(s.Records(t)), len(s.uploads))
	}
	for _, f := range a.Attachments {
		r, _ := f.Open(t.Context())
		want, _ := io.ReadAll(r)
		found := false
		for _, u := range s.uploads {
			found = found || u.done && u.name == f.Name && bytes.Equal(u.content, want) && u.form == mailForm
		}
		if !found {
			t.Errorf("file %s of %d bytes did not arrive whole", f.Name, len(want))
		}
	}
}

// A file that is longer than it says, or breaks off, makes no whole file.
func TestFilesThatLie(t *testing.T) {
	t.Parallel()
	s, c := started(t, func(_ *site, cfg *kingdee.Config) { cfg.Mail.Attachments, cfg.Mail.AttachmentBytes = true, 10 })
	long := withFiles(11)
	long.Attachments[0].Size = 5
	if _, err := c.LogEmail(t.Context(), long); crmclient.ClassOf(err) != crmclient.ClassPermanent {
		t.Errorf("longer than it says: got %v, want permanent", err)
	}
	cut := withFiles(5)
	gone := errors.New("the disk is gone")
	cut.Attachments[0].Open = func(context.Context) (io.ReadCloser, error) { return nil, gone }
	if _, err := c.LogEmail(t.Context(), cut); !errors.Is(err, gone) {
		t.Errorf("a file that cannot be opened: got %v", err)
	}
	if len(s.uploads) != 0 {
		t.Errorf("uploads: got %d, want none", len(s.uploads))
	}
}
