package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// served asks a server with three files.
func served(t *testing.T, registry *prometheus.Registry) *httptest.Server {
	t.Helper()
	s := &Server{logger: slog.New(slog.DiscardHandler), options: Options{Gatherer: registry, Registerer: registry, Files: func(_ context.Context, token string) (*File, error) {
		file := func(body io.Reader) *File { return &File{Name: "报价 \"1\".pdf", Size: 5, Body: io.NopCloser(body)} }
		switch token {
		case "good":
			return file(strings.NewReader("hello")), nil
		case "broken":
			return file(io.MultiReader(strings.NewReader("he"), failing{})), nil
		case "gone":
			return nil, fmt.Errorf("message x: %w", ErrFileGone)
		case "trouble":
			return nil, errors.New("database secret")
		}
		return nil, ErrNoFile
	}}}
	web := httptest.NewServer(s.handler())
	t.Cleanup(web.Close)
	web.Client().Transport = &http.Transport{DisableKeepAlives: true} // else it asks again over a broken connection
	return web
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the disk broke") }

func TestFiles(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	web := served(t, registry)
	for token, want := range map[string]struct {
		status int
		body   string
	}{
		"good":    {200, "hello"},
		"gone":    {410, "the message was taken back\n"},
		"trouble": {503, "the file cannot be read now; try again\n"},
		"other":   {404, "there is no such file, or the link has expired\n"},
	} {
		answer, err := web.Client().Get(web.URL + "/files/" + token)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != want.status || string(body) != want.body {
			t.Errorf("%s: got %d %q, %v; want %d %q", token, answer.StatusCode, body, err, want.status, want.body)
		}
		for field, value := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
		} {
			if got := answer.Header.Get(field); got != value {
				t.Errorf("%s: %s is %q, want %q", token, field, got, value)
			}
		}
		if token != "good" {
			continue
		}
		const disposed = `attachment; filename="__ _1_.pdf"; filename*=UTF-8''%E6%8A%A5%E4%BB%B7%20_1_.pdf`
		if got := answer.Header.Get("Content-Disposition"); got != disposed {
			t.Errorf("Content-Disposition is %s, want %s", got, disposed)
		}
	}
	answer, err := web.Client().Get(web.URL + "/files/broken")
	if err == nil { // else the connection ended before the header came
		_, err = io.ReadAll(answer.Body)
		_ = answer.Body.Close()
	}
	if err == nil {
		t.Error("a file that was cut looks whole")
	}
	if answer, err = web.Client().Post(web.URL+"/files/good", "text/plain", nil); err != nil || answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: got %v, %v", answer, err)
	}
	_ = answer.Body.Close()
	const counts = `
		# HELP heliograph_file_downloads_total Requests for files behind links, by outcome (served, not_found, gone, busy, cut, failed).
		# TYPE heliograph_file_downloads_total counter
		heliograph_file_downloads_total{outcome="failed"} 2
		heliograph_file_downloads_total{outcome="gone"} 1
		heliograph_file_downloads_total{outcome="not_found"} 1
		heliograph_file_downloads_total{outcome="served"} 1
	`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(counts), "heliograph_file_downloads_total"); err != nil {
		t.Error(err)
	}
}

func TestFileNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"":                                "file",
		"../../etc/passwd":                "_.._etc_passwd",
		".bashrc":                         "bashrc",
		"a\r\nSet-Cookie: x=1.pdf":        "aSet-Cookie_ x=1.pdf",
		"invoice\u202efdp.exe":            "invoicefdp.exe",
		"\xff.pdf":                        "_.pdf",
		strings.Repeat("报", 100) + ".pdf": strings.Repeat("报", 65) + ".pdf",
	} {
		if got := fileName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func FuzzDisposition(f *testing.F) {
	f.Add("报价.pdf")
	f.Add("a\"; filename=b")
	f.Fuzz(func(t *testing.T, name string) {
		field := disposition(name)
		if strings.ContainsAny(field, "\r\n\x00") || len(field) > 10*maxFileName {
			t.Fatalf("%q", field)
		}
		kind, params, err := mime.ParseMediaType(field)
		if err != nil || kind != "attachment" || params["filename"] != fileName(name) {
			t.Fatalf("%q: got %q %q, %v; want %q", field, kind, params, err, fileName(name))
		}
	})
}
