package compose

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
	"unicode/utf8"
)

// ref is one place in a source where a fact or a value is looked at.
type ref struct {
	template     string
	line, column int
	path         string   // of the fact; empty where the value is not one by itself
	names        []string // the steps from a value to one within it
	shown        string   // as the author wrote it
}

// static is what is known of a value while compiling: that it is the fact at path, where ok. The root is the empty path.
type static struct {
	path string
	ok   bool
}

func (s static) root() bool { return s.ok && s.path == "" }

// below returns what stands at names within s.
func (s static) below(names []string) static {
	if !s.ok {
		return static{}
	}
	if s.path != "" {
		names = append([]string{s.path}, names...)
	}
	return static{strings.Join(names, "."), true}
}

// compiler walks a parse tree once: it checks each node against what is allowed, notes which facts are looked at, and puts
// calls of our own functions in place of the looks, so that nothing a template engine would do by itself (methods, missing
// keys) can happen.
type compiler struct {
	t        *Template
	name     string // of the source being read: the template's, or that of a part
	source   string
	part     bool
	problems Problems
	depth    int
	nodes    int
	vars     []variable
}

type variable struct {
	name string
	is   static
}

func (c *compiler) compile() {
	tree := c.parse()
	if tree == nil {
		return
	}
	list := c.list(tree.Root, static{ok: true})
	c.warnLiterals()
	tree.Root = list
	c.t.tree = tree
	set := map[string]bool{}
	for _, r := range c.t.refs {
		if r.path != "" {
			set[r.path] = true
		}
	}
	c.t.paths = slices.Sorted(maps.Keys(set))
	if len(c.t.paths) > maxPaths {
		c.add(0, "too_many_fields", fmt.Sprintf("模板使用了 %d 个字段，最多 %d 个", len(c.t.paths), maxPaths), fmt.Sprintf("the template uses %d fields, at most %d", len(c.t.paths), maxPaths))
	}
}

// parse reads the source; nil if it is none.
func (c *compiler) parse() *parse.Tree {
	switch {
	case len(c.source) > maxSource:
		c.add(0, "too_long", fmt.Sprintf("模板过长，最多 %d 字节", maxSource), fmt.Sprintf("the template is too long, at most %d bytes", maxSource))
		return nil
	case !utf8.ValidString(c.source) || strings.ContainsAny(c.source, "\x00\x1a"):
		c.add(0, "not_text", "模板含有非文本字符", "the template has characters that are no text")
		return nil
	case c.t.kind == Addresses && strings.ContainsAny(c.source, markBegin+markEnd):
		c.add(0, "not_text", "模板含有私用字符", "the template has private characters")
		return nil
	}
	set := map[string]*parse.Tree{}
	tree := parse.New(c.name)
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(c.source, "{{", "}}", set); err != nil {
		c.syntax(err)
		return nil
	}
	for name, other := range set {
		if other != tree && name != c.name {
			offset := 0
			if other.Root != nil {
				offset = int(other.Root.Pos)
			}
			c.add(offset, "not_allowed", "模板中不能用 define 或 block 定义 "+strconv.Quote(name)+"；请登记为公共片段，再用 {{template \"名称\" .}}", "a template cannot define "+strconv.Quote(name)+" itself; register it as a shared part and use {{template \"name\" .}}")
		}
	}
	if tree.Root == nil {
		return nil
	}
	return tree
}

func (c *compiler) add(offset int, code, zh, en string, suggestions ...string) {
	if len(c.problems) >= 100 {
		return
	}
	p := Problem{Template: c.name, Code: code, Zh: zh, En: en, Suggestions: suggestions}
	p.Line, p.Column = place(c.source, offset)
	c.problems = append(c.problems, p)
}

func (c *compiler) warn(offset int, code, zh, en string, suggestions ...string) {
	c.add(offset, code, zh, en, suggestions...)
	c.problems[len(c.problems)-1].Warning = true
}

// deeper guards against nesting without end; f is not called past the bound.
func (c *compiler) deeper(at parse.Node, f func()) {
	if c.depth++; c.depth > maxNesting {
		if c.depth == maxNesting+1 {
			c.add(int(at.Position()), "too_deep", fmt.Sprintf("嵌套过深，最多 %d 层", maxNesting), fmt.Sprintf("nested too deep, at most %d levels", maxNesting))
		}
	} else {
		f()
	}
	c.depth--
}

// list checks and rewrites a list of nodes.
func (c *compiler) list(in *parse.ListNode, dot static) *parse.ListNode {
	if in == nil {
		return nil
	}
	out := &parse.ListNode{NodeType: parse.NodeList, Pos: in.Pos}
	c.deeper(in, func() {
		for _, n := range in.Nodes {
			if c.nodes++; c.nodes > maxNodes {
				if c.nodes == maxNodes+1 {
					c.add(int(n.Position()), "too_long", "模板过于复杂", "the template is too complicated")
				}
				return
			}
			if done := c.node(n, dot); done != nil {
				out.Nodes = append(out.Nodes, done)
			}
		}
	})
	return out
}

func (c *compiler) node(n parse.Node, dot static) parse.Node {
	switch n := n.(type) {
	case *parse.TextNode:
		return n
	case *parse.ActionNode:
		if len(n.Pipe.Decl) > 0 {
			c.add(int(n.Pos), "not_allowed", "不能定义变量；请用 with 或 range", "variables cannot be set; use with or range")
			return nil
		}
		pipe, _ := c.pipe(n.Pipe, dot)
		if pipe == nil {
			return nil
		}
		n.Pipe = c.then(pipe, "_show", c.ref(int(n.Pos), ref{shown: n.Pipe.String()}))
		return n
	case *parse.IfNode:
		return c.branch(&n.BranchNode, n, dot)
	case *parse.WithNode:
		return c.branch(&n.BranchNode, n, dot)
	case *parse.RangeNode:
		return c.branch(&n.BranchNode, n, dot)
	case *parse.TemplateNode:
		return c.include(n, dot)
	case *parse.CommentNode:
		return nil
	}
	c.add(int(n.Position()), "not_allowed", "模板中不能使用 "+n.String(), n.String()+" is not allowed in templates")
	return nil
}

// branch rewrites an if, with or range.
func (c *compiler) branch(b *parse.BranchNode, n parse.Node, dot static) parse.Node {
	before := len(c.vars)
	defer func() { c.vars = c.vars[:before] }()
	decl, assigns := b.Pipe.Decl, b.Pipe.IsAssign
	if assigns || n.Type() == parse.NodeIf && len(decl) > 0 {
		c.add(int(b.Pos), "not_allowed", "不能在此定义或修改变量", "variables cannot be set here")
		return nil
	}
	pipe, is := c.pipe(b.Pipe, dot)
	if pipe == nil {
		pipe = &parse.PipeNode{NodeType: parse.NodePipe, Pos: b.Pipe.Pos}
	}
	pipe.Decl = decl
	at := c.ref(int(b.Pos), ref{shown: b.Pipe.String()})
	inner := dot
	switch n.Type() {
	case parse.NodeIf:
		b.Pipe = c.then(pipe, "_truth", at)
	case parse.NodeWith:
		b.Pipe, inner = c.then(pipe, "_with", at), is
	default:
		name := "_loop"
		if b.ElseList != nil {
			name = "_loopelse"
		}
		b.Pipe, inner = c.then(pipe, name, at), static{}
		is = static{}
	}
	for _, v := range decl {
		c.vars = append(c.vars, variable{v.Ident[0], is})
	}
	b.List = c.list(b.List, inner)
	b.ElseList = c.list(b.ElseList, dot)
	return n
}

// include puts a shared part in its place: what is included cannot include, so nothing can recur.
func (c *compiler) include(n *parse.TemplateNode, dot static) parse.Node {
	part, found := c.t.o.Parts[n.Name]
	switch {
	case c.part:
		c.add(int(n.Pos), "not_allowed", "公共片段中不能再引用片段", "a shared part cannot take in another")
		return nil
	case !found:
		c.add(int(n.Pos), "unknown_part", "没有名为 "+strconv.Quote(n.Name)+" 的公共片段", "there is no shared part "+strconv.Quote(n.Name), nearest(n.Name, slices.Sorted(maps.Keys(c.t.o.Parts)))...)
		return nil
	}
	vars := c.vars
	if n.Pipe != nil {
		words := n.Pipe.String()
		switch {
		case words == "$":
			dot = static{ok: true}
		case words != ".":
			c.add(int(n.Pos), "not_allowed", "公共片段只能写成 {{template \"名称\" .}}", "a shared part takes the dot only: {{template \"name\" .}}")
			return nil
		}
	}
	source := part.Text
	if c.t.kind == HTML {
		source = part.HTML
		if p := checkSource("part "+n.Name, source); len(p) > 0 {
			c.problems = append(c.problems, p...)
			return nil
		}
	}
	inner := &compiler{t: c.t, name: "part " + n.Name, source: source, part: true, depth: c.depth, nodes: c.nodes}
	var list *parse.ListNode
	if tree := inner.parse(); tree != nil {
		list = inner.list(tree.Root, dot)
		inner.warnLiterals()
	}
	c.vars, c.nodes = vars, inner.nodes
	if room := 100 - len(c.problems); room > 0 {
		c.problems = append(c.problems, inner.problems[:min(room, len(inner.problems))]...)
	}
	if list == nil {
		return nil
	}
	return list
}

// then appends a call of one of our functions to a pipeline.
func (c *compiler) then(p *parse.PipeNode, name string, at parse.Node) *parse.PipeNode {
	p.Cmds = append(p.Cmds, call(p.Pos, name, at))
	return p
}

func call(pos parse.Pos, name string, args ...parse.Node) *parse.CommandNode {
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pos, Args: append([]parse.Node{
		&parse.IdentifierNode{NodeType: parse.NodeIdentifier, Pos: pos, Ident: name},
	}, args...)}
}

// ref notes a place, and returns its number.
func (c *compiler) ref(offset int, r ref) parse.Node {
	r.template = c.name
	r.line, r.column = place(c.source, offset)
	c.t.refs = append(c.t.refs, r)
	n := len(c.t.refs) - 1
	return &parse.NumberNode{NodeType: parse.NodeNumber, Pos: parse.Pos(offset), IsInt: true, Int64: int64(n), Text: strconv.Itoa(n)}
}

// pipe checks and rewrites a pipeline; nil if it is not allowed.
func (c *compiler) pipe(p *parse.PipeNode, dot static) (*parse.PipeNode, static) {
	out := &parse.PipeNode{NodeType: parse.NodePipe, Pos: p.Pos, Line: p.Line}
	is := static{}
	good := len(p.Cmds) > 0
	c.deeper(p, func() {
		for i, cmd := range p.Cmds {
			done, what := c.command(cmd, dot, i > 0)
			if good = good && done != nil; !good {
				return
			}
			is = what
			out.Cmds = append(out.Cmds, done)
		}
	})
	if !good || len(out.Cmds) == 0 {
		return nil, static{}
	}
	return out, is
}

// command checks and rewrites one step of a pipeline; piped says that it gets a value from the step before.
func (c *compiler) command(cmd *parse.CommandNode, dot static, piped bool) (*parse.CommandNode, static) {
	id, isCall := cmd.Args[0].(*parse.IdentifierNode)
	if !isCall {
		if len(cmd.Args) > 1 || piped {
			c.add(int(cmd.Pos), "not_allowed", cmd.Args[0].String()+" 不是函数，后面不能带参数", cmd.Args[0].String()+" is no function and takes no arguments")
			return nil, static{}
		}
		n, is := c.operand(cmd.Args[0], dot)
		if n == nil {
			return nil, static{}
		}
		if done, ok := n.(*parse.PipeNode); ok && len(done.Cmds) == 1 && len(done.Decl) == 0 {
			return done.Cmds[0], is
		}
		return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: cmd.Pos, Args: []parse.Node{n}}, is
	}
	if id.Ident == "field" {
		return c.field(cmd, piped)
	}
	f, known := functions[id.Ident]
	if !known {
		c.add(int(cmd.Pos), "unknown_function", "没有函数 "+id.Ident, "there is no function "+id.Ident, nearest(id.Ident, functionNames())...)
		return nil, static{}
	}
	got := len(cmd.Args) - 1
	if piped {
		got++
	}
	if got < f.min || f.max >= 0 && got > f.max {
		c.add(int(cmd.Pos), "arguments", fmt.Sprintf("函数 %s 的参数个数不对，用法：%s", id.Ident, f.usage), fmt.Sprintf("wrong number of arguments of %s, use: %s", id.Ident, f.usage))
		return nil, static{}
	}
	out := call(cmd.Pos, id.Ident)
	for i, arg := range cmd.Args[1:] {
		if f.check != nil {
			if zh, en := f.check(i, constant(arg)); zh != "" {
				c.add(int(arg.Position()), "arguments", zh, en)
			}
		}
		n, _ := c.operand(arg, dot)
		if n == nil {
			return nil, static{}
		}
		out.Args = append(out.Args, n)
	}
	return out, static{}
}

// constant is the text of a literal string, or nothing.
func constant(n parse.Node) string {
	if s, ok := n.(*parse.StringNode); ok {
		return s.Text
	}
	return ""
}

// field rewrites {{field "record.odd-name"}}.
func (c *compiler) field(cmd *parse.CommandNode, piped bool) (*parse.CommandNode, static) {
	var path string
	if len(cmd.Args) == 2 && !piped {
		path = constant(cmd.Args[1])
	}
	if path == "" || len(path) > 500 {
		c.add(int(cmd.Pos), "arguments", `用法：{{field "record.字段名"}}`, `use: {{field "record.name"}}`)
		return nil, static{}
	}
	return c.fact(cmd.Args[1], path), static{path, true}
}

// fact is a look at a fact.
func (c *compiler) fact(at parse.Node, path string) *parse.CommandNode {
	offset := int(at.Position())
	if c.t.o.Known != nil && !known(c.t.o.Known, path) {
		c.warn(offset, "unknown_field", "没有字段 "+path, "there is no field "+path, nearest(path, c.t.o.Known)...)
	}
	return call(at.Position(), "_fact", c.ref(offset, ref{path: path, shown: at.String()}))
}

func known(list []string, path string) bool {
	return slices.ContainsFunc(list, func(k string) bool {
		if rest, all := strings.CutSuffix(k, ".*"); all {
			return path == rest || strings.HasPrefix(path, rest+".")
		}
		return k == path || strings.HasPrefix(k, path+".")
	})
}

// within is a look at a part of a value that is no fact by itself.
func (c *compiler) within(base parse.Node, at parse.Node, names []string) *parse.CommandNode {
	return call(at.Position(), "_get", c.ref(int(at.Position()), ref{names: names, shown: at.String()}), base)
}

// operand checks and rewrites one word of a command; nil if it is not allowed.
func (c *compiler) operand(n parse.Node, dot static) (parse.Node, static) {
	switch n := n.(type) {
	case *parse.FieldNode:
		return c.look(n, &parse.DotNode{NodeType: parse.NodeDot, Pos: n.Pos}, dot, n.Ident)
	case *parse.DotNode:
		return c.look(n, n, dot, nil)
	case *parse.VariableNode:
		if n.Ident[0] == "$" {
			return c.look(n, nil, static{ok: true}, n.Ident[1:])
		}
		for i := len(c.vars) - 1; i >= 0; i-- {
			if c.vars[i].name == n.Ident[0] {
				base := &parse.VariableNode{NodeType: parse.NodeVariable, Pos: n.Pos, Ident: n.Ident[:1]}
				return c.look(n, base, c.vars[i].is, n.Ident[1:])
			}
		}
	case *parse.ChainNode:
		if base, ok := n.Node.(*parse.PipeNode); ok && len(base.Decl) == 0 {
			pipe, is := c.pipe(base, dot)
			if pipe == nil {
				return nil, static{}
			}
			return c.look(n, pipe, is, n.Field)
		}
	case *parse.PipeNode:
		if len(n.Decl) == 0 {
			pipe, is := c.pipe(n, dot)
			if pipe == nil {
				return nil, static{}
			}
			return pipe, is
		}
	case *parse.StringNode, *parse.NumberNode, *parse.BoolNode:
		return n, static{}
	}
	c.add(int(n.Position()), "not_allowed", n.String()+" 不能用在这里", n.String()+" is not allowed here")
	return nil, static{}
}

// look is a look at what stands at names within a value, of which base is the node.
func (c *compiler) look(at, base parse.Node, is static, names []string) (parse.Node, static) {
	if is.root() && len(names) == 0 {
		c.add(int(at.Position()), "not_allowed", "此处要写出字段，例如 {{.contact.name}}", "name a field here, such as {{.contact.name}}")
		return nil, static{}
	}
	var cmd *parse.CommandNode
	to := is.below(names)
	switch {
	case to.ok:
		cmd = c.fact(at, to.path)
	case len(names) == 0:
		return base, static{}
	default:
		cmd = c.within(base, at, names)
	}
	return &parse.PipeNode{NodeType: parse.NodePipe, Pos: at.Position(), Cmds: []*parse.CommandNode{cmd}}, to
}
