package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// File is what a link leads to.
type File struct {
	Name string // of anybody's choice
	Size int64
	Body io.ReadCloser // read and closed by the server
}

// The errors of Options.Files that are answered as such. Others are our own trouble.
var (
	ErrNoFile   = errors.New("no such file")
	ErrFileGone = errors.New("the file was taken back")
)

const (
	// maxDownloads bounds the files that are read at once: each is a message that is parsed.
	maxDownloads = 16
	// chunkTime is how long the reader of a file may take for one chunk of it.
	chunkTime = 30 * time.Second
	chunkSize = 64 << 10
	// maxFileName bounds what a file is called, in bytes; file systems take 255.
	maxFileName = 200
)

// files serves GET /files/{token}.
type files struct {
	find func(ctx context.Context, token string) (*File, error)
	log  func(msg string, args ...any)
	busy chan struct{}
	done *prometheus.CounterVec
}

// serveFiles adds the handler of files, where there is somebody who finds them.
func (s *Server) serveFiles(mux *http.ServeMux) {
	if s.options.Files == nil {
		return
	}
	f := &files{
		find: s.options.Files, log: s.logger.Warn, busy: make(chan struct{}, maxDownloads),
		done: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "heliograph_file_downloads_total",
			Help: "Requests for files behind links, by outcome (served, not_found, gone, busy, cut, failed).",
		}, []string{"outcome"}),
	}
	if s.options.Registerer != nil {
		s.options.Registerer.MustRegister(f.done)
	}
	mux.Handle("GET /files/{token}", f)
}

// ServeHTTP streams one file. What is answered does not tell a stranger whether a link was ever good.
func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// What a stranger sent by mail is shown in no page of this address, and runs nothing.
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	w.Header().Set("X-Robots-Tag", "noindex, nofollow")
	f.done.WithLabelValues(f.serve(w, r)).Inc()
}

func (f *files) serve(w http.ResponseWriter, r *http.Request) (outcome string) {
	select {
	case f.busy <- struct{}{}:
		defer func() { <-f.busy }()
	default:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many downloads at once; try again", http.StatusServiceUnavailable)
		return "busy"
	}
	file, err := f.find(r.Context(), r.PathValue("token"))
	switch {
	case errors.Is(err, ErrNoFile):
		http.Error(w, "there is no such file, or the link has expired", http.StatusNotFound)
		return "not_found"
	case errors.Is(err, ErrFileGone):
		http.Error(w, "the message was taken back", http.StatusGone)
		return "gone"
	case err != nil:
		f.log("file not found", "error", err) // no token and no name
		http.Error(w, "the file cannot be read now; try again", http.StatusServiceUnavailable)
		return "failed"
	}
	defer file.Body.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream") // nothing that a browser opens by itself
	h.Set("Content-Disposition", disposition(file.Name))
	h.Set("Content-Length", strconv.FormatInt(file.Size, 10))
	if r.Method == http.MethodHead {
		return "served"
	}
	return f.stream(w, file)
}

// stream copies the file. A slow reader has time for each chunk, not for all of it.
func (f *files) stream(w http.ResponseWriter, file *File) (outcome string) {
	rc := http.NewResponseController(w)
	buf := make([]byte, chunkSize)
	for {
		n, err := io.ReadFull(file.Body, buf)
		if n > 0 {
			_ = rc.SetWriteDeadline(time.Now().Add(chunkTime)) // what cannot set one has its own
			if _, werr := w.Write(buf[:n]); werr != nil {
				return "cut"
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return "served"
		case err != nil:
			f.log("file not read to its end", "error", err)
			f.done.WithLabelValues("failed").Inc()
			panic(http.ErrAbortHandler) // so that the reader does not take the beginning for all
		}
	}
}

// disposition is the Content-Disposition of a file to be saved (RFC 6266, 4), with the name in UTF-8 (RFC 8187, 3.2) and,
// for what does not know that, in ASCII.
func disposition(name string) string {
	name = fileName(name)
	var plain, coded strings.Builder
	for _, r := range name {
		if r >= 0x7f || r == '"' || r == '\\' || r == '%' { // browsers decode the percent sign
			plain.WriteByte('_')
		} else {
			plain.WriteRune(r)
		}
	}
	const attrChar = "!#$&+-.^_`|~" // RFC 8187, 3.2.1, besides letters and digits
	for _, b := range []byte(name) {
		if b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || strings.IndexByte(attrChar, b) >= 0 {
			coded.WriteByte(b)
		} else {
			fmt.Fprintf(&coded, "%%%02X", b)
		}
	}
	return `attachment; filename="` + plain.String() + `"; filename*=UTF-8''` + coded.String()
}

// fileName makes a name that a stranger chose fit for a file system: no folders, nothing unseen, not hidden, not too long.
func fileName(name string) string {
	name = strings.ToValidUTF8(name, "_")
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r): // also what turns the direction of writing round
			return -1
		case strings.ContainsRune(`/\:*?"<>|`, r):
			return '_'
		}
		return r
	}, name)
	name = strings.Trim(name, " .\t")
	if len(name) > maxFileName {
		ending := path.Ext(name)
		if len(ending) > 20 {
			ending = ""
		}
		cut := maxFileName - len(ending)
		for cut > 0 && !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut] + ending
	}
	if name == "" {
		return "file"
	}
	return name
}
