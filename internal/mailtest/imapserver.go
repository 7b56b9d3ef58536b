package mailtest

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
)

// IMAPServer is what the IMAP servers of the kit have in common.
type IMAPServer struct {
	Name    string // Dovecot, Cyrus or Courier
	Addr    string // plain text or STARTTLS, host:port
	TLSAddr string // TLS from the first byte
	Certs   *Certs
	Users   []User
}

// beside is where .ci/deps unpacks the IMAP servers that Debian does not let be
// installed beside Dovecot.
const beside = "/usr/local/lib/heliograph-tests"

// unpacked returns the path of a file of a package that is unpacked, not installed.
func unpacked(t testing.TB, pkg, file string) string {
	t.Helper()
	path := filepath.Join(beside, pkg, file)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: the package %s is not unpacked; run `make deps`", err, pkg)
	}
	return path
}

// own gives a directory and what is in it to a user of the system.
func own(t testing.TB, dir, name string) {
	t.Helper()
	owner, err := user.Lookup(name)
	if err != nil {
		t.Fatalf("%v; run `make deps`", err)
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.Atoi(owner.Gid)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, uid, gid)
	})
	if err != nil {
		t.Fatal(err)
	}
}
