package upstream

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"heliograph/config"
	"heliograph/internal/accounts"
	"heliograph/internal/oauth"
)

// Enrolled returns the account that a user and a gateway password open here, for which the gateway signs in itself. It is nil, without an
// error, for all others: their words pass through. The error wraps accounts.ErrPassword where the password is wrong; any other says that
// it cannot be known now.
func (u *Upstream) Enrolled(ctx context.Context, user string, password []byte) (*accounts.Account, error) {
	if !u.signsIn() || !accounts.IsPassword(password) {
		return nil, nil
	}
	return u.router.accounts.Open(ctx, u.cfg.Name, user, password)
}

// signsIn reports whether there may be accounts that the gateway signs in for.
func (u *Upstream) signsIn() bool {
	return u.cfg.SignIn == config.SignInEnrolled && u.router.accounts != nil
}

// TakesPasswords reports whether a gateway password may be said in an exchange of this mechanism.
func (u *Upstream) TakesPasswords(mech string) bool {
	return u.signsIn() && (mech == "PLAIN" || mech == "LOGIN")
}

// withPasswords adds the mechanisms by which a gateway password can be said.
func (u *Upstream) withPasswords(x Extensions) Extensions {
	if !u.signsIn() {
		return x
	}
	have := x.Mechanisms()
	var add []string
	for _, mech := range []string{"PLAIN", "LOGIN"} {
		if !slices.Contains(have, mech) {
			add = append(add, mech)
		}
	}
	if len(add) == 0 {
		return x
	}
	words := " " + strings.Join(add, " ")
	x.lines = slices.Clone(x.lines)
	for i, e := range x.lines {
		if e.keyword == "AUTH" && !strings.HasPrefix(strings.ToUpper(e.text), "AUTH=") {
			x.lines[i].text, x.lines[i].param = e.text+words, e.param+words
			return x
		}
	}
	x.lines = append(x.lines, extension{keyword: "AUTH", param: words[1:], text: "AUTH" + words})
	return x
}

// withPasswords adds what a gateway password can be said by, and takes out what forbids it.
func (c Capabilities) withPasswords() Capabilities {
	atoms := slices.DeleteFunc(slices.Clone(c.atoms), func(atom string) bool { return strings.EqualFold(atom, "LOGINDISABLED") })
	if !slices.Contains(c.Mechanisms(), "PLAIN") {
		atoms = append(atoms, "AUTH=PLAIN")
	}
	return Capabilities{atoms: atoms}
}

// Proof is one login of our own by SASL: the mechanism, and the responses in base64, the first of which may go with the command.
type Proof struct {
	Mechanism string
	Responses [][]byte
}

// Wipe forgets the responses.
func (p *Proof) Wipe() {
	for _, r := range p.Responses {
		clear(r)
	}
}

// errNoProof says that a server takes nothing of what we could show.
var errNoProof = errors.New("the server offers no mechanism for what is stored of the account")

// Prove chooses how a credential is shown to a server of this upstream that offers these mechanisms.
func (u *Upstream) Prove(c accounts.Credential, mechanisms []string, service string) (*Proof, error) {
	encode := func(s string) []byte { return base64.StdEncoding.AppendEncode(nil, []byte(s)) }
	offers := func(mech string) bool { return slices.Contains(mechanisms, mech) }
	e := &u.smtp
	if service == config.ProtocolIMAP {
		e, c.User = &u.imap, u.imapUser(c.User)
	}
	switch {
	case c.OAuth() && offers("XOAUTH2"):
		return &Proof{"XOAUTH2", [][]byte{encode("user=" + c.User + "\x01auth=Bearer " + c.Token + "\x01\x01")}}, nil
	case c.OAuth() && offers("OAUTHBEARER"): // RFC 7628, 3.1
		host, port, _ := net.SplitHostPort(e.cfg.Address)
		return &Proof{"OAUTHBEARER", [][]byte{encode(
			"n,a=" + escapeName(c.User) + ",\x01host=" + host + "\x01port=" + port + "\x01auth=Bearer " + c.Token + "\x01\x01",
		)}}, nil
	case !c.OAuth() && offers("PLAIN"):
		return &Proof{"PLAIN", [][]byte{encode("\x00" + c.User + "\x00" + c.Password)}}, nil
	case !c.OAuth() && offers("LOGIN"):
		return &Proof{"LOGIN", [][]byte{encode(c.User), encode(c.Password)}}, nil
	}
	return nil, u.fail(e, ClassAuth, errNoProof)
}

// imapUser is an account's user name at the IMAP server.
func (u *Upstream) imapUser(user string) string {
	if local, _, ok := strings.Cut(user, "@"); ok && u.preset.LocalIMAPUser {
		return local
	}
	return user
}

// escapeName is the reverse of saslName (RFC 5801, 4).
func escapeName(s string) string {
	return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s)
}

// maxInitial is how long a command may be with its initial response: the line that servers must take (RFC 4954, 4), and less.
const maxInitial = 12000

// Initial returns the first response if it may go with the command: servers need not take longer lines.
func (p *Proof) Initial() []byte {
	if len(p.Responses[0]) > maxInitial {
		return nil
	}
	return p.Responses[0]
}

// Failure is what a provider says of a token that it does not take, in the challenge before its last word: Google's form, and that
// of RFC 7628, 3.2.2.
type Failure struct {
	Status string `json:"status"` // HTTP-like at Google, a code at others
	Scope  string `json:"scope"`
}

// ParseFailure reads a challenge, in base64. It returns false for one that is none.
func ParseFailure(challenge []byte) (Failure, bool) {
	b, err := base64.StdEncoding.AppendDecode(nil, bytes.TrimSpace(challenge))
	if err != nil || len(b) > maxResponse {
		return Failure{}, false
	}
	var f Failure
	if json.Unmarshal(b, &f) != nil || f.Status == "" {
		return Failure{}, false
	}
	f.Status, f.Scope = printable(f.Status), printable(f.Scope)
	return f, true
}

// printable makes words of a stranger's fit for a line of ours.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), maxWords)]
}

// maxWords bounds how much of a provider's words we repeat.
const maxWords = 200

// aadsts are the codes of Microsoft's sign-in that somebody can do something about.
var aadsts = map[string]string{
	"AADSTS50034":   "the account does not exist in this tenant",
	"AADSTS50053":   "the account is locked",
	"AADSTS50055":   "the password has expired",
	"AADSTS50057":   "the account is disabled",
	"AADSTS50076":   "multi-factor authentication is required",
	"AADSTS50078":   "multi-factor authentication has expired",
	"AADSTS50079":   "the account must set up multi-factor authentication",
	"AADSTS50173":   "the password was changed, or the administrator ended all sessions",
	"AADSTS53003":   "conditional access forbids it: the administrator must allow this gateway",
	"AADSTS65001":   "nobody has agreed to the application's permissions",
	"AADSTS70000":   "the grant is not valid any more",
	"AADSTS70008":   "the grant has expired: it was not used for too long",
	"AADSTS700016":  "the application is not known in this tenant: check client_id and tenant",
	"AADSTS700082":  "the grant has expired: it was not used for too long",
	"AADSTS7000215": "the client secret is wrong: use its value, not its id",
	"AADSTS7000222": "the client secret has expired",
	"AADSTS90002":   "there is no such tenant",
}

var aadstsCode = regexp.MustCompile(`AADSTS[0-9]{4,8}`)

// SignInTrouble says in one line why no credential could be got for an account, what to do, and whether waiting helps.
func SignInTrouble(address string, err error) (text string, temporary bool) {
	again := "run heliograph account enroll " + printable(address)
	var held *accounts.HeldError
	if errors.As(err, &held) {
		return fmt.Sprintf("the provider refused this account and is left alone for %d minutes: %s", int(held.Wait.Minutes())+1, again), true
	}
	var e *oauth.Error
	if !errors.As(err, &e) {
		return "the gateway cannot read what it needs to sign in, try again later", true
	}
	why := ""
	if code := aadstsCode.FindString(e.Description); code != "" {
		why = ": " + code
		if known := aadsts[code]; known != "" {
			why += ", " + known
		}
	}
	switch e.Kind() {
	case oauth.Grant:
		if e.Code == oauth.CodeNotConnected {
			return "nothing is stored to sign in with: " + again, false
		}
		return "the grant was withdrawn or has expired" + why + ": " + again, false
	case oauth.Client:
		return "the provider refuses the gateway's application" + why + ": the administrator must check oauth2 of the upstream", false
	case oauth.Request:
		return "the provider refuses what the gateway asks for" + why + ": the administrator must check the scopes and permissions of the application", false
	default:
		return "the provider's sign-in does not answer now, try again later", true
	}
}

// RefusedGrant says what to do about a provider that refuses a valid credential.
func RefusedGrant(address string, c accounts.Credential, f Failure) string {
	again := "run heliograph account enroll " + printable(address)
	switch {
	case !c.OAuth():
		return "the provider refused the stored password or authorization code: " + again
	case f.Scope != "":
		return fmt.Sprintf("the provider refused the grant (status %s, it wants the scope %s): %s", f.Status, f.Scope, again)
	case f.Status != "":
		return fmt.Sprintf("the provider refused the grant (status %s): %s", f.Status, again)
	}
	return "the provider refused the grant: check that SMTP and IMAP are switched on for the mailbox, or " + again
}
