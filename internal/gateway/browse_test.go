package gateway_test

import (
	"bytes"
	"context"
	"encoding/base64"
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

	"github.com/emersion/go-imap/v2/imapclient"

	"heliograph/internal/mailtest"
)

// browsing are the listeners of people who read customer mailboxes: with TLS, and without for a program that trusts
// no certificate of ours.
const browsing = `
listeners:
  - {protocol: imap, address: "127.0.0.1:0", tls: starttls}
  - {protocol: imap, address: "127.0.0.1:0", tls: implicit, mode: customers}
  - {protocol: imap, address: "127.0.0.1:0", tls: none, allow_plaintext_auth: true, mode: customers}
customers: {scope: own}
`

// The customer, who has no company, and what his mailbox is called for.
const (
	browsed     = "\"王芳\" <fang.wang@163.com>"
	browsedName = "王芳"
)

// chinese are mails of the kinds that come from China: each says what is read of it.
var chinese = []struct{ subject, text, raw string }{
	{"报价单 2026", "您好，附件是报价。", lines(
		"Subject: =?utf-8?B?"+base64.StdEncoding.EncodeToString([]byte("报价单 2026"))+"?=", "Message-ID: <1@kunde.example>", "MIME-Version: 1.0",
		"Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "",
		base64.StdEncoding.EncodeToString([]byte("您好，附件是报价。\r\n")), "--b", "Content-Type: application/pdf; name=offer.pdf",
		"Content-Disposition: attachment; filename=offer.pdf", "Content-Transfer-Encoding: base64", "", "JVBERi0xLjQK", "--b--")},
	{"会议", "明天见", lines(
		"Subject: =?gb2312?B?u+HS6Q==?=", "Message-ID: <2@kunde.example>", "MIME-Version: 1.0", "Content-Type: text/plain; charset=gb2312",
		"Content-Transfer-Encoding: 8bit", "", "\xc3\xf7\xcc\xec\xbc\xfb")},
	{"Re: 会议", "好的", lines(
		"Subject: =?utf-8?Q?Re:_=E4=BC=9A=E8=AE=AE?=", "Message-ID: <3@kunde.example>", "In-Reply-To: <2@kunde.example>", "MIME-Version: 1.0",
		"Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: quoted-printable", "", "<p>=E5=A5=BD=E7=9A=84</p>")},
}

func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n" }

// library is a gateway whose CRM holds the customer's mail with an employee.
type library struct {
	*running
	dovecot *mailtest.DovecotServer
	reader  mailtest.User
	inbox   *imapclient.Client // through the gateway, in IDLE
	mails   [][]byte
}

func newLibrary(t *testing.T) *library {
	t.Helper()
	d := mailtest.Dovecot(t)
	l := &library{running: start(t, mailboxesAt(d)+browsing), dovecot: d, reader: d.Users[0]}
	for i, m := range chinese {
		l.mails = append(l.mails, l.from(i, m.raw))
		put(t, d, l.reader, l.mails[i])
	}
	l.inbox = l.imap(0, l.reader)
	look(t, l.inbox)
	if _, err := l.inbox.Idle(); err != nil {
		t.Fatal(err)
	}
	l.activities(len(l.mails))
	return l
}

// from makes the i-th mail of the customer.
func (l *library) from(i int, raw string) []byte {
	return []byte(lines("From: "+browsed, "To: "+l.reader.Name, fmt.Sprintf("Date: Sat, 21 Nov 2026 10:%02d:00 +0800", i)) + raw)
}

func (l *library) port(listener int) string {
	l.t.Helper()
	_, port, err := net.SplitHostPort(l.Addr(listener).String())
	if err != nil {
		l.t.Fatal(err)
	}
	return port
}

// ownFields are what programs add to the messages that they store.
var ownFields = regexp.MustCompile(`(?m)^(?:X-Mozilla-Status2?|X-Mozilla-Keys|Content-Length|Lines|Status|X-Status):.*\n`)

// holds waits until the files of a directory are the messages, but for what a program adds.
func (l *library) holds(dir string, want [][]byte) {
	l.t.Helper()
	plain := func(m []byte) string {
		m = bytes.ReplaceAll(m, []byte("\r\n"), []byte("\n"))
		head, body, _ := bytes.Cut(m, []byte("\n\n"))
		return strings.TrimRight(string(ownFields.ReplaceAll(append(head, '\n'), nil)), "\n") + "\n\n" + string(body)
	}
	var all []string
	for _, m := range want {
		all = append(all, plain(m))
	}
	slices.Sort(all)
	mailtest.Eventually(l.t, 20*time.Second, func() error {
		files, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		var got []string
		for _, f := range files {
			m, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				return err
			}
			got = append(got, plain(m))
		}
		if slices.Sort(got); !slices.Equal(got, all) {
			return fmt.Errorf("%s holds %q, want %q", dir, got, all)
		}
		return nil
	})
}

// TestThunderbirdBrowsesCustomers finds a customer's mailbox with Thunderbird, reads and searches it, downloads it, and
// hears of a new mail.
func TestThunderbirdBrowsesCustomers(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	tb := mailtest.StartThunderbird(t, t.TempDir())
	tb.AddAccount(l.reader, l.port(2))
	name, _ := tb.Run(thunderbirdOpen, browsedName, len(l.mails)).(string)
	for _, m := range chinese {
		text, _ := tb.Run(thunderbirdRead, m.subject).(string)
		if !strings.Contains(text, m.text) {
			t.Errorf("Thunderbird shows %q as the text of %q", text, m.subject)
		}
		if found, _ := tb.Run(thunderbirdSearch, m.text).(string); found != m.subject {
			t.Errorf("Thunderbird finds %q by the text of %q", found, m.subject)
		}
	}
	arrived := l.from(len(l.mails), lines("Subject: arrived", "Message-ID: <4@kunde.example>", "", "while idle"))
	put(t, l.dovecot, l.reader, arrived)
	tb.Run(thunderbirdDownload, len(l.mails)+1)
	l.holds(filepath.Join(tb.Store, "Customers.sbd", name, "cur"), append(l.mails, arrived))
}

const (
	// The functions that the scripts share.
	thunderbirdFind = `
const server = MailServices.accounts.allServers.find(s => s.type == "imap");
const pane = () => document.getElementById("tabmail").currentAbout3Pane;
const shown = () => pane()?.gFolder;
`
	// Looks for the mailbox in the tree and opens it. The result is the name of its file.
	thunderbirdOpen = thunderbirdFind + `
const [name, want] = args;
server.performExpand(null);
const folder = await until("the mailbox " + name, () => server.rootFolder.descendants.find(f => f.localizedName?.includes(name) || f.name?.includes(name)));
await until("the pane of mail", () => pane()?.displayFolder);
pane().displayFolder(folder.URI);
await until(want + " messages", () => folder.getTotalMessages(false) == want);
done(folder.filePath.leafName);
`
	// Opens a message in the list, as a click does. The result is the text that is shown.
	thunderbirdRead = thunderbirdFind + `
const [subject] = args;
const header = await until(subject, () => [...shown().messages].find(m => m.mime2DecodedSubject == subject || (m.flags & Ci.nsMsgMessageFlags.HasRe && "Re: " + m.mime2DecodedSubject == subject)));
const line = Number(await until("its line", () => { const i = pane().gViewWrapper?.getViewIndexForMsgHdr(header, true); return i >= 0 && String(i); }));
const loaded = new Promise(resolve => window.addEventListener("MsgLoaded", resolve, { once: true }));
pane().threadTree.selectedIndex = line;
await loaded;
const message = () => pane().messageBrowser.contentWindow;
await until("the text", () => message().gMessage?.messageKey == header.messageKey && message().getMessagePaneBrowser().contentDocument?.body?.textContent.trim());
done(message().getMessagePaneBrowser().contentDocument.body.textContent);
`
	// Searches the bodies at the server. The result is what was found.
	thunderbirdSearch = thunderbirdFind + `
const [text] = args;
const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, shown());
const term = session.createTerm();
term.attrib = Ci.nsMsgSearchAttrib.Body;
term.op = Ci.nsMsgSearchOp.Contains;
const value = term.value;
value.attrib = term.attrib;
value.str = text;
term.value = value;
session.appendTerm(term);
const found = [];
await new Promise(resolve => {
  session.registerListener({ onNewSearch() {}, onSearchHit(header) { found.push((header.flags & Ci.nsMsgMessageFlags.HasRe ? "Re: " : "") + header.mime2DecodedSubject); }, onSearchDone: resolve });
  session.search(null);
});
done(found.join());
`
	// Waits for a number of messages, of which IDLE tells, and downloads them.
	thunderbirdDownload = thunderbirdFind + `
const [want] = args;
const folder = shown();
await until(want + " messages", () => folder.getTotalMessages(false) == want);
folder.setFlag(Ci.nsMsgFolderFlags.Offline);
const busy = 0x8055000a; // it still reads what IDLE told of
let loaded;
await until("the mailbox to be free", () => {
  const { promise, resolve, reject } = Promise.withResolvers();
  try {
    folder.downloadAllForOffline(listener(resolve, reject), null);
  } catch (e) {
    if (e.result == busy) return false;
    throw e;
  }
  loaded = promise;
  return true;
});
await loaded;
await until("the bodies", () => [...folder.messages].every(m => m.flags & Ci.nsMsgMessageFlags.Offline));
done(true);
`
)

// TestMuttBrowsesCustomers reads a customer's mailbox with mutt, and copies it.
func TestMuttBrowsesCustomers(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	list, err := l.imap(1, l.reader).List("", "Customers/*", nil).Collect()
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Mailbox, browsedName) {
		t.Fatalf("mailboxes %+v, %v", list, err)
	}
	home := t.TempDir()
	in := func(name string) string { return filepath.Join(home, name) }
	settings := strings.Join([]string{
		"set folder=imaps://localhost:" + l.port(1), "set imap_user=" + l.reader.Name, `set imap_pass="` + l.reader.Password + `"`,
		"set certificate_file=" + l.certs.CAFile, "set ssl_ca_certificates_file=" + l.certs.CAFile, "set mbox_type=Maildir",
		"unset confirmcreate", "unset confirmappend", "unset wait_key", "unset prompt_after", "set quit=yes", "unset mark_old", "unset mail_check_stats",
		"set charset=utf-8", "set sort=date-sent", "auto_view text/html", "set mailcap_path=" + in("mailcap"), `set pager="sh ` + in("pager") + `"`,
	}, "\n") + "\n"
	for name, text := range map[string]string{
		"muttrc": settings, "mailcap": "text/html; cat %s; copiousoutput\n", "pager": `cat "$1" >>` + in("shown") + "\n",
	} {
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys := "<first-entry><display-message><next-entry><display-message><next-entry><display-message>" +
		"<tag-pattern>~A<enter><tag-prefix><copy-message>" + in("copy") + "<enter><quit>"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "script", "-qec", fmt.Sprintf("mutt -R -n -F muttrc -f '=%s' -e 'push \"%s\"'", list[0].Mailbox, keys), "/dev/null")
	cmd.Dir, cmd.Env = home, append(os.Environ(), "HOME="+home, "TERM=xterm", "LC_ALL=C.UTF-8")
	if screen, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mutt: %v\n%s", err, screen)
	}
	shown, err := os.ReadFile(in("shown"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range chinese {
		if !bytes.Contains(shown, []byte("Subject: "+m.subject+"\n")) || !bytes.Contains(shown, []byte(m.text)) {
			t.Errorf("mutt does not show %q and %q, but %s", m.subject, m.text, shown)
		}
	}
	l.holds(filepath.Join(in("copy"), "cur"), l.mails)
}
