package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
)

// robot is a group robot that keeps the last post in a file.
func (s *script) robot(answer string) error {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = os.WriteFile(s.file("posted"), append(body, '\n'), 0o600)
		}
		if err != nil {
			s.t.Error(err)
		}
		_, _ = io.WriteString(w, answer)
	}))
	s.t.Cleanup(server.Close)
	return os.WriteFile(s.file("robot"), []byte(server.URL+"/cgi-bin/webhook/send?key=k3y"), 0o600)
}
