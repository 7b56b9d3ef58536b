package config_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"heliograph/config"
)

func TestExampleLoads(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(beside(t, "example.yaml"), checkSample)
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Warnings(); len(got) != 0 {
		t.Errorf("got warnings %q, want none", got)
	}
	if len(cfg.Capture.Accounts) == 0 {
		t.Error("the example shows no exception of capture")
	}
	cfg.Capture.Accounts = nil // by default there is none
	if len(cfg.Privacy.Groups) == 0 || len(cfg.Privacy.Rules) == 0 || len(cfg.Privacy.Masking) == 0 {
		t.Error("the example shows no group, rule or masking")
	}
	cfg.Privacy.Groups, cfg.Privacy.Rules, cfg.Privacy.Masking = nil, nil, nil
	if len(cfg.Matching.Rules) == 0 {
		t.Error("the example shows no exception of matching")
	}
	cfg.Matching.Rules = nil
	bare := parse(t, "upstreams: [{name: a, smtp: {address: \"127.0.0.1:25\", tls: none}}]"+plainListener)
	// The example shows the defaults.
	for _, pair := range [][2]any{
		{cfg.DataDir, bare.DataDir},
		{cfg.Store.URL.Reveal(), bare.Store.URL.Reveal()},
		{cfg.Journal, bare.Journal},
		{cfg.Capture, bare.Capture},
		{cfg.Privacy, bare.Privacy},
		{cfg.Customers, bare.Customers},
		{cfg.Contacts, bare.Contacts},
		{cfg.Matching, bare.Matching},
		{cfg.Outbox, bare.Outbox},
		{cfg.Limits, bare.Limits},
		{cfg.Console, bare.Console},
		{cfg.Log, bare.Log},
		{cfg.Mirror.Workers, bare.Mirror.Workers},
		{cfg.Mirror.MaxAttempts, bare.Mirror.MaxAttempts},
		{cfg.Mirror.Unmatched, bare.Mirror.Unmatched},
		{cfg.Upstreams[0].SMTP.Timeout, bare.Upstreams[0].SMTP.Timeout},
		{cfg.Listeners[0].BareLF, bare.Listeners[0].BareLF},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("got %+v in the example, want the default %+v", pair[0], pair[1])
		}
	}
}

// TestExampleNamesEveryKey reads the example with its commented sections
// switched on, and looks up each key of the structs.
func TestExampleNamesEveryKey(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	commented := regexp.MustCompile(`(?m)^ *# (?:redis|notifiers|watch|senders|related|lists|tables|phrases|webhooks|calls|roles|oidc):(?:\n *#   .*)*`)
	marks := regexp.MustCompile(`(?m)^( *)# `)
	text = commented.ReplaceAllFunc(text, func(section []byte) []byte { return marks.ReplaceAll(section, []byte("$1")) })
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	collect(tree, "", seen)
	var missing []string
	walkKeys(reflect.TypeFor[config.Config](), "", func(path string, secret bool) {
		if !seen[path] && !(secret && seen[path+"_file"]) {
			missing = append(missing, path)
		}
	})
	if len(missing) > 0 {
		t.Errorf("example.yaml does not name %s", strings.Join(missing, ", "))
	}
}

func TestExampleNamesEveryPreset(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(text))
	seen := map[string]bool{}
	for _, word := range words {
		seen[word] = true
	}
	for _, name := range config.PresetNames() {
		if !seen[name] {
			t.Errorf("example.yaml does not name the provider %s", name)
		}
	}
}

func collect(node any, path string, seen map[string]bool) {
	switch n := node.(type) {
	case map[string]any:
		for key, value := range n {
			at := strings.TrimPrefix(path+"."+key, ".")
			seen[at] = true
			collect(value, at, seen)
		}
	case []any:
		for _, value := range n {
			collect(value, path, seen)
		}
	}
}

// walkKeys calls found for the path of every yaml key inside a type.
func walkKeys(typ reflect.Type, path string, found func(path string, secret bool)) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ.PkgPath() != reflect.TypeFor[config.Config]().PkgPath() {
		return
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		key := f.Tag.Get("yaml")
		if !f.IsExported() || key == "-" || key == "" {
			continue
		}
		at := strings.TrimPrefix(path+"."+key, ".")
		found(at, f.Type == reflect.TypeFor[config.Secret]())
		walkKeys(f.Type, at, found)
	}
}
