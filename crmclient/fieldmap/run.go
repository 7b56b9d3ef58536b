package fieldmap

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// runner does one step.
type runner func(any) (any, error)

// compile checks that the step takes values of kind in, and returns it with the kind and length that it gives.
func (s Step) compile(op string, in Kind, limit int) (run runner, out Kind, outLimit int, err error) {
	refuse := func(want string) error {
		return fmt.Errorf("%s takes %s, not a %s", op, want, in)
	}
	isText := in == Text || in == List || in == Any
	switch op {
	case opCut, opCutBytes, opHTMLEscape, opTextToHTML, opLower, opPrefix, opSuffix:
		if !isText {
			return nil, "", 0, refuse("a text")
		}
		return s.compileText(op, in, limit)
	case opJoin, opFirst:
		if in != List && in != Any {
			return nil, "", 0, refuse("a list")
		}
		return s.compileList(op), Text, limit, nil
	case opDate:
		if in != Time && in != Any {
			return nil, "", 0, refuse("a time")
		}
		return s.compileDate()
	case opMap:
		if in == Time || in == Object {
			return nil, "", 0, refuse("a text, number or bool")
		}
		return s.compileMap(in)
	case opBool:
		if in != Bool && in != Any {
			return nil, "", 0, refuse("a bool")
		}
		return s.compileBool()
	case opNumber:
		if in != Text && in != Number && in != Any {
			return nil, "", 0, refuse("a text")
		}
		return toNumber, Number, 0, nil
	case opString:
		if in == Time || in == Object || in == List {
			return nil, "", 0, refuse("a number or bool")
		}
		return toText, Text, limit, nil
	case opDefault:
		return s.compileDefault(in, limit)
	}
	return s.compileShape(op, in)
}

func (s Step) compileText(op string, in Kind, limit int) (runner, Kind, int, error) {
	var change func(string) string
	switch op {
	case opCut:
		if s.Cut < 0 {
			return nil, "", 0, errors.New("cut must be positive")
		}
		limit, change = s.Cut, func(t string) string { return CutRunes(t, s.Cut) }
	case opCutBytes:
		if s.CutBytes < 0 {
			return nil, "", 0, errors.New("cut_bytes must be positive")
		}
		limit, change = s.CutBytes, func(t string) string { return CutUTF8(t, s.CutBytes) }
	case opHTMLEscape:
		change = html.EscapeString
	case opTextToHTML:
		change = HTMLFromText
	case opLower:
		change = strings.ToLower
	case opPrefix:
		limit, change = longer(limit, s.Prefix), func(t string) string { return s.Prefix + t }
	case opSuffix:
		limit, change = longer(limit, s.Suffix), func(t string) string { return t + s.Suffix }
	}
	return func(v any) (any, error) { return onText(op, v, change) }, in, limit, nil
}

func longer(limit int, more string) int {
	if limit == unbounded || limit == 0 {
		return limit
	}
	return limit + utf8.RuneCountInString(more)
}

// onText changes a text, or each text of a list. Nothing stays nothing.
func onText(op string, v any, change func(string) string) (any, error) {
	switch x := v.(type) {
	case nil:
		return nil, nil
	case string:
		if x == "" {
			return x, nil
		}
		return change(x), nil
	case []string:
		out := make([]string, 0, len(x))
		for _, t := range x {
			out = append(out, change(t))
		}
		return out, nil
	}
	return nil, fmt.Errorf("%s takes a text", op)
}

func (s Step) compileList(op string) runner {
	return func(v any) (any, error) {
		switch x := v.(type) {
		case nil, string:
			return x, nil
		case []string:
			switch {
			case op == opJoin:
				return strings.Join(x, *s.Join), nil
			case len(x) > 0:
				return x[0], nil
			}
			return nil, nil
		}
		return nil, fmt.Errorf("%s takes a list", op)
	}
}

func (s Step) compileDate() (runner, Kind, int, error) {
	zone := time.UTC
	if s.Zone != "" {
		var err error
		if zone, err = time.LoadLocation(s.Zone); err != nil || s.Zone == "Local" {
			return nil, "", 0, fmt.Errorf("zone: %s is not a time zone: write a name such as Asia/Shanghai", show(s.Zone))
		}
	}
	if _, err := s.Date.Format(time.Time{}, zone); err != nil {
		return nil, "", 0, fmt.Errorf("%w; known are %s", err, strings.Join(s.Date.Allowed(), ", "))
	}
	out := Text
	if s.Date.layout() == "" {
		out = Number
	}
	return func(v any) (any, error) {
		switch x := v.(type) {
		case nil:
			return nil, nil
		case time.Time:
			if x.IsZero() {
				return nil, nil
			}
			return s.Date.Format(x, zone)
		}
		return nil, errors.New("date takes a time")
	}, out, 0, nil
}

func (s Step) compileMap(in Kind) (runner, Kind, int, error) {
	if len(s.Map) == 0 || len(s.Map) > maxFields {
		return nil, "", 0, fmt.Errorf("map needs 1 to %d values", maxFields)
	}
	values := make(map[string]any, len(s.Map))
	k, limit := Kind(""), 0
	add := func(v any) (any, error) {
		value, vk, vl, err := constant(v)
		if k != "" && k != vk {
			vk = Any
		}
		k, limit = vk, max(limit, vl)
		return value, err
	}
	for name, v := range s.Map {
		value, err := add(v)
		if err != nil {
			return nil, "", 0, fmt.Errorf("map: %s: %w", show(name), err)
		}
		values[name] = value
	}
	var otherwise any
	if s.Else != nil {
		var err error
		if otherwise, err = add(s.Else); err != nil {
			return nil, "", 0, fmt.Errorf("else: %w", err)
		}
	}
	look := func(t string) any {
		if v, ok := values[t]; ok {
			return v
		}
		return otherwise
	}
	if in == List {
		if k != Text {
			return nil, "", 0, errors.New("map: the values for a list must be texts")
		}
		return func(v any) (any, error) { return mapEach(v, look) }, List, limit, nil
	}
	return func(v any) (any, error) {
		t, err := toText(v)
		if err != nil {
			return nil, err
		}
		if t == nil {
			t = ""
		}
		return look(t.(string)), nil
	}, k, limit, nil
}

// mapEach replaces the texts of a list; those that become nothing are left out.
func mapEach(v any, look func(string) any) (any, error) {
	list, ok := v.([]string)
	if !ok && v != nil {
		return nil, errors.New("map takes a list here")
	}
	var out []string
	for _, t := range list {
		if s, ok := look(t).(string); ok && s != "" {
			out = append(out, s)
		}
	}
	return out, nil
}

func (s Step) compileBool() (runner, Kind, int, error) {
	if len(s.Bool) != 2 {
		return nil, "", 0, errors.New("bool needs two values: the one for true, then the one for false")
	}
	yes, k, limit, err := constant(s.Bool[0])
	if err != nil {
		return nil, "", 0, fmt.Errorf("bool: %w", err)
	}
	no, k2, limit2, err := constant(s.Bool[1])
	if err != nil {
		return nil, "", 0, fmt.Errorf("bool: %w", err)
	}
	if k != k2 {
		k = Any
	}
	return func(v any) (any, error) {
		switch x := v.(type) {
		case nil:
			return nil, nil
		case bool:
			if x {
				return yes, nil
			}
			return no, nil
		}
		return nil, errors.New("bool takes true or false")
	}, k, max(limit, limit2), nil
}

func (s Step) compileDefault(in Kind, limit int) (runner, Kind, int, error) {
	value, k, l, err := constant(s.Default)
	if err != nil {
		return nil, "", 0, fmt.Errorf("default: %w", err)
	}
	if k != in {
		k = Any
	}
	return func(v any) (any, error) {
		if empty(v) {
			return value, nil
		}
		return v, nil
	}, k, max(limit, l), nil
}

// compileShape puts values into lists and objects.
func (s Step) compileShape(op string, in Kind) (runner, Kind, int, error) {
	switch op {
	case opList:
		if in == List {
			return nil, "", 0, errors.New("list takes one value, not a list")
		}
		return func(v any) (any, error) {
			if empty(v) {
				return nil, nil
			}
			return []any{plain(v)}, nil
		}, Any, 0, nil
	case opWrap:
		return func(v any) (any, error) {
			if empty(v) {
				return nil, nil
			}
			return map[string]any{s.Wrap: plain(v)}, nil
		}, Object, 0, nil
	}
	if in != List && in != Any {
		return nil, "", 0, fmt.Errorf("%s takes a list, not a %s", op, in)
	}
	return func(v any) (any, error) {
		list, ok := plain(v).([]any)
		if !ok {
			return nil, nil
		}
		out := make([]any, len(list))
		for i, x := range list {
			out[i] = map[string]any{s.WrapEach: x}
		}
		return out, nil
	}, Any, 0, nil
}

// maxDigits bounds a number: no amount of a company is longer.
const maxDigits = 60

// toNumber reads a decimal number exactly. A comma is not taken: it means thousands in one country and decimals in another.
func toNumber(v any) (any, error) {
	switch x := v.(type) {
	case nil:
		return nil, nil
	case string:
		t := strings.TrimSpace(x)
		if t == "" {
			return nil, nil
		}
		if len(t) > maxDigits || !isNumber(t) {
			return nil, errors.New("the value is not a number")
		}
		return json.Number(t), nil
	}
	if _, err := toText(v); err != nil {
		return nil, errors.New("number takes a text")
	}
	if _, isBool := v.(bool); isBool {
		return nil, errors.New("number takes a text")
	}
	return v, nil
}

// isNumber says whether t is a number as JSON has it (RFC 8259, 6).
func isNumber(t string) bool {
	if !json.Valid([]byte(t)) || !strings.ContainsAny(t[:1], "-0123456789") {
		return false
	}
	_, ok := new(big.Float).SetString(t)
	return ok
}

// toText writes a number or bool as a text.
func toText(v any) (any, error) {
	switch x := v.(type) {
	case nil:
		return nil, nil
	case string:
		return x, nil
	case bool:
		return strconv.FormatBool(x), nil
	case json.Number:
		return x.String(), nil
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64), nil
	}
	if r := reflect.ValueOf(v); r.CanInt() {
		return strconv.FormatInt(r.Int(), 10), nil
	} else if r.CanUint() {
		return strconv.FormatUint(r.Uint(), 10), nil
	}
	return nil, errors.New("string takes a number or bool")
}

// constant checks a value of the configuration or of a connector's default.
func constant(v any) (value any, k Kind, limit int, err error) {
	switch x := v.(type) {
	case string:
		if len(x) > maxConstant || !utf8.ValidString(x) {
			return nil, "", 0, fmt.Errorf("a text of at most %d bytes is needed", maxConstant)
		}
		return x, Text, max(1, utf8.RuneCountInString(x)), nil
	case bool:
		return x, Bool, 0, nil
	case int, int64, json.Number:
		return x, Number, 0, nil
	case float64:
		if x-x != 0 { // infinite, or not a number: JSON has neither
			return nil, "", 0, errors.New("the number has no value")
		}
		return x, Number, 0, nil
	case []string:
		return x, List, 0, nil
	case []any:
		list := make([]string, 0, len(x))
		for _, e := range x {
			t, ok := e.(string)
			if !ok || len(t) > maxConstant || len(x) > maxFields {
				return nil, "", 0, errors.New("a list must hold texts")
			}
			list = append(list, t)
		}
		return list, List, 0, nil
	}
	return nil, "", 0, errors.New("a text, number, true, false or list of texts is needed")
}

// empty says whether there is nothing to write. False and zero are something.
func empty(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case string:
		return x == ""
	case []string:
		return len(x) == 0
	case []any:
		return len(x) == 0
	case map[string]any:
		return len(x) == 0
	case time.Time:
		return x.IsZero()
	}
	return false
}

// plain makes a value ready for JSON.
func plain(v any) any {
	switch x := v.(type) {
	case []string:
		out := make([]any, len(x))
		for i, s := range x {
			out[i] = s
		}
		return out
	case time.Time:
		return x.UTC().Format(time.RFC3339)
	}
	if r := reflect.ValueOf(v); r.IsValid() && r.CanInt() {
		return r.Int()
	}
	return v
}
