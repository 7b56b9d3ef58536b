package limit

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"strings"
	"time"
)

// The delays of the login guard.
const (
	firstDelay = time.Second
	// maxDelay bounds every lockout: whoever knows the password is in after it.
	maxDelay = 15 * time.Minute
	// knownFor is how long a login makes an address a known place of its user.
	knownFor = 7 * 24 * time.Hour
	// doublings is how often firstDelay doubles until it is maxDelay.
	doublings = 10
)

// Failures guards the login: so many failed logins a minute are free for each
// address and for each user; each further one doubles the delay before the next
// try is let through, from 1 s to at most 15 minutes. Failures are forgiven at
// the same rate while no delay runs.
//
// A user who has logged in from an address before (in the last week) is judged
// there by his own failures at that address alone. So neither a colleague
// behind the same NAT nor a stranger who guesses at his name locks him out, and
// a guesser gains nothing by it.
//
// An IPv6 client is known by its /64, since it may choose the rest itself. The
// user's name is kept as a hash only. Tries that run at the same moment are all
// let through and all counted: the number of connections per address bounds them.
type Failures struct {
	backend Backend
	rules   guardRules
}

// NewFailures returns a guard with perMinute free failures; zero or less means
// no guard.
func NewFailures(b Backend, perMinute int) *Failures {
	f := &Failures{backend: b}
	if perMinute > 0 {
		f.rules = guardRules{
			step: time.Minute.Microseconds() / int64(perMinute),
			free: int64(perMinute),
		}
	}
	return f
}

// Check returns how long this user at this address must wait before a login may
// go to the upstream; zero means now. A try that must wait is not to be forwarded and
// not to be counted with Failed. The error is nil unless the guard cannot decide.
func (f *Failures) Check(ctx context.Context, ip netip.Addr, user string) (wait time.Duration, err error) {
	if f.rules.step == 0 {
		return 0, nil
	}
	return f.backend.guardWait(ctx, keysOf(ip, user))
}

// Failed counts a login that the upstream refused because of its credentials.
func (f *Failures) Failed(ctx context.Context, ip netip.Addr, user string) error {
	if f.rules.step == 0 {
		return nil
	}
	return f.backend.guardFailed(ctx, keysOf(ip, user), f.rules)
}

// Succeeded forgives the user's failures and makes the address a known place of
// the user. The address's own failures stay.
func (f *Failures) Succeeded(ctx context.Context, ip netip.Addr, user string) error {
	if f.rules.step == 0 {
		return nil
	}
	return f.backend.guardSucceeded(ctx, keysOf(ip, user))
}

// guard is the part of a Backend that Failures needs.
type guard interface {
	guardWait(ctx context.Context, k guardKeys) (time.Duration, error)
	guardFailed(ctx context.Context, k guardKeys, r guardRules) error
	guardSucceeded(ctx context.Context, k guardKeys) error
}

// guardKeys names the four things that are kept.
type guardKeys struct {
	address string // failures of the address, at any user
	user    string // failures of the user, at any address
	pair    string // failures of the user at this address, once it is known
	known   string // that it is known
}

func keysOf(ip netip.Addr, user string) guardKeys {
	a, u := addressKey(ip), userKey(user)
	return guardKeys{
		address: "fail:a:" + a,
		user:    "fail:u:" + u,
		pair:    "fail:p:" + a + ":" + u,
		known:   "known:" + a + ":" + u,
	}
}

func addressKey(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr().String()
		}
	}
	return ip.String()
}

func userKey(user string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(user)))
	return base64.RawURLEncoding.EncodeToString(sum[:15])
}

// guardRules are the numbers of a guard, times in microseconds.
type guardRules struct {
	step int64 // time that forgives one failure
	free int64 // failures without a delay
}

// strikes is the state of one key. Times are Unix microseconds.
type strikes struct {
	level int64 // failures not forgiven yet, in time
	at    int64 // of the last failure
	until int64 // no login before
}

// fail counts one failure. failed.lua is the same in Lua.
func (s *strikes) fail(now int64, r guardRules) {
	// Forgiveness runs only while no delay does.
	s.level = max(s.level-max(now-max(s.at, s.until), 0), 0) + r.step
	s.level = min(s.level, (r.free+doublings+1)*r.step)
	s.at = now
	count := (s.level + r.step - 1) / r.step
	if count <= r.free {
		return
	}
	delay := min(firstDelay.Microseconds()<<(count-r.free-1), maxDelay.Microseconds())
	s.until = max(s.until, now+delay)
}

func (s *strikes) wait(now int64) time.Duration {
	return time.Duration(max(s.until-now, 0)) * time.Microsecond
}

// expires is when the state says no more than no state.
func (s *strikes) expires() int64 {
	return max(s.at, s.until) + s.level
}
