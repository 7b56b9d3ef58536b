package onboard

import (
	"net"
	"net/http"
	"strings"
	"time"

	"heliograph/internal/limit"
)

// Patterns are the paths that the handler serves, for http.ServeMux. Outlook spells its own in several ways.
func (b *Book) Patterns() []string {
	return []string{
		"/.well-known/autoconfig/mail/config-v1.1.xml", "/mail/config-v1.1.xml",
		"/autodiscover/", "/Autodiscover/", "/AutoDiscover/", "/AUTODISCOVER/", profilePath,
	}
}

// strangers is how often one address may ask: an office behind one address sets up its programs on one morning.
var strangers = limit.Rate{Count: 120, Per: time.Minute}

// ServeHTTP answers mail programs.
func (b *Book) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !b.o.Config.Enabled {
		http.NotFound(w, r)
		return
	}
	if b.o.Limiter != nil {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		if d, err := b.o.Limiter.Allow(r.Context(), "onboard:"+host, strangers, 1); err == nil && !d.Allowed {
			w.Header().Set("Retry-After", "60")
			http.Error(w, "too many questions, try again in a minute", http.StatusTooManyRequests)
			return
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch path := strings.ToLower(r.URL.Path); {
	case strings.HasSuffix(path, "/config-v1.1.xml") && get:
		b.autoconfig(w, r)
	case path == "/autodiscover/autodiscover.xml" && r.Method == http.MethodPost:
		b.autodiscoverXML(w, r)
	case (path == "/autodiscover/autodiscover.json" || strings.HasPrefix(path, "/autodiscover/autodiscover.json/v1.0/")) && get:
		b.autodiscoverJSON(w, r)
	case path == profilePath && get:
		b.profile(w, r)
	case path == "/autodiscover/autodiscover.xml":
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST a request of autodiscover here", http.StatusMethodNotAllowed)
	case get:
		http.NotFound(w, r)
	default:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET is possible here", http.StatusMethodNotAllowed)
	}
}
