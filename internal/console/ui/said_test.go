package ui_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// saidBy are the files whose reasons, details and remedies the API hands on as sentences.
var saidBy = []string{
	"../api/operations/*.go", "../../gateway/console_operations.go", "../../../crmclient/errors.go", "../../../proxy/upstream/errors.go",
	"../../../proxy/upstream/probe.go", "../../../hooks/mirror/scope/*.go",
}

// TestSaid finds the sentences in the sources, with an X for each word that is known only when they are said, and looks for their Chinese.
func TestSaid(t *testing.T) {
	t.Parallel()
	var table struct{ Sentences, Phrases [][2]string }
	text, err := os.ReadFile("src/api/said.json")
	if err == nil {
		err = json.Unmarshal(text, &table)
	}
	if err != nil {
		t.Fatal(err)
	}
	var known []*regexp.Regexp
	for _, entry := range slices.Concat(table.Sentences, table.Phrases) {
		known = append(known, regexp.MustCompile(entry[0]))
	}
	found := 0
	for _, pattern := range saidBy {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files: %v", pattern, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".gen.go") {
				continue
			}
			for _, s := range sentencesOf(t, name) {
				found++
				if !slices.ContainsFunc(known, func(r *regexp.Regexp) bool { return r.MatchString(s) || strings.Contains(r.String(), s) }) {
					t.Errorf("%s: %q has no Chinese in src/api/said.json", name, s)
				}
			}
		}
	}
	if found < 60 {
		t.Errorf("only %d sentences were found: the test looks in the wrong places", found)
	}
}

// sentencesOf returns what a file may say: values of what is called a detail or a remedy.
func sentencesOf(t *testing.T, name string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	f := finder{reasons: filepath.Base(name) == "jobs.go"}
	for _, d := range file.Decls {
		f.inRemedy = false
		if fn, ok := d.(*ast.FuncDecl); ok {
			f.inRemedy = telling(fn.Name.Name)
		}
		ast.Inspect(d, f.look)
	}
	return f.found
}

type finder struct {
	inRemedy bool // the function's results are sentences
	reasons  bool // the errors of the file are why something was skipped
	found    []string
}

// telling tells whether something of this name holds a sentence.
func telling(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "remed") || name == "detail" || name == "yes" || name == "until" || name == "message"
}

func (f *finder) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CompositeLit:
		if s, ok := n.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Field" {
			return false // problems have codes
		}
		if nameOf(n.Type) == "condition" && len(n.Elts) > 0 {
			f.add(n.Elts[0]) // why a rule of privacy holds
		}
	case *ast.KeyValueExpr:
		if id, ok := n.Key.(*ast.Ident); ok && telling(id.Name) {
			f.add(n.Value)
		}
	case *ast.ValueSpec:
		for i, id := range n.Names {
			if telling(id.Name) && i < len(n.Values) {
				f.addAll(n.Values[i])
			}
			if f.reasons && strings.HasPrefix(id.Name, "Err") && i < len(n.Values) {
				if call, ok := n.Values[i].(*ast.CallExpr); ok && nameOf(call.Fun) == "New" {
					f.add(call.Args[0])
				}
			}
		}
	case *ast.AssignStmt:
		for i, to := range n.Lhs {
			if n.Tok != token.ADD_ASSIGN && len(n.Rhs) == len(n.Lhs) && telling(nameOf(to)) {
				f.addAll(n.Rhs[i])
			}
		}
	case *ast.CallExpr:
		switch nameOf(n.Fun) { // likewise
		case "flag", "try":
			f.add(n.Args[len(n.Args)-2])
		}
	case *ast.ReturnStmt:
		for _, r := range n.Results {
			if f.inRemedy {
				f.add(r)
			}
		}
	}
	return true
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// addAll adds the texts of a table, too: what is remedied is the gateway's own, as the remedy is.
func (f *finder) addAll(e ast.Expr) {
	list, ok := e.(*ast.CompositeLit)
	if !ok {
		f.add(e)
		return
	}
	for _, row := range list.Elts {
		if kv, ok := row.(*ast.KeyValueExpr); ok {
			row = kv.Value
		}
		if r, ok := row.(*ast.CompositeLit); ok {
			for _, cell := range r.Elts {
				f.add(cell)
			}
			continue
		}
		f.add(row)
	}
}

var verb = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)

// add adds a sentence, if it is one.
func (f *finder) add(e ast.Expr) {
	if s, ok := f.text(e); ok && strings.ContainsAny(s, " ") {
		f.found = append(f.found, s)
	}
}

// text returns the text of an expression; ok tells whether any of it is known.
func (f *finder) text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		x, okX := f.text(e.X)
		y, okY := f.text(e.Y)
		return orX(x, okX) + orX(y, okY), okX || okY
	case *ast.CallExpr:
		if nameOf(e.Fun) == "Sprintf" && len(e.Args) > 0 {
			s, ok := f.text(e.Args[0])
			return verb.ReplaceAllStringFunc(s, func(v string) string {
				if strings.HasSuffix(v, "d") {
					return "12"
				}
				return "X"
			}), ok
		}
	}
	return "", false
}

func orX(s string, ok bool) string {
	if ok {
		return s
	}
	return "X"
}

// problems are where errors of the API are made: their code and the English detail.
var problems = regexp.MustCompile(`\b(?:api\.)?(?:NotFound|Invalid|Conflict|Forbidden|Unavailable|Fail)\((?:[^,"]+, )?"([a-z][a-z0-9_]*)"`)

// TestCodes finds the codes of problems in the sources, and looks for their Chinese. A code has one file, as all of them are one table in the pages.
func TestCodes(t *testing.T) {
	t.Parallel()
	type words struct {
		Detail struct{ Zh string }
	}
	in := map[string]string{}
	files, err := filepath.Glob("src/api/codes/*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("%q: %v", files, err)
	}
	for _, name := range files {
		var table map[string]words
		text, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(text, &table)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for code, w := range table {
			if w.Detail.Zh == "" {
				t.Errorf("%s: %s says nothing in Chinese", name, code)
			}
			if other := in[code]; other != "" {
				t.Errorf("%s: %s is in %s, too", name, code, other)
			}
			in[code] = name
		}
	}
	sources, err := filepath.Glob("../api/*/*.go")
	more, merr := filepath.Glob("../live/*.go")
	if err != nil || merr != nil {
		t.Fatal(err, merr)
	}
	found := 0
	for _, name := range append(sources, more...) {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".gen.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range problems.FindAllSubmatch(text, -1) {
			found++
			if in[string(m[1])] == "" {
				t.Errorf("%s: the code %s has no Chinese in src/api/codes", name, m[1])
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d problems were found: the test looks in the wrong places", found)
	}
}
