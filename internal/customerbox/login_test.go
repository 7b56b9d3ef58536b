package customerbox_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/internal/mailtest"
	"heliograph/internal/store/storetest"
)

func TestBeforeTheLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t), func(s *setup) { s.listener.AllowPlaintextAuth = false })
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + anna + "\x00" + secret))
	w.talk(`
		C: a CAPABILITY
		S: * CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID STARTTLS LOGINDISABLED
		S: a OK CAPABILITY completed
		C: b ID ("name" "test")
		S: * ID NIL
		S: b OK ID completed
		C: c LOGIN ` + anna + ` "` + secret + `"
		S: c NO [PRIVACYREQUIRED] passwords are taken under TLS only
		C: d AUTHENTICATE PLAIN ` + plain + `
		S: d NO [PRIVACYREQUIRED] passwords are taken under TLS only
		C: e LIST "" *
		S: e BAD log in first
		C: f STARTTLS now
		S: f BAD STARTTLS is not possible here
		C: g STARTTLS
		S: g OK begin TLS now
		-- tls
		C: h CAPABILITY
		S: * CAPABILITY IMAP4rev1 SASL-IR LITERAL- ID AUTH=PLAIN
		S: h OK CAPABILITY completed
		C: i STARTTLS
		S: i BAD STARTTLS is not possible here
		C: j AUTHENTICATE CRAM-MD5
		S: j NO [CANNOT] only PLAIN is known here
		C: k AUTHENTICATE PLAIN
		S: +{any}
		C: *
		S: k BAD this is no response of PLAIN
		C: l AUTHENTICATE PLAIN
		S: +{any}
		C: ` + plain + `
		S: l OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL- UNSELECT IDLE NAMESPACE ESEARCH LIST-EXTENDED LIST-STATUS CHILDREN ID] logged in
		C: m CAPABILITY
		S: * CAPABILITY IMAP4rev1 SASL-IR LITERAL- UNSELECT IDLE NAMESPACE ESEARCH LIST-EXTENDED LIST-STATUS CHILDREN ID
		S: m OK CAPABILITY completed
		C: n LOGIN a b
		S: n BAD {any}
		C: o STARTTLS
		S: o NO STARTTLS not supported
		C: p LOGOUT
		S: * BYE Logging out
		S: p OK LOGOUT completed
		-- eof`)
	w.talk(`
		C= "a STARTTLS\r\nb LOGIN x y\r\n"
		S: a BAD nothing may follow STARTTLS
		S: * BYE closing
		-- eof`)
}

func TestLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t), nil)
	size := len(secret)
	w.talk(fmt.Sprintf(`
		C: a LOGIN {%d}
		S: + go ahead
		C: %s {%d+}
		C: %s
		S: a OK [CAPABILITY {any}] logged in
		C: b LOGOUT
		S: * BYE Logging out
		S: b OK LOGOUT completed`, len(anna), anna, size, secret))
	w.as(strings.ToUpper(anna), `
		C: b LOGOUT
		S: * BYE Logging out
		S: b OK LOGOUT completed`)
	w.talk(`
		C: a LOGIN ` + anna + ` wrong
		S: a NO [AUTHENTICATIONFAILED] {any}
		C: a LOGIN nobody@` + domain + ` wrong
		S: a NO [AUTHENTICATIONFAILED] {any}
		C: a AUTHENTICATE PLAIN ` + base64.StdEncoding.EncodeToString([]byte(chef+"\x00"+anna+"\x00"+secret)) + `
		S: a BAD this is no response of PLAIN
		C: a AUTHENTICATE PLAIN ` + base64.StdEncoding.EncodeToString([]byte("\x00"+anna+"\x00x\r\nl LOGOUT")) + `
		S: a BAD this is no response of PLAIN
		C: a LOGIN ` + anna + `
		S: a BAD LOGIN takes a user and a password
		C: a LOGIN ` + anna + ` wrong
		S: a NO [AUTHENTICATIONFAILED] {any}
		S: * BYE too many failed logins
		-- eof`)
}

func TestFailedLoginsAreLimitedBeforeTheyReachTheUpstream(t *testing.T) {
	t.Parallel()
	script := `
		S: * OK [CAPABILITY IMAP4rev1] up
		C: l LOGIN "` + anna + `" "wrong"
		S: l NO [AUTHENTICATIONFAILED] no such luck
		-- eof`
	up := mailtest.Serve(t, nil, script, script)
	w := newWorld(t, storetest.SQLite(t), func(s *setup) {
		s.perMinute = 1
		s.upstream = func(u *config.Upstream) { u.IMAP = config.Endpoint{Address: up, TLS: config.TLSNone} }
	})
	w.talk(`
		C: a LOGIN ` + anna + ` wrong
		S: a NO [AUTHENTICATIONFAILED] no such luck
		C: b LOGIN ` + anna + ` wrong
		S: b NO [AUTHENTICATIONFAILED] no such luck
		C: c LOGIN ` + anna + ` wrong
		S: c NO [LIMIT] too many failed logins, try again in {any} seconds
		S: * BYE too many failed logins
		-- eof`)
}

func TestUpstreamThatDoesNotPlayAlong(t *testing.T) {
	t.Parallel()
	greet := "S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=PLAIN] up\n"
	hello := greet + `
		C: l AUTHENTICATE PLAIN
		S: +
		C: ` + base64.StdEncoding.EncodeToString([]byte("\x00"+anna+"\x00wrong"))
	up := mailtest.Serve(t, nil,
		hello+"\nS: l NO [UNAVAILABLE] the users are on holiday\n-- eof",
		hello+"\nS: * BYE see you\n-- eof",
		hello+"\nS: + and now?\n-- eof",
		"S: * BYE not you\n-- eof",
		hello+"\nS: * BYE is not meant\n-- eof",
	)
	w := newWorld(t, storetest.SQLite(t), func(s *setup) {
		s.perMinute = 1
		s.upstream = func(u *config.Upstream) { u.IMAP = config.Endpoint{Address: up, TLS: config.TLSNone} }
	})
	w.talk(`
		C: a LOGIN ` + anna + ` wrong
		S: a NO [UNAVAILABLE] the users are on holiday
		C: b LOGIN ` + anna + ` wrong
		S: b NO [UNAVAILABLE] the mail server cannot be reached now, {any}
		C: c LOGIN ` + anna + ` wrong
		S: c NO [UNAVAILABLE] the mail server cannot be reached now, {any}
		S: * BYE too many failed logins
		-- eof`)
	// None of that was a guess.
	w.talk(`
		C: a LOGIN ` + anna + ` wrong
		S: a NO [UNAVAILABLE] {any}
		C: a LOGIN ` + anna + ` wrong
		S: a NO [UNAVAILABLE] {any}
		C: b LOGOUT
		S: * BYE see you
		S: b OK LOGOUT completed
		-- eof`)
}

func TestUnknownDomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t), func(s *setup) {
		s.upstream = func(u *config.Upstream) { u.Default = false }
		s.listener.Upstream = "elsewhere"
	})
	w.talk(`
		C: a LOGIN x@nowhere.example y
		S: a NO [AUTHENTICATIONFAILED] no mail server is configured for this user {any}
		C: b LOGOUT
		S: * BYE see you
		S: b OK LOGOUT completed
		-- eof`)
}

// A reader's programs may open so many sessions and no more.
func TestSessionsOfOneReaderAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t), nil)
	for range 32 {
		w.login(anna, nil)
	}
	w.talk(`
		C: a LOGIN ` + anna + ` "` + secret + `"
		S: a NO [LIMIT] too many sessions of this user
		C: b LOGIN ` + bert + ` "` + secret + `"
		S: b OK {any}
		C: c LOGOUT
		S: * BYE Logging out
		S: c OK LOGOUT completed
		-- eof`)
}
