package condition

import (
	"context"
	"errors"
	"strings"
)

// changeFields is where a change says which fields have which values; the key is the field, below it are old and new.
const changeFields = "change.fields"

// changedField returns the name of the field that a path is about: record.stage and change.fields.stage are stage.
func changedField(path string) (string, bool) {
	for _, prefix := range []string{"record.", changeFields + "."} {
		if name, ok := strings.CutPrefix(path, prefix); ok && name != "" {
			return name, true
		}
	}
	return "", false
}

// change returns what a field had and has. changed is False where the change is known not to touch the field.
func (e *evaluation) change(ctx context.Context, field string) (before, after known, changed verdict, err error) {
	path := changeFields + "." + field
	fields, err := e.memo.lookUp(ctx, changeFields)
	if err != nil {
		return before, after, changed, err
	}
	if all, ok := fields.value.(map[string]any); ok || fields.unknown == nil && fields.value == nil {
		entry, touched := all[field]
		if !touched {
			return before, after, verdict{truth: False}, nil
		}
		values, _ := entry.(map[string]any)
		return part(values, path, "old"), part(values, path, "new"), verdict{truth: True}, nil
	}
	if before, err = e.memo.lookUp(ctx, path+".old"); err != nil {
		return before, after, changed, err
	}
	after, err = e.memo.lookUp(ctx, path+".new")
	if err == nil && before.unknown != nil && after.unknown != nil {
		return before, after, verdict{why: asUnknown(after.unknown)}, nil
	}
	return before, after, verdict{truth: True}, err
}

// part is one side of a change, unknown where the CRM did not say it.
func part(values map[string]any, path, key string) known {
	if v, ok := values[key]; ok {
		return known{value: v}
	}
	return known{unknown: &Unknown{Path: path + "." + key, Reason: "the change does not say it"}}
}

// errNotAsked guards the calls of checkChanged: the leaf has no fact of its own.
var errNotAsked = errors.New("a change was asked like a fact")

func checkChanged(*evaluation, *leaf, *operand) (verdict, error) { return verdict{}, errNotAsked }

// changeLeaf decides the operators about changes, and returns what it looked at.
func (e *evaluation) changeLeaf(l *leaf) (verdict, any, error) {
	before, after, touched, err := e.change(e.ctx, l.changes)
	if err != nil || touched.truth != True {
		return touched, nil, err
	}
	seen := map[string]any{}
	for name, side := range map[string]known{"old": before, "new": after} {
		if side.unknown == nil {
			seen[name] = side.value
		}
	}
	out := verdict{truth: True}
	// What is asked for each side, as far as it is known; then that the sides differ.
	for i, side := range []known{before, after} {
		c := l.args.sides[i]
		if c == nil {
			continue
		}
		v, err := e.sideIs(l, side, c)
		if err != nil {
			return verdict{}, nil, err
		}
		if out = out.and(v); out.truth == False {
			return out, seen, nil
		}
	}
	differ := verdict{}
	switch {
	case before.unknown != nil:
		differ.why = asUnknown(before.unknown)
	case after.unknown != nil:
		differ.why = asUnknown(after.unknown)
	default:
		differ = e.equal(l.fact.Type, &operand{raw: before.value}, &operand{raw: after.value}).not()
	}
	return out.and(differ), seen, nil
}

func (e *evaluation) sideIs(l *leaf, side known, c *constant) (verdict, error) {
	if side.unknown != nil {
		return verdict{why: asUnknown(side.unknown)}, nil
	}
	value, why, err := e.argument(c)
	if err != nil || why != nil {
		return verdict{why: why}, err
	}
	return e.equal(l.fact.Type, &operand{raw: side.value}, value), nil
}
