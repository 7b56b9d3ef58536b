package console

import (
	"context"
	"errors"
	"html/template"
	"net/http"
)

// Unsubscribe lets people leave a list of automated mail: GET and POST /unsubscribe/{token}. A mail program posts there by itself when its user
// asks for it (RFC 8058); a browser shows a page with a button first, because scanners follow links.
type Unsubscribe struct {
	// Who returns whom a token is for, and which list: ErrNoEvent for a token that is none. Leave opts the address out, and is idempotent.
	Who   func(token string) (address, list string, err error)
	Leave func(ctx context.Context, token string) error
}

var unsubscribePage = template.Must(template.New("unsubscribe").Parse(`<!doctype html>
<html lang="zh"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>退订 · Unsubscribe</title></head>
<body><h1>退订 · Unsubscribe</h1>
{{if .Done}}<p>{{.Address}} 不会再收到这类邮件。<br>{{.Address}} gets no more mail of this kind.</p>
{{else}}<p>{{.Address}} 将不再收到这类邮件{{with .List}}（{{.}}）{{end}}。<br>{{.Address}} will get no more mail of this kind{{with .List}} ({{.}}){{end}}.</p>
<form method="post"><button type="submit">退订 · Unsubscribe</button></form>{{end}}
</body></html>
`))

// serveUnsubscribe adds the pages, where there are lists.
func (s *Server) serveUnsubscribe(mux *http.ServeMux) {
	u := s.options.Unsubscribe
	if u == nil {
		return
	}
	show := func(w http.ResponseWriter, r *http.Request, done bool) {
		address, list, err := u.Who(r.PathValue("token"))
		if err != nil {
			http.Error(w, "链接无效 · this link is not valid", http.StatusNotFound)
			return
		}
		if done {
			if err := u.Leave(r.Context(), r.PathValue("token")); err != nil {
				if !errors.Is(err, context.Canceled) {
					s.logger.WarnContext(r.Context(), "an opt-out was not kept", "err", err)
				}
				http.Error(w, "请稍后再试 · please try again later", http.StatusServiceUnavailable)
				return
			}
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = unsubscribePage.Execute(w, struct { // whoever asked is gone
			Address, List string
			Done          bool
		}{address, list, done})
	}
	mux.HandleFunc("GET /unsubscribe/{token}", func(w http.ResponseWriter, r *http.Request) { show(w, r, false) })
	mux.HandleFunc("POST /unsubscribe/{token}", func(w http.ResponseWriter, r *http.Request) { show(w, r, true) })
}
