package deploy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/crmclient/catalog"
	shipped "heliograph/deploy/rules"
	ruleset "heliograph/hooks/rules"
	"heliograph/internal/gateway"
)

// surroundings are the names in the configuration that the README of the rules shows.
func surroundings(t *testing.T) ruleset.Surroundings {
	t.Helper()
	readme, err := os.ReadFile("rules/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(readme), "```yaml\n")
	block, _, closed := strings.Cut(block, "```")
	if !ok || !closed {
		t.Fatal("the README shows no configuration")
	}
	dir := t.TempDir()
	const rest = `
data_dir: data
upstreams: [{name: company, domains: [example.com], default: true, smtp: {address: "mx.example.com:587"}, imap: {address: "mx.example.com:993"}}]
listeners: [{protocol: smtp, address: "127.0.0.1:2587", tls: none, allow_plaintext_auth: true}]
console: {public_url: "https://gw.example.com"}
`
	for _, name := range secretFile.FindAllStringSubmatch(block, -1) {
		path := filepath.Join(dir, name[1])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("https://chat.example.com/robot"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "config.yaml")
	block = variable.ReplaceAllString(block, "a-secret-of-the-test")
	cfg, err := config.Parse(file, []byte(rest+block), catalog.Validate)
	if err != nil {
		t.Fatal(err)
	}
	s, err := gateway.Surroundings(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var variable = regexp.MustCompile(`\$\{[A-Z_]+\}`)

var secretFile = regexp.MustCompile(`_file: ([a-z/-]+)`)

// TestShippedRules publishes nothing, but finds that everything could be: no problem, not even a warning, and all tests inside pass.
func TestShippedRules(t *testing.T) {
	t.Parallel()
	around := surroundings(t)
	files, err := fs.Glob(shipped.Files, "*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	readme, err := os.ReadFile("rules/README.md")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	scenarios := map[string]bool{}
	for _, file := range files {
		text, err := fs.ReadFile(shipped.Files, file)
		if err != nil {
			t.Fatal(err)
		}
		r, err := ruleset.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if other := ids[r.ID]; other != "" {
			t.Errorf("%s and %s have the id %s", file, other, r.ID)
		}
		ids[r.ID] = file
		scenarios[file[:2]] = true
		if !strings.Contains(string(readme), "`"+file+"`") {
			t.Errorf("the README does not list %s", file)
		}
		for _, p := range ruleset.Check(r, around) {
			t.Errorf("%s: %s", file, p)
		}
		fires := map[bool]int{}
		for _, test := range r.Tests {
			fires[test.Fires]++
		}
		if fires[true] == 0 || len(r.Tests) < 3 {
			t.Errorf("%s has %d tests, %d of them fire", file, len(r.Tests), fires[true])
		}
		for _, p := range ruleset.RunTests(t.Context(), r, around) {
			t.Errorf("%s: %s", file, p)
		}
	}
	if len(scenarios) != 11 {
		t.Errorf("there are %d scenarios, want 11", len(scenarios))
	}
}
