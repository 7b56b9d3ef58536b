package automail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/config"
	"heliograph/internal/accounts"
	"heliograph/proxy/upstream"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// Mailboxes is what the outbox asks of the mailboxes of those who send. It may be called concurrently. Errors pass, but for
// *NoSentError.
type Mailboxes interface {
	// Find reports whether the message is in the account's mailbox of sent mail, or in INBOX.
	Find(ctx context.Context, who *Account, messageID string) (bool, error)
	// Store puts a message into the mailbox of sent mail, unless one with its Message-ID is there, and reports whether it did. A call that is
	// repeated after a lost answer makes no second one.
	Store(ctx context.Context, who *Account, messageID string, size int64, message func() (io.ReadCloser, error)) (stored bool, err error)
}

// NoSentError says that no mailbox of sent mail is known.
type NoSentError struct{ Address string }

// Error says what to configure.
func (e *NoSentError) Error() string {
	return fmt.Sprintf("no mailbox of %s is marked as that of sent mail: name it in sent_folder of outbox.senders", e.Address)
}

const (
	// sessionTimeout bounds a session: a search in a large mailbox, an upload of a large message.
	sessionTimeout = 3 * time.Minute
	// sessionBytes bounds what a server may send in it: a list of mailboxes is the longest.
	sessionBytes = 8 << 20
)

// sentNames are what providers without SPECIAL-USE call the mailbox of sent mail.
var sentNames = []string{"Sent", "Sent Messages", "Sent Items", "已发送", "已发送邮件", "INBOX.Sent", "INBOX/Sent"}

// imapMailboxes speaks IMAP to the account's upstream, in a session of its own for each question.
type imapMailboxes struct{}

var _ Mailboxes = imapMailboxes{}

func (imapMailboxes) Find(ctx context.Context, who *Account, messageID string) (found bool, err error) {
	err = with(ctx, who, func(c *imapclient.Client) error {
		sent, err := sentFolder(c, who)
		var none *NoSentError
		if err != nil && !errors.As(err, &none) {
			return err
		}
		for _, mailbox := range []string{sent, "INBOX"} {
			if mailbox == "" || found {
				continue
			}
			if _, err := c.Select(mailbox, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
				return fmt.Errorf("opening %s: %w", mailbox, err)
			}
			if found, err = holds(c, messageID); err != nil {
				return fmt.Errorf("searching %s: %w", mailbox, err)
			}
		}
		return nil
	})
	return found, err
}

func (imapMailboxes) Store(ctx context.Context, who *Account, messageID string, size int64, message func() (io.ReadCloser, error)) (stored bool, err error) {
	err = with(ctx, who, func(c *imapclient.Client) error {
		sent, err := sentFolder(c, who)
		if err != nil {
			return err
		}
		if _, err := c.Select(sent, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
			return fmt.Errorf("opening %s: %w", sent, err)
		}
		there, err := holds(c, messageID)
		if err != nil || there {
			return err
		}
		if err := upload(c, sent, size, []imap.Flag{imap.FlagSeen}, message); err != nil {
			return err
		}
		stored = true
		return nil
	})
	return stored, err
}

func errShort(n, size int64) error {
	if n == size {
		return nil
	}
	return fmt.Errorf("the journal gave %d of %d bytes", n, size)
}

// holds searches the mailbox that is selected.
func holds(c *imapclient.Client, messageID string) (bool, error) {
	data, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: messageID}}}, nil).Wait()
	if err != nil {
		return false, err
	}
	return len(data.AllUIDs()) > 0, nil
}

// sentFolder finds the mailbox of sent mail: by the configuration, by its special use (RFC 6154), by its name.
func sentFolder(c *imapclient.Client, who *Account) (string, error) {
	if who.settings.SentFolder != "" {
		return who.settings.SentFolder, nil
	}
	var o *imap.ListOptions
	if caps := c.Caps(); caps.Has(imap.CapSpecialUse) && caps.Has(imap.CapListExtended) {
		o = &imap.ListOptions{ReturnSpecialUse: true}
	}
	list, err := c.List("", "*", o).Collect()
	if err != nil {
		return "", fmt.Errorf("listing mailboxes: %w", err)
	}
	byName := ""
	for _, d := range list {
		if slices.ContainsFunc(d.Attrs, func(a imap.MailboxAttr) bool { return strings.EqualFold(string(a), string(imap.MailboxAttrSent)) }) {
			return d.Mailbox, nil
		}
		if slices.Contains(d.Attrs, imap.MailboxAttrNoSelect) || slices.Contains(d.Attrs, imap.MailboxAttrNonExistent) {
			continue
		}
		if byName == "" && slices.ContainsFunc(sentNames, func(name string) bool { return strings.EqualFold(name, d.Mailbox) }) {
			byName = d.Mailbox
		}
	}
	if byName == "" {
		return "", &NoSentError{who.address}
	}
	return byName, nil
}

// with opens a session, does something in it, and ends it. All of it is bounded in time and bytes.
func with(ctx context.Context, who *Account, do func(*imapclient.Client) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, sessionTimeout, errors.New("the mail server was too slow"))
	defer cancel()
	for again := true; ; again = false {
		retry, err := who.session(ctx, do)
		if !retry || !again {
			if err != nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return err
		}
	}
}

// session is one try. retry says that a token was refused and another may do.
func (a *Account) session(ctx context.Context, do func(*imapclient.Client) error) (retry bool, err error) {
	var credential accounts.Credential
	if a.enrolled != nil {
		if credential, err = a.enrolled.Credential(ctx); err != nil {
			return false, err
		}
	}
	conn, err := a.up.DialIMAP(ctx, upstream.Client{})
	if err != nil {
		return false, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	// imapclient begins with a greeting. It gets one with what the server said of itself under TLS.
	greeting := "* OK [CAPABILITY " + conn.Capabilities.String() + "] ready\r\n"
	c := imapclient.New(&bounded{Conn: conn.Conn, early: io.MultiReader(strings.NewReader(greeting), bytes.NewReader(conn.Buffered)), left: sessionBytes}, nil)
	defer func() { _ = c.Close() }()
	if err := a.signIn(c, conn, credential); err != nil {
		var no *imap.Error
		if a.enrolled != nil && errors.As(err, &no) {
			credential.Reject(ctx)
			return credential.OAuth(), err
		}
		return false, err
	}
	if a.enrolled != nil {
		credential.Accept()
	}
	if a.up.NeedsID() {
		if _, err := c.ID(&imap.IDData{Name: "heliograph"}).Wait(); err != nil {
			return false, fmt.Errorf("introducing ourselves: %w", err)
		}
	}
	err = do(c)
	_ = c.Logout().Wait() // courtesy
	return false, err
}

// errNoLogin says that the server takes nothing of what we could show.
var errNoLogin = errors.New("the mail server offers no way to log in with what is known of the account")

func (a *Account) signIn(c *imapclient.Client, conn *upstream.IMAPConn, credential accounts.Credential) error {
	if conn.TLSState() == nil && a.up.Config().IMAP.TLS != config.TLSNone {
		return errors.New("no login without encryption")
	}
	if a.enrolled == nil {
		credential = accounts.Credential{User: a.user, Password: a.password.Reveal()}
	}
	mechanisms := conn.Capabilities.Mechanisms()
	host, portText, _ := net.SplitHostPort(a.up.Config().IMAP.Address)
	port, _ := strconv.Atoi(portText)
	if preset, _ := presetOf(a.up); preset.LocalIMAPUser {
		credential.User, _, _ = strings.Cut(credential.User, "@")
	}
	var mech sasl.Client
	var ok bool
	if mech, ok = credential.SASL(mechanisms, host, port); !ok {
		if credential.OAuth() || conn.Capabilities.Has("LOGINDISABLED") || credential.User == "" {
			return errNoLogin
		}
		if err := c.Login(credential.User, credential.Password).Wait(); err != nil { // NetEase lists no mechanism for passwords
			return fmt.Errorf("logging in: %w", err)
		}
		return nil
	}
	if err := c.Authenticate(mech); err != nil {
		return fmt.Errorf("logging in: %w", err)
	}
	return nil
}

func presetOf(up *upstream.Upstream) (config.Preset, bool) {
	c := up.Config()
	return c.Preset()
}

// bounded is a connection of which only so much is read. It is read by one goroutine, imapclient's.
type bounded struct {
	net.Conn
	early io.Reader // nil once it is used up
	left  int64
}

// errTooMuch says that a server floods us.
var errTooMuch = errors.New("the mail server sent far more than was asked for")

func (b *bounded) Read(p []byte) (int, error) {
	if b.early != nil {
		if n, err := b.early.Read(p); n > 0 && err == nil {
			return n, nil
		}
		b.early = nil
	}
	n, err := b.Conn.Read(p)
	if b.left -= int64(n); b.left < 0 {
		_ = b.Conn.Close()
		return 0, errTooMuch
	}
	return n, err
}
