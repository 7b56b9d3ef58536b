package config_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"heliograph/config"
)

func TestKeysNameEveryKey(t *testing.T) {
	t.Parallel()
	known := map[string]config.Key{}
	for _, k := range config.Keys() {
		known[strings.ReplaceAll(k.Path, "[]", "")] = k
	}
	walkKeys(reflect.TypeFor[config.Config](), "", func(path string, secret bool) {
		k, ok := known[path]
		if !ok {
			t.Errorf("%s is missing", path)
		} else if secret != (k.Kind == config.KindSecret) {
			t.Errorf("%s is of kind %s", path, k.Kind)
		}
	})
	workers := known["mirror.workers"]
	if workers.Kind != config.KindInteger || workers.Default != 4 || workers.Restart || !strings.Contains(workers.Doc, "messages read at once") {
		t.Errorf("got %+v", workers)
	}
	keep := known["console.audit_keep"]
	if keep.Kind != config.KindDuration || keep.Default != "730d" || !keep.Restart || !strings.Contains(keep.DocZH, "审计") {
		t.Errorf("got %+v", keep)
	}
	if tls := known["listeners.tls"]; !slices.Contains(tls.Enum, "starttls") {
		t.Errorf("got %+v", tls)
	}
	var bare []string
	for _, k := range config.Keys() {
		if k.Doc == "" && k.DocZH == "" {
			bare = append(bare, k.Path)
		}
	}
	if len(bare) > len(known)/2 {
		t.Errorf("%d of %d keys are without a text: %v", len(bare), len(known), bare)
	}
}

func TestDescribeHidesSecrets(t *testing.T) {
	t.Parallel()
	const text = `upstreams:
  - {name: a, smtp: {address: "127.0.0.1:25", tls: none}}
listeners:
  - protocol: smtp
    address: "127.0.0.1:2525"
    tls: none
    mode: relay
    networks: [127.0.0.1]
    user: relay
    password: hunter2
store: {url: "postgres://u:hunter2@db/x"}
notifiers:
  - {name: ops, type: webhook, url: "https://chat.example/hunter2", proxy: "http://u:hunter2@proxy:3128"}
`
	cfg, err := config.Parse("config.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	list, err := config.Describe(cfg, "config.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "hunter2") {
		t.Errorf("a secret is in %s", out)
	}
	i := slices.IndexFunc(list, func(s config.Setting) bool { return s.At == "listeners[0].password" })
	if i < 0 || !list[i].Set || list[i].From != "inline" || list[i].Value != nil {
		t.Fatalf("got %d of %d", i, len(list))
	}
	i = slices.IndexFunc(list, func(s config.Setting) bool { return s.At == "listeners[0].user" })
	if i < 0 || list[i].Value != "relay" || list[i].Line != 9 {
		t.Errorf("got %+v", list[max(i, 0)])
	}
}
