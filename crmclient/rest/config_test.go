package rest_test

import (
	"os"
	"strings"
	"testing"

	"heliograph/config"
	"heliograph/crmclient"
	"heliograph/crmclient/rest"
)

func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sample.yaml", "examples/nocode.yaml", "examples/request-tracker.yaml"} {
		open(t, example(t, name, ""), crmclient.Deps{Target: "x"})
	}
}

// TestMistakes: each mistake is found at load, by the name of its key.
func TestMistakes(t *testing.T) {
	t.Parallel()
	base := minimal("https://x.example", "")
	replaced := func(old, with string) string {
		if !strings.Contains(base, old) {
			t.Fatalf("%q is not in the section", old)
		}
		return strings.Replace(base, old, with, 1)
	}
	for name, c := range map[string]struct{ text, says string }{
		"no url":              {replaced("https://x.example", `""`), "url is missing"},
		"no operations":       {"url: https://x.example\n", "operations.log_email: it is missing"},
		"unknown key":         {base + "  log_mail: {path: /x}\n", "log_mail"},
		"unknown class":       {"errors: [{status: [400], class: fatal}]\n" + base, "fatal"},
		"rule without sense":  {"errors: [{class: retry}]\n" + base, "operations.find_contacts.errors[0]: it names no condition"},
		"status":              {"errors: [{status: [99], class: retry}]\n" + base, "99 is not a status"},
		"success":             {"success: [{path: $.code}]\n" + base, "success[0]: in, not_in"},
		"success path":        {"success: [{path: code, in: [0]}]\n" + base, "success[0].path: a path begins with $"},
		"message path":        {"message_path: msg\n" + base, "message_path"},
		"not repeatable":      {replaced("    idempotency_header: Idempotency-Key\n", ""), "operations.log_email: it is not safe to repeat"},
		"both":                {replaced("    idempotency_header: Idempotency-Key\n", "    idempotency_header: K\n    at_least_once: true\n"), "at_least_once is not needed"},
		"unique key unused":   {replaced(`{key: "{{ key }}"}`, "{}\n    unique_key: true"), "operations.log_email.unique_key"},
		"unknown value":       {replaced("{{ key }}", "{{ kee }}"), `operations.log_email.json: there is no value "kee"`},
		"value elsewhere":     {replaced("{{ address }}", "{{ subject }}"), `operations.find_contacts.query.email: there is no value "subject"`},
		"unknown transform":   {replaced("{{ key }}", "{{ key | kut 3 }}"), `unknown transform "kut"`},
		"unknown variable":    {replaced("{{ key }}", "{{ key }}{{ vars.x }}"), `no "x" under vars`},
		"unknown secret":      {replaced("{{ key }}", "{{ key }}{{ secret.x }}"), `no "x" under secrets`},
		"unknown table":       {replaced("{{ key }}", `{{ key | lookup \"x\" }}`), `no table "x" under lookups`},
		"path with query":     {replaced("/mails", "/mails?a=1"), "operations.log_email.path: '?'"},
		"path upwards":        {replaced("/mails", "/../mails"), `operations.log_email.path: ".."`},
		"path to a host":      {replaced("/mails", "//evil.example/mails"), "operations.log_email.path"},
		"method":              {replaced("/mails", "/mails\n    method: BREW"), "operations.log_email.method"},
		"get with body":       {replaced("/mails", "/mails\n    method: GET"), "a GET has no body"},
		"two bodies":          {replaced("/mails", "/mails\n    form: {a: b}"), "only one of json, form, multipart and text"},
		"raw text":            {replaced(`json: {key: "{{ key }}"}`, `text: "{{ key }}"`+"\n    content_type: text/plain"), "must end with one of"},
		"no content type":     {replaced(`json: {key: "{{ key }}"}`, `text: "{{ key | raw }}"`), "content_type"},
		"header name":         {replaced("/mails", "/mails\n    headers: {'a b': x}"), "is not the name of a header"},
		"own header":          {replaced("/mails", "/mails\n    headers: {content-length: x}"), "set by the gateway itself"},
		"no items":            {replaced("items: $.items, ", ""), "operations.find_contacts: result.items is missing"},
		"no id":               {replaced("id: $.id, ", ""), "operations.find_contacts: result.id is missing"},
		"items with steps":    {replaced("$.items", `"$.items | first"`), "a path without transforms"},
		"bad path":            {replaced("$.items", "$..items"), "operations.find_contacts.result.items"},
		"batch":               {replaced("path: /people", "path: /people\n    batch: 9"), "must use {{ addresses }}"},
		"paging unused":       {replaced("path: /people", "path: /people\n    paging: {kind: page}"), "paging.kind: the request uses neither"},
		"paging next":         {replaced("path: /people", "path: /people\n    paging: {kind: url}"), "paging.next: it is missing"},
		"paging size":         {replaced("path: /people", "path: /people\n    paging: {size: 5000}"), "paging.size"},
		"update by id":        {base + "  update_email: {method: PUT, path: '/m/{{ id }}', json: {}}\n", "operations.update_email: it needs the id"},
		"find without key":    {base + "  find_email: {path: /m, result: {items: $.i, id: $.id}}\n", "operations.find_email: the request does not use {{ key }}"},
		"parent unused":       {base + "  find_parent: {path: /m, result: {items: $.i, id: $.id}}\n", "find_parent and {{ parent.id }} belong together"},
		"user":                {base + "  assign_ticket: {path: '/t/{{ id }}', form: {o: '{{ user.id }}'}}\n", "needs the operation find_user"},
		"attach":              {base + "  create_ticket: {files: attach, path: /t, unique_key: true, json: {k: '{{ key }}'}, result: {id: $.id}}\n", "needs the operation attach_file"},
		"inline":              {base + "  create_ticket: {files: inline, path: /t, unique_key: true, json: {k: '{{ key }}'}, result: {id: $.id}}\n", "does not use {{ files }}"},
		"file mode":           {base + "  create_ticket: {files: all, path: /t}\n", `"all"`},
		"changes":             {base + "  changes: {path: /c, result: {items: $.i, id: $.id}}\n", "the request must use {{ since }}"},
		"changes cursor":      {base + "  changes: {path: /c, cursor: true, result: {items: $.i, id: $.id}}\n", "the request must use {{ cursor }}"},
		"conditions":          {base + "  query_records: {path: /c, conditions: {forms: {eq: \"{{ item.field }}='{{ item.value }}'\"}}, result: {items: $.i, id: $.id}}\n", "must be escaped"},
		"comparison":          {base + "  query_records: {path: /c, conditions: {forms: {like: x}}, result: {items: $.i, id: $.id}}\n", `"like" is not a comparison`},
		"needs":               {"needs: {x: [y]}\n" + base, "operation describe is missing"},
		"limits":              {"limits: {attachment_bytes: 1GB}\n" + base, "held in memory"},
		"auth key":            {"auth: {kind: api_key, header: X}\n" + base, "auth.key: it is missing"},
		"auth place":          {"auth: {kind: api_key, key: x}\n" + base, "auth.header"},
		"auth of another":     {"auth: {kind: bearer, token: abc, user: x}\n" + base, "auth.user: it does not belong"},
		"auth header":         {"auth: {kind: api_key, header: Host, key: x}\n" + base, "auth.header"},
		"auth line end":       {"auth: {kind: bearer, token: \"a\\nb\"}\n" + base, "auth.token"},
		"login value":         {"auth: {kind: token, login: {path: /l}}\n" + base, "auth.login.value"},
		"login template":      {"auth: {kind: token, login: {path: '/l/{{ subject }}', value: $.t}}\n" + base, "auth.login.path"},
		"sign without place":  {"auth: {kind: hmac, sign: {secret: abcd, text: '{{ body }}'}}\n" + base, "has {{ signature }}"},
		"sign without secret": {"auth: {kind: hmac, sign: {text: '{{ body }}', headers: {X: '{{ signature }}'}}}\n" + base, "auth.sign.secret"},
		"plain hash":          {"auth: {kind: hmac, sign: {algorithm: md5, secret: abcd, text: '{{ body }}', headers: {X: '{{ signature }}'}}}\n" + base, "{{ secret_key }}"},
		"token url":           {"auth: {kind: oauth2, token_url: 'ftp://x', client_id: a}\n" + base, "auth.token_url"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var cfg rest.Config
			err := config.NewSection(c.text).Decode(&cfg)
			if err == nil {
				err = cfg.Validate()
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			if _, err := rest.New(cfg, crmclient.Deps{}); err == nil && cfg.Validate() != nil {
				t.Error("New takes what Validate refuses")
			}
		})
	}
}

// FuzzSection: no section makes decoding, checking or building panic.
func FuzzSection(f *testing.F) {
	for _, name := range []string{"sample.yaml", "examples/nocode.yaml", "examples/request-tracker.yaml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(minimal("https://x.example", ""))
	f.Fuzz(func(t *testing.T, text string) {
		var cfg rest.Config
		if config.NewSection(text).Decode(&cfg) != nil || cfg.CAFile != "" {
			return
		}
		c, err := rest.New(cfg, crmclient.Deps{})
		if err != nil {
			return
		}
		if err := c.(interface{ Close() error }).Close(); err != nil {
			t.Error(err)
		}
	})
}
