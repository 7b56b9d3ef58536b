package storetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const holdVariable = "STORETEST_HOLD_SERVER"

// hold starts the server, prints where, and stays until it is killed.
func hold() {
	if _, err := shared.start(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(shared.dir)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// A test binary that is killed leaves neither a server nor its files.
func TestServerEndsWithItsTestBinary(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), holdVariable+"=1")
	stdin, err := cmd.StdinPipe() // open until the end of the test, so that only the kill ends it
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	dir := strings.TrimSpace(line)
	if err != nil || !strings.HasPrefix(dir, os.TempDir()) {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := os.Stat(dir + "/data/postmaster.pid"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s is still there", dir)
		}
	}
}
