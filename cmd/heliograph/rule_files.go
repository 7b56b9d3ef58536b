package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"heliograph/config"
	"heliograph/hooks/rules"
	"heliograph/internal/calendar"
	"heliograph/internal/gateway"
)

// maxRuleFile bounds a file of rules.
const maxRuleFile = 16 << 20

// ruleText is one rule in a file. Several in one file are divided by lines of three hyphens.
type ruleText struct {
	file string
	line int // of the first line in the file, from 1
	text string
}

// ruleProblem is what is wrong at a line of a file.
type ruleProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Path    string `json:"path,omitempty"`
	Warning bool   `json:"warning,omitempty"`
	Zh      string `json:"zh"`
	En      string `json:"en"`
}

func (p ruleProblem) String() string {
	kind := "error"
	if p.Warning {
		kind = "warning"
	}
	text := oneLine(p.En)
	if zh := oneLine(p.Zh); zh != text {
		text = zh + " / " + text
	}
	where := p.File
	if p.Line > 0 {
		where += ":" + strconv.Itoa(p.Line)
	}
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	return where + ": " + kind + ": " + text
}

// ruleFiles are the files of rules that a name stands for; those of a folder in the order of their names.
func ruleFiles(name string) (files []string, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	err = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch strings.ToLower(filepath.Ext(path)) {
		case ".yaml", ".yml", ".json":
			if !d.IsDir() {
				files = append(files, path)
			}
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no *.yaml, *.yml and *.json in this folder", name)
	}
	return files, err
}

// readRules reads the rules in a file.
func readRules(name string) (out []ruleText, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxRuleFile {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, info.Size(), maxRuleFile)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	lines := strings.SplitAfter(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	begin := 0
	for i := 0; i <= len(lines); i++ {
		if i < len(lines) && strings.TrimRight(lines[i], " \t\n") != "---" {
			continue
		}
		if part := strings.Join(lines[begin:i], ""); strings.TrimSpace(withoutComments(part)) != "" {
			out = append(out, ruleText{file: name, line: begin + 1, text: part})
		}
		begin = i + 1
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: there is no rule in it", name)
	}
	return out, nil
}

// withoutComments leaves out lines that are comments only.
func withoutComments(text string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "#") }), "\n")
}

var (
	// yamlPlace is how the YAML library begins its errors.
	yamlPlace = regexp.MustCompile(`\[(\d+):\d+\] ([^\n]*)`)
	// strangeKey is what the JSON library says of a key that it does not know.
	strangeKey = regexp.MustCompile(`unknown field "([^"]+)"`)
	// conditionPlace is a place that the reader of conditions names.
	conditionPlace = regexp.MustCompile(`at (/[^ :]*)`)
)

// parse reads the rule. Its problems keep it from being read at all.
func (t ruleText) parse() (rules.Rule, []ruleProblem) {
	r, err := rules.Parse([]byte(t.text))
	if err == nil {
		return r, nil
	}
	p := ruleProblem{File: t.file, Zh: err.Error(), En: err.Error()}
	if m := yamlPlace.FindStringSubmatch(err.Error()); m != nil {
		n, _ := strconv.Atoi(m[1])
		p.Line, p.Zh, p.En = t.line+n-1, m[2], m[2]
	} else if m := strangeKey.FindStringSubmatch(err.Error()); m != nil {
		p.Line = t.lineOfKey(m[1])
		p.En, p.Zh = "there is no key "+m[1]+" at this place", "此处没有键 "+m[1]
	} else if m := conditionPlace.FindStringSubmatch(err.Error()); m != nil {
		p.Line = t.lineOf("/when" + m[1])
	}
	return r, []ruleProblem{p}
}

// document is the syntax tree of the rule; nil where it has none.
func (t ruleText) document() ast.Node {
	file, err := parser.ParseBytes([]byte(t.text), 0)
	if err != nil || len(file.Docs) == 0 {
		return nil
	}
	return file.Docs[0].Body
}

// lineOf is the line in the file of what a JSON pointer names, or of what is nearest above it.
func (t ruleText) lineOf(pointer string) int {
	node := t.document()
	if node == nil {
		return t.line
	}
	line := lineOfNode(node)
	for _, name := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		next, at := child(node, strings.NewReplacer("~1", "/", "~0", "~").Replace(name))
		if next == nil {
			break
		}
		node, line = next, at
	}
	return t.line + line - 1
}

// lineOfKey is the line of the first key of a name.
func (t ruleText) lineOfKey(name string) int {
	found := 0
	ast.Walk(visitor(func(n ast.Node) {
		if v, ok := n.(*ast.MappingValueNode); ok && found == 0 && v.Key.String() == name {
			found = lineOfNode(v.Key)
		}
	}), t.document())
	if found == 0 {
		return t.line
	}
	return t.line + found - 1
}

type visitor func(ast.Node)

// Visit implements ast.Visitor.
func (v visitor) Visit(n ast.Node) ast.Visitor {
	v(n)
	return v
}

func lineOfNode(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 1
}

// child is the part of a node under a name or number, and the line at which it stands.
func child(n ast.Node, name string) (ast.Node, int) {
	switch x := n.(type) {
	case *ast.MappingNode:
		for _, v := range x.Values {
			if strings.Trim(v.Key.String(), `"'`) == name {
				return v.Value, lineOfNode(v.Key)
			}
		}
	case *ast.MappingValueNode:
		if strings.Trim(x.Key.String(), `"'`) == name {
			return x.Value, lineOfNode(x.Key)
		}
	case *ast.SequenceNode:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(x.Values) {
			return x.Values[i], lineOfNode(x.Values[i])
		}
	}
	return nil, 0
}

// problems puts what rules say about a rule to its lines.
func (t ruleText) problems(rule string, list []rules.Problem) (out []ruleProblem) {
	for _, p := range list {
		out = append(out, ruleProblem{File: t.file, Line: t.lineOf(p.Path), Rule: rule, Path: p.Path, Warning: p.Warning, Zh: p.Zh, En: p.En})
	}
	return out
}

// checked is a rule of a file with what is wrong with it.
type checked struct {
	ruleText
	rule     rules.Rule
	problems []ruleProblem
}

func (c *checked) wrong() bool {
	return slices.ContainsFunc(c.problems, func(p ruleProblem) bool { return !p.Warning })
}

// checkFiles reads the rules in files and folders, checks each and all together, and runs their tests.
func checkFiles(ctx context.Context, names []string, around rules.Surroundings) (out []*checked, err error) {
	for _, name := range names {
		files, err := ruleFiles(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			texts, err := readRules(file)
			if err != nil {
				return nil, err
			}
			for _, t := range texts {
				out = append(out, checkText(ctx, t, around))
			}
		}
	}
	var all []rules.Rule
	seen := map[string]string{}
	for _, c := range out {
		if c.rule.ID == "" || c.wrong() {
			continue
		}
		if before, twice := seen[c.rule.ID]; twice {
			c.problems = append(c.problems, ruleProblem{File: c.file, Line: c.lineOf("/id"), Rule: c.rule.ID, Path: "/id", Zh: "编号与 " + before + " 中的规则重复", En: "the rule in " + before + " has the same id"})
		}
		seen[c.rule.ID] = c.file
		all = append(all, c.rule)
	}
	for _, c := range out {
		if !c.wrong() {
			c.problems = append(c.problems, c.ruleText.problems(c.rule.ID, rules.Cycles(c.rule, all))...)
		}
	}
	return out, nil
}

func checkText(ctx context.Context, t ruleText, around rules.Surroundings) *checked {
	c := &checked{ruleText: t}
	if c.rule, c.problems = t.parse(); len(c.problems) > 0 {
		return c
	}
	c.problems = t.problems(c.rule.ID, rules.Check(c.rule, around))
	if !c.wrong() {
		c.problems = append(c.problems, t.problems(c.rule.ID, rules.RunTests(ctx, c.rule, around))...)
	}
	return c
}

// surroundings are the names that the configuration has. Without one nothing is checked against it.
func (f configFlag) surroundings() (rules.Surroundings, *config.Config, error) {
	if _, err := os.Stat(f.Config); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "heliograph: there is no configuration %s: names of targets, channels and calendars are not checked\n", f.Config)
		set, err := calendar.NewSet(nil)
		return rules.Surroundings{Calendars: set, Calendar: calendar.China}, nil, err
	}
	cfg, err := f.load()
	if err != nil {
		return rules.Surroundings{}, nil, err
	}
	around, err := gateway.Surroundings(cfg)
	return around, cfg, err
}

type ruleCheckCmd struct {
	Files []string `arg:"" help:"Rule files, or folders of them. 规则文件或目录"`
	JSON  bool     `help:"Print JSON, one problem a line."`
}

// Run checks files.
func (c *ruleCheckCmd) Run(ctx context.Context, parent *ruleCmd) error {
	around, _, err := parent.surroundings()
	if err != nil {
		return err
	}
	found, err := checkFiles(ctx, c.Files, around)
	if err != nil {
		return err
	}
	bad, tests := 0, 0
	for _, one := range found {
		if one.wrong() {
			bad++
		}
		tests += len(one.rule.Tests)
		for _, p := range one.problems {
			if c.JSON {
				err = printJSON(p)
			} else {
				_, err = fmt.Println(p)
			}
			if err != nil {
				return err
			}
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d rules cannot be published", bad, len(found))
	}
	if !c.JSON {
		fmt.Printf("%d rules are fine; %d tests passed\n", len(found), tests)
	}
	return nil
}
