//go:build ignore

// A company's mail provider, for tests of enrolments and watched mailboxes: mail.sunrise.example, which takes passwords, and cloud.example, which takes
// what its OAuth 2.0 gives by device codes. It says where it is as a line of JSON.
//
//	POST /device, POST /token    OAuth 2.0; each consent is pending until it is told otherwise
//	POST /say?answer=good        all device codes are answered so from now on: good, or an error such as access_denied
//	POST /deliver?to=ADDRESS     a mail from outside, whose text is the body
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"heliograph/internal/sandbox"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	own, err := sandbox.Start(ctx, sandbox.Options{
		Domain: "mail.sunrise.example", AllowPlaintextAuth: true,
		Users: []sandbox.User{{Address: "zhao.min@mail.sunrise.example", Password: "zhao-min-code"}, {Address: "support@mail.sunrise.example", Password: "support-code"}},
	})
	if err != nil {
		return err
	}
	cloud, err := sandbox.Start(ctx, sandbox.Options{
		Domain: "cloud.example", AllowPlaintextAuth: true, Users: []sandbox.User{{Address: "zhao.min@cloud.example"}}, Token: func(_, token string) bool { return token == "access" },
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{
		"smtp": own.SMTPAddr, "imap": own.IMAPAddr, "cloud_smtp": cloud.SMTPAddr, "cloud_imap": cloud.IMAPAddr, "url": "http://" + l.Addr().String(),
	}); err != nil {
		return err
	}
	c := &consent{answer: "authorization_pending"}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /device", c.device)
	mux.HandleFunc("POST /token", c.token)
	mux.HandleFunc("POST /say", c.say)
	mux.HandleFunc("POST /deliver", func(w http.ResponseWriter, q *http.Request) {
		mail, err := io.ReadAll(q.Body)
		if err == nil {
			err = own.Deliver("kunde@kunde.example", []string{q.URL.Query().Get("to")}, mail)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	server := &http.Server{Handler: mux}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// consent is the OAuth 2.0 of cloud.example.
type consent struct {
	mu     sync.Mutex // guards answer
	answer string
}

func (c *consent) device(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"device_code":"device","user_code":"WDJB-MJHT","verification_uri":"https://login.cloud.example/device","expires_in":600,"interval":1}`)
}

func (c *consent) token(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if c.answer != "good" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":%q}`, c.answer)
		return
	}
	fmt.Fprint(w, `{"access_token":"access","refresh_token":"refresh","token_type":"Bearer","expires_in":3600}`)
}

func (c *consent) say(_ http.ResponseWriter, q *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = q.URL.Query().Get("answer")
}
