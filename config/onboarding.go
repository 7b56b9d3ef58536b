package config

import (
	"net"
	"net/mail"
	"strconv"
	"strings"
)

// Onboarding is what mail programs are told of the gateway: autoconfig, autodiscover and profiles, without a login. Ports and TLS are those
// of the listeners that take people's mail.
type Onboarding struct {
	Enabled bool   `yaml:"enabled"`
	Name    string `yaml:"name"` // what the service is called; empty: Heliograph
	// Domains are those of the addresses that are answered for. Empty: those of the upstreams.
	Domains []string `yaml:"domains"`
	// IMAPHost and SMTPHost are the public names, host or host:port. Empty: the hostname of the listener, or the host of public_url. A
	// port counts for the first listener of the protocol, where others reach it by another port than its own.
	IMAPHost string `yaml:"imap_host"`
	SMTPHost string `yaml:"smtp_host"`
	Support  string `yaml:"support"` // mail address or https:// address of people who help
}

// Exchange bounds what people upload and download.
type Exchange struct {
	UploadBytes Bytes    `yaml:"upload_bytes"`
	UploadRows  int      `yaml:"upload_rows"`
	ExportRows  int      `yaml:"export_rows"`
	KeepExports Duration `yaml:"keep_exports"`
	KeepUploads Duration `yaml:"keep_uploads"`
}

func (v *validator) onboarding() {
	o := &v.cfg.Console.Onboarding
	v.domains("console.onboarding.domains", o.Domains)
	for path, host := range map[string]string{"console.onboarding.imap_host": o.IMAPHost, "console.onboarding.smtp_host": o.SMTPHost} {
		name, port, err := net.SplitHostPort(host)
		if err != nil {
			name, port = host, "1"
		}
		n, err := strconv.Atoi(port)
		if host != "" && (err != nil || n < 1 || n > 65535 || name == "" || strings.ContainsAny(name, "/@: ") || !strings.Contains(name, ".") && name != "localhost") {
			v.bad(path, quote(host)+" is not the name of a server", "Write mail.example.com, or mail.example.com:993.")
		}
	}
	if s := o.Support; s != "" && !strings.HasPrefix(s, "https://") {
		if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
			v.bad("console.onboarding.support", quote(s)+" is neither a mail address nor an https address", "Write help@example.com, or leave it empty.")
		}
	}
}

func (v *validator) exchange() {
	x := v.cfg.Console.Exchange
	if x.UploadBytes <= 0 || x.UploadBytes > 1<<30 {
		v.bad("console.exchange.upload_bytes", "must be above zero, and 1GB at most", "Write 50MB, for example.")
	}
	v.atLeast("console.exchange.upload_rows", x.UploadRows, 1)
	v.atLeast("console.exchange.export_rows", x.ExportRows, 1)
	for path, d := range map[string]Duration{"console.exchange.keep_exports": x.KeepExports, "console.exchange.keep_uploads": x.KeepUploads} {
		if d <= 0 {
			v.bad(path, "must be above zero", "Write 1d, for example.")
		}
	}
}
