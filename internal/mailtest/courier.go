package mailtest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
)

// CourierServer is a real Courier IMAP server with mailboxes in maildirs.
type CourierServer struct {
	IMAPServer

	t   testing.TB
	dir string
	p   *process
}

// Courier's paths are compiled in: it gets its own /etc/courier and /run in a mount
// namespace. Its programs leave the process group: all end with the shell, which is
// the first of a process namespace.
var courierScript = template.Must(template.New("courier.sh").Parse(`
set -e
mount --make-rprivate /
mount -t tmpfs none /run
mkdir /run/courier
mount --bind {{.Dir}}/run /run/courier
mount --bind {{.Dir}}/etc /etc/courier
mount --bind {{.Programs}} /usr/lib/courier/courier
makeuserdb
/usr/lib/courier/courier-authlib/authdaemond &

set -a
IMAP_CAPABILITY="IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE"
IMAP_CAPABILITY_TLS="$IMAP_CAPABILITY AUTH=PLAIN"
IMAP_KEYWORDS=1
IMAP_ACL=1
# Seconds between two looks at the maildir while a client is idle.
IMAP_IDLE_TIMEOUT=1
IMAP_MAILBOX_SANITY_CHECK=1
IMAP_UMASK=022
IMAP_USELOCKS=1
IMAP_SHAREDINDEXFILE=/etc/courier/shared/index
IMAP_ENHANCEDIDLE=0
IMAP_TRASHFOLDERNAME=Trash
IMAP_TLS_REQUIRED=0
COURIERTLS=/usr/bin/couriertls
TLS_CERTFILE={{.Dir}}/both.pem
TLS_VERIFYPEER=NONE
options="-address=127.0.0.1 -maxprocs=500 -maxperip=500 -nodnslookup -noidentlookup"
login=/usr/lib/courier/courier/imaplogin
IMAP_STARTTLS=NO couriertcpd $options {{.IMAPS}} $COURIERTLS -server -tcpd $login {{.Imapd}} Maildir &
IMAP_STARTTLS=YES couriertcpd $options {{.IMAP}} $login {{.Imapd}} Maildir &
trap 'exit 0' TERM
wait
`))

// Courier starts a Courier IMAP server for the users, or for Users() when there
// are none. It needs root, for its mount namespace and since it changes its user.
func Courier(t testing.TB, users ...User) *CourierServer {
	t.Helper()
	needRoot(t, "Courier")
	program(t, "couriertcpd") // of courier-base, as all that the script calls
	if len(users) == 0 {
		users = Users()
	}
	c := &CourierServer{t: t, dir: dir(t)}
	imap, imaps := FreePort(t), FreePort(t)
	c.IMAPServer = IMAPServer{
		Name: "Courier", Users: users, Certs: certsIn(t, c.dir),
		Addr: loopback(imap), TLSAddr: loopback(imaps),
	}
	for _, sub := range []string{"etc/shared", "run/authdaemon", "mail"} {
		if err := os.MkdirAll(filepath.Join(c.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c.addUsers(users)
	writeFile(t, filepath.Join(c.dir, "etc", "authdaemonrc"), `
authmodulelist="authuserdb"
authmodulelistorig="authuserdb"
daemons=5
authdaemonvar=/run/courier/authdaemon
DEBUG_LOGIN=0
`, 0o644)
	var both strings.Builder
	for _, name := range []string{c.Certs.KeyFile, c.Certs.CertFile} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		both.Write(text)
	}
	writeFile(t, filepath.Join(c.dir, "both.pem"), both.String(), 0o644)
	imapd := unpacked(t, "courier-imap", "usr/bin/imapd")
	login := unpacked(t, "courier-imap", "usr/lib/courier/courier/imaplogin")
	render(t, courierScript, filepath.Join(c.dir, "courier.sh"), map[string]any{
		"Dir": c.dir, "IMAP": imap, "IMAPS": imaps, "Imapd": imapd, "Programs": filepath.Dir(login),
	})
	c.Start()
	return c
}

func (c *CourierServer) addUsers(users []User) {
	c.t.Helper()
	var text strings.Builder
	for _, u := range users {
		home := filepath.Join(c.dir, "mail", u.Name)
		for _, sub := range []string{"tmp", "new", "cur"} {
			if err := os.MkdirAll(filepath.Join(home, "Maildir", sub), 0o700); err != nil {
				c.t.Fatal(err)
			}
		}
		sum := sha256.Sum256([]byte(u.Password))
		fmt.Fprintf(&text, "%s\tuid=%d|gid=%d|home=%s|mail=%s/Maildir|imappw={SHA256}%s\n",
			u.Name, mailUID, mailUID, home, home, base64.StdEncoding.EncodeToString(sum[:]))
	}
	own(c.t, filepath.Join(c.dir, "mail"), "mail")
	writeFile(c.t, filepath.Join(c.dir, "etc", "userdb"), text.String(), 0o600) // makeuserdb insists on the mode
}

// Start starts the server again after Stop, with the same ports and mailboxes.
func (c *CourierServer) Start() {
	c.t.Helper()
	cmd := exec.Command("/bin/sh", filepath.Join(c.dir, "courier.sh"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	c.p = start(c.t, c.dir, cmd)
	c.p.await(c.t, func() error { return greets(c.Addr, "* OK") })
	c.p.await(c.t, func() error {
		_, err := os.Stat(filepath.Join(c.dir, "run", "authdaemon", "socket"))
		return err
	})
}

// Stop stops the server.
func (c *CourierServer) Stop() { c.p.stop() }
