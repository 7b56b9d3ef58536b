package compose

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Address is one mailbox. [ParseAddress] and [Policy] make sure that it can stand in a header as it is.
type Address struct {
	Name    string `json:"name,omitempty"`
	Address string `json:"address"` // local part as it was written, domain in lower case and ASCII (RFC 5891)
}

// NeedsUTF8 says whether the address can only travel by SMTPUTF8 (RFC 6531).
func (a Address) NeedsUTF8() bool { return !ascii(a.Address) }

// String is the address as people read it; for headers see [Compose].
func (a Address) String() string {
	if a.Name == "" {
		return a.Address
	}
	return a.Name + " <" + a.Address + ">"
}

// Bounds of addresses (RFC 5321, 4.5.3.1).
const (
	maxLocal  = 64
	maxDomain = 253
	maxName   = 200 // characters of a display name
)

// The causes of a refused address.
var (
	ErrAddress    = errors.New("this is no mail address / 不是邮件地址")
	ErrName       = errors.New("the name has control or direction characters, or is too long / 名称含有控制字符或方向字符，或过长")
	ErrGroup      = errors.New("groups are not allowed / 不能使用地址组")
	ErrRole       = errors.New("nobody reads mail to this address / 这个地址无人收信")
	ErrOwnSender  = errors.New("this is an automated sender of our own / 这是本系统的自动发信地址")
	ErrRecipients = errors.New("too many recipients / 收件人过多")
	ErrNobody     = errors.New("there are no recipients / 没有收件人")
)

// ParseAddress reads one mailbox, "li@example.com" or "Li Lei <li@example.com>", with the name quoted or not. It is strict: no
// comments, no groups, no routes, no address literals, no encoded words, and no characters that a header or a reader could take for others.
func ParseAddress(s string) (Address, error) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 4*(maxLocal+maxDomain)+4*maxName || !utf8.ValidString(s) {
		return Address{}, ErrAddress
	}
	name, spec := "", s
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		if !strings.HasSuffix(s, ">") {
			return Address{}, ErrAddress
		}
		name, spec = strings.TrimSpace(s[:i]), s[i+1:len(s)-1]
	} else if strings.HasSuffix(s, ";") && strings.Contains(s, ":") {
		return Address{}, ErrGroup
	}
	name, err := unquoteName(name)
	if err != nil {
		return Address{}, err
	}
	return NewAddress(name, spec)
}

// NewAddress checks a name, of any characters but those that deceive, and an address.
func NewAddress(name, spec string) (Address, error) {
	address, err := canonical(strings.TrimSpace(spec))
	if err != nil {
		return Address{}, err
	}
	name, err = cleanName(name)
	if err != nil {
		return Address{}, err
	}
	if strings.EqualFold(name, address) {
		name = ""
	}
	return Address{Name: name, Address: address}, nil
}

// unquoteName takes off the quotes of a display name. Outside of quotes there may be none of the characters that separate.
func unquoteName(s string) (string, error) {
	if rest, quoted := strings.CutPrefix(s, `"`); quoted {
		var b strings.Builder
		for i := 0; i < len(rest); i++ {
			switch rest[i] {
			case '\\':
				if i++; i == len(rest) {
					return "", ErrName
				}
			case '"':
				if i != len(rest)-1 {
					return "", ErrName
				}
				return b.String(), nil
			}
			b.WriteByte(rest[i])
		}
		return "", ErrName
	}
	if strings.Contains(s, ":") {
		return "", ErrGroup
	}
	if strings.ContainsAny(s, `<>()[]@,;:\"`) {
		return "", ErrName
	}
	return s, nil
}

// cleanName refuses what a name must not have, and puts one blank for each white space.
func cleanName(s string) (string, error) {
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxName || strings.ContainsFunc(s, unsafeRune) || strings.ContainsAny(s, "\t\u2028\u2029\u0085") {
		return "", ErrName
	}
	return strings.Join(strings.Fields(s), " "), nil
}

// unsafeRune tells control characters and those that change the direction of what is read, or that nobody sees.
func unsafeRune(r rune) bool {
	switch {
	case r < ' ' || r >= 0x7f && r < 0xa0, r == 0x2028 || r == 0x2029:
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e || r == 0x200f || r == 0x61c: // Unicode TR 9
		return true
	case r == 0x200b || r == 0x2060 || r == 0xfeff || r == 0xfffe || r == 0xffff, r >= 0xe0000 && r <= 0xe007f:
		return true
	}
	return false
}

// canonical checks an address without a name, and returns it with its domain in lower case and ASCII.
func canonical(spec string) (string, error) {
	at := strings.LastIndexByte(spec, '@')
	if at < 1 || strings.HasPrefix(spec, "@") {
		return "", ErrAddress
	}
	local, domain := spec[:at], spec[at+1:]
	if len(local) > maxLocal || !dotAtom(local) {
		return "", ErrAddress
	}
	domain, err := asciiDomain(domain)
	if err != nil {
		return "", err
	}
	return local + "@" + domain, nil
}

// dotAtom tells whether a local part is one that needs no quotes (RFC 5322, 3.2.3; RFC 6532, 3.2).
func dotAtom(s string) bool {
	if s == "" || s[0] == '.' || s[0] == '\'' || // a quote that was copied along
		strings.HasSuffix(s, ".") || strings.Contains(s, "..") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(".!#$%&'*+-/=?^_`{|}~", r):
			return false
		case r < 0x80, r == utf8.RuneError:
			return true
		}
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
	})
}

var idnaProfile = idna.New(idna.MapForLookup(), idna.StrictDomainName(true), idna.BidiRule(), idna.VerifyDNSLength(true))

// asciiDomain checks a domain: a name of at least two labels, whose last is no number.
func asciiDomain(s string) (string, error) {
	if len(s) > 4*maxDomain || strings.HasPrefix(s, "[") {
		return "", ErrAddress
	}
	name, err := idnaProfile.ToASCII(strings.TrimSuffix(s, "."))
	if err != nil || name == "" || len(name) > maxDomain {
		return "", ErrAddress
	}
	name = strings.ToLower(name)
	labels := strings.Split(name, ".")
	if len(labels) < 2 || strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "", ErrAddress
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || l[0] == '-' || l[len(l)-1] == '-' {
			return "", ErrAddress
		}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "", ErrAddress
	}
	return name, nil
}

// Policy says to whom automated mail may go. The zero value is ready.
type Policy struct {
	Max   int      // recipients of one mail; zero means 50
	Own   []string // our own automated senders, which answer nothing
	Roles []string // further local parts that nobody reads; "no-reply" and its kin always count
}

func (p Policy) most() int {
	if p.Max > 0 {
		return p.Max
	}
	return 50
}

// deafNames are local parts behind which no person is, without dots and dashes.
var deafNames = []string{
	"noreply", "donotreply", "dontreply", "noreplies", "noresponse", "neverreply", "mailerdaemon", "postmaster", "bounce", "bounces", "null", "devnull", "nobody", "abuse",
	"unsubscribe", "autoreply", "autoresponder", "listserv", "majordomo", "mailmandaemon", "mdaemon",
}

// deaf tells whether a local part is one of a machine.
func deaf(local string) bool {
	local, _, _ = strings.Cut(strings.ToLower(local), "+")
	bare := strings.NewReplacer("-", "", "_", "", ".", "").Replace(local)
	if slices.Contains(deafNames, bare) {
		return true
	}
	for _, part := range []string{"noreply", "donotreply", "mailerdaemon"} {
		if strings.HasPrefix(bare, part) || strings.HasSuffix(bare, part) {
			return true
		}
	}
	return false
}

// Recipients checks the people whom a mail goes to, all fields together, and returns the fields without
// those named twice: who is in To is not in Cc again.
func (p Policy) Recipients(to, cc, bcc []Address) (toOut, ccOut, bccOut []Address, err error) {
	seen := map[string]bool{}
	var errs []error
	once := func(in []Address) []Address {
		var out []Address
		for _, a := range in {
			key := strings.ToLower(a.Address)
			if seen[key] {
				continue
			}
			seen[key] = true
			if err := p.allow(a); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", a.Address, err))
				continue
			}
			out = append(out, a)
		}
		return out
	}
	toOut, ccOut, bccOut = once(to), once(cc), once(bcc)
	switch {
	case len(seen) == 0:
		errs = append(errs, ErrNobody)
	case len(seen) > p.most():
		errs = append(errs, fmt.Errorf("%d, %d at most: %w", len(seen), p.most(), ErrRecipients))
	}
	if len(errs) > 0 {
		return nil, nil, nil, errors.Join(errs...)
	}
	return toOut, ccOut, bccOut, nil
}

func (p Policy) allow(a Address) error {
	local, _, found := strings.Cut(a.Address, "@")
	if !found {
		return ErrAddress
	}
	if deaf(local) || slices.ContainsFunc(p.Roles, func(r string) bool { return strings.EqualFold(r, local) }) {
		return ErrRole
	}
	if slices.ContainsFunc(p.Own, func(o string) bool { return sameAddress(o, a.Address) }) {
		return ErrOwnSender
	}
	return nil
}

// sameAddress compares as providers do: letters of both cases are the same.
func sameAddress(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	x, errX := canonical(a)
	y, errY := canonical(b)
	return errX == nil && errY == nil && strings.EqualFold(x, y)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
