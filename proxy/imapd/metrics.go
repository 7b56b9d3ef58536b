package imapd

import (
	"errors"
	"fmt"

	"heliograph/proxy/upstream"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the counters of the IMAP front. Every label has a closed set of values.
type metrics struct {
	sessions  prometheus.Gauge
	logins    *prometheus.CounterVec
	commands  *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	upstreams *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "heliograph", Subsystem: "imap", Name: name, Help: help}
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), []string{label})
	}
	m := &metrics{
		sessions:  prometheus.NewGauge(prometheus.GaugeOpts(opts("sessions", "IMAP sessions that are open."))),
		logins:    vec("logins_total", "Logins by outcome: ok, refused, temporary, limited, cancelled, upstream_error.", "outcome"),
		commands:  vec("commands_total", "Commands of clients before the login by verb.", "verb"),
		refusals:  vec("refusals_total", "What the gateway itself refused: framing, starttls_injection, plaintext, commands, timeout.", "reason"),
		upstreams: vec("upstream_errors_total", "Failures of upstreams by class.", "class"),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.sessions, m.logins, m.commands, m.refusals, m.upstreams} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metric: %w", err)
		}
	}
	return m, nil
}

// The outcomes of a login.
const (
	loginOK        = "ok"
	loginRefused   = "refused"   // wrong credentials: counted against address and user
	loginTemporary = "temporary" // the upstream refused it for another reason
	loginLimited   = "limited"   // too many failures before: it was not forwarded
	loginCancelled = "cancelled" // by the client
	loginBroken    = "upstream_error"
)

// The reasons of refusals.
const (
	refusedFraming   = "framing"            // readers could disagree about the bytes
	refusedInjection = "starttls_injection" // bytes behind STARTTLS in clear
	refusedPlaintext = "plaintext"          // a login before TLS
	refusedCommands  = "commands"           // too many before the login
	refusedTimeout   = "timeout"            // too slow before the login
)

// verbs are those that are counted by name before the login.
var verbs = map[string]bool{
	"CAPABILITY": true, "NOOP": true, "LOGOUT": true, "ID": true, "STARTTLS": true, "LOGIN": true, "AUTHENTICATE": true,
}

func (m *metrics) command(verb string) {
	if !verbs[verb] {
		verb = "other"
	}
	m.commands.WithLabelValues(verb).Inc()
}

func (m *metrics) login(outcome string)  { m.logins.WithLabelValues(outcome).Inc() }
func (m *metrics) refused(reason string) { m.refusals.WithLabelValues(reason).Inc() }

func (m *metrics) upstreamError(err error) {
	class := "other"
	var dialled *upstream.Error
	var talked *upstreamError
	switch {
	case errors.As(err, &dialled):
		class = string(dialled.Class)
	case errors.As(err, &talked):
		class = string(talked.class())
	}
	m.upstreams.WithLabelValues(class).Inc()
}
