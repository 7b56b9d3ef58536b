package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// call is one request on its way.
type call struct {
	id     string
	client netip.Addr
	op     *Operation
	object string

	mu    sync.Mutex // guards notes
	notes map[string]any
}

type callKey struct{}

func requestID(ctx context.Context) string {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c.id
	}
	return ""
}

// Client is the address of who asks for the operation of ctx.
func Client(ctx context.Context) netip.Addr {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c.client
	}
	return netip.Addr{}
}

// Note adds to what is recorded of the operation of ctx: what it was done to, from what to what. No secrets, no texts of mails.
func Note(ctx context.Context, key string, value any) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.notes == nil {
		c.notes = map[string]any{}
	}
	c.notes[key] = value
}

// Named puts on record how the thing that the request is about is called at this time, for when it is called otherwise or is gone. The first name
// counts, up to maxName runes. Mail has none: texts of it are not put on record.
func Named(ctx context.Context, name string) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok || name == "" {
		return
	}
	if runes := []rune(name); len(runes) > maxName {
		name = string(runes[:maxName-1]) + "…"
	}
	c.mu.Lock()
	_, known := c.notes[nameNote]
	c.mu.Unlock()
	if !known {
		Note(ctx, nameNote, name)
	}
}

// nameNote is the note of a name.
const nameNote = "name"

// maxName bounds a name: many things may be named together, and what is recorded of a request is bounded as a whole.
const maxName = 200

// object is what a request's path names.
func object(path string, r *http.Request) string {
	var values []string
	for rest := path; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			return strings.Join(values, "/")
		}
		name, behind, _ := strings.Cut(after, "}")
		values = append(values, r.PathValue(strings.TrimSuffix(name, "...")))
		rest = behind
	}
}

func connected(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap()
}

// recorder notes the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
