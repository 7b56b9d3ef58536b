package mailtest

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"
)

// PostfixServer is a real Postfix that takes submissions with Dovecot's SASL and
// delivers to the users' maildirs. Mail to other domains is discarded, but mail to
// refused.example comes back with a report; an unknown user of the users' domains
// is refused at RCPT.
type PostfixServer struct {
	SubmissionAddr  string // STARTTLS, host:port
	SubmissionsAddr string // TLS from the first byte
	ProxiedAddr     string // STARTTLS behind a PROXY protocol header
	// RelayAddr takes mail without a login, in plain text.
	RelayAddr string
	Certs     *Certs
	Users     []User
	Dovecot   *DovecotServer // the same mailboxes by IMAP

	t    testing.TB
	dir  string
	conf string
	p    *process
}

var postfixMain = template.Must(template.New("main.cf").Parse(`
compatibility_level = 3.6
queue_directory = {{.Dir}}/spool
data_directory = {{.Dir}}/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = {{.Dir}}/maillog
maillog_file_prefixes = {{.Dir}}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example.com
mydestination =
local_recipient_maps =
alias_maps =
mynetworks =
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtp_host_lookup = native
smtputf8_enable = yes

virtual_mailbox_domains = {{.Domains}}
virtual_mailbox_maps = texthash:{{.Dir}}/etc/mailboxes
virtual_mailbox_base = {{.Dovecot.Dir}}/mail
virtual_uid_maps = static:8
virtual_gid_maps = static:8
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
mailbox_size_limit = 0
virtual_transport = virtual
default_transport = discard
transport_maps = inline:{ {refused.example = refused:} }

message_size_limit = 67108864
queue_minfree = 0
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
default_process_limit = 100

# Bytes are to arrive as they were sent.
local_header_rewrite_clients =
message_drop_headers =
always_add_missing_headers = no
disable_mime_output_conversion = yes
enable_long_queue_ids = yes

smtpd_sasl_type = dovecot
smtpd_sasl_path = {{.Dovecot.AuthSocket}}
smtpd_sasl_auth_enable = yes
smtpd_sasl_security_options = noanonymous
smtpd_tls_cert_file = {{.Certs.CertFile}}
smtpd_tls_key_file = {{.Certs.KeyFile}}
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions =
`))

var postfixMaster = template.Must(template.New("master.cf").Parse(`
{{.Submission}} inet n - n - - smtpd
{{.Submissions}} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
{{.Proxied}} inet n - n - - smtpd
  -o smtpd_upstream_proxy_protocol=haproxy
{{.Relay}} inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=no
  -o mynetworks=127.0.0.0/8
  -o smtpd_relay_restrictions=permit_mynetworks,reject
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
refused   unix  - n n - - pipe
  user=nobody argv=/bin/false
local     unix  - n n - - local
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
`))

// Postfix starts a Postfix, and a Dovecot for its logins and mailboxes, for the
// users, or for Users() when there are none. It needs root.
func Postfix(t testing.TB, users ...User) *PostfixServer {
	t.Helper()
	needRoot(t, "Postfix")
	postfix := program(t, "postfix")
	d := Dovecot(t, users...)
	p := &PostfixServer{Certs: d.Certs, Users: d.Users, Dovecot: d, t: t, dir: dir(t)}
	addrs := []*string{&p.SubmissionAddr, &p.SubmissionsAddr, &p.ProxiedAddr, &p.RelayAddr}
	for _, addr := range addrs {
		*addr = loopback(FreePort(t))
	}
	p.conf = filepath.Join(p.dir, "etc")
	for _, sub := range []string{"etc", "spool", "data"} {
		if err := os.Mkdir(filepath.Join(p.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Fatalf("%v; run `make deps`", err)
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(p.dir, "data"), uid, -1); err != nil {
		t.Fatal(err)
	}
	var boxes strings.Builder
	domains := map[string]bool{}
	for _, u := range d.Users {
		_, domain, _ := strings.Cut(u.Name, "@")
		domains[domain] = true
		fmt.Fprintf(&boxes, "%s %s/Maildir/\n", u.Name, u.Name)
	}
	writeFile(t, filepath.Join(p.conf, "mailboxes"), boxes.String(), 0o644)
	data := map[string]any{
		"Dir": p.dir, "Certs": p.Certs, "Domains": strings.Join(slices.Sorted(maps.Keys(domains)), " "),
		"Dovecot":    map[string]string{"Dir": d.dir, "AuthSocket": d.AuthSocket},
		"Submission": p.SubmissionAddr, "Submissions": p.SubmissionsAddr, "Proxied": p.ProxiedAddr, "Relay": p.RelayAddr,
	}
	render(t, postfixMain, filepath.Join(p.conf, "main.cf"), data)
	render(t, postfixMaster, filepath.Join(p.conf, "master.cf"), data)
	// Makes the queue's folders with their owners.
	if out, err := exec.CommandContext(t.Context(), postfix, "-c", p.conf, "check").CombinedOutput(); err != nil {
		t.Fatalf("postfix check: %v\n%s", err, out)
	}
	p.Start()
	return p
}

// Start starts the server again after Stop, with the same ports and queue.
func (p *PostfixServer) Start() {
	p.t.Helper()
	out, err := exec.CommandContext(p.t.Context(), program(p.t, "postconf"), "-c", p.conf, "-h", "daemon_directory").Output()
	if err != nil {
		p.t.Fatalf("postconf: %v", err)
	}
	master := filepath.Join(strings.TrimSpace(string(out)), "master")
	p.p = start(p.t, p.dir, exec.Command(master, "-c", p.conf, "-s"))
	p.p.logs = append(p.p.logs, filepath.Join(p.dir, "maillog"))
	for _, addr := range []string{p.SubmissionAddr, p.RelayAddr} {
		p.p.await(p.t, func() error { return greets(addr, "220 ") })
	}
}

// Stop stops the server.
func (p *PostfixServer) Stop() { p.p.stop() }

// Log returns what Postfix has logged.
func (p *PostfixServer) Log() string {
	text, err := os.ReadFile(filepath.Join(p.dir, "maillog"))
	if err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	return string(text)
}

// Delivery is one message in a maildir.
type Delivery struct {
	Trace string // the header fields that Postfix put in front
	Data  []byte // the message as it was submitted, lines ending in CRLF
}

// Deliveries returns what is in a user's INBOX, oldest first.
func (p *PostfixServer) Deliveries(user string) []Delivery {
	p.t.Helper()
	var files []string
	for _, sub := range []string{"new", "cur"} {
		found, err := filepath.Glob(filepath.Join(p.Dovecot.Maildir(user), sub, "*"))
		if err != nil {
			p.t.Fatal(err)
		}
		files = append(files, found...)
	}
	type stored struct {
		when time.Time
		Delivery
	}
	var all []stored
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			p.t.Fatal(err)
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, stored{info.ModTime(), split(raw)})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].when.Before(all[j].when) })
	out := make([]Delivery, len(all))
	for i, s := range all {
		out[i] = s.Delivery
	}
	return out
}

// AwaitDeliveries waits until a user has at least n messages and returns all.
func (p *PostfixServer) AwaitDeliveries(user string, n int) []Delivery {
	p.t.Helper()
	var got []Delivery
	err := poll(p.t.Context(), deliveryTimeout, func() error {
		if got = p.Deliveries(user); len(got) < n {
			return fmt.Errorf("%s has %d messages, want %d", user, len(got), n)
		}
		return nil
	})
	if err != nil {
		p.t.Fatalf("%v\n%s", err, p.Log())
	}
	return got
}

// deliveryTimeout bounds the way from Postfix's 250 to the maildir.
const deliveryTimeout = 60 * time.Second

// split undoes what virtual(8) and smtpd(8) did to a message: trace fields in
// front, the last of which is one Received, and LF for CRLF.
func split(raw []byte) Delivery {
	rest := raw
	for len(rest) > 0 {
		field := nextField(rest)
		rest = rest[len(field):]
		if bytes.HasPrefix(bytes.ToLower(field), []byte("received:")) {
			break
		}
	}
	return Delivery{
		Trace: string(raw[:len(raw)-len(rest)]),
		Data:  bytes.ReplaceAll(rest, []byte("\n"), []byte("\r\n")),
	}
}

// nextField returns the first header field with its continuation lines.
func nextField(b []byte) []byte {
	for i := 0; i < len(b); i++ {
		if b[i] == '\n' && (i+1 == len(b) || b[i+1] != ' ' && b[i+1] != '\t') {
			return b[:i+1]
		}
	}
	return b
}
