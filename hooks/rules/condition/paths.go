package condition

import "slices"

// Paths lists the facts that a condition looks at, sorted, those of expressions too. Elements of lists are not among
// them, the lists are. For operators about changes it is the changed field.
func Paths(node *Node) []string { return standard.Paths(node) }

// Paths is Paths with the names that the schema knows.
func (s *Schema) Paths(node *Node) []string {
	if node == nil {
		return nil
	}
	if _, err := node.size(1); err != nil {
		return nil
	}
	slots := 0
	found := map[string]bool{}
	(&scope{schema: s, slots: &slots}).paths(node, found)
	out := make([]string, 0, len(found))
	for path := range found {
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}

func (sc *scope) paths(n *Node, found map[string]bool) {
	add := func(path string) {
		if in, _, _ := sc.split(path); in == nil && validPath(path) {
			found[path] = true
		}
	}
	switch n.Kind {
	case Leaf:
		if op := operatorsByName[n.Op]; op != nil && op.isChange() {
			if name, ok := changedField(n.Path); ok {
				found[changeFields+"."+name] = true
				break
			}
		}
		add(n.Path)
	case Some, Every, None, Count:
		add(n.Path)
	case CEL:
		if x, m := sc.expression(n.CEL, ""); m == nil {
			for _, ref := range x.refs {
				add(ref.path)
			}
		}
	}
	valuePaths(n.Value, add)
	inner := sc
	if n.quantifies() {
		if in, m := sc.inside(n, ""); m == nil {
			inner = in
		}
	}
	for _, child := range n.children() {
		inner.paths(child, found)
	}
}

// valuePaths finds the facts that a value stands for.
func valuePaths(value any, add func(path string)) {
	if path, ok := asFact(value); ok {
		add(path)
		return
	}
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			valuePaths(item, add)
		}
	case map[string]any:
		for _, item := range v {
			valuePaths(item, add)
		}
	}
}
