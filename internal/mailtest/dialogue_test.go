package mailtest_test

import (
	"net"
	"testing"

	"heliograph/internal/mailtest"
)

// play plays both sides against each other and returns their errors.
func play(t *testing.T, client, server string) (clientErr, serverErr error) {
	t.Helper()
	a := mailtest.NewAuthority(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = mailtest.Play(conn, mailtest.Server, a.ServerTLS("mx"), server)
		}
		done <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	clientErr = mailtest.Play(conn, mailtest.Client, a.ClientTLS("mx"), client)
	return clientErr, <-done
}

func TestDialogueAgrees(t *testing.T) {
	t.Parallel()
	const script = `
		S: 220 mx
		# a comment
		C: EHLO x
		S= "250 a\r\n"
		-- tls
		C: {any} is not special when sent
	`
	client, server := play(t, script+"-- eof", `
		S: 220 mx
		C: EHLO {any}
		S: 250 a
		-- tls
		C: {any} not {any} when{any} sent
	`)
	if client != nil || server != nil {
		t.Errorf("client %v, server %v", client, server)
	}
}

func TestDialogueNoticesDepartures(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]string{
		"another line":  "S: 221 mx",
		"more of it":    "S: 220 mx again",
		"bare LF":       "S= \"220 mx\\n\"",
		"nothing":       "",
		"bytes behind":  "S= \"220 mx\\r\\nx\"",
		"one line more": "S: 220 mx\nS: 220 mx",
	} {
		if client, _ := play(t, "S: 220 mx\n-- eof", server); client == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
	for _, script := range []string{"X: y", "S", "-- what", "C= unquoted", "C; x"} {
		if client, _ := play(t, script, ""); client == nil {
			t.Errorf("the script %q is accepted", script)
		}
	}
}
