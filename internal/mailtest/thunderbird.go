package mailtest

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
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
)

// thunderbirdTimeout bounds all that a Thunderbird does; it takes seconds.
const thunderbirdTimeout = 2 * time.Minute

const thunderbirdAccount = `
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

const thunderbirdTrust = `
Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(args[0], "CT,,");
done(true);
`

const (
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

// startDisplay runs a display without a screen. It chooses a free number and writes it when it takes connections.
func startDisplay(t testing.TB, file string) (number string) {
	t.Helper()
	EndWithTest(t, exec.Command("sh", "-c", `exec Xvfb -displayfd 3 -screen 0 1280x1024x24 -nolisten tcp 3>"$0"`, file))
	Eventually(t, thunderbirdTimeout, func() error {
		text, err := os.ReadFile(file)
		if err == nil && !bytes.HasSuffix(text, []byte("\n")) {
			err = errors.New("there is no display")
		}
		number = strings.TrimSpace(string(text))
		return err
	})
	return number
}

const thunderbirdPrefs = `user_pref("marionette.port", 0);
user_pref("mail.serverDefaultStoreContractID", "@mozilla.org/msgstore/maildirstore;1");
user_pref("mail.provider.suppress_dialog_on_startup", true);
user_pref("mail.spotlight.firstRunDone", true);
user_pref("mail.winsearch.firstRunDone", true);
user_pref("mail.shell.checkDefaultClient", false);
user_pref("mail.rights.version", 1);
user_pref("mailnews.start_page.enabled", false);
user_pref("mailnews.mark_message_read.auto", true);
user_pref("app.update.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
`

// Thunderbird drives a Thunderbird by Marionette: JSON with a length in front, over TCP.
type Thunderbird struct {
	// Store is the directory of the account's mailboxes: Maildirs without "new", those below X in X.sbd.
	Store string

	t    testing.TB
	conn net.Conn
	br   *bufio.Reader
	next int
}

// StartThunderbird runs a Thunderbird with a new profile below home, in a display without a screen. It ends with
// the test.
func StartThunderbird(t testing.TB, home string) *Thunderbird {
	t.Helper()
	profile := filepath.Join(home, "profile")
	if err := os.Mkdir(profile, 0o700); err != nil {
		t.Fatal(err)
	}
	prefs := filepath.Join(profile, "user.js")
	if err := os.WriteFile(prefs, []byte(thunderbirdPrefs), 0o600); err != nil {
		t.Fatal(err)
	}
	display := startDisplay(t, filepath.Join(home, "display"))
	cmd := exec.Command("thunderbird", "--profile", profile, "--no-remote", "--marionette", "--remote-allow-system-access")
	cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home, "LC_ALL=C.UTF-8", "DISPLAY=:"+display)
	EndWithTest(t, cmd)
	m := &Thunderbird{t: t, Store: filepath.Join(profile, "ImapMail", "localhost")}
	m.connect(filepath.Join(profile, "MarionetteActivePort"))
	return m
}

// connect begins a session at the port that a file tells.
func (m *Thunderbird) connect(file string) {
	m.t.Helper()
	Eventually(m.t, thunderbirdTimeout, func() error {
		port, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		m.conn, err = net.Dial("tcp", net.JoinHostPort("127.0.0.1", strings.TrimSpace(string(port))))
		return err
	})
	m.t.Cleanup(func() { _ = m.conn.Close() })
	if err := m.conn.SetDeadline(time.Now().Add(thunderbirdTimeout)); err != nil {
		m.t.Fatal(err)
	}
	m.br = bufio.NewReader(m.conn)
	m.packet() // it introduces itself
	m.call("WebDriver:NewSession", map[string]any{"timeouts": map[string]any{"script": thunderbirdTimeout.Milliseconds()}})
	m.call("Marionette:SetContext", map[string]any{"value": "chrome"})
}

// AddAccount makes an account at a server on this machine that wants no TLS.
func (m *Thunderbird) AddAccount(user User, port string) {
	m.t.Helper()
	m.Run(thunderbirdAccount, user.Name, user.Password, port)
}

// Trust makes it trust an authority, a PEM file, for servers of mail and of the web.
func (m *Thunderbird) Trust(caFile string) {
	m.t.Helper()
	text, err := os.ReadFile(caFile)
	if err != nil {
		m.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		m.t.Fatalf("%s holds no certificate", caFile)
	}
	m.Run(thunderbirdTrust, base64.StdEncoding.EncodeToString(block.Bytes))
}

// Run runs a script in the main window and returns its result. The script finds args, the MailServices, inbox,
// until(what, condition), which waits, and listener(resolve, reject) for what runs in the background; it ends with
// done(result). An exception fails the test.
func (m *Thunderbird) Run(script string, args ...any) any {
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

func (m *Thunderbird) call(name string, params map[string]any) map[string]any {
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

func (m *Thunderbird) packet() []byte {
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
