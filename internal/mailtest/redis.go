package mailtest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// RedisServer is a real redis-server that keeps nothing on disk.
type RedisServer struct {
	Addr string // host:port; stays the same over Stop and Start

	t    testing.TB
	dir  string
	port int
	p    *process
}

// Redis starts a redis-server.
func Redis(t testing.TB) *RedisServer {
	t.Helper()
	port := FreePort(t)
	r := &RedisServer{
		Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		t:    t, dir: dir(t), port: port,
	}
	r.Start()
	return r
}

// Start starts the server again after Stop, empty.
func (r *RedisServer) Start() {
	r.t.Helper()
	cmd := exec.Command(program(r.t, "redis-server"), "--bind", "127.0.0.1", "--port", strconv.Itoa(r.port),
		"--dir", r.dir, "--save", "", "--appendonly", "no", "--daemonize", "no")
	r.p = start(r.t, r.dir, cmd)
	r.p.await(r.t, func() error { return pingRedis(r.Addr) })
}

// Stop kills the server, as a crash would.
func (r *RedisServer) Stop() {
	r.p.kill()
}

func pingRedis(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprint(c, "PING\r\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && line != "+PONG\r\n" {
		err = errors.New("redis said " + line)
	}
	return err
}
