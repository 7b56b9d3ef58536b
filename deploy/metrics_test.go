package deploy_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"heliograph/config"
	"heliograph/crmclient/catalog"
	"heliograph/internal/gateway"
	"heliograph/internal/mailtest"

	"github.com/prometheus/client_golang/prometheus"
)

// metric is what a registry tells of one. The kind is empty where no sample told it.
type metric struct {
	labels []string
	kind   string
}

type metricSet map[string]metric

// everything has each part that brings metrics.
const everything = `
data_dir: data
tls: {cert_file: %q, key_file: %q}
upstreams: [{name: main, domains: [example.com], smtp: {address: "127.0.0.1:1", tls: none}, imap: {address: "127.0.0.1:1", tls: none}}]
listeners:
  - {protocol: smtp, address: "127.0.0.1:0", tls: starttls}
  - {protocol: smtp, address: "127.0.0.1:0", tls: none, mode: queue, networks: [127.0.0.0/8]}
  - {protocol: imap, address: "127.0.0.1:0", tls: starttls}
  - {protocol: imap, address: "127.0.0.1:0", tls: starttls, mode: customers}
targets: [{name: crm, type: builtin}, {name: hook, type: webhook, url: "http://127.0.0.1:1/", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}]
notifiers: [{name: ops, type: slack, url: "http://127.0.0.1:1/"}]
redis: {address: "127.0.0.1:1"}
console: {address: "127.0.0.1:0"}
`

var description = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: ".*", constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

// metrics asks a gateway for the names of all its metrics.
func metrics(t *testing.T) metricSet {
	t.Helper()
	certs := mailtest.TLS(t)
	cfg, err := config.Parse(filepath.Join(t.TempDir(), "config.yaml"), fmt.Appendf(nil, everything, certs.CertFile, certs.KeyFile), catalog.Validate)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DataDir = t.TempDir()
	cfg.Journal.KeyFile = ""
	g, err := gateway.New(t.Context(), cfg, gateway.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := g.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	if err := g.Start(t.Context()); err != nil { // the console brings its own
		t.Fatal(err)
	}
	set := metricSet{}
	descs := make(chan *prometheus.Desc)
	go func() { g.Registry().Describe(descs); close(descs) }()
	for d := range descs {
		m := description.FindStringSubmatch(d.String())
		if m == nil {
			t.Errorf("%s is not in the form that this test knows", d)
			continue
		}
		var labels []string
		for pair := range strings.SplitSeq(m[2], ",") {
			label, _, _ := strings.Cut(pair, "=")
			labels = append(labels, label)
		}
		set[m[1]] = metric{labels: append(labels, strings.Split(m[3], ",")...)}
	}
	families, err := g.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		set[f.GetName()] = metric{labels: set[f.GetName()].labels, kind: strings.ToLower(f.GetType().String())}
	}
	set["up"] = metric{kind: "gauge"} // Prometheus' own
	return set
}

// find returns the metric that a name in an expression belongs to: a histogram is asked
// for by its parts only, all others by their name only.
func (s metricSet) find(name string) (base string, m metric, err error) {
	if m, is := s[name]; is {
		if m.kind == "histogram" || m.kind == "summary" {
			return name, m, fmt.Errorf("%s is a %s: use its parts", name, m.kind)
		}
		return name, m, nil
	}
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		base, found := strings.CutSuffix(name, part)
		if m, is := s[base]; found && is && !strings.HasSuffix(base, "_total") && (m.kind == "" || m.kind == "histogram") {
			return base, m, nil
		}
	}
	return name, metric{}, fmt.Errorf("there is no metric %s", name)
}

// sourceLiterals are all strings of the program, among them every value of a label from a closed set.
func sourceLiterals(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, root := range []string{"../config", "../crmclient", "../hooks", "../internal", "../proxy"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if lit, is := n.(*ast.BasicLit); is && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil {
						all[s] = true
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}
