package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"heliograph/config"
)

// dump writes the configuration as YAML.
func dump(t *testing.T, b *strings.Builder, cfg *config.Config) {
	t.Helper()
	text, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(text)
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	path := beside(t, "testdata/good_secrets.yaml")
	cfg, err := config.Load(path, checkSample)
	if err != nil {
		t.Fatal(err)
	}
	var section sample
	if err := cfg.Targets[0].Decode(&section); err != nil {
		t.Fatal(err)
	}
	// fmt prints the unexported fields of a struct without asking their methods.
	unexported := struct{ inner config.Secret }{cfg.Redis.Password}
	if cfg.Redis.Password.Reveal() != canary || section.Token.Reveal() != canary || unexported.inner.Reveal() != canary {
		t.Fatal("the fixture holds no secret")
	}
	for _, value := range []any{cfg, *cfg, cfg.Targets, cfg.Targets[0], cfg.Listeners, cfg.Store, section, unexported, section.Token} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			mustHide(t, verb, fmt.Sprintf(verb, value))
		}
		if text, err := json.Marshal(value); err != nil {
			t.Error(err)
		} else {
			mustHide(t, "json", string(text))
		}
		if text, err := yaml.Marshal(value); err != nil {
			t.Error(err)
		} else {
			mustHide(t, "yaml", string(text))
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("loaded", "value", value)
		slog.New(slog.NewTextHandler(&log, nil)).Info("loaded", "value", value)
		mustHide(t, "slog", log.String())
	}
}

func mustHide(t *testing.T, how, text string) {
	t.Helper()
	hex := fmt.Sprintf("%x", canary)
	if strings.Contains(text, canary) || strings.Contains(text, hex) {
		t.Errorf("%s prints a secret: %s", how, text)
	}
}

func TestSecretPrintsAMark(t *testing.T) {
	t.Parallel()
	secret := config.NewSecret(canary)
	for _, got := range []string{secret.String(), secret.GoString(), secret.LogValue().String(), fmt.Sprintf("%d", secret)} {
		if got != "<secret>" {
			t.Errorf("got %q, want <secret>", got)
		}
	}
	if got := config.NewSecret("").String(); got != "" {
		t.Errorf("got %q for an empty secret, want nothing", got)
	}
	if !secret.Equal(config.NewSecret(canary)) || secret.Equal(config.NewSecret("hunter3")) {
		t.Error("Equal does not compare the values")
	}
}

func TestSecretSources(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(beside(t, "testdata/good_secrets.yaml"), checkSample)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{canary, canary, "pre-" + canary, "0123", "${no}$", canary} {
		if got := cfg.Listeners[i].Password.Reveal(); got != want {
			t.Errorf("listener %d: got password %q, want %q", i, got, want)
		}
	}
	if got, want := cfg.Store.URL.Reveal(), "postgres://u:"+canary+"@db:5432/mail"; got != want {
		t.Errorf("got store.url %q, want %q", got, want)
	}
}

// typed is a small file with secrets in each style.
const typed = `upstreams: [{name: m, smtp: {address: "127.0.0.1:25", tls: none}}]
listeners:
  - {protocol: smtp, address: ":25", tls: none, mode: relay, networks: [10.1.2.3], user: a, password: hunter2}
redis:
  address: "127.0.0.1:6379" # hunter2
  user: "b"
  password: "hunter2"
  db: 1
store: {url: 'postgres://u:hunter2@h/d'}
targets:
  - name: hook
    type: sample
    token: |
      hunter2
    headers: {X-Key: hunter2}
`

// TestTypingErrorsShowNoSecret makes every typing error of one character in a
// file with secrets and looks at what is printed.
func TestTypingErrorsShowNoSecret(t *testing.T) {
	t.Parallel()
	signs := []string{"", " ", ":", ",", `"`, "'", "{", "}", "[", "]", "#", "|", "\n", "\t", "x", "-", "&", "*", "!", "?", "$", "%", "\r", "<"}
	mistakes := 0
	for i := range len(typed) {
		for _, sign := range signs {
			rest := typed[i:]
			if sign == "" {
				rest = typed[i+1:] // the character is left out
			}
			_, err := config.Parse("typed.yaml", []byte(typed[:i]+sign+rest), checkSample)
			if err == nil {
				continue
			}
			mistakes++
			if got := err.Error(); strings.Contains(got, canary) {
				t.Errorf("%q at %d shows a secret:\n%s", sign, i, got)
			}
		}
	}
	if mistakes == 0 {
		t.Error("no edit was a mistake")
	}
}
