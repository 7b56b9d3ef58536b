package condition

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what a Node is.
type Kind string

// The kinds of nodes, by the key that marks them.
const (
	All   Kind = "all"   // all of Nodes; none of them: true
	Any   Kind = "any"   // one of Nodes; none of them: false
	Not   Kind = "not"   // the one in Nodes is false
	Leaf  Kind = "field" // the fact at Path, an operator and a value
	Some  Kind = "some"  // one element of the list at Path is as in Where
	Every Kind = "every" // all of them; an empty list: true
	None  Kind = "none"  // no one
	Count Kind = "count" // how many of them (all, without Where), compared by Op with Value
	CEL   Kind = "cel"   // an expression
)

// Node is one node of a condition. Which fields count depends on the Kind; the others are empty.
//
// In Where the element is the fact item; its fields are item.name and so on. The name in As stands for it too, also in
// quantifiers further inside, where item is another one.
type Node struct {
	Kind  Kind
	Nodes []*Node // all, any; one for not
	Path  string  // field, some, every, none, count
	Op    string  // field, count: a name of the table of operators
	// Value of field and count is plain data: bool, string, json.Number, time.Time, []any, map[string]any. A map with
	// the one key fact stands for another fact: {fact: record.limit}. Nil: the operator needs none.
	Value any
	As    string // some, every, none, count
	Where *Node  // some, every, none, count (there it may be nil)
	CEL   string // cel
}

// The bounds of a condition. People write ten nodes; generated ones have some hundred.
const (
	maxNodes      = 500
	maxDepth      = 32
	maxPath       = 200     // bytes
	maxValueText  = 4096    // bytes of a text in a value
	maxValueItems = 1000    // elements of a list, keys of a map
	maxValueDepth = 4       // lists and maps inside each other
	maxCEL        = 4096    // bytes
	maxSource     = 1 << 18 // bytes of a condition as JSON or YAML
)

// fact is the key of a value that stands for another fact.
const factKey = "fact"

// elementName is the fact that the element is in Where.
const elementName = "item"

// asFact returns the path of a value that stands for another fact.
func asFact(value any) (string, bool) {
	m, ok := value.(map[string]any)
	if !ok || len(m) != 1 {
		return "", false
	}
	path, ok := m[factKey].(string)
	return path, ok
}

var (
	errNodes = fmt.Errorf("the condition has more than %d nodes", maxNodes)
	errDepth = fmt.Errorf("the condition is deeper than %d nodes", maxDepth)
)

// size counts the nodes and finds whether they are too many or too deep.
func (n *Node) size(depth int) (int, error) {
	if depth > maxDepth {
		return 0, errDepth
	}
	count := 1
	for _, child := range n.children() {
		if child == nil {
			return 0, errors.New("the condition has an empty node")
		}
		c, err := child.size(depth + 1)
		if err != nil {
			return 0, err
		}
		if count += c; count > maxNodes {
			return 0, errNodes
		}
	}
	return count, nil
}

// children are the nodes directly below.
func (n *Node) children() []*Node {
	if n.Where != nil {
		return []*Node{n.Where}
	}
	return n.Nodes
}

// quantifies reports whether the node looks at the elements of a list.
func (n *Node) quantifies() bool {
	return n.Kind == Some || n.Kind == Every || n.Kind == None || n.Kind == Count
}

// pointer adds a step to a JSON pointer (RFC 6901).
func pointer(at string, steps ...any) string {
	for _, s := range steps {
		text := fmt.Sprint(s)
		if strings.ContainsAny(text, "~/") {
			text = strings.NewReplacer("~", "~0", "/", "~1").Replace(text)
		}
		at += "/" + text
	}
	return at
}

// childAt returns the JSON pointer of the i-th child of a node.
func (n *Node) childAt(at string, i int) string {
	switch {
	case n.quantifies():
		return pointer(at, "where")
	case n.Kind == Not:
		return pointer(at, n.Kind)
	}
	return pointer(at, n.Kind, i)
}
