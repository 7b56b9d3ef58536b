package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/internal/oauth"
)

type accountConnectCmd struct {
	Target string `arg:"" help:"Target (CRM connection). 目标名称"`
	callbackFlags
}

// Run asks a person for the consent to a target.
func (c *accountConnectCmd) Run(ctx context.Context, parent *accountCmd) error {
	return parent.with(ctx, func(a access) error {
		client, err := a.target(c.Target)
		if err != nil {
			return err
		}
		defer closeClient(client)
		connectable, ok := crmclient.As[crmclient.Connectable](client)
		if !ok {
			return fmt.Errorf("target %q needs no consent of a person: its section has all that it signs in with", c.Target)
		}
		how := connectable.Connection()
		back, err := c.open()
		if err != nil {
			return err
		}
		defer back.close()
		flow, err := how.App.Begin(how.AuthorizeURL, back.redirect, how.Params)
		if err != nil {
			return err
		}
		consent, err := back.wait(ctx, flow, func(ctx context.Context, callback string) (oauth.Consent, error) {
			return flow.Finish(ctx, how.Poster, callback)
		})
		if err != nil {
			return withRemedy(err)
		}
		if consent.Refresh == "" {
			return errors.New("the vendor gave no refresh token, so that the access would end within hours: ask for offline access among the scopes, and approve it anew")
		}
		consent.Seed = oauth.Seed(how.Configured)
		if err := a.keeps.Connect(ctx, how.Grant, consent); err != nil {
			return err
		}
		fmt.Printf("%s is connected; a running gateway notices within seconds. 已连接\n", c.Target)
		return nil
	})
}

// callbackFlags say where the browser comes back to.
type callbackFlags struct {
	Listen      string        `default:"127.0.0.1:0" help:"Where this program waits for the browser. 本地回调监听地址"`
	RedirectURL string        `help:"Redirect address as it is registered at the vendor; empty: http://127.0.0.1:PORT/callback of --listen. 回调地址"`
	Wait        time.Duration `default:"10m" help:"How long to wait for the person. 等待时间"`
}

// callback is where a browser comes back to, or an address that a person pastes.
type callback struct {
	listener net.Listener
	redirect string
	patience time.Duration
}

func (c *callbackFlags) open() (*callback, error) {
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the browser: %w", err)
	}
	redirect := c.RedirectURL
	if redirect == "" {
		redirect = "http://" + ln.Addr().String() + "/callback"
	}
	return &callback{listener: ln, redirect: redirect, patience: c.Wait}, nil
}

func (c *callback) close() { _ = c.listener.Close() }

// maxCallback bounds an address that a person pastes.
const maxCallback = 64 << 10

// wait shows the address to open and waits for what comes back, from the browser or pasted.
func (c *callback) wait(ctx context.Context, flow *oauth.Flow, finish func(context.Context, string) (oauth.Consent, error)) (oauth.Consent, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.patience, errors.New("nobody came back in time: begin again"))
	defer cancel()
	fmt.Printf("Open this address in a browser and agree:\n请用浏览器打开以下网址并同意授权：\n\n    %s\n\n", flow.URL)
	fmt.Printf("If the browser runs on another machine, its last page (%s…) cannot be shown: paste that address here.\n", c.redirect)
	fmt.Println("若浏览器不在本机，请将最后跳转的网址粘贴到此处：")
	answers := make(chan answerOf)
	server := &http.Server{Handler: c.handler(ctx, answers), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(c.listener) }() // ends with Close
	defer func() { _ = server.Close() }()
	go readPasted(ctx, answers)
	for {
		select {
		case a := <-answers:
			consent, err := finish(ctx, a.text)
			foreign := errors.Is(err, oauth.ErrNoCode) || errors.Is(err, oauth.ErrState)
			a.done <- err
			<-a.told
			if foreign {
				fmt.Fprintln(os.Stderr, err)
				continue
			}
			return consent, err
		case <-ctx.Done():
			return oauth.Consent{}, context.Cause(ctx)
		}
	}
}

// answerOf is an address that came back. Whoever brought it hears what became of it, and closes told when it has said so.
type answerOf struct {
	text string
	done chan error
	told chan struct{}
}

func hand(ctx context.Context, to chan<- answerOf, text string) (a answerOf, err error) {
	a = answerOf{text, make(chan error, 1), make(chan struct{})}
	select {
	case to <- a:
		return a, <-a.done
	case <-ctx.Done():
		return a, context.Cause(ctx)
	}
}

func (c *callback) handler(ctx context.Context, to chan<- answerOf) http.Handler {
	path := "/callback"
	if u, err := url.Parse(c.redirect); err == nil && u.Path != "" {
		path = u.Path
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Referrer-Policy", "no-referrer")
		if r.URL.Path != path || r.Method != http.MethodGet {
			http.NotFound(w, r)
			return
		}
		a, err := hand(ctx, to, r.URL.RawQuery)
		defer close(a.told)
		text := "Done. You can close this page. 授权完成，可以关闭此页。\n"
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			text = "That did not work: see the terminal. 授权失败，请查看终端。\n"
		}
		_, _ = w.Write([]byte(text)) // the person may have closed the page
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	})
}

// readPasted takes lines from standard input. It stays in its read until the program ends.
func readPasted(ctx context.Context, to chan<- answerOf) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxCallback)
	for lines.Scan() {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			a, _ := hand(ctx, to, text)
			close(a.told)
		}
	}
}
