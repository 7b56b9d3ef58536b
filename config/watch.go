package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Watch is a mailbox, or some mailboxes of one account, that the gateway reads by itself: a shared or service mailbox such
// as support@ that no mail program need be open for. The account must be enrolled.
type Watch struct {
	Address  string `yaml:"address"`  // of the account, as it was enrolled
	Upstream string `yaml:"upstream"` // empty means by the domain of the address
	// Mailboxes are names, patterns and special uses as in Folders.Include.
	Mailboxes []string   `yaml:"mailboxes"`
	Since     WatchSince `yaml:"since"`
	// Connections bounds how many are open at a time. What finds no connection of its own is polled.
	Connections int      `yaml:"connections"`
	Poll        Duration `yaml:"poll"` // between two looks where the server does not tell by itself
	// Idle is how long one IDLE (RFC 2177) lasts; zero means what suits the provider.
	Idle Duration `yaml:"idle"`
	// MaxMessage is the largest message that is captured; zero means no limit.
	MaxMessage  Bytes `yaml:"max_message"`
	BytesPerDay Bytes `yaml:"bytes_per_day"` // zero means capture.bytes_per_day
}

// WatchSince says with which message a watch begins.
type WatchSince string

// The beginnings of a watch.
const (
	WatchNew WatchSince = "new" // what arrives from the first look on
	WatchAll WatchSince = "all" // also what was there; that starts no rule
)

// Allowed lists the values.
func (WatchSince) Allowed() []string { return []string{string(WatchNew), string(WatchAll)} }

const (
	// idleFor is how long an IDLE may last: servers may log a client out after 30 minutes (RFC 2177, 3).
	idleFor = 28 * time.Minute
	// idleGmail is shorter, since Gmail ends sessions that idle for long.
	idleGmail = 9 * time.Minute
	// maxWatchConnections keeps connections for the people who read the mailbox.
	maxWatchConnections = 10
	// The bounds of the times.
	minWatchPoll = 10 * time.Second
	maxWatchPoll = time.Hour
	minWatchIdle = time.Minute
	maxWatchIdle = 29 * time.Minute
	// defaultMaxMessage is more than any provider of the presets takes.
	defaultMaxMessage Bytes = 150e6
)

// latePush are the providers whose IDLE tells late or not at all [U]: their mailboxes are looked at in each poll interval.
var latePush = []string{
	"qq", "exmail", "exmail-abroad", "163", "vip163", "126", "yeah", "qiye163", "qiye163-hangzhou", "qiye163-free",
}

// IdleFor is how long one IDLE lasts at the provider of an upstream.
func (w *Watch) IdleFor(u *Upstream) time.Duration {
	switch {
	case w.Idle > 0:
		return w.Idle.D()
	case slices.Contains(latePush, u.Provider):
		return w.Poll.D()
	case u.Provider == "gmail" || u.Provider == "workspace":
		return idleGmail
	}
	return idleFor
}

func (w *Watch) setDefaults() {
	w.Since, w.Connections, w.Poll, w.MaxMessage = WatchNew, 3, Duration(time.Minute), defaultMaxMessage
}

// completeWatch fills in what follows from other sections.
func (c *Config) completeWatch() {
	for i := range c.Watch {
		w := &c.Watch[i]
		if len(w.Mailboxes) == 0 {
			w.Mailboxes = []string{"INBOX"}
		}
		if w.BytesPerDay == 0 {
			w.BytesPerDay = c.Capture.BytesPerDay
		}
		if w.Upstream == "" {
			w.Upstream = c.upstreamOf(w.Address)
		}
	}
}

// upstreamOf names the upstream of an address, as the router finds it; empty where there is none.
func (c *Config) upstreamOf(address string) string {
	_, domain, _ := strings.Cut(strings.ToLower(address), "@")
	fallback := ""
	for i := range c.Upstreams {
		u := &c.Upstreams[i]
		if slices.ContainsFunc(u.Domains, func(d string) bool { return strings.EqualFold(d, domain) }) {
			return u.Name
		}
		if u.Default || len(c.Upstreams) == 1 {
			fallback = u.Name
		}
	}
	return fallback
}

func (v *validator) watch() {
	seen := map[string]bool{}
	for i := range v.cfg.Watch {
		w := &v.cfg.Watch[i]
		path := fmt.Sprintf("watch[%d]", i)
		if v.required(path+".address", w.Address, "Write the address of the account, such as support@example.com.") {
			local, domain, ok := splitAccount(w.Address)
			switch {
			case !ok || local == "*":
				v.bad(path+".address", quote(w.Address)+" is not an address", "Write the address of one account, such as support@example.com.")
			case seen[local+"@"+domain]:
				v.bad(path+".address", quote(w.Address)+" is watched already", "Give all its mailboxes in one entry.")
			default:
				w.Address = local + "@" + domain
			}
			seen[w.Address] = true
		}
		v.watchUpstream(path, w)
		for k, entry := range w.Mailboxes {
			v.folder(fmt.Sprintf("%s.mailboxes[%d]", path, k), entry, true)
		}
		if w.Poll.D() < minWatchPoll || w.Poll.D() > maxWatchPoll {
			v.bad(path+".poll", w.Poll.D().String()+" is out of range", "Write a time from 10s to 1h; 1m suits most.")
		}
		if w.Idle != 0 && (w.Idle.D() < minWatchIdle || w.Idle.D() > maxWatchIdle) {
			v.bad(path+".idle", w.Idle.D().String()+" is out of range", "Write a time from 1m to 29m, or leave it out: then it suits the provider.")
		}
		if v.cfg.Capture.For(w.Address).Policy == CaptureNone {
			v.warn(path, "capture.policy is none for this account, but a watched mailbox is captured all the same")
		}
	}
}

func (v *validator) watchUpstream(path string, w *Watch) {
	most := maxWatchConnections
	at := slices.IndexFunc(v.cfg.Upstreams, func(u Upstream) bool { return u.Name == w.Upstream })
	switch {
	case at < 0 && w.Upstream == "" && w.Address != "":
		v.bad(path+".upstream", "is missing: no upstream has the domain of "+quote(w.Address), "Name one of the upstreams.")
	case at < 0 && w.Upstream != "":
		v.bad(path+".upstream", quote(w.Upstream)+" is not the name of an upstream", "Name one of the upstreams, or leave it out.")
	case at >= 0:
		u := &v.cfg.Upstreams[at]
		if preset, ok := u.Preset(); ok && preset.MaxConnections > 0 {
			most = min(most, preset.MaxConnections)
		}
		switch {
		case u.IMAP.Address == "":
			v.bad(path+".upstream", "upstream "+quote(u.Name)+" has no IMAP server", "Name it there as imap.address.")
		case u.SignIn != SignInEnrolled:
			v.bad(path+".upstream", "the gateway does not sign in at upstream "+quote(u.Name), "Write sign_in: enrolled there, then run heliograph account enroll "+w.Address+" --no-programs.")
		}
	}
	if w.Connections < 1 || w.Connections > most {
		v.bad(path+".connections", fmt.Sprintf("%d is out of range", w.Connections), fmt.Sprintf("Write a number from 1 to %d; 3 suits most.", most))
	}
}
