package ui

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

// small is what vite makes, in small.
var small = fstest.MapFS{
	"index.html":             {Data: []byte("<!doctype html><title>page</title>")},
	"icon.svg":               {Data: []byte("<svg/>")},
	"assets/index-abc.js":    {Data: []byte("import './a.js'")},
	"assets/index-abc.js.gz": {Data: []byte("gzipped")},
	"assets/index-abc.js.br": {Data: []byte("brotli")},
}

func ask(t *testing.T, h http.Handler, method, path, accept string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	r.Header.Set("Accept-Encoding", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

func TestHandler(t *testing.T) {
	t.Parallel()
	const page, script = "<!doctype html><title>page</title>", "import './a.js'"
	for _, c := range []struct {
		name, method, path, accept string
		status                     int
		body, coding, cache        string
	}{
		{"the start", "GET", "/", "", 200, page, "", "no-store"},
		{"its name", "GET", "/index.html", "", 200, page, "", "no-store"},
		{"a page's address", "GET", "/customers/42?q=1", "gzip", 200, page, "", "no-store"},
		{"an address with a dot", "GET", "/accounts/li.wei@sunrise.example", "", 200, page, "", "no-store"},
		{"a script", "GET", "/assets/index-abc.js", "", 200, script, "", "public, max-age=31536000, immutable"},
		{"a script for a browser", "GET", "/assets/index-abc.js", "gzip, deflate, br, zstd", 200, "brotli", "br", "public, max-age=31536000, immutable"},
		{"a script for an older one", "GET", "/assets/index-abc.js", "GZIP;q=0.5, br;q=0", 200, "gzipped", "gzip", "public, max-age=31536000, immutable"},
		{"what is not compressed", "GET", "/icon.svg", "br", 200, "<svg/>", "", "public, max-age=3600"},
		{"the head alone", "HEAD", "/assets/index-abc.js", "br", 200, "", "br", "public, max-age=31536000, immutable"},
		{"a script that is gone", "GET", "/assets/index-old.js", "", 404, "404 page not found\n", "", "no-store"},
		{"the API", "GET", "/api/v1/nothing", "", 404, "404 page not found\n", "", "no-store"},
		{"the API in capitals", "GET", "/API/v1/nothing", "", 404, "404 page not found\n", "", "no-store"},
		{"the API by a way round", "GET", "/customers/../api/v1/nothing", "", 404, "404 page not found\n", "", "no-store"},
		{"metrics", "GET", "/metrics", "", 404, "404 page not found\n", "", "no-store"},
		{"a folder", "GET", "/assets/", "", 404, "404 page not found\n", "", "no-store"},
		{"a compressed file by its name", "GET", "/assets/index-abc.js.gz", "", 404, "404 page not found\n", "", "no-store"},
		{"a change", "POST", "/", "", 405, "only GET and HEAD\n", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, body := ask(t, handler(small), c.method, c.path, c.accept)
			if r.StatusCode != c.status || body != c.body {
				t.Errorf("got %d %q, want %d %q", r.StatusCode, body, c.status, c.body)
			}
			if got := r.Header.Get("Content-Encoding"); got != c.coding {
				t.Errorf("got content coding %q, want %q", got, c.coding)
			}
			if got := r.Header.Get("Cache-Control"); got != c.cache {
				t.Errorf("got Cache-Control %q, want %q", got, c.cache)
			}
			if got := r.Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; script-src 'self';") {
				t.Errorf("got policy %q", got)
			}
		})
	}
}

// TestAgain wants what a browser has already not to be sent again, in the form that it has.
func TestAgain(t *testing.T) {
	t.Parallel()
	h := handler(small)
	first, _ := ask(t, h, "GET", "/assets/index-abc.js", "br")
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/assets/index-abc.js", nil)
	r.Header.Set("Accept-Encoding", "br")
	r.Header.Set("If-None-Match", first.Header.Get("ETag"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusNotModified {
		t.Errorf("got %d, want 304", w.Code)
	}
	r.Header.Set("Accept-Encoding", "gzip")
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Body.String() != "gzipped" {
		t.Errorf("got %d %q for another form, want it whole", w.Code, w.Body)
	}
}

// TestNotBuilt wants a program without the pages to say how to get them.
func TestNotBuilt(t *testing.T) {
	t.Parallel()
	r, body := ask(t, handler(nil), "GET", "/", "")
	if r.StatusCode != http.StatusNotFound || !strings.Contains(body, "make ui") {
		t.Errorf("got %d %q", r.StatusCode, body)
	}
}
