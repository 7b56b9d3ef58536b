package catalog_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/catalog"
	"heliograph/internal/limit"
	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func target(kind, section string) config.Target {
	return config.Target{Name: "crm", Type: kind, Section: config.NewSection(section)}
}

// Every connector has a folder with a sample that is valid, names its type, and opens without the network.
func TestSamples(t *testing.T) {
	t.Parallel()
	if !slices.IsSorted(catalog.Types()) {
		t.Errorf("the table is not sorted: %v", catalog.Types())
	}
	db := storetest.SQLite(t)
	for _, name := range catalog.Types() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(filepath.Join("..", name, "sample.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(raw), "\ntype: "+name+"\n") {
				t.Errorf("the sample does not say type: %s", name)
			}
			s := target(name, string(raw))
			if err := catalog.Validate(s); err != nil {
				t.Fatal(err)
			}
			c, err := catalog.New(s, catalog.Deps{Store: db, UserAgent: "heliograph", Limiter: limit.NewMemory(limit.MemoryOptions{})})
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := c.(crmclient.Checker); !ok {
				t.Error("the connector cannot be checked")
			}
			if closer, ok := c.(io.Closer); ok {
				if err := closer.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		kind, section string
		want          []string
	}{
		"unknown type":      {"salesfork", "", []string{`"salesfork"`, "builtin, ", "webhook"}},
		"unknown key":       {"webhook", "url: http://127.0.0.1:1\nurk: x\n", []string{"urk"}},
		"no url":            {"webhook", "timeout: 5s\n", []string{"url is missing"}},
		"all at once":       {"webhook", "url: ftp://x\nsecret: whsec_x\nmax_concurrent: -1\n", []string{"url:", "secret:", "max_concurrent"}},
		"wrong type":        {"webhook", "url: http://127.0.0.1:1\ntimeout: soon\n", []string{"timeout"}},
		"stage given twice": {"builtin", "stages: [a, a]\n", []string{`"a" is there twice`}},
		"bad currency":      {"builtin", "currency: yuan\n", []string{"yuan"}},
		"section for none":  {"builtin", "url: http://127.0.0.1:1\n", []string{"url"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := catalog.Validate(target(c.kind, c.section))
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("got %v, want %q in it", err, w)
				}
			}
			if _, err := catalog.New(target(c.kind, c.section), catalog.Deps{Store: storetest.SQLite(t)}); err == nil {
				t.Error("New: no error")
			}
		})
	}
}

func TestSecretsStayOutOfMistakes(t *testing.T) {
	t.Parallel()
	section := "url: ftp://user:hunter2@x/s3cr3tpath\nsecret: whsec_hunter2\nheaders:\n  Authorization: \"Bearer hunter2\"\n  Bad Name: hunter2\nunknown: 1\n"
	err := catalog.Validate(target("webhook", section))
	if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "s3cr3tpath") {
		t.Errorf("got %v", err)
	}
}

func TestBuiltinNeedsTheStore(t *testing.T) {
	t.Parallel()
	if _, err := catalog.New(target("builtin", ""), catalog.Deps{}); err == nil {
		t.Error("no error")
	}
}
