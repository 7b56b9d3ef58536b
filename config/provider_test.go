package config_test

import (
	"net"
	"slices"
	"testing"

	"heliograph/config"
)

func TestPresets(t *testing.T) {
	t.Parallel()
	owner := map[string]string{}
	for _, name := range config.PresetNames() {
		p, ok := config.LookupPreset(name)
		if !ok || p.Name != name {
			t.Errorf("%s: got preset %q, %v", name, p.Name, ok)
		}
		for _, domain := range p.Domains {
			if other, taken := owner[domain]; taken {
				t.Errorf("%s belongs to %s and %s", domain, other, name)
			}
			owner[domain] = name
		}
		for _, e := range []config.Endpoint{p.SMTP, p.IMAP} {
			if e.TLS != config.TLSImplicit && e.TLS != config.TLSStartTLS {
				t.Errorf("%s: got tls %q, want an encrypted mode", name, e.TLS)
			}
			if e.Address == "" {
				continue // an own server
			}
			_, port, err := net.SplitHostPort(e.Address)
			if err != nil || (e.TLS == config.TLSImplicit) == (port == "587") {
				t.Errorf("%s: got %s with tls %s, %v", name, e.Address, e.TLS, err)
			}
		}
	}
}

func TestPresetFacts(t *testing.T) {
	t.Parallel()
	fact := func(name string) config.Preset {
		p, ok := config.LookupPreset(name)
		if !ok {
			t.Fatalf("no preset %s", name)
		}
		return p
	}
	if !fact("163").NeedsID || !fact("qiye163-hangzhou").NeedsID || fact("qq").NeedsID {
		t.Error("NetEase needs ID, others do not")
	}
	if !fact("139").LegacyTLS || fact("163").LegacyTLS {
		t.Error("only 139 has old ciphers")
	}
	if !fact("gmail").StoresSent || !fact("microsoft365-china").StoresSent || fact("yahoo").StoresSent {
		t.Error("Google and Microsoft store the sent copy, others do not")
	}
	if !fact("outlook").OAuthOnly || fact("exmail").OAuthOnly {
		t.Error("only Outlook.com refuses all passwords")
	}
	if !fact("qq").Public() || fact("exmail").Public() {
		t.Error("strangers have mailboxes at qq, not at exmail")
	}
	if _, ok := config.LookupPreset(""); ok {
		t.Error("the empty name has a preset")
	}
}

func TestPresetKeepsWhatTheFileSays(t *testing.T) {
	t.Parallel()
	cfg := parse(t, `
upstreams:
  - {name: a, provider: qq, domains: [example.com], smtp: {address: "smtp.qq.com:587"}}
  - {name: b, provider: qq, smtp: {tls: starttls}}
  - {name: c, provider: dovecot, domains: [example.org], smtp: {address: "mx.example.org:2525"}, imap: {address: "mx.example.org:1143"}}
`+plainListener)
	want := []config.Endpoint{
		{Address: "smtp.qq.com:587", TLS: config.TLSStartTLS},
		{Address: "smtp.qq.com:465", TLS: config.TLSStartTLS},
		{Address: "mx.example.org:2525", TLS: config.TLSStartTLS},
	}
	for i, u := range cfg.Upstreams {
		if u.SMTP.Address != want[i].Address || u.SMTP.TLS != want[i].TLS {
			t.Errorf("%s: got %s %s, want %s %s", u.Name, u.SMTP.Address, u.SMTP.TLS, want[i].Address, want[i].TLS)
		}
	}
	if got := cfg.Upstreams[2].IMAP.TLS; got != config.TLSImplicit {
		t.Errorf("got imap tls %q, want implicit", got)
	}
}

const plainListener = `
listeners:
  - {protocol: smtp, address: "127.0.0.1:0", tls: none, allow_plaintext_auth: true}
`

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestInternalDomains(t *testing.T) {
	t.Parallel()
	cfg := parse(t, `
upstreams:
  - {name: a, provider: qq}
  - {name: b, domains: [Example.com, gmail.com], smtp: {address: "mx.example.com:587"}}
mirror: {internal_domains: [Example.org, 163.com]}
`+plainListener)
	want := []string{"163.com", "example.com", "example.org"}
	if got := cfg.InternalDomains(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOnlyUpstreamIsTheDefault(t *testing.T) {
	t.Parallel()
	cfg := parse(t, `
upstreams: [{name: a, smtp: {address: "127.0.0.1:25", tls: none}}]
listeners:
  - {protocol: smtp, address: "127.0.0.1:0", tls: none, mode: queue, networks: ["127.0.0.1"]}
`)
	if !cfg.Upstreams[0].Default {
		t.Error("the only upstream without domains is not the default")
	}
	if got := cfg.Listeners[0].Upstream; got != "a" {
		t.Errorf("got upstream %q for the queue listener, want a", got)
	}
	if got := cfg.Warnings(); len(got) != 0 {
		t.Errorf("got warnings %q, want none", got)
	}
}

func TestPrivateUpstreamsMayBePlain(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost", "10.2.3.4", "[fd00::1]", "postfix", "mx.corp.internal"} {
		parse(t, `upstreams: [{name: a, smtp: {address: "`+host+`:25", tls: none}}]`+plainListener)
	}
}
