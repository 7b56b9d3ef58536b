package rest_test

import (
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/crmtest"
	"heliograph/crmclient/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// examples are the decoded examples by name: each is read once.
var examples sync.Map

// example returns one of the documented examples, with another URL.
func example(t *testing.T, name, url string) rest.Config {
	t.Helper()
	cfg, ok := examples.Load(name)
	if !ok {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		cfg = section(t, string(text))
		examples.Store(name, cfg)
	}
	out := cfg.(rest.Config)
	if url != "" {
		out.URL = url
	}
	return out
}

// section decodes a section.
func section(t *testing.T, text string) rest.Config {
	t.Helper()
	var cfg rest.Config
	if err := config.NewSection(text).Decode(&cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func open(t *testing.T, cfg rest.Config, d crmclient.Deps) crmclient.Client {
	t.Helper()
	c, err := rest.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.(interface{ Close() error }).Close() })
	return c
}

func TestNoCodeConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, crmtest.Subject{
		Fake: func(t *testing.T) crmtest.Fake { return newFormo(t) },
		New: func(t *testing.T, _ crmtest.Fake, c crmtest.Connection) crmclient.Client {
			cfg := example(t, "examples/nocode.yaml", c.URL+formoBase)
			cfg.Timeout = config.Duration(c.Timeout)
			return open(t, cfg, crmclient.Deps{Target: "nocode", Logger: c.Logger})
		},
		Secrets: []string{formoSecret},
		Faults: []crmtest.Fault{
			{Name: "bad signature", Class: crmclient.ClassAuth, Serve: formoError(40101)},
			{Name: "no permission", Class: crmclient.ClassAuth, Serve: formoError(40301)},
			{Name: "too often", Class: crmclient.ClassRate, Serve: formoError(42901)},
			{Name: "unknown field", Class: crmclient.ClassConfiguration, Serve: formoError(40001)},
			{Name: "busy", Class: crmclient.ClassRetry, Serve: formoError(50000)},
			{Name: "unknown code", Class: crmclient.ClassRetry, Serve: formoError(12345)},
			{Name: "web page", Class: crmclient.ClassRetry, Serve: func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte("<html>log in"))
			}},
		},
	})
}

func formoError(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer(w, code, "refused "+strings.Join(r.Header.Values("X-Sign"), ""), map[string]any{"retry_after": 17})
	}
}
