package transparency_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"heliograph/internal/mailtest"
)

// programTimeout bounds a mail program's whole work; it takes seconds.
const programTimeout = 2 * time.Minute

// programWorld is a Dovecot with a user for each mail program and a gateway before it
// that captures all.
type programWorld struct {
	dovecot *mailtest.DovecotServer
	gateway *running
}

// program is one user's mail program: its home and where it finds the gateway.
type program struct {
	*programWorld

	t                  *testing.T
	user               mailtest.User
	home               string
	implicit, starttls string // ports of the gateway
	plain              string
	ca                 string
	mails              [][]byte // what was in the INBOX
	direct             func() (net.Conn, error)
}

var programs = map[string]func(p *program){
	"mutt":        mutt,
	"mbsync":      mbsync,
	"offlineimap": offlineimap,
	"getmail":     getmail,
	"fetchmail":   fetchmail,
	"curl":        curl,
	"imaplib":     imaplib,
	"thunderbird": thunderbird,
}

// TestPrograms lets mail programs do their work through the gateway. What they have
// then is what the server has, and the journal has it too, once.
func TestPrograms(t *testing.T) {
	t.Parallel()
	users := []mailtest.User{{Name: "target@example.com", Password: "pass-word"}}
	for name := range programs {
		users = append(users, mailtest.User{Name: name + "@example.com", Password: "pass-word"})
	}
	w := &programWorld{dovecot: mailtest.DovecotWith(t, mailtest.DovecotOptions{Users: users, Extensions: true})}
	w.gateway = startGateway(t, w.dovecot.IMAP(), "all")
	for name, work := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &program{
				programWorld: w, t: t, home: t.TempDir(), ca: w.gateway.certs.CAFile,
				user:   mailtest.User{Name: name + "@example.com", Password: "pass-word"},
				direct: (&server{IMAPServer: w.dovecot.IMAP()}).direct,
			}
			for i, port := range []*string{&p.implicit, &p.starttls, &p.plain} {
				_, *port, _ = net.SplitHostPort(w.gateway.Addr(i).String())
			}
			work(p)
		})
	}
}

// receive fills the user's INBOX behind everybody's back.
func (p *program) receive(mails [][]byte) {
	p.t.Helper()
	dir := p.dovecot.Maildir(p.user.Name)
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			p.t.Fatal(err)
		}
	}
	for i, m := range mails {
		p.write(filepath.Join(dir, "new", fmt.Sprintf("%d.M%dP1.test", 1_772_000_000+i, i)), string(bytes.ReplaceAll(m, []byte("\r\n"), []byte("\n"))))
	}
	p.dovecot.Own(dir)
	p.mails = mails
}

// corpus returns messages of all kinds that no program fails to read.
func corpus(seed uint64, n int) [][]byte {
	out := make([][]byte, 0, n)
	for _, m := range mailtest.Corpus(seed, n) {
		out = append(out, m.Data)
	}
	return out
}

func (p *program) write(name, text string) string {
	p.t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return name
}

// file writes a file into the program's home.
func (p *program) file(name, text string) string {
	p.t.Helper()
	return p.write(filepath.Join(p.home, name), text)
}

// run runs a program to its end, which must be a good one.
func (p *program) run(name string, args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), programTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = p.home
	cmd.Env = append(os.Environ(), "HOME="+p.home, "TERM=xterm", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// filesIn returns the messages in the files of directories, with lines ending in CRLF.
func (p *program) filesIn(dirs ...string) [][]byte {
	p.t.Helper()
	var out [][]byte
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				p.t.Fatal(err)
			}
			out = append(out, crlf(data))
		}
	}
	return out
}

func crlf(data []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}

// same fails the test unless two sets of messages are equal.
func (p *program) same(what string, got, want [][]byte) {
	p.t.Helper()
	slices.SortFunc(got, bytes.Compare)
	want = slices.SortedFunc(slices.Values(want), bytes.Compare)
	if len(got) != len(want) {
		p.t.Errorf("%s: %d messages, want %d", what, len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if !bytes.Equal(got[i], want[i]) {
			p.t.Errorf("%s: got %s", what, difference([]string{string(want[i])}, []string{string(got[i])}))
			return
		}
	}
}

// held returns what the server has in a mailbox.
func (p *program) held(mailbox string) [][]byte {
	p.t.Helper()
	return heldBy(p.t, p.direct, p.user, mailbox)
}

func heldBy(t *testing.T, dial func() (net.Conn, error), user mailtest.User, mailbox string) [][]byte {
	t.Helper()
	_, mails := open(t, dial, user).read(mailbox)
	var out [][]byte
	for _, m := range mails {
		out = append(out, m)
	}
	return out
}

// captured checks that the journal has each message of the mailboxes once. What a
// program's short session has left open is done while another of the user's lasts.
func (p *program) captured(mailboxes ...string) {
	p.t.Helper()
	for _, mailbox := range mailboxes {
		var c *session
		p.gateway.awaitCaptured(p.t, p.direct, p.user, mailbox, false, func() {
			if c == nil {
				c = open(p.t, p.gateway.dial, p.user)
				c.say("SELECT " + mailbox)
			}
			c.say("NOOP")
		})
	}
}

// without removes header fields that a program adds to what it stores. A header
// without a body gets the empty line that it may go without.
func without(fields string, mails [][]byte) [][]byte {
	form := regexp.MustCompile(`(?m)^(?:` + fields + `): .*\r\n`)
	for i, m := range mails {
		head, body, ended := bytes.Cut(m, []byte("\r\n\r\n"))
		if !ended {
			head = bytes.TrimSuffix(m, []byte("\r\n"))
		}
		head = form.ReplaceAll(append(head, "\r\n"...), nil)
		mails[i] = append(append(head, "\r\n"...), body...)
	}
	return mails
}

func mutt(p *program) {
	p.receive(corpus(1, 45))
	box := filepath.Join(p.home, "copy")
	rc := p.file("muttrc", strings.Join([]string{
		"set folder=imaps://localhost:" + p.implicit, "set spoolfile=+INBOX",
		"set imap_user=" + p.user.Name, "set imap_pass=" + p.user.Password,
		"set certificate_file=" + p.ca, "set ssl_ca_certificates_file=" + p.ca,
		"set mbox_type=Maildir", "unset confirmcreate", "unset confirmappend", "unset wait_key", "set quit=yes", "unset mark_old",
		"unset mail_check_stats", "unset trash", "set delete=yes", "unset help",
	}, "\n")+"\n")
	keys := "<tag-pattern>~A<enter><tag-prefix><copy-message>" + box + "<enter><first-entry><flag-message><sync-mailbox><quit>"
	p.run("script", "-qec", fmt.Sprintf("mutt -n -F %s -e 'push \"%s\"'", rc, keys), "/dev/null")
	p.same("mutt's copy", without("Content-Length|Lines|Status|X-Status", p.filesIn(filepath.Join(box, "new"), filepath.Join(box, "cur"))),
		without("nothing", p.held("INBOX")))
	p.captured("INBOX")
}

func mbsync(p *program) {
	const each = 1000
	var mails [][]byte
	for i := range each {
		mails = append(mails, mail(fmt.Sprintf("Subject: down %d\r\nMessage-ID: <down%d@example.com>\r\n", i, i), fmt.Sprintf("body %d\r\n", i)))
	}
	p.receive(mails)
	local := filepath.Join(p.home, "mail")
	for _, sub := range []string{"INBOX/new", "INBOX/cur", "INBOX/tmp", "Projects/new", "Projects/cur", "Projects/tmp"} {
		if err := os.MkdirAll(filepath.Join(local, sub), 0o700); err != nil {
			p.t.Fatal(err)
		}
	}
	for i := range each {
		text := fmt.Sprintf("From: me@example.com\nSubject: up %d\nMessage-ID: <up%d@example.com>\n\nbody %d\n", i, i, i)
		p.write(filepath.Join(local, "Projects", "cur", fmt.Sprintf("%d.%d.test:2,S", 1_772_000_000+i, i)), text)
	}
	rc := p.file("mbsyncrc", fmt.Sprintf(`
IMAPAccount a
Host localhost
Port %s
User %s
Pass %s
SSLType STARTTLS
SystemCertificates no
CertificateFile %s

IMAPStore far
Account a

MaildirStore near
Path %s/
Inbox %s/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Sync All
SyncState *
`, p.starttls, p.user.Name, p.user.Password, p.ca, local, local))
	p.run("mbsync", "-c", rc, "-a")
	p.run("mbsync", "-c", rc, "-a") // finds nothing to do
	for _, mailbox := range []string{"INBOX", "Projects"} {
		held := p.held(mailbox)
		if len(held) != each {
			p.t.Errorf("the server has %d messages in %s, want %d", len(held), mailbox, each)
		}
		p.same("mbsync's "+mailbox, without("X-TUID", p.filesIn(filepath.Join(local, mailbox, "new"), filepath.Join(local, mailbox, "cur"))),
			without("X-TUID", held))
	}
	p.captured("INBOX", "Projects")
}

func offlineimap(p *program) {
	p.receive(corpus(2, 45))
	local := filepath.Join(p.home, "mail")
	rc := p.file("offlineimaprc", fmt.Sprintf(`
[general]
accounts = a
metadata = %s/meta
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = %s
[Repository far]
type = IMAP
remotehost = localhost
remoteport = %s
remoteuser = %s
remotepass = %s
ssl = yes
sslcacertfile = %s
folderfilter = lambda name: name == 'INBOX'
`, p.home, local, p.implicit, p.user.Name, p.user.Password, p.ca))
	p.run("offlineimap", "-c", rc, "-o", "-u", "basic")
	// A message of the user's own goes up with the next run.
	p.write(filepath.Join(local, "INBOX", "cur", "1772009999.1.test:2,S"), "From: me@example.com\nSubject: up\nMessage-ID: <up@example.com>\n\nup\n")
	p.run("offlineimap", "-c", rc, "-o", "-u", "basic")
	if n := len(p.held("INBOX")); n != len(p.mails)+1 {
		p.t.Errorf("the server has %d messages, want %d", n, len(p.mails)+1)
	}
	p.same("offlineimap's copy", without("X-OfflineIMAP", p.filesIn(filepath.Join(local, "INBOX", "new"), filepath.Join(local, "INBOX", "cur"))),
		without("X-OfflineIMAP", p.held("INBOX")))
	p.captured("INBOX")
}

// getmail delivers to the LMTP server, since all its other ways wait for a child in a
// manner that loses the child's end now and then. It writes messages anew, so that only
// plain ones stay as they are.
func getmail(p *program) {
	var mails [][]byte
	for i := range 40 {
		mails = append(mails, mail(fmt.Sprintf("Subject: number %d\r\nMessage-ID: <%d@example.com>\r\n", i, i), strings.Repeat("a line\r\n", i*i)))
	}
	p.receive(append(mails, big(300_000), wide(300)))
	target := mailtest.User{Name: "target@example.com", Password: p.user.Password}
	p.file("getmailrc", fmt.Sprintf(`
[retriever]
type = SimpleIMAPSSLRetriever
server = localhost
port = %s
username = %s
password = %s
ca_certs = %s
mailboxes = ("INBOX",)
[destination]
type = MDA_lmtp
host = %s
port = 0
override = %s
[options]
read_all = true
delete = false
delivered_to = false
received = false
`, p.implicit, p.user.Name, p.user.Password, p.ca, p.dovecot.LMTPSocket, target.Name))
	p.run("getmail", "--getmaildir", p.home)
	const added = "Return-Path|Delivered-To|X-getmail-retrieved-from-mailbox"
	p.same("getmail's copy", without(added, heldBy(p.t, p.direct, target, "INBOX")), without(added, p.held("INBOX")))
	p.captured("INBOX")
}

// sink returns a directory and a script that stores what it reads as a file in it.
func (p *program) sink() (dir, script string) {
	p.t.Helper()
	dir = filepath.Join(p.home, "mail")
	if err := os.Mkdir(dir, 0o700); err != nil {
		p.t.Fatal(err)
	}
	return dir, p.file("sink.sh", "exec cat > \"$(mktemp "+dir+"/XXXXXX)\"\n")
}

func fetchmail(p *program) {
	// It breaks lines that are longer than its buffer.
	long := func(m []byte) bool {
		return slices.ContainsFunc(bytes.Split(m, []byte("\n")), func(line []byte) bool { return len(line) > 1000 })
	}
	p.receive(slices.DeleteFunc(corpus(4, 45), long))
	local, sink := p.sink()
	rc := p.file("fetchmailrc", fmt.Sprintf(`
set invisible
poll localhost protocol imap port %s
  user "%s" password "%s"
  ssl sslcertck sslcertfile "%s" fetchall keep no rewrite mda "/bin/sh %s"
`, p.implicit, p.user.Name, p.user.Password, p.ca, sink))
	p.run("fetchmail", "--nodetach", "--nosyslog", "-f", rc, "-i", filepath.Join(p.home, "ids"), "--pidfile", filepath.Join(p.home, "pid"))
	p.same("fetchmail's copy", without("nothing", p.filesIn(local)), without("nothing", p.held("INBOX")))
	p.captured("INBOX")
}

func curl(p *program) {
	const n = 45
	p.receive(corpus(5, n))
	local := filepath.Join(p.home, "mail")
	if err := os.Mkdir(local, 0o700); err != nil {
		p.t.Fatal(err)
	}
	base := "imaps://localhost:" + p.implicit
	args := []string{"-sS", "--cacert", p.ca, "--user", p.user.Name + ":" + p.user.Password}
	p.run("curl", append(args, fmt.Sprintf("%s/INBOX;MAILINDEX=[1-%d]", base, n), "-o", local+"/#1")...)
	up := p.file("up.eml", "Subject: up\r\n\r\nup\r\n")
	p.run("curl", append(args, "-T", up, base+"/INBOX")...)
	p.run("curl", append(args, base+"/INBOX;UID="+fmt.Sprint(n+1), "-o", local+"/up")...)
	if list := p.run("curl", append(args, base+"/", "-X", `LIST "" "*"`)...); !strings.Contains(list, "INBOX") {
		p.t.Errorf("curl lists %s", list)
	}
	p.same("curl's copy", p.filesIn(local), p.held("INBOX"))
	p.captured("INBOX")
}

const imaplibScript = `
import imaplib, ssl, sys
host, port, ca, user, password, out = sys.argv[1:]
c = imaplib.IMAP4(host, int(port))
c.starttls(ssl.create_default_context(cafile=ca))
c.login(user, password)
def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]
ok(c.list())
ok(c.create("Kept"))
ok(c.select("INBOX"))
for uid in ok(c.uid("SEARCH", None, "ALL"))[0].split():
    data = ok(c.uid("FETCH", uid, "(FLAGS BODY.PEEK[])"))
    open("%s/%s" % (out, uid.decode()), "wb").write(data[0][1])
ok(c.append("INBOX", r"(\Seen)", None, b"Subject: up\r\n\r\nup\r\n"))
ok(c.noop())
open("%s/up" % out, "wb").write(ok(c.fetch("*", "(RFC822)"))[0][1])
ok(c.copy("1:3", "Kept"))
ok(c.store("1", "+FLAGS", r"\Deleted"))
ok(c.close())
c.logout()
import os
os.remove(out + "/1")
`

func imaplib(p *program) {
	p.receive(corpus(6, 45))
	local := filepath.Join(p.home, "mail")
	if err := os.Mkdir(local, 0o700); err != nil {
		p.t.Fatal(err)
	}
	p.run("python3", "-c", imaplibScript, "localhost", p.starttls, p.ca, p.user.Name, p.user.Password, local)
	p.same("imaplib's copy", p.filesIn(local), p.held("INBOX"))
	p.captured("INBOX")
}
