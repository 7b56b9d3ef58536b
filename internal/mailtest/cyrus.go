package mailtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
)

// CyrusServer is a real Cyrus IMAP server.
type CyrusServer struct {
	IMAPServer
	LMTPSocket string // Unix socket

	t   testing.TB
	dir string
	p   *process
}

var cyrusConf = template.Must(template.New("imapd.conf").Parse(`
configdirectory: {{.Dir}}/conf
defaultpartition: default
partition-default: {{.Dir}}/spool
mboxname_lockpath: {{.Dir}}/conf/lock
proc_path: {{.Dir}}/conf/proc
idlesocket: {{.Dir}}/conf/socket/idle
lmtpsocket: {{.Dir}}/conf/socket/lmtp
notifysocket: {{.Dir}}/conf/socket/notify
altnamespace: yes
unixhierarchysep: yes
virtdomains: userid
defaultdomain: elsewhere.example
autocreate_quota: 4000000
autocreate_inbox_folders: Sent|Drafts
autocreate_subscribe_folders: Sent|Drafts
xlist-sent: Sent
xlist-drafts: Drafts
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {{.Dir}}/conf/sasldb2
sasl_mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256
sasl_auto_transition: no
allowplaintext: yes
tls_server_cert: {{.Certs.CertFile}}
tls_server_key: {{.Certs.KeyFile}}
conversations: yes
expunge_mode: immediate
delete_mode: immediate
annotation_allow_undefined: yes
lmtp_downcase_rcpt: yes
syslog_prefix: cyrus
`))

var cyrusServices = template.Must(template.New("cyrus.conf").Parse(`
START {
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -C {{.Dir}}/imapd.conf -r"
}
SERVICES {
  imap cmd="{{.Imapd}} -C {{.Dir}}/imapd.conf -U 30" listen="{{.IMAP}}" prefork=0 maxchild=500
  imaps cmd="{{.Imapd}} -C {{.Dir}}/imapd.conf -s -U 30" listen="{{.IMAPS}}" prefork=0 maxchild=500
  lmtp cmd="/usr/lib/cyrus/bin/lmtpd -C {{.Dir}}/imapd.conf" listen="{{.LMTP}}" prefork=0 maxchild=20
}
DAEMON {
  idled cmd="{{.Idled}} -d -C {{.Dir}}/imapd.conf"
}
`))

// Cyrus starts a Cyrus IMAP server for the users, or for Users() when there are
// none. Their mailboxes come to be with their first login. It needs root, since
// the server changes its user.
func Cyrus(t testing.TB, users ...User) *CyrusServer {
	t.Helper()
	needRoot(t, "Cyrus")
	if len(users) == 0 {
		users = Users()
	}
	c := &CyrusServer{t: t, dir: dir(t)}
	c.IMAPServer = IMAPServer{
		Name: "Cyrus", Users: users, Certs: certsIn(t, c.dir),
		Addr: loopback(FreePort(t)), TLSAddr: loopback(FreePort(t)),
	}
	c.LMTPSocket = filepath.Join(c.dir, "conf", "socket", "lmtp")
	for _, sub := range []string{"spool", "conf/db", "conf/socket", "conf/proc", "conf/lock", "conf/log", "conf/msg"} {
		if err := os.MkdirAll(filepath.Join(c.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c.writePasswords(users)
	data := map[string]any{
		"Dir": c.dir, "Certs": c.Certs, "IMAP": c.Addr, "IMAPS": c.TLSAddr, "LMTP": c.LMTPSocket,
		"Imapd": unpacked(t, "cyrus-imapd", "usr/lib/cyrus/bin/imapd"),
		"Idled": unpacked(t, "cyrus-imapd", "usr/lib/cyrus/bin/idled"),
	}
	render(t, cyrusConf, filepath.Join(c.dir, "imapd.conf"), data)
	render(t, cyrusServices, filepath.Join(c.dir, "cyrus.conf"), data)
	for _, sub := range []string{"spool", "conf"} {
		own(t, filepath.Join(c.dir, sub), "cyrus")
	}
	c.Start()
	return c
}

// writePasswords makes the database that libsasl reads: the key is user, realm and
// property with NULs between them.
func (c *CyrusServer) writePasswords(users []User) {
	c.t.Helper()
	var text strings.Builder
	for _, u := range users {
		name, realm, _ := strings.Cut(u.Name, "@")
		fmt.Fprintf(&text, "%s\\00%s\\00userPassword\n%s\n", name, realm, strings.ReplaceAll(u.Password, `\`, `\\`))
	}
	cmd := exec.CommandContext(c.t.Context(), program(c.t, "db5.3_load"), "-T", "-t", "hash", filepath.Join(c.dir, "conf", "sasldb2"))
	cmd.Stdin = strings.NewReader(text.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("db5.3_load: %v\n%s", err, out)
	}
}

// Start starts the server again after Stop, with the same ports and mailboxes.
func (c *CyrusServer) Start() {
	c.t.Helper()
	c.p = start(c.t, c.dir, exec.Command(program(c.t, "cyrmaster"), "-D",
		"-C", filepath.Join(c.dir, "imapd.conf"), "-M", filepath.Join(c.dir, "cyrus.conf"), "-p", filepath.Join(c.dir, "conf", "pid")))
	c.p.await(c.t, func() error { return greets(c.Addr, "* OK") })
}

// Stop stops the server.
func (c *CyrusServer) Stop() { c.p.stop() }
