package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layers name, from top to bottom, who may import whom: a package imports only packages
// of lower layers, or of its own where that layer says so. The first match counts.
var layers = []struct {
	packages []string // path below the module; "/..." takes all below it
	among    bool     // packages of this layer may import each other
}{
	{packages: []string{"cmd/...", "deploy", "internal/console/api/asjson"}},
	{packages: []string{"internal/demo", "internal/bench", "internal/gateway/office", "internal/gateway/scenarios"}},
	{packages: []string{"internal/gateway"}},
	{packages: []string{"internal/gateway/actions"}},
	{packages: []string{"internal/console", "crmclient/catalog"}},
	{packages: []string{
		"internal/console/api/mail", "internal/console/api/automation", "internal/console/api/operations", "internal/console/api/administration",
		"internal/console/api/exchange",
	}},
	{packages: []string{"internal/console/audit", "internal/console/live"}},
	{packages: []string{"internal/console/api", "internal/console/onboard", "internal/console/ui"}},
	{packages: []string{"internal/console/access", "hooks/archive/archivetest"}},
	{packages: []string{"proxy/smtpd", "proxy/imapd", "proxy/imapd/transparency", "proxy/backfill", "proxy/watch", "internal/customerbox", "hooks/mirror", "hooks/automail", "hooks/rules", "hooks/archive"}},
	{packages: []string{"proxy/upstream", "hooks/automail/compose"}},
	{packages: []string{"proxy", "hooks", "hooks/archive", "hooks/changes", "hooks/contacts", "hooks/mirror/scope", "hooks/rules/condition", "hooks/rules/extract", "hooks/rules/classify"}},
	{packages: []string{
		"crmclient/builtin", "crmclient/webhook", "crmclient/file", "crmclient/rest", "crmclient/salesforce", "crmclient/dynamics", "crmclient/freshsales",
		"crmclient/zoho", "crmclient/hubspot", "crmclient/pipedrive", "crmclient/jiandaoyun", "crmclient/fxiaoke", "crmclient/neocrm",
		"crmclient/kingdee", "crmclient/yonyou", "crmclient/odoo", "crmclient/espocrm", "crmclient/suitecrm", "crmclient/twenty",
	}},
	{packages: []string{"crmclient/upload"}},
	{packages: []string{"crmclient/fieldmap", "crmclient/export", "crmclient/lookback", "crmclient/cursor"}},
	{packages: []string{"internal/journal", "internal/accounts", "internal/tables"}},
	{packages: []string{"internal/journal/segment", "internal/queue", "internal/message", "internal/limit", "internal/pace", "internal/pause", "internal/notify", "internal/oauth", "crmclient"}, among: true},
	{packages: []string{"internal/calendar", "internal/report"}},
	{packages: []string{"internal/store/...", "internal/uidset", "proxy/imapd/scan", "proxy/socket"}, among: true},
	{packages: []string{"internal/sandbox", "internal/tablefile", "internal/decimal"}},
	{packages: []string{"config", "deploy/rules"}},
}

// never are imports that no layer allows: the two halves meet in the journal only.
var never = []struct{ from, to string }{
	{"proxy", "hooks"},
	{"proxy", "crmclient"},
	{"hooks", "proxy/smtpd"},
	{"hooks", "proxy/imapd"},
	{"hooks/mirror", "proxy"},
	{"crmclient", "hooks"},
	{"crmclient", "proxy"},
	{"hooks/rules", "crmclient"},
	{"hooks/rules", "internal/journal"},
	{"config", ""},
}

const module = "heliograph"

type pkg struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func layerOf(path string) int {
	for i, l := range layers {
		for _, p := range l.packages {
			if path == p || strings.HasSuffix(p, "/...") && (path+"/...") == p || strings.HasSuffix(p, "...") && strings.HasPrefix(path, strings.TrimSuffix(p, "...")) {
				return i
			}
		}
	}
	return -1
}

func isTestKit(path string) bool {
	return strings.HasSuffix(path, "test") && path != "test" // mailtest, storetest, crmtest, journaltest
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		if isTestKit(from) {
			continue
		}
		fl := layerOf(from)
		if fl < 0 {
			t.Errorf("%s has no layer: give it a place in this table", from)
			continue
		}
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module+"/")
			if !ours {
				continue
			}
			if isTestKit(to) {
				t.Errorf("%s imports the test kit %s", from, to)
			}
			if tl := layerOf(to); tl < fl || tl == fl && !layers[fl].among {
				t.Errorf("%s imports %s, which stands above or beside it", from, to)
			}
			for _, n := range never {
				if within(from, n.from) && within(to, n.to) {
					t.Errorf("%s imports %s: %s never imports %s", from, to, n.from, n.to)
				}
			}
		}
	}
}

func within(path, dir string) bool {
	return dir == "" || path == dir || strings.HasPrefix(path, dir+"/")
}

// The top level is fixed, so that a newcomer knows where to look.
func TestTopLevel(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"cmd", "proxy", "hooks", "crmclient", "config", "deploy", "internal", "go.mod", "go.sum", "README.md", "Makefile", "LICENSE", "CHANGELOG.md",
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("git", "-C", root, "ls-files").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for f := range strings.FieldsSeq(string(out)) {
		top, _, _ := strings.Cut(f, "/")
		if _, err := os.Stat(filepath.Join(root, top)); err == nil && !strings.HasPrefix(top, ".") && !slices.Contains(allowed, top) {
			t.Errorf("%s does not belong on the top level", top)
		}
	}
}
