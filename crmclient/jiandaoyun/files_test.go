package jiandaoyun_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/jiandaoyun"
)

func withFiles(key string, files ...crmclient.Attachment) *crmclient.Activity {
	a := crmtest.Activity(key)
	a.Attachments = files
	return a
}

func names(r map[string]any) []string {
	var out []string
	for _, e := range r["attachments"].([]any) {
		out = append(out, e.(map[string]any)["name"].(string))
	}
	return out
}

// Files go to another host than the API, with one-time tokens, and belong to the record of the same transaction.
func TestFiles(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	store := httptest.NewServer(http.HandlerFunc(f.store))
	t.Cleanup(store.Close)
	f.uploadURL = store.URL
	content := bytes.Repeat([]byte("0123456789abcdef"), 20<<10)
	r := f.log(t, c, withFiles("k",
		crmtest.NewFile("报价单 📎.xlsx", "application/pdf", content), crmtest.NewFile("a\r\n\"b\"/../c.txt", "text/plain\r\nX: y", []byte("x")),
		crmclient.Attachment{Name: "told of only.txt", Size: 3},
	))
	if got := names(r); !slices.Equal(got, []string{"报价单 📎.xlsx", "a___b__.._c.txt"}) {
		t.Errorf("names: got %q", got)
	}
	found := false
	for _, file := range f.files {
		found = found || bytes.Equal(file.content, content) && file.kind == "application/pdf" && file.bound
	}
	if !found {
		t.Error("the file did not arrive whole")
	}
	if !strings.Contains(text(r, "file_names"), "told of only.txt") || strings.Contains(text(r, "content"), "未同步") {
		t.Errorf("got %q and %q", r["file_names"], r["content"])
	}
	calls := slices.DeleteFunc(slices.Clone(f.calls), func(s string) bool { return s != "upload" })
	if len(calls) != 2 {
		t.Errorf("uploads: got %d, want 2", len(calls))
	}
	if _, err := c.LogEmail(t.Context(), withFiles("k", crmtest.NewFile("b.txt", "text/plain", []byte("x")))); err != nil || len(f.files) != 2 {
		t.Errorf("again: %v, %d files", err, len(f.files))
	}
}

func TestFilesThatAreLeftOut(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *jiandaoyun.Config) { c.MaxFileBytes = 1000 })
	lying := crmtest.NewFile("lying.txt", "text/plain", []byte("longer than it says"))
	lying.Size = 5
	short := crmtest.NewFile("short.txt", "text/plain", []byte("short"))
	short.Size = 50
	a := withFiles("k", crmtest.NewFile("big.bin", "", make([]byte, 1001)), crmtest.NewFile("empty.txt", "", nil), lying, short, crmtest.NewFile("good.txt", "text/plain", []byte("good")))
	a.AttachmentsLeft = []crmclient.AttachmentLeft{{Name: "policy.exe", Size: 7, Reason: "not allowed"}}
	r := f.log(t, c, a)
	if got := names(r); !slices.Equal(got, []string{"good.txt"}) {
		t.Errorf("names: got %q", got)
	}
	for _, name := range []string{"big.bin", "empty.txt", "lying.txt", "short.txt", "policy.exe (7 bytes, not allowed)"} {
		if !strings.Contains(text(r, "content"), name) {
			t.Errorf("the text does not tell of %s: %q", name, r["content"])
		}
	}
}

// A long text is cut so that the files that were left out are still told of.
func TestLeftFilesSurviveALongText(t *testing.T) {
	t.Parallel()
	f, c := start(t, func(c *jiandaoyun.Config) { c.TextRunes = 1000 })
	a := crmtest.Activity("k")
	a.Text = strings.Repeat("长", 5000)
	a.AttachmentsLeft = []crmclient.AttachmentLeft{{Name: "policy.exe", Reason: "not allowed"}}
	got := text(f.log(t, c, a), "content")
	if len([]rune(got)) != 1000 || !strings.HasSuffix(got, "- policy.exe (0 bytes, not allowed)") || !strings.Contains(got, "长…\n") {
		t.Errorf("got %d runes ending in %q", len([]rune(got)), got[max(0, len(got)-100):])
	}
}

func TestUploadFailures(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		status int
		class  crmclient.Class // empty: the file is left out, the mail is logged
	}{
		"token is spent": {http.StatusUnauthorized, crmclient.ClassRetry},
		"failed":         {579, crmclient.ClassRetry},
		"too many":       {http.StatusTooManyRequests, crmclient.ClassRate},
		"gateway":        {http.StatusBadGateway, crmclient.ClassRetry},
		"too large":      {http.StatusRequestEntityTooLarge, ""},
		"bad file":       {http.StatusBadRequest, ""},
		"no key":         {http.StatusOK, crmclient.ClassRetry},
	}
	for name, e := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, c := start(t, nil)
			f.uploadFault = func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				w.WriteHeader(e.status)
				if e.status != http.StatusOK {
					_, _ = w.Write(body) // with the token in it
					return
				}
				_, _ = io.WriteString(w, "{}")
			}
			_, err := c.LogEmail(t.Context(), withFiles("k", crmtest.NewFile("a.txt", "text/plain", []byte("x"))))
			if crmclient.ClassOf(err) != e.class || err != nil && strings.Contains(err.Error(), "uptoken") {
				t.Errorf("got %v, want %q", err, e.class)
			}
			if e.class != "" {
				f.mu.Lock()
				f.uploadFault = nil
				f.mu.Unlock()
			}
			r := f.log(t, c, withFiles("k", crmtest.NewFile("a.txt", "text/plain", []byte("x"))))
			if left := e.class == ""; left != (len(names(r)) == 0) {
				t.Errorf("files: got %q", names(r))
			}
		})
	}
}

func TestUnreadableFileIsTriedAgain(t *testing.T) {
	t.Parallel()
	_, c := start(t, nil)
	a := withFiles("k", crmclient.Attachment{Name: "a.txt", Size: 5, Open: func(context.Context) (io.ReadCloser, error) { return nil, errors.New("disk away") }})
	_, err := c.LogEmail(t.Context(), a)
	if crmclient.ClassOf(err) != crmclient.ClassRetry {
		t.Errorf("got %v", err)
	}
}

// The address for uploads comes from an answer. It must not lead into our own network.
func TestUploadAddressIsNotTrusted(t *testing.T) {
	t.Parallel()
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a host inside was asked") }))
	t.Cleanup(inside.Close)
	port := inside.URL[strings.LastIndexByte(inside.URL, ':'):]
	for name, address := range map[string]string{
		"private": "https://10.0.0.1", "metadata": "https://169.254.169.254", "metadata over http": "http://169.254.169.254", "another loopback": "http://127.0.0.2" + port,
		"loopback by name": "https://localhost" + port, "plain": "http://store.example.com", "file": "file:///etc", "nothing": "::", "with a user": "https://u:p@store.example.com",
	} {
		f, c := start(t, nil)
		f.uploadURL = address
		_, err := c.LogEmail(t.Context(), withFiles("k", crmtest.NewFile("a.txt", "text/plain", []byte("x"))))
		if crmclient.ClassOf(err) != crmclient.ClassConfiguration || len(f.forms[activities].rows) != 0 {
			t.Errorf("%s: got %v", name, err)
		}
	}
	f, c := start(t, func(c *jiandaoyun.Config) { c.UploadHosts = []string{"upload.qiniup.com"} })
	_, err := c.LogEmail(t.Context(), withFiles("k", crmtest.NewFile("a.txt", "text/plain", []byte("x"))))
	wantClass(t, err, crmclient.ClassConfiguration, "upload_hosts")
	if len(f.files) != 0 {
		t.Error("the file was uploaded")
	}
}

func TestTicketWithFiles(t *testing.T) {
	t.Parallel()
	f, c := start(t, nil)
	ticket := crmtest.Ticket("t")
	ticket.Files = []crmclient.Attachment{crmtest.NewFile("photo.png", "image/png", []byte("png"))}
	ticket.Fields = map[string]any{"contact_email": "other@customer.example"}
	receipt, err := c.(crmclient.Ticketer).CreateTicket(t.Context(), ticket)
	if err != nil {
		t.Fatal(err)
	}
	r := f.forms[tickets].row(receipt.RemoteID)
	if got := names(r); !slices.Equal(got, []string{"photo.png"}) || r["priority"] != "高" || r["contact_email"] != "other@customer.example" {
		t.Errorf("got %v", r)
	}
	ticket = crmtest.Ticket("u")
	ticket.Assignee = "nobody@example.com"
	_, err = c.(crmclient.Ticketer).CreateTicket(t.Context(), ticket)
	wantClass(t, err, crmclient.ClassPermanent, "members")
	if n := len(f.forms[tickets].rows); n != 1 {
		t.Errorf("%d tickets", n)
	}
}
