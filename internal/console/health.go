package console

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// report is the JSON of /readyz?verbose and /livez?verbose.
type report struct {
	Status  string        `json:"status"` // ok or unready
	Version string        `json:"version,omitempty"`
	Checks  []checkReport `json:"checks,omitempty"`
}

type checkReport struct {
	Name     string `json:"name"`
	Status   string `json:"status"` // ok or failing
	Error    string `json:"error,omitempty"`
	Optional bool   `json:"optional,omitempty"`
}

// live answers that the process runs.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, http.StatusOK, report{Status: "ok"})
}

// ready answers 200 when every check that counts is well, else 503.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	rep, code := report{Status: "ok"}, http.StatusOK
	if s.options.Ready != nil {
		for _, c := range s.options.Ready(ctx) {
			cr := checkReport{Name: c.Name, Status: "ok", Optional: c.Optional}
			if c.Err != nil {
				cr.Status, cr.Error = "failing", c.Err.Error()
				if !c.Optional {
					rep.Status, code = "unready", http.StatusServiceUnavailable
				}
			}
			rep.Checks = append(rep.Checks, cr)
		}
	}
	s.answer(w, r, code, rep)
}

// answer writes the report: as JSON with ?verbose, else in words.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, code int, rep report) {
	rep.Version = s.options.Version
	var body []byte
	if r.URL.Query().Has("verbose") {
		text, err := json.MarshalIndent(rep, "", "  ")
		if err != nil {
			http.Error(w, "cannot encode the report", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		body = append(text, '\n')
	} else {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		body = []byte(rep.words())
	}
	w.WriteHeader(code)
	_, _ = w.Write(body) // the asker may have left
}

func (r report) words() string {
	var b strings.Builder
	b.WriteString(r.Status + "\n")
	for _, c := range r.Checks {
		if c.Error != "" {
			fmt.Fprintf(&b, "%s: %s\n", c.Name, c.Error)
		}
	}
	return b.String()
}

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "Heliograph "+s.options.Version+"\n\n"+
		"/metrics         for Prometheus\n/livez           is the process alive\n"+
		"/readyz          can it take mail\n/readyz?verbose  every check, as JSON\n")
}
