package automail

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"heliograph/config"
	"heliograph/internal/accounts"
	"heliograph/proxy/upstream"
)

// Accounts are the employees' accounts that the gateway may sign in for. An *accounts.Book is one. It may be called concurrently.
type Accounts interface {
	// Account returns the account with an address, or false where nobody of that address is enrolled.
	Account(ctx context.Context, address string) (*accounts.Account, bool, error)
}

var _ Accounts = (*accounts.Book)(nil)

// SenderError says that there is no account to send as.
type SenderError struct{ Address, Why string }

// Error says what to configure.
func (e *SenderError) Error() string {
	return fmt.Sprintf("%s as %q: add the address to outbox.senders, or let its owner agree (heliograph account enroll ADDRESS)", e.Why, clip(e.Address))
}

// Account is one that rules send as.
type Account struct {
	address  string // lower case
	up       *upstream.Upstream
	user     string
	password config.Secret
	enrolled *accounts.Account // nil: with user and password
	settings config.Sender     // zero for enrolled ones
}

// sender finds the account with an address: one of the configuration first.
func (o *Outbox) sender(ctx context.Context, address string) (*Account, error) {
	a := &Account{address: accounts.Address(address)}
	for _, s := range o.o.Config.Senders {
		if accounts.Address(s.Address) != a.address {
			continue
		}
		a.settings = s
		a.user, a.password = s.Login()
		var err error
		if a.up, err = o.o.Router().Route(s.Upstream, "", s.Address); err != nil {
			return nil, fmt.Errorf("sender %s: %w", s.Address, err)
		}
		return a, nil
	}
	if o.o.Accounts == nil || a.address == "" {
		return nil, &SenderError{address, "there is no account to send"}
	}
	enrolled, found, err := o.o.Accounts.Account(ctx, a.address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("looking for the account %s: %w", a.address, err)
	case !found:
		return nil, &SenderError{address, "there is no account to send"}
	}
	a.enrolled, a.user = enrolled, enrolled.Login
	if a.up, err = o.o.Router().Route(enrolled.Upstream, "", ""); err != nil {
		return nil, fmt.Errorf("account %s: %w", a.address, err)
	}
	return a, nil
}

// Address returns the account's address, lower case.
func (a *Account) Address() string { return a.address }

// HasSender reports whether rules can send as an address. The error says why not, and what to configure.
func (o *Outbox) HasSender(ctx context.Context, address string) error {
	_, err := o.sender(ctx, address)
	return err
}

// dialSMTP returns a connection that is logged in as the account. reusable ones go back to the upstream's pool.
func (a *Account) dialSMTP(ctx context.Context, client upstream.Client) (conn *upstream.SMTPConn, err error) {
	switch {
	case a.enrolled == nil && a.user == "":
		return a.up.DialSMTP(ctx, client)
	case a.enrolled == nil:
		conn, _, err = a.up.DialAuthenticated(ctx, client, a.user, a.password)
		return conn, err
	}
	for again := true; ; again = false {
		c, err := a.enrolled.Credential(ctx)
		if err != nil {
			return nil, err
		}
		if conn, err = a.up.DialSMTP(ctx, client); err != nil {
			return nil, err
		}
		err = authenticate(ctx, a.up, conn, c)
		if err == nil {
			c.Accept()
			return conn, nil
		}
		_ = conn.Close()
		var refused *refusedLogin
		if !errors.As(err, &refused) || !refused.reply.Permanent() {
			return nil, err
		}
		c.Reject(ctx)
		if !again || !c.OAuth() { // a token may have been withdrawn before its time
			return nil, fmt.Errorf("%s: %w", upstream.RefusedGrant(a.address, c, upstream.Failure{}), err)
		}
	}
}

// refusedLogin is a provider's no.
type refusedLogin struct{ reply upstream.Reply }

func (e *refusedLogin) Error() string { return "the login was refused: " + clip(e.reply.String()) }

// authenticate shows a credential (RFC 4954, 4).
func authenticate(ctx context.Context, up *upstream.Upstream, conn *upstream.SMTPConn, c accounts.Credential) error {
	if conn.TLSState() == nil && up.Config().SMTP.TLS != config.TLSNone {
		return errors.New("no login without encryption")
	}
	if len(conn.Buffered) > 0 {
		return errOutOfStep
	}
	proof, err := up.Prove(c, conn.Ext.Mechanisms(), config.ProtocolSMTP)
	if err != nil {
		return err
	}
	defer proof.Wipe()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(loginTimeout)); err != nil {
		return err
	}
	replies := bufio.NewReader(conn.Conn)
	line, rest := "AUTH "+proof.Mechanism, proof.Responses
	if initial := proof.Initial(); initial != nil {
		line, rest = line+" "+string(initial), rest[1:]
	}
	for {
		if _, err := io.WriteString(conn.Conn, line+"\r\n"); err != nil {
			return fmt.Errorf("logging in: %w", err)
		}
		reply, err := upstream.ReadReply(replies)
		switch {
		case err != nil:
			return fmt.Errorf("logging in: %w", err)
		case reply.Code == 235 && replies.Buffered() > 0:
			return errOutOfStep
		case reply.Code == 235:
			return conn.SetDeadline(time.Time{})
		case reply.Code != 334:
			return &refusedLogin{reply}
		}
		line = "" // after the last response it ends an exchange in which the server says why it refuses (RFC 7628, 3.2.3)
		if len(rest) > 0 {
			line, rest = string(rest[0]), rest[1:]
		}
	}
}

// loginTimeout bounds a login.
const loginTimeout = 30 * time.Second

// keyed is a lock for each key.
type keyed struct {
	mu   sync.Mutex // guards locks
	used map[string]*keyedLock
}

type keyedLock struct {
	mu    sync.Mutex
	users int // guarded by keyed.mu
}

func (k *keyed) lock(key string) (unlock func()) {
	k.mu.Lock()
	if k.used == nil {
		k.used = map[string]*keyedLock{}
	}
	l := k.used[key]
	if l == nil {
		l = &keyedLock{}
		k.used[key] = l
	}
	l.users++
	k.mu.Unlock()
	l.mu.Lock()
	return func() {
		l.mu.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.used, key)
		}
	}
}

// lane is the name under which the pauses of an account are kept: one that is refused must not stop the others of its upstream.
func (a *Account) lane() string { return a.up.Name() + " " + a.address }

// domainOf returns the part behind the @, lower case.
func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}
