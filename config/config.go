package config

import (
	"net/netip"
)

// Config is the whole configuration file. Each package takes its own section.
type Config struct {
	DataDir   string     `yaml:"data_dir"`
	TLS       TLS        `yaml:"tls"`
	Upstreams []Upstream `yaml:"upstreams"`
	Listeners []Listener `yaml:"listeners"`
	Targets   []Target   `yaml:"targets"`
	Notifiers []Notifier `yaml:"notifiers"`
	Redis     *Redis     `yaml:"redis"` // nil: limits and claims live in this process
	Store     Store      `yaml:"store"`
	Journal   Journal    `yaml:"journal"`
	Capture   Capture    `yaml:"capture"`
	Watch     []Watch    `yaml:"watch"`
	Customers Customers  `yaml:"customers"`
	Mirror    Mirror     `yaml:"mirror"`
	Privacy   Privacy    `yaml:"privacy"`
	Matching  Matching   `yaml:"matching"`
	Contacts  Contacts   `yaml:"contacts"`
	Outbox    Outbox     `yaml:"outbox"`
	Rules     Rules      `yaml:"rules"`
	Limits    Limits     `yaml:"limits"`
	Console   Console    `yaml:"console"`
	Log       Log        `yaml:"log"`

	// A function, because fmt may print what a pointer leads to, and that is
	// the text of the file with its secrets.
	warnings func() []string
}

// TLS names the certificate that the listeners show.
type TLS struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// TLSMode says how a connection becomes encrypted.
type TLSMode string

// The TLS modes of listeners and upstreams.
const (
	TLSNone     TLSMode = "none"     // plain text
	TLSStartTLS TLSMode = "starttls" // plain text that must be upgraded before a login (RFC 3207)
	TLSImplicit TLSMode = "implicit" // TLS from the first byte (RFC 8314)
)

// Allowed lists the values.
func (TLSMode) Allowed() []string {
	return []string{string(TLSNone), string(TLSStartTLS), string(TLSImplicit)}
}

// Upstream is one mail provider.
type Upstream struct {
	Name     string   `yaml:"name"`
	Domains  []string `yaml:"domains"` // users of these domains go here
	Default  bool     `yaml:"default"` // users of no other upstream's domain go here
	Provider string   `yaml:"provider"`
	SMTP     Endpoint `yaml:"smtp"`
	IMAP     Endpoint `yaml:"imap"`
	// SignIn says whose credentials the upstream sees; OAuth2 is the application that enrolled accounts give access to.
	SignIn SignInMode `yaml:"sign_in"`
	OAuth2 OAuth2     `yaml:"oauth2"`
}

// Endpoint is one service of an upstream. Where the upstream names a provider,
// empty fields come from its preset.
type Endpoint struct {
	Address    string  `yaml:"address"` // host:port
	TLS        TLSMode `yaml:"tls"`
	CAFile     string  `yaml:"ca_file"`     // PEM; empty means the system's authorities
	ServerName string  `yaml:"server_name"` // name in the certificate; empty means the host of Address
	// ForwardClient says how the client's own address is handed on.
	ForwardClient ForwardMode `yaml:"forward_client"`
	Timeout       Duration    `yaml:"timeout"` // of connect, TLS and greeting together
}

// ForwardMode says how an upstream that trusts us learns the client's address.
type ForwardMode string

// The ways to hand on the client's address.
const (
	ForwardNone    ForwardMode = "none"
	ForwardXCLIENT ForwardMode = "xclient" // Postfix XCLIENT, SMTP only
	ForwardID      ForwardMode = "id"      // ID with x-originating-ip as Dovecot's login_trusted_networks takes it, IMAP only
	ForwardPROXY   ForwardMode = "proxy"   // PROXY protocol version 2
)

// Allowed lists the values.
func (ForwardMode) Allowed() []string {
	return []string{string(ForwardNone), string(ForwardXCLIENT), string(ForwardID), string(ForwardPROXY)}
}

// Listener is one address that the gateway accepts connections on.
type Listener struct {
	Protocol string       `yaml:"protocol"` // ProtocolSMTP or ProtocolIMAP
	Address  string       `yaml:"address"`  // host:port; an empty host means all addresses
	TLS      TLSMode      `yaml:"tls"`
	Mode     ListenerMode `yaml:"mode"`
	// Upstream fixes the upstream; empty means by the user's domain.
	Upstream string `yaml:"upstream"`
	// ProxyProtocolFrom are the networks whose connections begin with a PROXY protocol header.
	ProxyProtocolFrom []netip.Prefix `yaml:"proxy_protocol_from"`
	// Networks may use a relay or queue listener without a client certificate.
	Networks     []netip.Prefix `yaml:"networks"`
	ClientCAFile string         `yaml:"client_ca_file"` // clients with a certificate of these authorities may relay
	// User and Password are the fixed identity of a relay or queue listener at the upstream.
	User     string `yaml:"user"`
	Password Secret `yaml:"password"`
	// AllowPlaintextAuth offers logins before TLS. For tests and loopback only.
	AllowPlaintextAuth bool       `yaml:"allow_plaintext_auth"`
	BareLF             BareLFMode `yaml:"bare_lf"`
	Hostname           string     `yaml:"hostname"` // in the greeting; empty means the machine's name
}

// The protocols of listeners.
const (
	ProtocolSMTP = "smtp"
	ProtocolIMAP = "imap"
)

// ListenerMode says whose mail a listener takes.
type ListenerMode string

// The modes of a listener. SMTP has proxy, relay and queue; IMAP has proxy and customers.
const (
	ModeProxy     ListenerMode = "proxy"     // people's mail: their own login, cut-through
	ModeRelay     ListenerMode = "relay"     // machines' mail: fixed identity, cut-through
	ModeQueue     ListenerMode = "queue"     // machines' mail: accepted durably, delivered by the outbox
	ModeCustomers ListenerMode = "customers" // a read-only mailbox for each customer, from the store
)

// Allowed lists the values.
func (ListenerMode) Allowed() []string {
	return []string{string(ModeProxy), string(ModeRelay), string(ModeQueue), string(ModeCustomers)}
}

// BareLFMode says what becomes of a bare LF inside DATA (RFC 5321, 2.3.8).
type BareLFMode string

// The treatments of a bare LF.
const (
	BareLFNormalize BareLFMode = "normalize" // becomes CRLF, as Postfix does by default
	BareLFRefuse    BareLFMode = "refuse"    // the message is refused with 550
)

// Allowed lists the values.
func (BareLFMode) Allowed() []string {
	return []string{string(BareLFNormalize), string(BareLFRefuse)}
}

// Redis is the connection for claims and limits.
type Redis struct {
	Address  string `yaml:"address"` // host:port
	User     string `yaml:"user"`
	Password Secret `yaml:"password"`
	DB       int    `yaml:"db"`
	TLS      bool   `yaml:"tls"`
	CAFile   string `yaml:"ca_file"`
	Prefix   string `yaml:"prefix"` // of every key
}

// Store is the database: "sqlite" (a file in data_dir) or postgres://…
type Store struct {
	URL Secret `yaml:"url"` // a secret, because it may hold a password
}

// Journal is the durable log.
type Journal struct {
	OnFailure FailureMode `yaml:"on_failure"`
	Sync      SyncMode    `yaml:"sync"`
	// UnconfirmedAfter is how long a sealed entry whose session ended without a verdict (a crash, a lost connection) waits for a copy in
	// the mailbox that proves that it was sent, before it is mirrored with a mark. While its session lives it waits without that.
	UnconfirmedAfter Duration `yaml:"unconfirmed_after"`
	SegmentBytes     Bytes    `yaml:"segment_bytes"`
	KeyFile          string   `yaml:"key_file" file:"created"` // master key; empty means data_dir/master.key
}

// FailureMode says what happens to a mail whose copy cannot be stored.
type FailureMode string

// The failure modes of the journal.
const (
	FailureDeliver FailureMode = "deliver" // the mail goes on; the gap is counted
	FailureDefer   FailureMode = "defer"   // the client gets 451 and nothing is sent
)

// Allowed lists the values.
func (FailureMode) Allowed() []string {
	return []string{string(FailureDeliver), string(FailureDefer)}
}

// SyncMode says when a copy must be on disk.
type SyncMode string

// The sync modes of the journal.
const (
	SyncAlways     SyncMode = "always"     // before the final dot goes to the upstream
	SyncBackground SyncMode = "background" // soon after; a crash or a power cut may cost the last moments
)

// Allowed lists the values.
func (SyncMode) Allowed() []string {
	return []string{string(SyncAlways), string(SyncBackground)}
}

// Mirror says what is written to targets.
type Mirror struct {
	InternalDomains []string      `yaml:"internal_domains"` // besides the domains of the upstreams
	Internal        InternalMode  `yaml:"internal"`         // mail among employees
	Unmatched       UnmatchedMode `yaml:"unmatched"`
	Workers         int           `yaml:"workers"`      // parallel deliveries per target
	MaxAttempts     int           `yaml:"max_attempts"` // before a delivery becomes a dead letter
}

// InternalMode says what becomes of mail among employees.
type InternalMode string

// The treatments of internal mail.
const (
	InternalExclude InternalMode = "exclude" // it stays in the journal; the ledger says so
	InternalMirror  InternalMode = "mirror"
)

// Allowed returns the modes.
func (InternalMode) Allowed() []string {
	return []string{string(InternalExclude), string(InternalMirror)}
}

// Limits protect the upstream and ourselves. Zero means no limit.
type Limits struct {
	LoginPerMinute    int   `yaml:"login_per_minute"`    // failed logins per address and per user
	MessagesPerHour   int   `yaml:"messages_per_hour"`   // per user
	RecipientsPerHour int   `yaml:"recipients_per_hour"` // per user
	ConnectionsPerIP  int   `yaml:"connections_per_ip"`
	Connections       int   `yaml:"connections"` // in all
	MessageBytes      Bytes `yaml:"message_bytes"`
	Recipients        int   `yaml:"recipients"` // per message
}

// Console is the address of metrics, health and the API.
type Console struct {
	Address string `yaml:"address"`
	// PublicURL is where others reach it, without a slash at the end; empty: nobody does.
	PublicURL string `yaml:"public_url"`
	// AuditKeep is how long it is kept who saw or changed what; at least 180 days.
	AuditKeep  Duration   `yaml:"audit_keep"`
	Onboarding Onboarding `yaml:"onboarding"`
	// TrustedProxies are the reverse proxies whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix  `yaml:"trusted_proxies"`
	Sessions       ConsoleSessions `yaml:"sessions"`
	// MailboxSignIn lets employees sign in with address and password of their mailbox.
	MailboxSignIn bool     `yaml:"mailbox_sign_in"`
	OIDC          []OIDC   `yaml:"oidc"`
	Exchange      Exchange `yaml:"exchange"`
}

// Log is how the gateway logs.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // json, ecs, text
}
