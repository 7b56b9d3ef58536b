package config

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxSource bounds a configuration file; real ones have a few kilobytes.
const maxSource = 1 << 20

// place is a position in the file, both from 1.
type place struct{ line, column int }

// source is the text of one configuration and what is needed to quote it.
type source struct {
	name   string
	dir    string // relative file names start here
	lines  []string
	tokens map[int][]*token.Token // by line, in order

	mu       sync.Mutex     // guards the fields below
	shown    map[place]bool // tokens that excerpts may quote
	warnings []string
}

// warn adds a warning once.
func (s *source) warn(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.warnings, text) {
		s.warnings = append(s.warnings, text)
	}
}

// allWarnings returns a copy of the warnings so far.
func (s *source) allWarnings() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.warnings)
}

// readSource parses text. The node is nil where the text holds nothing.
func readSource(name string, text []byte) (*source, ast.Node, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) // Windows editors begin with it
	s := &source{name: name, dir: filepath.Dir(name), shown: map[place]bool{}}
	if len(text) > maxSource {
		return s, nil, &Errors{{
			File: name, Message: fmt.Sprintf("the file has %d bytes; %d are the most", len(text), maxSource),
			Remedy: "Is it the right file?",
		}}
	}
	if at := firstInvalid(text); at >= 0 {
		before := text[:at]
		return s, nil, &Errors{{
			File: name, Line: bytes.Count(before, []byte("\n")) + 1,
			Column:  utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1,
			Message: "the file is not valid UTF-8", Remedy: "Save it as UTF-8 (not as GBK or ANSI).",
		}}
	}
	s.lines = strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	file, err := s.parse(string(text))
	if err != nil {
		return s, nil, &Errors{s.syntaxMistake(err)}
	}
	return s.body(file)
}

// firstInvalid returns the offset of the first byte that is not UTF-8, or -1.
func firstInvalid(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

var (
	errParser  = errors.New("this is not valid YAML") // stands for a panic of the YAML library
	errTooDeep = errors.New("the text nests too deep")
)

// parse runs the YAML library, which panics on some broken input.
func (s *source) parse(text string) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			file, err = nil, errParser
		}
	}()
	tokens := lexer.Tokenize(text)
	s.tokens = make(map[int][]*token.Token)
	for _, tk := range tokens {
		if tk.Position != nil {
			s.tokens[tk.Position.Line] = append(s.tokens[tk.Position.Line], tk)
		}
	}
	if tooDeep(tokens) {
		return nil, errTooDeep
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// maxNesting bounds brackets inside brackets, and signs such as "- - -" in one
// line. The library's parser recurses once for each, and running out of stack
// ends the whole process.
const maxNesting = 100

// tooDeep reports whether a text nests deeper than maxNesting.
func tooDeep(tokens token.Tokens) bool {
	depth, line, inLine := 0, 0, 0
	for _, tk := range tokens {
		if tk.Position != nil && tk.Position.Line != line {
			line, inLine = tk.Position.Line, 0
		}
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth = max(0, depth-1)
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType:
			inLine++
		}
		if depth > maxNesting || inLine > maxNesting {
			return true
		}
	}
	return false
}

// body returns the one document of the file.
func (s *source) body(file *ast.File) (*source, ast.Node, error) {
	var found ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if found != nil || doc.Body.Type() == ast.DirectiveType {
			at := startOf(doc.Body)
			return s, nil, &Errors{{
				File: s.name, Line: at.line, Column: at.column,
				Message: "the file holds several documents or a directive",
				Remedy:  "Keep one document; take out the lines with --- and %.",
			}}
		}
		found = doc.Body
	}
	return s, found, nil
}

// syntaxMistake turns an error of the YAML library into a mistake.
func (s *source) syntaxMistake(err error) Mistake {
	m := Mistake{File: s.name, Message: errParser.Error(), Remedy: "Is it the right file?"}
	var syntax *yaml.SyntaxError
	if errors.Is(err, errTooDeep) {
		m.Message = errTooDeep.Error()
		return m
	}
	if !errors.As(err, &syntax) {
		return m
	}
	// The library's few messages with quotes repeat text of the file.
	if text := syntax.Message; text != "" && !strings.Contains(text, `"`) {
		m.Message = "not valid YAML: " + text
	}
	m.Remedy = "Check indentation, quotes and brackets here and in the line above."
	if strings.Contains(syntax.Message, "\t") {
		m.Message = "not valid YAML: a tab at the start of the line"
		m.Remedy = "Indent with spaces."
	}
	if syntax.Token == nil || syntax.Token.Position == nil {
		return m
	}
	at := placeOf(syntax.Token)
	m.Line, m.Column = at.line, at.column
	m.Excerpt = s.excerpt(at, s.shownInBrokenText)
	if line := s.line(at.line); strings.Contains(line, "${") && strings.Contains(line, "{") {
		m.Remedy = `Inside { } write quotes around "${NAME}".`
	}
	return m
}

// shownInBrokenText tells which tokens of a text that could not be parsed may
// be shown: keys that the configuration knows, and values of those that are no secret.
func (s *source) shownInBrokenText(tk *token.Token) bool {
	harmless := harmlessKeys()
	line := s.tokens[tk.Position.Line]
	i := slices.Index(line, tk)
	if i+1 < len(line) && line[i+1].Type == token.MappingValueType {
		_, known := harmless[tk.Value]
		return known
	}
	return i > 1 && line[i-1].Type == token.MappingValueType && harmless[line[i-2].Value]
}

// line returns the text of line n, or nothing.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return s.lines[n-1]
}

// placeOf returns where a token begins.
func placeOf(tk *token.Token) place {
	if tk == nil || tk.Position == nil {
		return place{1, 1}
	}
	return place{max(1, tk.Position.Line), max(1, tk.Position.Column)}
}

// startOf returns where a node begins. The token of a block mapping is its
// first colon; its place is that of its first key.
func startOf(node ast.Node) place {
	switch n := node.(type) {
	case nil:
		return place{1, 1}
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return startOf(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return startOf(n.Key)
	}
	return placeOf(node.GetToken())
}
