package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"

	"heliograph/proxy/backfill"
)

// errVanished says that a gateway was there and is not any more.
var errVanished = errors.New("the gateway went away in the middle; start it, then give the same command again: it goes on where this one ended")

// Control asks the gateway that runs on a data directory for work. path is ControlBackfill or ControlReconcile;
// report gets each event. The end of ctx stops the work. The secret of req is wiped.
func Control(ctx context.Context, dataDir, path string, req *backfill.Request, report func(backfill.Event)) (backfill.Result, error) {
	body, err := json.Marshal(req)
	clear(req.Secret)
	if err != nil {
		return backfill.Result{}, err
	}
	defer clear(body)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialControl(ctx, filepath.Join(dataDir, controlSocket))
	}, DisableKeepAlives: true}}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://heliograph"+path, bytes.NewReader(body))
	if err != nil {
		return backfill.Result{}, err
	}
	answer, err := client.Do(post)
	if err != nil {
		return backfill.Result{}, explain(ctx, err, dataDir)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		const most = 4 << 10 // a sentence
		text, _ := io.ReadAll(io.LimitReader(answer.Body, most))
		return backfill.Result{}, fmt.Errorf("the gateway refused: %s", strings.TrimSpace(string(text)))
	}
	return follow(ctx, answer.Body, report)
}

// follow reads the lines of an answer.
func follow(ctx context.Context, r io.Reader, report func(backfill.Event)) (backfill.Result, error) {
	for dec := json.NewDecoder(r); ; {
		var l controlLine
		err := dec.Decode(&l)
		switch {
		case ctx.Err() != nil:
			return backfill.Result{}, context.Cause(ctx)
		case err != nil:
			return backfill.Result{}, errVanished
		case l.End != nil && l.End.Error != "":
			return l.End.Result, errors.New(l.End.Error)
		case l.End != nil:
			return l.End.Result, nil
		case l.Event != nil:
			report(*l.Event)
		}
	}
}

func dialControl(ctx context.Context, path string) (conn net.Conn, err error) {
	err = shortPath(path, func(path string) (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "unix", path)
		return err
	})
	return conn, err
}

// explain says what to do when the gateway cannot be asked.
func explain(ctx context.Context, err error, dataDir string) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no gateway runs with data_dir %s, and only a running one can do this: start it with heliograph serve, or correct data_dir", dataDir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s belongs to another user: run this as root or as the user of the gateway, such as sudo -u heliograph heliograph …", dataDir)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("the gateway with data_dir %s hung up: run this as root or as the user of the gateway", dataDir)
	}
	return fmt.Errorf("ask the gateway: %w", err)
}
