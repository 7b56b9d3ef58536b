package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// validator checks what the types cannot say. It makes no network calls.
type validator struct {
	*decoder
	cfg *Config
}

// StoreSQLite is the store.url of the embedded database.
const StoreSQLite = "sqlite"

// minUnconfirmed is what a mail program needs to store its copy, which proves that the message was sent.
const minUnconfirmed = 30 * time.Second

// bad reports a mistake at the place of a path or of the nearest key above it,
// unless the path has a mistake already.
func (v *validator) bad(path, message, remedy string) {
	for broken := range v.broken {
		if broken == "" || broken == path || isBelow(path, broken) || isBelow(broken, path) {
			return
		}
	}
	at := place{}
	for above := path; above != ""; above = parentOf(above) {
		if found, ok := v.places[above]; ok {
			at = found
			break
		}
	}
	v.fail(path, at, message, remedy)
}

// isBelow reports whether path is inside above.
func isBelow(path, above string) bool {
	rest, ok := strings.CutPrefix(path, above)
	return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// parentOf returns the path without its last step.
func parentOf(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// warn adds a warning about a path.
func (v *validator) warn(path, text string) { v.src.warn(path + ": " + text) }

// all runs every check.
func (v *validator) all() {
	if v.cfg.DataDir == "" {
		v.bad("data_dir", "is empty", "Name the folder for the journal and the database.")
	}
	v.certificate()
	v.upstreams()
	v.listeners()
	v.notifiers()
	v.redis()
	v.store()
	v.journal()
	v.capture()
	v.watch()
	v.customers()
	v.mirror()
	v.contacts()
	v.privacy()
	v.matching()
	v.outbox()
	v.rules()
	v.limits()
	v.console()
	v.log()
}

func (v *validator) redis() {
	r := v.cfg.Redis
	if r == nil {
		return
	}
	if v.required("redis.address", r.Address, "Write host:port, or take out redis to keep limits in this process.") {
		v.address("redis.address", r.Address, false)
	}
	if r.DB < 0 {
		v.bad("redis.db", "is below 0", "Write the number of the database, most often 0.")
	}
	v.authorities("redis.ca_file", r.CAFile)
	if r.CAFile != "" && !r.TLS {
		v.bad("redis.ca_file", "has no use without tls", "Write tls: true.")
	}
}

func (v *validator) store() {
	text := v.cfg.Store.URL.Reveal()
	if text == StoreSQLite {
		return
	}
	remedy := "Write sqlite, or postgres://user:${NAME}@host:5432/database. Signs such as @ or / in a password are written as %40 and %2F."
	u, err := url.Parse(text)
	// The error of url.Parse holds the address, and the address may hold a password.
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		v.bad("store.url", "is not the address of a database", remedy)
		return
	}
	if u.Host == "" && u.Query().Get("host") == "" {
		v.bad("store.url", "has no host", remedy)
	}
	if strings.Trim(u.Path, "/") == "" && u.Query().Get("dbname") == "" && u.Query().Get("database") == "" {
		v.bad("store.url", "names no database", remedy)
	}
}

func (v *validator) journal() {
	j := v.cfg.Journal
	if j.UnconfirmedAfter.D() < minUnconfirmed {
		v.bad("journal.unconfirmed_after", "is too short: a copy in the mailbox, which proves that the message was sent, needs time to come", "Write 30s or more.")
	}
	if j.SegmentBytes < 1<<20 {
		v.bad("journal.segment_bytes", "is too small", "Write 1MiB or more.")
	}
	if j.Sync == SyncBackground {
		v.warn("journal.sync", "with background, a crash or a power cut may cost the copies of the last moments")
	}
}

func (v *validator) mirror() {
	m := v.cfg.Mirror
	v.domains("mirror.internal_domains", m.InternalDomains)
	v.atLeast("mirror.workers", m.Workers, 1)
	v.atLeast("mirror.max_attempts", m.MaxAttempts, 1)
}

func (v *validator) limits() {
	l := v.cfg.Limits
	v.atLeast("limits.login_per_minute", l.LoginPerMinute, 0)
	v.atLeast("limits.messages_per_hour", l.MessagesPerHour, 0)
	v.atLeast("limits.recipients_per_hour", l.RecipientsPerHour, 0)
	v.atLeast("limits.connections_per_ip", l.ConnectionsPerIP, 0)
	v.atLeast("limits.connections", l.Connections, 0)
	v.atLeast("limits.recipients", l.Recipients, 0)
}

// minAuditKeep is what laws and auditors ask for: half a year (网络安全法, art. 21).
const minAuditKeep = Duration(180 * 24 * time.Hour)

func (v *validator) console() {
	v.publicURL()
	v.consoleSignIn()
	v.onboarding()
	v.exchange()
	if keep := v.cfg.Console.AuditKeep; keep < minAuditKeep {
		v.bad("console.audit_keep", keep.String()+" is too short: the record of who saw or changed what is kept for at least "+minAuditKeep.String(),
			"Write 180d or more, or leave it out for 730d.")
	}
	address := v.cfg.Console.Address
	if !v.required("console.address", address, "Write 127.0.0.1:8025, for example.") {
		return
	}
	if host, ok := v.address("console.address", address, true); ok && !isLoopback(host) {
		v.warn("console.address", "the console is open to other machines; let a firewall or a reverse proxy guard it")
	}
}

func (v *validator) publicURL() {
	public := &v.cfg.Console.PublicURL
	if *public == "" {
		return
	}
	*public = strings.TrimRight(*public, "/")
	u, err := url.Parse(*public)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		v.bad("console.public_url", quote(*public)+" is not the address of a web server", "Write https://mail-gateway.example.com, for example.")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		v.warn("console.public_url", "links are not encrypted; let a reverse proxy serve https")
	}
}

func (v *validator) log() {
	v.oneOf("log.level", v.cfg.Log.Level, []string{"debug", "info", "warn", "error"})
	v.oneOf("log.format", v.cfg.Log.Format, []string{"json", "ecs", "text"})
}

// required reports an empty value and returns whether there is one.
func (v *validator) required(path, value, remedy string) bool {
	if value == "" {
		v.bad(path, "is missing", remedy)
	}
	return value != ""
}

// atLeast reports a number below the least one.
func (v *validator) atLeast(path string, value, least int) {
	if value < least {
		remedy := fmt.Sprintf("Write %d or more.", least)
		if least == 0 {
			remedy = "Write 0 for no limit."
		}
		v.bad(path, fmt.Sprintf("%d is too small", value), remedy)
	}
}

// oneOf reports a value that is not in the list.
func (v *validator) oneOf(path, value string, allowed []string) {
	if !slices.Contains(allowed, value) {
		v.bad(path, quote(value)+" is not one of the allowed values", "Write "+oneOf(allowed)+".")
	}
}

// address checks host:port and returns the host.
func (v *validator) address(path, value string, listening bool) (host string, ok bool) {
	host, port, err := splitAddress(value, listening)
	switch {
	case err != nil && listening:
		v.bad(path, quote(value)+" "+err.Error(), "Write host:port, or :port for all addresses of this machine. IPv6 needs brackets: [::1]:587.")
	case err != nil:
		v.bad(path, quote(value)+" "+err.Error(), "Write host:port, such as mail.example.com:587. IPv6 needs brackets: [2001:db8::1]:587.")
	case port == 0 && !listening:
		v.bad(path, "port 0 cannot be connected to", "Write the port of the server.")
	default:
		return host, true
	}
	return "", false
}

// domains checks mail domains and turns them into lower case.
func (v *validator) domains(path string, list []string) {
	for i, domain := range list {
		list[i] = strings.ToLower(strings.TrimSuffix(domain, "."))
		if domainForm.MatchString(list[i]) {
			continue
		}
		remedy := "Write it as example.com."
		if strings.Contains(domain, "@") {
			remedy = "Write only what stands behind the @."
		}
		v.bad(fmt.Sprintf("%s[%d]", path, i), quote(domain)+" is not a domain", remedy)
	}
}
