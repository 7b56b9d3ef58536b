package access

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"unicode"
)

// Visit is what a request tells of the browser that sent it.
type Visit struct {
	Client netip.Addr // not valid: unknown
	Device string
	Cookie string // of the session; empty: none
	Oidc   string // of a sign-in at an issuer that was begun
}

// Visit reads a request.
func (s *SignIn) Visit(r *http.Request) Visit {
	v := Visit{Client: s.Client(r), Device: device(r.UserAgent())}
	if c, err := r.Cookie(s.cookie); err == nil {
		v.Cookie = c.Value
	}
	if c, err := r.Cookie(s.cookie + oidcSuffix); err == nil {
		v.Oidc = c.Value
	}
	return v
}

// Client is the address of who sent a request. What X-Forwarded-For says counts as far as trusted proxies wrote it: it is read from its end, and the
// first address that is no trusted proxy's is the client's.
func (s *SignIn) Client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !s.trusts(addr) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break // nobody said, or not in a way that can be believed
		}
		addr = next.Unmap().WithZone("")
	}
	return addr
}

func (s *SignIn) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(s.proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Protect keeps other sites from having a browser change something here (cross-site request forgery), and tells browsers to come by https only where
// the console is reached so. Refused requests go to deny.
func (s *SignIn) Protect(next, deny http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	if s.origin != "" {
		_ = p.AddTrustedOrigin(s.origin) // New has checked it
	}
	p.SetDenyHandler(deny)
	guarded := p.Handler(next)
	if !s.secure {
		return guarded
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		guarded.ServeHTTP(w, r)
	})
}

// The parts of user agents that say what a device is; the first that is found counts, because browsers name others that they are like.
var (
	browsers = [][2]string{
		{"wxwork/", "WeCom"},
		{"MicroMessenger/", "WeChat"},
		{"DingTalk/", "DingTalk"},
		{"Lark/", "Feishu"},
		{"Edg/", "Edge"},
		{"EdgA/", "Edge"},
		{"OPR/", "Opera"},
		{"QQBrowser/", "QQ Browser"},
		{"Firefox/", "Firefox"},
		{"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
	}
	systems = [][2]string{
		{"HarmonyOS", "HarmonyOS"},
		{"OpenHarmony", "HarmonyOS"},
		{"Android", "Android"},
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Windows", "Windows"},
		{"Mac OS X", "macOS"},
		{"CrOS", "ChromeOS"},
		{"Linux", "Linux"},
	}
)

// device names browser and system.
func device(agent string) string {
	var words []string
	for _, list := range [][][2]string{browsers, systems} {
		for _, mark := range list {
			if strings.Contains(agent, mark[0]) {
				words = append(words, mark[1])
				break
			}
		}
	}
	if len(words) == 0 {
		name, _, _ := strings.Cut(agent, "/")
		name = strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return r
			}
			return -1
		}, name)
		return strings.ToValidUTF8(name[:min(len(name), 40)], "")
	}
	return strings.Join(words, ", ")
}
