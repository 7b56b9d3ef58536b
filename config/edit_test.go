package config_test

import (
	"errors"
	"strings"
	"testing"

	"heliograph/config"
)

const edited = `# ours
data_dir: /var/lib   # here
mirror:
  workers: 4                       # parallel. 并行
  # about the next
  unmatched: create
targets:
  - name: crm                      # short
    type: builtin
    alarm: {lag: 1h, dead: 1}
  # the hook
  - name: hook
    type: webhook
    headers:
      - a
      - b
listeners:
- {protocol: smtp, address: ":587"}
- {protocol: imap, address: ":143"}
empty:
last: "x"
`

func TestEdit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change   config.Change
		from, to string // what is replaced in the text
	}{
		"a number":           {config.Change{Path: "mirror.workers", Value: 16.0}, "workers: 4                       #", "workers: 16                      #"},
		"a text":             {config.Change{Path: "data_dir", Value: "/srv/a b"}, "/var/lib   #", "\"/srv/a b\" #"},
		"in a list":          {config.Change{Path: "targets[0].name", Value: "main"}, "name: crm                      #", "name: main                     #"},
		"in brackets":        {config.Change{Path: "targets[0].alarm.dead", Value: 3.0}, "{lag: 1h, dead: 1}", `{"dead":3,"lag":"1h"}`},
		"a list":             {config.Change{Path: "targets[1].headers", Value: []any{"c"}}, "headers:\n      - a\n      - b\n", "headers: [\"c\"]\n"},
		"one more":           {config.Change{Path: "targets[1].headers", Op: config.OpAppend, Value: "c"}, "      - b\n", "      - b\n      - c\n"},
		"one less":           {config.Change{Path: "targets[1]", Op: config.OpRemove}, "  - name: hook\n    type: webhook\n    headers:\n      - a\n      - b\n", ""},
		"one of a flat list": {config.Change{Path: "listeners[0]", Op: config.OpRemove}, "- {protocol: smtp, address: \":587\"}\n", ""},
		"nothing":            {config.Change{Path: "mirror.unmatched"}, "unmatched: create", "unmatched:"},
		"a new key":          {config.Change{Path: "mirror.internal", Value: "mirror"}, "unmatched: create\n", "unmatched: create\n  internal: mirror\n"},
		"a new section":      {config.Change{Path: "log.level", Value: "debug"}, "last: \"x\"\n", "last: \"x\"\nlog: {\"level\":\"debug\"}\n"},
		"an empty section":   {config.Change{Path: "empty.a", Value: true}, "empty:\n", "empty: {\"a\":true}\n"},
		"a word like yes":    {config.Change{Path: "last", Value: "off"}, `last: "x"`, `last: "off"`},
		"signs":              {config.Change{Path: "last", Value: "a: #b \"c\"\n<d>"}, `"x"`, `"a: #b \"c\"\n<d>"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(edited, c.from) {
				t.Fatalf("%q is not in the text", c.from)
			}
			got, err := config.Edit([]byte(edited), []config.Change{c.change})
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Replace(edited, c.from, c.to, 1); string(got) != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestEditRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []config.Change{
		{Path: ""},
		{Path: "[0]"},
		{Path: "a[x]"},
		{Path: "targets[7].name", Value: "x"},
		{Path: "targets.name", Value: "x"},
		{Path: "data_dir.x", Value: "x"},
		{Path: "mirror", Op: config.OpAppend, Value: "x"},
	} {
		if got, err := config.Edit([]byte(edited), []config.Change{c}); err == nil {
			t.Errorf("%+v: got %s", c, got)
		} else if !errors.Is(err, config.ErrPath) && !errors.Is(err, config.ErrEdit) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}
