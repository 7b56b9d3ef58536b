package ui

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// policy lets the pages load what the gateway itself serves, and nothing else. Ant Design puts its styles into the page while it runs.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; " +
	"frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// others are the first parts of paths that no page has: what asks for them gets no page, but 404.
var others = []string{
	"api", "metrics", "livez", "readyz", "files", "hooks", "approve", "events", "unsubscribe", "assets", "debug", "autodiscover", ".well-known", "mobileconfig",
}

// types are the kinds of files that vite makes; the system's table may lack or twist them.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
	".json": "application/json", ".woff2": "font/woff2", ".png": "image/png", ".ico": "image/x-icon", ".webmanifest": "application/manifest+json",
}

// Handler serves the pages of the console. It answers GET and HEAD: a file where there is one, else, for what can be the address of a
// page, index.html, whose code finds the page.
func Handler() http.Handler { return handler(built()) }

func handler(app fs.FS) http.Handler {
	if app == nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "this program was built without the console's pages; `make ui` builds them, then `make build` the program", http.StatusNotFound)
		})
	}
	s := &server{files: map[string]*file{}}
	_ = fs.WalkDir(app, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".br") {
			return err
		}
		s.files[name] = load(app, name)
		return nil
	})
	return s
}

// A file in the forms that it can be sent in. It is read where it lies when it is asked for: a copy of all would be a third of what a gateway at
// rest holds.
type file struct {
	app   fs.FS
	name  string
	kind  string
	etag  func() string   // of the content as it is
	forms map[string]form // by content coding; "" is as it is
}

type form struct {
	name string
	size int64
}

func load(app fs.FS, name string) *file {
	f := &file{app: app, name: name, kind: types[path.Ext(name)], forms: map[string]form{}}
	if f.kind == "" {
		f.kind = mime.TypeByExtension(path.Ext(name))
	}
	if f.kind == "" {
		f.kind = "application/octet-stream"
	}
	for coding, ending := range map[string]string{"": "", "gzip": ".gz", "br": ".br"} {
		if info, err := fs.Stat(app, name+ending); err == nil {
			f.forms[coding] = form{name + ending, info.Size()}
		}
	}
	f.etag = sync.OnceValue(func() string { // what is embedded cannot change
		h := sha256.New()
		if in, err := app.Open(name); err == nil {
			_, _ = io.Copy(h, in) // from memory
			_ = in.Close()
		}
		return hex.EncodeToString(h.Sum(nil)[:12])
	})
	return f
}

type server struct {
	files map[string]*file
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), publickey-credentials-get=(self), publickey-credentials-create=(self)")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	f := s.find(r.URL.Path)
	if f == nil {
		h.Set("Cache-Control", "no-store")
		http.NotFound(w, r)
		return
	}
	f.serve(w, r)
}

// find returns the file of a path, index.html for what can be a page, nil for anything else.
func (s *server) find(at string) *file {
	name := strings.TrimPrefix(path.Clean("/"+at), "/")
	if f := s.files[name]; f != nil {
		return f
	}
	first, _, _ := strings.Cut(strings.ToLower(name), "/")
	for _, other := range others {
		if first == other {
			return nil
		}
	}
	return s.files["index.html"]
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	switch {
	case f.name == "index.html":
		h.Set("Cache-Control", "no-store")
	case strings.HasPrefix(f.name, "assets/"):
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	default:
		h.Set("Cache-Control", "public, max-age=3600")
	}
	h.Set("Content-Type", f.kind)
	coding := f.coding(r.Header.Get("Accept-Encoding"))
	etag := f.etag()
	if coding != "" {
		h.Set("Content-Encoding", coding)
		etag += "-" + coding
	}
	if len(f.forms) > 1 {
		h.Set("Vary", "Accept-Encoding")
	}
	if f.name != "index.html" {
		h.Set("ETag", `"`+etag+`"`)
	}
	// ServeContent leaves the length out where a coding is set.
	if coding != "" && r.Header.Get("Range") == "" {
		h.Set("Content-Length", strconv.FormatInt(f.forms[coding].size, 10))
	}
	in, err := f.app.Open(f.forms[coding].name)
	if err != nil {
		panic("ui: what is embedded cannot be opened: " + err.Error())
	}
	defer func() { _ = in.Close() }()
	http.ServeContent(w, r, "", time.Time{}, in.(io.ReadSeeker)) //nolint:forcetypeassert // files of embed are
}

// coding picks the smallest form that the client takes (RFC 9110, 12.5.3).
func (f *file) coding(accept string) string {
	takes := map[string]bool{}
	for each := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(each), ";")
		q, given := strings.CutPrefix(strings.TrimSpace(params), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		takes[strings.ToLower(strings.TrimSpace(name))] = !given || err != nil || weight > 0
	}
	for _, coding := range []string{"br", "gzip"} {
		if takes[coding] && f.forms[coding].name != "" {
			return coding
		}
	}
	return ""
}
