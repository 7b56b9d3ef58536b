package transparency_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"heliograph/internal/mailtest"
)

// thunderbird makes an account, reads the INBOX, downloads it, opens a message and
// hears of a new one while it is idle, as its user would do, in a display of its own.
func thunderbird(p *program) {
	p.receive(corpus(7, 45))
	tb := mailtest.StartThunderbird(p.t, p.home)
	tb.AddAccount(p.user, p.plain)
	tb.Run(thunderbirdSync, len(p.mails))
	tb.Run(thunderbirdRead, "corpus 7-44")
	mailtest.Eventually(p.t, time.Minute, func() error {
		if flags := p.flagsOf("corpus 7-44"); !strings.Contains(flags, `\Seen`) {
			return fmt.Errorf("the message that Thunderbird has opened has the flags %s", flags)
		}
		return nil
	})
	open(p.t, p.gateway.dial, p.user).fill("INBOX", mail("Subject: arrived\r\n", "while idle\r\n"))
	tb.Run(thunderbirdSync, len(p.mails)+1)
	const added = "X-Mozilla-Status|X-Mozilla-Status2|X-Mozilla-Keys"
	p.same("Thunderbird's copy", without(added, p.filesIn(filepath.Join(tb.Store, "INBOX", "cur"))), without(added, p.held("INBOX")))
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

const (
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
)
