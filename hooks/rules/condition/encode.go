package condition

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// object is a map whose keys have an order.
type object []member

type member struct {
	key   string
	value any
}

// MarshalJSON writes the condition with its keys in the usual order; equal conditions give equal bytes.
func (n *Node) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	if err := writeJSON(&out, n.ordered()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	if err := writeJSON(&out, o); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// ordered is the condition as plain data with ordered keys.
func (n *Node) ordered() object {
	kind := string(n.Kind)
	switch n.Kind {
	case All, Any:
		list := make([]any, len(n.Nodes))
		for i, child := range n.Nodes {
			list[i] = child.ordered()
		}
		return object{{kind, list}}
	case Not:
		if len(n.Nodes) != 1 {
			return object{{kind, nil}}
		}
		return object{{kind, n.Nodes[0].ordered()}}
	case CEL:
		return object{{kind, n.CEL}}
	}
	out := object{{kind, n.Path}}
	if n.As != "" {
		out = append(out, member{"as", n.As})
	}
	if n.Where != nil {
		out = append(out, member{"where", n.Where.ordered()})
	}
	if n.Op != "" {
		out = append(out, member{"op", n.Op})
	}
	if n.Value != nil {
		out = append(out, member{"value", orderedValue(n.Value)})
	}
	return out
}

// orderedValue sorts the keys of maps, at every level; times become texts.
func orderedValue(data any) any {
	switch v := data.(type) {
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = orderedValue(item)
		}
		return out
	case map[string]any:
		out := make(object, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(out, member{key, orderedValue(v[key])})
		}
		return out
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	return data
}

func writeJSON(out *bytes.Buffer, data any) error {
	switch v := data.(type) {
	case object:
		out.WriteByte('{')
		for i, m := range v {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeJSON(out, m.key); err != nil {
				return err
			}
			out.WriteByte(':')
			if err := writeJSON(out, m.value); err != nil {
				return err
			}
		}
		out.WriteByte('}')
		return nil
	case []any:
		out.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeJSON(out, item); err != nil {
				return err
			}
		}
		out.WriteByte(']')
		return nil
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if err := e.Encode(data); err != nil {
		return err
	}
	out.Truncate(out.Len() - 1) // the line break
	return nil
}
