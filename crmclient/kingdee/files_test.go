package kingdee_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
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

// Whichever request breaks, before or after the site did its work, one more try leaves one document with all files in the state
// of the section. Only a file whose last piece or note broke may be there twice.
func TestEveryRequestMayBreak(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 9; n++ { // login, query, save, two files with their notes, submit, audit
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("request %d, after %v", n, after), func(t *testing.T) {
				t.Parallel()
				s := newSite(t)
				requests, service := 0, ""
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if requests++; requests != n {
						s.ServeHTTP(w, r)
						return
					}
					service = path.Base(r.URL.Path)
					if after {
						s.ServeHTTP(httptest.NewRecorder(), r)
					}
					w.WriteHeader(http.StatusBadGateway)
				}))
				t.Cleanup(server.Close)
				cfg := sectionFor(server.URL)
				cfg.Mail.Attachments, cfg.Mail.Finish = true, "audit"
				a := withFiles(5, 6)
				_, err := open(t, cfg, crmclient.Deps{}).LogEmail(t.Context(), a)
				if requests >= n && crmclient.ClassOf(err) != crmclient.ClassRetry {
					t.Errorf("broken %s: got %v, want retry", service, err)
				}
				if _, err := open(t, cfg, crmclient.Deps{}).LogEmail(t.Context(), a); err != nil {
					t.Fatalf("after a broken %s: %v", service, err)
				}
				if len(s.Records(t)) != 1 || s.forms[mailForm].rows[0]["FDocumentStatus"] != "C" {
					t.Errorf("after a broken %s: %d documents in the state %v", service, len(s.Records(t)), s.forms[mailForm].rows[0]["FDocumentStatus"])
				}
				most := 2
				if after && strings.Contains(service, "AttachmentUpLoad") || !after && strings.Contains(service, "Save") {
					most = 3
				}
				if len(s.uploads) < 2 || len(s.uploads) > most {
					t.Errorf("after a broken %s: %d files, want 2", service, len(s.uploads))
				}
			})
		}
	}
}
