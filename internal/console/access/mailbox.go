package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"heliograph/internal/customerbox"
	"heliograph/proxy/upstream"
)

// MailboxLogin is what the mail server of an address is asked.
type MailboxLogin struct {
	Address  string // lower case
	Password []byte // is cleared when the question is answered; must not be kept
	Client   netip.Addr
}

// ErrMailServer is what Options.Mailbox returns, wrapped, where the mail server cannot say yes or no now. ErrRefused is its no; any other error is a failure of ours.
var ErrMailServer = errors.New("the mail server cannot answer now")

// ErrUsePassword says that who proved to have the mailbox has a local password, which is what counts here.
var ErrUsePassword = errors.New("this person signs in with the console's own password")

// ByUpstream is what Options.Mailbox is in a gateway: the login at the upstream that a mail program would be sent to. Router returns the current one.
func ByUpstream(router func() *upstream.Router, log *slog.Logger) func(context.Context, MailboxLogin) error {
	return func(ctx context.Context, l MailboxLogin) error {
		v, err := customerbox.Verify(ctx, router(), customerbox.Login{
			User: l.Address, Password: l.Password, Client: netip.AddrPortFrom(l.Client, 0), TLS: true, Session: "console", Logger: log,
		})
		switch {
		case errors.Is(err, upstream.ErrNoUpstream):
			return ErrRefused
		case err != nil:
			return fmt.Errorf("%w: %w", ErrMailServer, err)
		case v.OK:
			return nil
		case v.Counts:
			return ErrRefused
		}
		return fmt.Errorf("%w: %s", ErrMailServer, v.Text)
	}
}

func (s *SignIn) mailboxOn() bool { return s.options.Config.MailboxSignIn && s.options.Mailbox != nil }

// Mailbox signs in with the password of the mailbox. An employee who comes for the first time is entered as agent, who sees the own mail.
func (s *SignIn) Mailbox(ctx context.Context, v Visit, address, password string) (*Entered, error) {
	if !s.mailboxOn() {
		return nil, ErrNotOffered
	}
	address, err := normalAddress(address)
	if err != nil {
		return nil, ErrRefused
	}
	u, err := s.ByEmail(ctx, address)
	known := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	if !known && (s.options.Internal == nil || !s.options.Internal(address)) {
		// A stranger's address is not carried to any server; it costs a try all the same.
		return nil, s.guarded(ctx, v, upstream.Account(address, ""), func() error { return ErrRefused })
	}
	if err := s.askMailbox(ctx, v, address, password); err != nil {
		return nil, err
	}
	switch {
	case !known:
		u, err = s.Add(ctx, Draft{Email: address, Role: Agent, Scope: ScopeOwn})
		if errors.Is(err, ErrTaken) { // in another window
			u, err = s.ByEmail(ctx, address)
		}
		if err != nil {
			return nil, err
		}
	case u.Disabled:
		return nil, ErrRefused
	case u.HasPassword: // else whoever runs the mail server could become admin here
		return nil, ErrUsePassword
	}
	return s.enter(ctx, v, u, KindMailbox)
}

// askMailbox has the mail server check a password, behind the guard of the mail programs' logins.
func (s *SignIn) askMailbox(ctx context.Context, v Visit, address, password string) error {
	if !s.mailboxOn() {
		return ErrNotOffered
	}
	return s.guarded(ctx, v, upstream.Account(address, ""), func() error {
		secret := []byte(password)
		defer clear(secret)
		return s.options.Mailbox(ctx, MailboxLogin{Address: address, Password: secret, Client: v.Client})
	})
}
