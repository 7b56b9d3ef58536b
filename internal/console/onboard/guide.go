package onboard

import (
	"fmt"
	"slices"

	"heliograph/config"
)

// Text is a text in both languages.
type Text struct {
	EN, ZH string
}

// PasswordKind says what a person types as password.
type PasswordKind string

// The kinds of passwords.
const (
	PasswordMailbox PasswordKind = "mailbox"
	PasswordCode    PasswordKind = "code"    // made by the provider for mail programs
	PasswordGateway PasswordKind = "gateway" // given at enrolment
	PasswordOAuth   PasswordKind = "oauth"   // the program signs in with the provider's page
)

// Guide is what a person has to know.
type Guide struct {
	Address      string
	Name         string
	Incoming     []Server
	Outgoing     []Server
	Password     PasswordKind
	PasswordText Text
	Programs     []Program
	ProfileURL   string // empty where nobody reaches the console
	QR           string // of ProfileURL, as SVG
	Support      string
}

// Guide returns the settings for an address. enrolled says that it has a password of the gateway. An address of a domain that
// is not served is ErrDomain.
func (b *Book) Guide(address string, enrolled bool) (*Guide, error) {
	domain, err := b.domainOf(address)
	if err != nil {
		return nil, err
	}
	g := &Guide{
		Address: address, Name: b.Name(), Incoming: slices.Clone(b.incoming), Outgoing: slices.Clone(b.outgoing), Support: b.o.Config.Support,
	}
	g.Password, g.PasswordText = b.password(domain, enrolled)
	if len(b.incoming) == 0 || len(b.outgoing) == 0 {
		return g, nil
	}
	if b.o.Config.Enabled {
		if g.ProfileURL = b.ProfileURL(address); g.ProfileURL != "" {
			g.QR = QR(g.ProfileURL)
		}
	}
	g.Programs = b.programs(g)
	return g, nil
}

var (
	codes   = []string{"qq", "163", "vip163", "126", "yeah", "sina", "sohu", "139"}
	clients = []string{
		"exmail", "exmail-abroad", "qiye163", "qiye163-hangzhou", "qiye163-free", "aliyun", "aliyun-singapore", "feishu", "lark",
	}
	apps = []string{"gmail", "icloud", "yahoo", "fastmail", "yandex"}
)

// password says what to type, by what is known of the provider.
func (b *Book) password(domain string, enrolled bool) (PasswordKind, Text) {
	if enrolled {
		return PasswordGateway, Text{
			"The password that the gateway showed when your account was enrolled. If you lost it, an administrator gives you a new one.",
			"账号授权时网关显示的密码。如果丢失，请管理员重新生成。",
		}
	}
	name, oauth := "", false
	if u := b.upstream(domain); u != nil {
		p, _ := u.Preset()
		name, oauth = p.Name, p.OAuthOnly || slices.Contains(b.signIns(domain), "OAuth2")
	}
	switch {
	case oauth:
		return PasswordOAuth, Text{
			"The provider takes no passwords from mail programs. Ask an administrator to enrol your account: you then get a password of the gateway.",
			"服务商不接受邮件程序使用密码登录。请管理员为您的账号授权，之后使用网关给出的密码。",
		}
	case slices.Contains(codes, name):
		return PasswordCode, Text{
			"Not the password of the web mail, but an authorization code (授权码): open the web mail, Settings, switch on IMAP/SMTP, and make a code.",
			"不是网页登录密码，而是授权码：登录网页邮箱，在“设置”中开启 IMAP/SMTP 服务并生成授权码。",
		}
	case slices.Contains(clients, name):
		return PasswordCode, Text{
			"The client password (客户端专用密码) that you make in the web mail, under Settings. Where your company does not ask for one, the password of the mailbox.",
			"在网页邮箱“设置”中生成的客户端专用密码；如果公司没有启用，则为邮箱密码。",
		}
	case slices.Contains(apps, name):
		return PasswordCode, Text{
			"An app password that you make in the security settings of your account, not the password of the account.",
			"在账号安全设置中生成的应用专用密码，不是账号密码。",
		}
	}
	return PasswordMailbox, Text{"The password of your mailbox.", "您的邮箱密码。"}
}

// words for the kinds of TLS, as most programs call them.
func tlsWord(m config.TLSMode) string {
	return map[config.TLSMode]string{config.TLSImplicit: "SSL/TLS", config.TLSStartTLS: "STARTTLS", config.TLSNone: "none / 无"}[m]
}

func (s Server) words() string { return fmt.Sprintf("%s, %d, %s", s.Host, s.Port, tlsWord(s.TLS)) }
