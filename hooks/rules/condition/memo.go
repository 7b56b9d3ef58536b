package condition

import (
	"context"
	"errors"
	"sync"
)

// Memo asks Facts for each path once and keeps what normalising long texts gave. Several programs about the same event
// should share one: a mail's text is then folded once for all rules. It is safe for concurrent use if its Facts are.
type Memo struct {
	facts Facts
	below *Memo                  // asked for what is not its own; nil: all is
	own   func(path string) bool // with below

	mu     sync.Mutex // guards the maps
	known  map[string]known
	folded map[string]string
	plain  map[string]string
}

// known is what Facts said of a path: a value, or that it cannot be told.
type known struct {
	value   any
	unknown *Unknown
}

// NewMemo returns a Memo over facts, or facts itself if it is one.
func NewMemo(facts Facts) *Memo {
	if m, ok := facts.(*Memo); ok {
		return m
	}
	return &Memo{facts: facts}
}

// Over returns a Memo that asks facts for the paths of its own and m, with what it keeps, for all others: so that programs which know a few things
// by themselves share the rest.
func (m *Memo) Over(facts Facts, own func(path string) bool) *Memo {
	return &Memo{facts: facts, below: m, own: own}
}

var _ Facts = (*Memo)(nil)

// Fact is that of the Facts below; passing errors are not kept.
func (m *Memo) Fact(ctx context.Context, path string) (any, error) {
	k, err := m.lookUp(ctx, path)
	if err == nil && k.unknown != nil {
		return nil, k.unknown
	}
	return k.value, err
}

func (m *Memo) lookUp(ctx context.Context, path string) (known, error) {
	if m.below != nil && !m.own(path) {
		return m.below.lookUp(ctx, path)
	}
	m.mu.Lock()
	k, ok := m.known[path]
	m.mu.Unlock()
	if ok {
		return k, nil
	}
	value, err := m.facts.Fact(ctx, path)
	if err != nil && !errors.As(err, &k.unknown) {
		return known{}, err
	}
	if err == nil {
		k.value = value
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[string]known{}
	}
	m.known[path] = k
	return k, nil
}

// longText is from how many bytes on keeping a normalised text is cheaper than making it again.
const longText = 128

// fold is Fold of the text at a path; an empty path is not kept.
func (m *Memo) fold(path, text string) string {
	if m.below != nil && path != "" && !m.own(path) {
		return m.below.fold(path, text)
	}
	return m.kept(&m.folded, path, text, Fold)
}

// plainText is plainText of the text at a path.
func (m *Memo) plainText(path, text string) string {
	if m.below != nil && path != "" && !m.own(path) {
		return m.below.plainText(path, text)
	}
	return m.kept(&m.plain, path, text, plainText)
}

func (m *Memo) kept(in *map[string]string, path, text string, normal func(string) string) string {
	if path == "" || len(text) < longText {
		return normal(text)
	}
	m.mu.Lock()
	out, ok := (*in)[path]
	m.mu.Unlock()
	if ok {
		return out
	}
	out = normal(text)
	m.mu.Lock()
	defer m.mu.Unlock()
	if *in == nil {
		*in = map[string]string{}
	}
	(*in)[path] = out
	return out
}
