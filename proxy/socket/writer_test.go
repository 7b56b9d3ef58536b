package socket_test

import (
	"errors"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"heliograph/proxy/socket"
)

// deadlines notes the write deadlines of a connection.
type deadlines struct {
	net.Conn
	set []time.Duration
	at  time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t.Sub(d.at))
	return d.Conn.SetWriteDeadline(t)
}

func TestWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		go func() {
			for b := make([]byte, 1); ; {
				if _, err := far.Read(b); err != nil || b[0] == '.' { // it takes no more
					return
				}
			}
		}()
		conn := &deadlines{Conn: near, at: time.Now()}
		w := socket.NewWriter(conn, time.Minute)
		for _, pause := range []time.Duration{0, 20 * time.Second, 20 * time.Second, 40 * time.Second} {
			time.Sleep(pause)
			if _, err := w.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if want := []time.Duration{time.Minute, 100 * time.Second, 140 * time.Second}; !slices.Equal(conn.set, want) {
			t.Errorf("deadlines after %v, want %v", conn.set, want)
		}
		if _, err := w.Write([]byte(".y")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(conn.at) != 140*time.Second {
			t.Errorf("a peer that takes nothing: %v after %v", err, time.Since(conn.at))
		}
	})
}
