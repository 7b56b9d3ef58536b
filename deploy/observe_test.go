package deploy_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/goccy/go-yaml"
)

type ruleFile struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	} `yaml:"groups"`
}

type rule struct {
	Record      string            `yaml:"record"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	var f ruleFile
	if err := yaml.UnmarshalWithOptions([]byte(read(t, "prometheus/rules.yaml")), &f, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	for _, g := range f.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no rules")
	}
	return all
}

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type panel struct {
	Type        string                   `json:"type"`
	Title       string                   `json:"title"`
	Description string                   `json:"description"`
	Source      *source                  `json:"datasource"`
	Grid        struct{ H, W, X, Y int } `json:"gridPos"`
	Targets     []struct {
		Expr   string `json:"expr"`
		Source source `json:"datasource"`
	} `json:"targets"`
}

type dashboard struct {
	Title      string  `json:"title"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name       string  `json:"name"`
			Type       string  `json:"type"`
			Source     *source `json:"datasource"`
			Definition string  `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []struct {
			Source source `json:"datasource"`
			Expr   string `json:"expr"`
		} `json:"list"`
	} `json:"annotations"`
}

func board(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, "grafana/heliograph.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// plain replaces the variables of Grafana by what they may stand for.
var plain = strings.NewReplacer("$__rate_interval", "5m", "$__range", "6h", "$instance", ".*")

// uses are all expressions by who has them, the dashboard's without variables.
func uses(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, r := range rules(t) {
		all["rule "+r.Record+r.Alert] = r.Expr
	}
	d := board(t)
	for _, p := range d.Panels {
		for i, target := range p.Targets {
			all[fmt.Sprintf("panel %q at %d,%d, query %d", p.Title, p.Grid.X, p.Grid.Y, i+1)] = plain.Replace(target.Expr)
		}
	}
	for _, v := range d.Templating.List {
		if metric, found := strings.CutPrefix(v.Definition, "label_values("); found {
			metric, _, _ = strings.Cut(metric, ",")
			all["variable "+v.Name] = metric
		}
	}
	return all
}

func TestRules(t *testing.T) {
	t.Parallel()
	tool(t, "promtool", "check", "rules", "prometheus/rules.yaml")
	tool(t, "promtool", "check", "config", "prometheus/prometheus.yml")
	tool(t, "promtool", "test", "rules", "prometheus/rules_test.yaml")
}

// TestRulesAreTested wants each alert to be seen firing and quiet.
func TestRulesAreTested(t *testing.T) {
	t.Parallel()
	var f struct {
		Tests []struct {
			Alerts []struct {
				Name string `yaml:"alertname"`
				Exp  []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "prometheus/rules_test.yaml")), &f); err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range f.Tests {
		for _, a := range test.Alerts {
			if len(a.Exp) > 0 {
				fires[a.Name] = true
			} else {
				quiet[a.Name] = true
			}
		}
	}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		if !fires[r.Alert] || !quiet[r.Alert] {
			t.Errorf("%s: tested firing %v, quiet %v; want both in rules_test.yaml", r.Alert, fires[r.Alert], quiet[r.Alert])
		}
		delete(fires, r.Alert)
		delete(quiet, r.Alert)
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q, want critical or warning", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || len(r.Annotations["description"]) < 60 {
			t.Errorf("%s: needs a summary, and a description that says what to do", r.Alert)
		}
	}
	for name := range fires {
		t.Errorf("rules_test.yaml tests %s, which is no alert", name)
	}
	for name := range quiet {
		t.Errorf("rules_test.yaml tests %s, which is no alert", name)
	}
}

// TestPanels wants queries that Prometheus takes, any data source, and panels that do not overlap.
func TestPanels(t *testing.T) {
	t.Parallel()
	d := board(t)
	type line struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var lines []line
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		for x := p.Grid.X; x < p.Grid.X+p.Grid.W; x++ {
			for y := p.Grid.Y; y < p.Grid.Y+p.Grid.H; y++ {
				if other, is := taken[[2]int{x, y}]; is || x >= 24 {
					t.Fatalf("panel %q lies over %q or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Source == nil || *p.Source != anySource {
			t.Errorf("panel %q: %d queries, data source %v; want queries and the variable", p.Title, len(p.Targets), p.Source)
		}
		if !strings.ContainsFunc(p.Description, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			t.Errorf("panel %q: its description has no Chinese", p.Title)
		}
		for _, q := range p.Targets {
			if q.Source != anySource {
				t.Errorf("panel %q: data source %v of a query, want the variable", p.Title, q.Source)
			}
			lines = append(lines, line{fmt.Sprintf("panel:%d", len(lines)), plain.Replace(q.Expr)})
		}
	}
	variables := map[string]string{}
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type
		if v.Source != nil && *v.Source != anySource {
			t.Errorf("variable %s: data source %v", v.Name, v.Source)
		}
	}
	if variables["datasource"] != "datasource" {
		t.Errorf("variables %v: none for the data source", variables)
	}
	for _, a := range d.Annotations.List {
		if a.Source != anySource {
			t.Errorf("annotations: data source %v", a.Source)
		}
		lines = append(lines, line{"annotation:0", a.Expr})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": lines}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "panels.yaml")
	write(t, file, string(text))
	tool(t, "promtool", "check", "rules", file)
}

var anySource = source{Type: "prometheus", UID: "${datasource}"}

// TestMetrics compares what rules and panels name with what the gateway has, both ways.
func TestMetrics(t *testing.T) {
	t.Parallel()
	have := metrics(t)
	literals := sourceLiterals(t)
	for _, r := range rules(t) {
		if r.Record != "" {
			have[r.Record] = metric{labels: groupingOf(t, r.Expr), kind: "gauge"}
		}
	}
	used := map[string]bool{}
	for where, text := range uses(t) {
		e, err := parse(text)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		var labels []string
		for _, s := range e.selectors {
			name, m, err := have.find(s.metric)
			if err != nil {
				t.Errorf("%s: %v", where, err)
				continue
			}
			used[name] = true
			known := append(slices.Clone(m.labels), fromScrape...)
			if strings.HasSuffix(s.metric, "_bucket") {
				known = append(known, "le")
			}
			labels = append(labels, known...)
			for _, match := range s.matchers {
				if !slices.Contains(known, match.label) {
					t.Errorf("%s: %s has no label %s, but %v", where, s.metric, match.label, known)
				}
				if slices.Contains(fromScrape, match.label) {
					continue
				}
				for value := range strings.SplitSeq(match.value, "|") {
					if !literals[value] {
						t.Errorf("%s: nothing in the source gives %s the value %q of %s", where, s.metric, value, match.label)
					}
				}
			}
		}
		for _, label := range e.grouping {
			if !slices.Contains(labels, label) {
				t.Errorf("%s: no metric of it has the label %s", where, label)
			}
		}
	}
	for name := range have {
		if strings.HasPrefix(name, "heliograph_") && !used[name] {
			t.Errorf("%s has no panel and no alert", name)
		}
	}
}

// fromScrape are the labels that Prometheus adds.
var fromScrape = []string{"job", "instance"}

func groupingOf(t *testing.T, expr string) []string {
	t.Helper()
	e, err := parse(expr)
	if err != nil {
		t.Fatal(err)
	}
	return e.grouping
}
