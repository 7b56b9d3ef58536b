package transparency_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"heliograph/internal/mailtest"
)

// thunderbird makes an account, reads the INBOX, downloads it, opens a message and
// hears of a new one while it is idle, as its user would do, in a display of its own.
func thunderbird(p *program) {
	p.receive(corpus(7, 45))
	tb := startThunderbird(p)
	tb.run(thunderbirdSetup, p.user.Name, p.user.Password, p.plain)
	tb.run(thunderbirdSync, len(p.mails))
	tb.run(thunderbirdRead, "corpus 7-44")
	mailtest.Eventually(p.t, time.Minute, func() error {
		if flags := p.flagsOf("corpus 7-44"); !strings.Contains(flags, `\Seen`) {
			return fmt.Errorf("the message that Thunderbird has opened has the flags %s", flags)
		}
		return nil
	})
	open(p.t, p.gateway.dial, p.user).fill("INBOX", mail("Subject: arrived\r\n", "while idle\r\n"))
	tb.run(thunderbirdSync, len(p.mails)+1)
	const added = "X-Mozilla-Status|X-Mozilla-Status2|X-Mozilla-Keys"
	p.same("Thunderbird's copy", without(added, p.filesIn(filepath.Join(p.home, "profile", "ImapMail", "localhost", "INBOX", "cur"))), without(added, p.held("INBOX")))
	p.captured("INBOX")
}

// flagsOf asks the server for the flags of the message of a subject.
func (p *program) flagsOf(subject string) string {
	p.t.Helper()
	c := open(p.t, p.direct, p.user)
	c.say("EXAMINE INBOX")
	uid := strings.TrimPrefix(c.say(fmt.Sprintf("UID SEARCH SUBJECT %q", subject))[0].String(), "* SEARCH ")
	return c.say("UID FETCH " + uid + " FLAGS")[0].String()
}

// Each script ends with done, whose argument is its result; an exception fails the test.
const (
	thunderbirdSetup = `
const [user, password, port] = args;
const server = MailServices.accounts.createIncomingServer(user, "localhost", "imap");
server.port = Number(port);
server.password = password;
server.socketType = Ci.nsMsgSocketType.plain;
server.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
server.offlineDownload = true;
const account = MailServices.accounts.createAccount();
const identity = MailServices.accounts.createIdentity();
identity.email = user;
account.addIdentity(identity);
account.incomingServer = server;
done(true);
`
	// Waits for a number of messages, asking once and then hearing of more by IDLE.
	thunderbirdSync = `
const [want] = args;
const folder = await until("the inbox", () => inbox());
await new Promise((resolve, reject) => folder.QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(null, listener(resolve, reject)));
await until(want + " messages", () => folder.getTotalMessages(false) == want);
folder.setFlag(Ci.nsMsgFolderFlags.Offline);
await new Promise((resolve, reject) => folder.downloadAllForOffline(listener(resolve, reject), null));
await until("the bodies", () => [...folder.messages].every(m => m.flags & Ci.nsMsgMessageFlags.Offline));
done(true);
`
	thunderbirdRead = `
const [subject] = args;
const header = [...inbox().messages].find(m => m.mime2DecodedSubject == subject);
const loaded = new Promise(resolve => window.addEventListener("MsgLoaded", resolve, { once: true }));
document.getElementById("tabmail").openTab("mailMessageTab", { messageURI: header.folder.getUriForMsg(header) });
await loaded;
await until("the message to be read", () => header.isRead);
done(true);
`
	thunderbirdPrelude = `
const args = [...arguments];
const resolve = args.pop();
const done = value => resolve({ value });
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const inbox = () => MailServices.accounts.allServers.find(s => s.type == "imap")?.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
const listener = (resolve, reject) => ({ OnStartRunningUrl() {}, OnStopRunningUrl(url, status) { Components.isSuccessCode(status) ? resolve() : reject(new Error("status " + status)); } });
const until = async (what, f) => {
  for (let i = 0; i < 600; i++) {
    const value = f();
    if (value) return value;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  throw new Error("waited in vain for " + what + "; there are " + inbox()?.getTotalMessages(false));
};
(async () => {`
	thunderbirdCoda = `})().catch(e => resolve({ error: String(e) + " " + e.stack }));`
)

// marionette drives a Thunderbird: JSON with a length in front, over TCP.
type marionette struct {
	t    *testing.T
	conn net.Conn
	br   *bufio.Reader
	next int
}

// startThunderbird runs a Thunderbird with a new profile in a display without a screen.
func startThunderbird(p *program) *marionette {
	p.t.Helper()
	profile := filepath.Join(p.home, "profile")
	if err := os.Mkdir(profile, 0o700); err != nil {
		p.t.Fatal(err)
	}
	p.write(filepath.Join(profile, "user.js"), strings.Join([]string{
		`user_pref("marionette.port", 0);`,
		`user_pref("mail.serverDefaultStoreContractID", "@mozilla.org/msgstore/maildirstore;1");`,
		`user_pref("mail.provider.suppress_dialog_on_startup", true);`,
		`user_pref("mail.spotlight.firstRunDone", true);`,
		`user_pref("mail.winsearch.firstRunDone", true);`,
		`user_pref("mail.shell.checkDefaultClient", false);`,
		`user_pref("mail.rights.version", 1);`,
		`user_pref("mailnews.start_page.enabled", false);`,
		`user_pref("mailnews.mark_message_read.auto", true);`,
		`user_pref("app.update.enabled", false);`,
		`user_pref("datareporting.policy.dataSubmissionEnabled", false);`,
		`user_pref("toolkit.telemetry.enabled", false);`,
		`user_pref("network.captive-portal-service.enabled", false);`,
		`user_pref("network.connectivity-service.enabled", false);`,
		`user_pref("extensions.getAddons.cache.enabled", false);`,
	}, "\n")+"\n")
	// It chooses a free display and writes its number when it takes connections.
	number := p.file("display", "")
	screen := exec.Command("sh", "-c", `exec Xvfb -displayfd 3 -screen 0 1280x1024x24 -nolisten tcp 3>"$0"`, number)
	mailtest.EndWithTest(p.t, screen)
	var display []byte
	mailtest.Eventually(p.t, programTimeout, func() (err error) {
		if display, err = os.ReadFile(number); err == nil && !bytes.HasSuffix(display, []byte("\n")) {
			err = errors.New("there is no display")
		}
		return err
	})
	cmd := exec.Command("thunderbird", "--profile", profile, "--no-remote", "--marionette", "--remote-allow-system-access")
	cmd.Env = append(os.Environ(), "HOME="+p.home, "TMPDIR="+p.home, "LC_ALL=C.UTF-8", "DISPLAY=:"+strings.TrimSpace(string(display)))
	mailtest.EndWithTest(p.t, cmd)
	m := &marionette{t: p.t}
	mailtest.Eventually(p.t, programTimeout, func() error {
		port, err := os.ReadFile(filepath.Join(profile, "MarionetteActivePort"))
		if err != nil {
			return err
		}
		m.conn, err = net.Dial("tcp", net.JoinHostPort("127.0.0.1", strings.TrimSpace(string(port))))
		return err
	})
	p.t.Cleanup(func() { _ = m.conn.Close() })
	if err := m.conn.SetDeadline(time.Now().Add(programTimeout)); err != nil {
		p.t.Fatal(err)
	}
	m.br = bufio.NewReader(m.conn)
	m.packet() // it introduces itself
	m.call("WebDriver:NewSession", map[string]any{"timeouts": map[string]any{"script": programTimeout.Milliseconds()}})
	m.call("Marionette:SetContext", map[string]any{"value": "chrome"})
	return m
}

// run runs a script in the main window and returns its result.
func (m *marionette) run(script string, args ...any) any {
	m.t.Helper()
	if args == nil {
		args = []any{}
	}
	answer := m.call("WebDriver:ExecuteAsyncScript", map[string]any{
		"script": thunderbirdPrelude + script + thunderbirdCoda, "args": args, "sandbox": "system", "newSandbox": true,
	})
	result, _ := answer["value"].(map[string]any)
	if problem, failed := result["error"]; failed || result == nil {
		m.t.Fatalf("in Thunderbird: %v %v", problem, answer)
	}
	return result["value"]
}

func (m *marionette) call(name string, params map[string]any) map[string]any {
	m.t.Helper()
	m.next++
	text, err := json.Marshal([]any{0, m.next, name, params})
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(m.conn, "%d:%s", len(text), text); err != nil {
		m.t.Fatal(err)
	}
	var answer [4]json.RawMessage // type, id, error, result
	if err := json.Unmarshal(m.packet(), &answer); err != nil {
		m.t.Fatal(err)
	}
	if string(answer[2]) != "null" {
		m.t.Fatalf("%s: %.1000s", name, answer[2])
	}
	var result map[string]any
	if err := json.Unmarshal(answer[3], &result); err != nil {
		m.t.Fatal(err)
	}
	return result
}

func (m *marionette) packet() []byte {
	m.t.Helper()
	head, err := m.br.ReadString(':')
	if err != nil {
		m.t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(head, ":"))
	if err != nil {
		m.t.Fatal(err)
	}
	packet := make([]byte, n)
	if _, err := io.ReadFull(m.br, packet); err != nil {
		m.t.Fatal(err)
	}
	return packet
}
