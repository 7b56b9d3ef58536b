package mailtest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"
)

// User is a mailbox at Dovecot and Postfix. The name is the address and the login.
type User struct{ Name, Password string }

// Users are the mailboxes that a server gets when the test names none.
func Users() []User {
	return []User{
		{"li@example.com", "correct horse"},
		{"wang@example.com", "battery staple"},
		{"zhang@example.com", "π and ÿ"},
	}
}

// mailUID owns the maildirs: the user "mail" of every Debian system.
const mailUID = 8

// DovecotOptions say what a Dovecot is to be like. The zero value is what Dovecot starts.
type DovecotOptions struct {
	Users []User // Users() if empty
	// Extensions switches on what Debian's Dovecot can do: ACL, COMPRESS, METADATA,
	// NOTIFY, QUOTA, URLAUTH. Clients of 127.0.0.0/8 may name the address
	// that they speak for (ID x-originating-ip).
	Extensions bool
	// Introspection, where it is, lets users sign in by XOAUTH2 and OAUTHBEARER too: the server asks there about access tokens (RFC 7662).
	Introspection string
	// Mdbox stores the mail in Dovecot's own format. Then there are no maildirs.
	Mdbox bool
}

// DovecotServer is a real Dovecot with mailboxes in maildirs.
type DovecotServer struct {
	IMAPAddr   string // STARTTLS, and plain text as both ends have one address, host:port
	IMAPSAddr  string // TLS from the first byte
	AuthSocket string // Unix socket of the SASL service, for Postfix
	LMTPSocket string // Unix socket
	Certs      *Certs
	Users      []User

	t    testing.TB
	dir  string
	conf string
	p    *process
}

var dovecotConf = template.Must(template.New("dovecot.conf").Parse(`
base_dir = {{.Dir}}/run
state_dir = {{.Dir}}/run
log_path = /dev/stderr
protocols = imap lmtp
listen = 127.0.0.1
ssl = required
ssl_cert = <{{.Certs.CertFile}}
ssl_key = <{{.Certs.KeyFile}}
auth_mechanisms = plain login cram-md5 scram-sha-256{{if .Introspection}} xoauth2 oauthbearer{{end}}
auth_username_format = %Lu
auth_failure_delay = 0
first_valid_uid = 1
mail_location = {{if .Mdbox}}mdbox:~/mdbox{{else}}maildir:~/Maildir{{end}}
mail_max_userip_connections = 500
default_vsz_limit = 1G
{{if .Introspection}}
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {{.Dir}}/oauth2.conf
}
{{end}}
passdb {
  driver = passwd-file
  args = scheme=PLAIN {{.Dir}}/users
}
userdb {
  driver = passwd-file
  args = {{.Dir}}/users
}
namespace inbox {
  inbox = yes
  mailbox Sent {
    auto = subscribe
    special_use = \Sent
  }
  mailbox Drafts {
    auto = subscribe
    special_use = \Drafts
  }
}
service imap-login {
  inet_listener imap {
    port = {{.IMAP}}
  }
  inet_listener imaps {
    port = {{.IMAPS}}
    ssl = yes
  }
}
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
}
protocol lmtp {
  lmtp_add_received_header = no
}
{{if .Extensions}}
login_trusted_networks = 127.0.0.0/8
mail_plugins = quota acl zlib
mailbox_list_index = yes
mail_attribute_dict = file:~/attributes
imap_urlauth_host = localhost
imap_metadata = yes
protocol imap {
  mail_plugins = $mail_plugins imap_quota imap_acl imap_zlib
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=4G
  acl = vfile
}
{{end}}
# The login processes are to find their sockets without entering a jail.
service anvil {
  chroot =
}
`))

// Dovecot starts a Dovecot for the users, or for Users() when there are none. It
// needs root, since Dovecot's processes change their users.
func Dovecot(t testing.TB, users ...User) *DovecotServer {
	t.Helper()
	return DovecotWith(t, DovecotOptions{Users: users})
}

// DovecotWith starts a Dovecot that is as the options say. It needs root.
func DovecotWith(t testing.TB, options DovecotOptions) *DovecotServer {
	t.Helper()
	needRoot(t, "Dovecot")
	if len(options.Users) == 0 {
		options.Users = Users()
	}
	users := options.Users
	d := &DovecotServer{Users: users, t: t, dir: dir(t)}
	d.Certs = certsIn(t, d.dir)
	imap, imaps := FreePort(t), FreePort(t)
	d.IMAPAddr, d.IMAPSAddr = loopback(imap), loopback(imaps)
	d.AuthSocket = filepath.Join(d.dir, "run", "auth-client")
	d.LMTPSocket = filepath.Join(d.dir, "run", "lmtp")
	for _, sub := range []string{"run", "mail"} {
		if err := os.Mkdir(filepath.Join(d.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var passwd strings.Builder
	for _, u := range users {
		home := d.home(u.Name)
		if err := os.Mkdir(home, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(home, mailUID, mailUID); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&passwd, "%s:{PLAIN}%s:%d:%d::%s::\n", u.Name, u.Password, mailUID, mailUID, home)
	}
	writeFile(t, filepath.Join(d.dir, "users"), passwd.String(), 0o644)
	if options.Introspection != "" {
		writeFile(t, filepath.Join(d.dir, "oauth2.conf"), "introspection_mode = post\nintrospection_url = "+options.Introspection+
			"\nusername_attribute = email\nactive_attribute = active\nactive_value = true\n", 0o644)
	}
	d.conf = filepath.Join(d.dir, "dovecot.conf")
	render(t, dovecotConf, d.conf, map[string]any{
		"Dir": d.dir, "Certs": d.Certs, "IMAP": imap, "IMAPS": imaps,
		"Extensions": options.Extensions, "Mdbox": options.Mdbox, "Introspection": options.Introspection,
	})
	d.Start()
	return d
}

// Start starts the server again after Stop, with the same ports and mailboxes.
func (d *DovecotServer) Start() {
	d.t.Helper()
	d.p = start(d.t, d.dir, exec.Command(program(d.t, "dovecot"), "-F", "-c", d.conf))
	d.p.await(d.t, func() error {
		if _, err := os.Stat(d.AuthSocket); err != nil {
			return err
		}
		return greets(d.IMAPAddr, "* OK")
	})
}

// Stop stops the server.
func (d *DovecotServer) Stop() { d.p.stop() }

// Log returns what Dovecot has logged.
func (d *DovecotServer) Log() string {
	text, err := os.ReadFile(filepath.Join(d.dir, "dovecot.out"))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

// IMAP tells what every IMAP server of the kit has.
func (d *DovecotServer) IMAP() IMAPServer {
	return IMAPServer{Name: "Dovecot", Addr: d.IMAPAddr, TLSAddr: d.IMAPSAddr, Certs: d.Certs, Users: d.Users}
}

func (d *DovecotServer) home(user string) string {
	return filepath.Join(d.dir, "mail", user)
}

// Maildir returns the maildir of a user's INBOX.
func (d *DovecotServer) Maildir(user string) string {
	return filepath.Join(d.home(user), "Maildir")
}

// Own gives files that a test has put into a mailbox to the server.
func (d *DovecotServer) Own(path string) {
	d.t.Helper()
	own(d.t, path, "mail")
}

// greets reports whether a server's first line begins with want.
func greets(addr, want string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, want) {
		err = fmt.Errorf("the greeting is %q", line)
	}
	return err
}

func loopback(port int) string {
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func render(t testing.TB, tmpl *template.Template, path string, data any) {
	t.Helper()
	var text strings.Builder
	if err := tmpl.Execute(&text, data); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, text.String(), 0o644)
}

func needRoot(t testing.TB, server string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatalf("%s needs root to start; run `make test`, which uses sudo", server)
	}
}
