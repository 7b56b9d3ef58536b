package config

import (
	"maps"
	"slices"
	"sync"
)

// Preset is what is known about a mail provider: its hosts, which fill empty
// keys of an upstream, and its habits, which the proxy and the mirror heed.
type Preset struct {
	Name    string
	Domains []string // of its public mail; companies bring their own
	SMTP    Endpoint // Address and TLS only; presets for own servers have no address
	IMAP    Endpoint
	// NeedsID: SELECT is refused until the client has sent ID (RFC 2971).
	NeedsID bool
	// LegacyTLS: the server may offer only ciphers that Go leaves out by default.
	LegacyTLS bool
	// StoresSent: the provider puts submitted mail into the Sent folder itself.
	StoresSent bool
	// OAuthOnly: passwords are refused; the mail program must use XOAUTH2.
	OAuthOnly bool
	// LocalIMAPUser: the user name at IMAP, but not at SMTP, is the address without its domain.
	LocalIMAPUser bool
	// MaxConnections per user; zero means not known.
	MaxConnections int
	// FetchBytesPerDay is how many bytes a user may download by IMAP in a day
	// before the provider locks the account; zero means not known.
	FetchBytesPerDay Bytes
	// OAuth is what is known about the provider's OAuth 2.0; nil: it has none for mail.
	OAuth *OAuthPreset
	// Hint tells the operator what must be set at the provider, in one sentence.
	Hint string
}

// Public reports whether strangers have mailboxes at the provider's domains, so
// that mail between two of them is not internal to a company.
func (p Preset) Public() bool { return len(p.Domains) > 0 }

// LookupPreset returns the preset of a provider name.
func LookupPreset(name string) (Preset, bool) {
	p, ok := presets()[name]
	return p, ok
}

// PresetNames lists the provider names in order.
func PresetNames() []string {
	return slices.Sorted(maps.Keys(presets()))
}

// Preset returns the preset of the upstream's provider, if it names one.
func (u *Upstream) Preset() (Preset, bool) { return LookupPreset(u.Provider) }

func implicit(address string) Endpoint { return Endpoint{Address: address, TLS: TLSImplicit} }
func starttls(address string) Endpoint { return Endpoint{Address: address, TLS: TLSStartTLS} }

// googleFetchPerDay is Google's published IMAP download limit of 2,500 MB a day.
const googleFetchPerDay Bytes = 2500e6

const (
	hintCode     = "Switch on IMAP/SMTP in the web mail and use the authorization code (授权码) as password."
	hintApp      = "Use an app password, not the password of the account."
	hintClient   = "The administrator must allow mail programs; use the client password if there is one."
	hintOAuth    = "The mail program must sign in with OAuth2."
	hintSMTPAuth = "SMTP AUTH must be switched on for each mailbox; the mail program must sign in with OAuth2."
)

// presets is the table of providers. Facts marked [U] are unverified.
var presets = sync.OnceValue(func() map[string]Preset {
	table := map[string]Preset{}
	for _, group := range [][]Preset{chinesePresets(), worldPresets(), ownServerPresets()} {
		for _, p := range group {
			table[p.Name] = p
		}
	}
	return table
})

func chinesePresets() []Preset {
	return []Preset{
		{
			Name: "qq", Domains: []string{"qq.com", "vip.qq.com", "foxmail.com"},
			SMTP: implicit("smtp.qq.com:465"), IMAP: implicit("imap.qq.com:993"), Hint: hintCode,
		},
		{Name: "exmail", SMTP: implicit("smtp.exmail.qq.com:465"), IMAP: implicit("imap.exmail.qq.com:993"), Hint: hintClient},
		// [U] the hosts for companies abroad
		{Name: "exmail-abroad", SMTP: implicit("hwsmtp.exmail.qq.com:465"), IMAP: implicit("hwimap.exmail.qq.com:993"), Hint: hintClient},
		{
			Name: "163", Domains: []string{"163.com"}, NeedsID: true,
			SMTP: implicit("smtp.163.com:465"), IMAP: implicit("imap.163.com:993"), Hint: hintCode,
		},
		{
			// [U] the ports are those of the other NetEase services
			Name: "vip163", Domains: []string{"vip.163.com"}, NeedsID: true,
			SMTP: implicit("smtp.vip.163.com:465"), IMAP: implicit("imap.vip.163.com:993"), Hint: hintCode,
		},
		{
			Name: "126", Domains: []string{"126.com"}, NeedsID: true,
			SMTP: implicit("smtp.126.com:465"), IMAP: implicit("imap.126.com:993"), Hint: hintCode,
		},
		{
			Name: "yeah", Domains: []string{"yeah.net"}, NeedsID: true,
			SMTP: implicit("smtp.yeah.net:465"), IMAP: implicit("imap.yeah.net:993"), Hint: hintCode,
		},
		// [U] that the enterprise sites need ID; sending it does no harm
		{Name: "qiye163", NeedsID: true, SMTP: implicit("smtp.qiye.163.com:994"), IMAP: implicit("imap.qiye.163.com:993"), Hint: hintClient},
		{Name: "qiye163-hangzhou", NeedsID: true, SMTP: implicit("smtphz.qiye.163.com:465"), IMAP: implicit("imaphz.qiye.163.com:993"), Hint: hintClient},
		{Name: "qiye163-free", NeedsID: true, SMTP: implicit("smtp.ym.163.com:994"), IMAP: implicit("imap.ym.163.com:993"), Hint: hintClient},
		{Name: "aliyun", SMTP: implicit("smtp.qiye.aliyun.com:465"), IMAP: implicit("imap.qiye.aliyun.com:993"), Hint: hintClient},
		// [U] the ports are those of the main site
		{Name: "aliyun-singapore", SMTP: implicit("smtp.sg.aliyun.com:465"), IMAP: implicit("imap.sg.aliyun.com:993"), Hint: hintClient},
		{Name: "aliyun-personal", Domains: []string{"aliyun.com"}, SMTP: implicit("smtp.aliyun.com:465"), IMAP: implicit("imap.aliyun.com:993")},
		{Name: "feishu", SMTP: implicit("smtp.feishu.cn:465"), IMAP: implicit("imap.feishu.cn:993"), Hint: hintClient},
		{Name: "lark", SMTP: implicit("smtp.larksuite.com:465"), IMAP: implicit("imap.larksuite.com:993"), Hint: hintClient},
		{
			// [U] sina.cn and vip.sina.com have hosts of their own: name them as addresses
			Name: "sina", Domains: []string{"sina.com"},
			SMTP: implicit("smtp.sina.com:465"), IMAP: implicit("imap.sina.com:993"), Hint: hintCode,
		},
		{
			Name: "sohu", Domains: []string{"sohu.com", "vip.sohu.com"},
			SMTP: implicit("smtp.sohu.com:465"), IMAP: implicit("imap.sohu.com:993"), Hint: hintCode,
		},
		{
			Name: "139", Domains: []string{"139.com"}, LegacyTLS: true,
			SMTP: implicit("smtp.139.com:465"), IMAP: implicit("imap.139.com:993"), Hint: hintCode,
		},
	}
}

func worldPresets() []Preset {
	list := []Preset{
		{
			Name: "gmail", Domains: []string{"gmail.com", "googlemail.com"}, StoresSent: true, MaxConnections: 15, FetchBytesPerDay: googleFetchPerDay, OAuth: google(false),
			SMTP: implicit("smtp.gmail.com:465"), IMAP: implicit("imap.gmail.com:993"),
			Hint: "Use OAuth2, or an app password (it needs 2-step verification).",
		},
		{
			Name: "workspace", StoresSent: true, MaxConnections: 15, FetchBytesPerDay: googleFetchPerDay, OAuth: google(true),
			SMTP: implicit("smtp.gmail.com:465"), IMAP: implicit("imap.gmail.com:993"), Hint: hintOAuth,
		},
		{
			Name: "outlook", Domains: []string{"outlook.com", "hotmail.com", "live.com", "live.cn", "msn.com"},
			StoresSent: true, OAuthOnly: true, Hint: hintOAuth, OAuth: microsoft("login.microsoftonline.com", "https://outlook.office.com", "", "consumers"),
			SMTP: starttls("smtp-mail.outlook.com:587"), IMAP: implicit("outlook.office365.com:993"),
		},
		{
			Name: "icloud", Domains: []string{"icloud.com", "me.com", "mac.com"}, LocalIMAPUser: true,
			SMTP: starttls("smtp.mail.me.com:587"), IMAP: implicit("imap.mail.me.com:993"), Hint: hintApp,
		},
		{
			Name: "yahoo", Domains: []string{"yahoo.com", "ymail.com", "rocketmail.com"},
			SMTP: implicit("smtp.mail.yahoo.com:465"), IMAP: implicit("imap.mail.yahoo.com:993"), Hint: hintApp, OAuth: yahoo(),
		},
		{
			Name: "fastmail", Domains: []string{"fastmail.com", "fastmail.fm"},
			SMTP: implicit("smtp.fastmail.com:465"), IMAP: implicit("imap.fastmail.com:993"), Hint: hintApp, OAuth: fastmail(),
		},
		{
			Name: "yandex", Domains: []string{"yandex.com", "yandex.ru", "ya.ru", "narod.ru"},
			SMTP: implicit("smtp.yandex.com:465"), IMAP: implicit("imap.yandex.com:993"), Hint: hintApp, OAuth: yandex(),
		},
	}
	for _, cloud := range []struct{ name, smtp, imap, login, scope, own string }{
		{"microsoft365", "smtp.office365.com", "outlook.office365.com", "login.microsoftonline.com", "https://outlook.office.com", "https://outlook.office365.com"},
		// [U] from mail clients, not confirmed by the vendor: the hosts, the login host and the scopes of the clouds below
		{"microsoft365-china", "partner.outlook.cn", "partner.outlook.cn", "login.partner.microsoftonline.cn", "https://partner.outlook.cn", "https://partner.outlook.cn"},
		{"microsoft365-gcchigh", "smtp.office365.us", "outlook.office365.us", "login.microsoftonline.us", "https://outlook.office365.us", "https://outlook.office365.us"},
		{"microsoft365-dod", "outlook-dod.office365.us", "outlook-dod.office365.us", "login.microsoftonline.us", "https://outlook-dod.office365.us", "https://outlook-dod.office365.us"},
	} {
		list = append(list, Preset{
			Name: cloud.name, StoresSent: true, Hint: hintSMTPAuth, OAuth: microsoft(cloud.login, cloud.scope, cloud.own, "organizations"),
			SMTP: starttls(cloud.smtp + ":587"), IMAP: implicit(cloud.imap + ":993"),
		})
	}
	for name, zone := range map[string]string{
		"zoho": "zoho.com", "zoho-eu": "zoho.eu", "zoho-in": "zoho.in",
		"zoho-au": "zoho.com.au", "zoho-jp": "zoho.jp", "zoho-ca": "zohocloud.ca",
	} {
		list = append(list, Preset{
			Name: name, SMTP: implicit("smtp." + zone + ":465"), IMAP: implicit("imap." + zone + ":993"),
			Hint: "Switch on IMAP in the web mail; own domains use smtppro and imappro as host names.",
		})
	}
	return list
}

// ownServerPresets are the servers that companies run themselves: the operator
// names the addresses.
func ownServerPresets() []Preset {
	own := func(name, hint string) Preset {
		return Preset{Name: name, SMTP: Endpoint{TLS: TLSStartTLS}, IMAP: Endpoint{TLS: TLSImplicit}, Hint: hint}
	}
	return []Preset{
		// [U] IMAP is off by default and must be enabled per server and mailbox
		own("exchange", "Own servers often have a certificate of a private authority: name it as ca_file."),
		own("dovecot", ""),
		own("postfix", ""),
	}
}
