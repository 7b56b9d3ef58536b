package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// extractor finds one value in an answer: by a path, from a header, or as a template.
type extractor struct {
	path     *jsonPath
	header   string
	template *template
	steps    []step
}

const headerPrefix = "header:"

// parseExtractor reads what a result, a token or a cursor is configured as; nil for an empty text.
func parseExtractor(text string) (*extractor, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // nothing is configured
	}
	isPath := strings.HasPrefix(text, "$")
	if !isPath && !strings.HasPrefix(text, headerPrefix) {
		t, err := parseTemplate(text)
		return &extractor{template: t}, err
	}
	source, pipeline := cutPipe(text)
	e := &extractor{}
	var err error
	if e.steps, err = (&parser{rest: pipeline}).pipeline(""); err != nil {
		return nil, err
	}
	if isPath {
		e.path, err = parsePath(source)
		return e, err
	}
	e.header = strings.TrimPrefix(source, headerPrefix)
	if !httpguts.ValidHeaderFieldName(e.header) {
		return nil, fmt.Errorf("%q is not the name of a header", e.header)
	}
	return e, nil
}

// cutPipe parts a source from its transforms: at the first | outside of quotes.
func cutPipe(text string) (source, pipeline string) {
	var quote byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '|':
			return strings.TrimRight(text[:i], " "), text[i:]
		}
	}
	return strings.TrimRight(text, " "), ""
}

// place is where an extractor looks.
type place struct {
	item   any
	header http.Header
	scope  scope
}

// at returns the value: nil where there is none, a list where the path selects several.
func (e *extractor) at(p place) (any, error) {
	if e == nil {
		return nil, nil //nolint:nilnil // nothing is configured
	}
	var v any
	switch {
	case e.template != nil:
		return e.template.value(p.scope)
	case e.path != nil:
		switch found := e.path.Select(p.item); len(found) {
		case 0:
		case 1:
			v = found[0]
		default:
			v = found
		}
	default:
		if text := p.header.Get(e.header); text != "" {
			v = text
		}
	}
	return runSteps(v, e.steps, p.scope)
}

// text returns the value as a text.
func (e *extractor) text(p place) (string, error) {
	v, err := e.at(p)
	if err != nil {
		return "", err
	}
	return textOf(v)
}

// truth says whether the value is there and not false, zero or empty.
func (e *extractor) truth(p place) (bool, error) {
	v, err := e.at(p)
	return err == nil && isTrue(v), err
}

// all returns the values of a path that may select many: those of a list where it selects one.
func (e *extractor) all(p place) ([]any, error) {
	v, err := e.at(p)
	if err != nil {
		return nil, err
	}
	list, _ := asList(v, p.scope) // it has no errors
	return list.([]any), nil
}

// find returns the values at a path, and whether the path leads anywhere: a list, or null for none.
func (e *extractor) find(p place) (items []any, there bool, err error) {
	if e.path == nil || len(e.steps) > 0 {
		return nil, false, errors.New("the items must be given by a path without transforms")
	}
	found := e.path.Select(p.item)
	if len(found) == 1 {
		switch v := found[0].(type) {
		case nil:
			return nil, true, nil
		case []any:
			return v, true, nil
		}
	}
	return found, len(found) > 0 || e.path.many(), nil
}

// many says whether the path may select several values, so that none is a normal answer.
func (p *jsonPath) many() bool {
	for _, s := range p.selectors {
		if s.kind == all || s.kind == byFilter {
			return true
		}
	}
	return false
}
