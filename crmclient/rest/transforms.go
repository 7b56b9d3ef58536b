package rest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"heliograph/crmclient/fieldmap"
)

// transform changes one value. A list is changed as a whole or value by value, as the transform says.
type transform func(v any, s scope) (any, error)

// definition is one line of the table of transforms.
type definition struct {
	min, max int    // arguments; -1: any number
	usage    string // "one number"
	make     func(args []string) (transform, error)
}

// transforms is the whole table. It is never changed.
var transforms = map[string]definition{
	"cut":           {1, 1, "a number of characters", numbered(fieldmap.CutRunes)},
	"cut_bytes":     {1, 1, "a number of bytes", numbered(fieldmap.CutUTF8)},
	"lower":         plainText(strings.ToLower),
	"upper":         plainText(strings.ToUpper),
	"trim":          plainText(strings.TrimSpace),
	"one_line":      plainText(func(s string) string { return strings.Join(strings.Fields(s), " ") }),
	"local_part":    plainText(func(s string) string { local, _, _ := strings.Cut(s, "@"); return local }),
	"domain":        plainText(func(s string) string { return s[strings.LastIndexByte(s, '@')+1:] }),
	"last_segment":  plainText(func(s string) string { return s[strings.LastIndexByte(strings.TrimRight(s, "/"), '/')+1:] }),
	"prefix":        {1, 1, "a text", one(func(s, arg string) string { return arg + s })},
	"suffix":        {1, 1, "a text", one(func(s, arg string) string { return s + arg })},
	"replace":       {2, 2, "two texts", makeReplace},
	"escape_html":   plainText(html.EscapeString),
	"html":          plainText(fieldmap.HTMLFromText),
	"url":           plainText(url.QueryEscape),
	"xml":           plainText(escapeXML),
	"csv":           plainText(func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }),
	"backslash":     {1, 1, "the characters that get a backslash", one(backslash)},
	"double":        {1, 1, "the characters that are doubled", one(double)},
	"sha256":        plainText(func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }),
	"base64":        {0, 0, "nothing", func([]string) (transform, error) { return toBase64, nil }},
	"raw":           {0, 0, "nothing", func([]string) (transform, error) { return func(v any, _ scope) (any, error) { return v, nil }, nil }},
	"json":          {0, 0, "nothing", func([]string) (transform, error) { return toJSON, nil }},
	"text":          {0, 0, "nothing", func([]string) (transform, error) { return toText, nil }},
	"number":        {0, 0, "nothing", func([]string) (transform, error) { return toNumber, nil }},
	"boolean":       {0, 2, "nothing, or a text for true and one for false", makeBoolean},
	"default":       {1, 1, "a value", makeDefault},
	"optional":      {0, 0, "nothing", func([]string) (transform, error) { return optional, nil }},
	"join":          {1, 1, "a text", makeJoin},
	"split":         {1, 1, "a text", makeSplit},
	"first":         {0, 0, "nothing", func([]string) (transform, error) { return first, nil }},
	"list":          {0, 0, "nothing", func([]string) (transform, error) { return asList, nil }},
	"count":         {0, 0, "nothing", func([]string) (transform, error) { return count, nil }},
	"pluck":         {1, 1, "the name of a value", makePluck},
	"date":          {1, 2, "a format and perhaps a time zone", makeDate},
	"lookup":        {1, 1, "the name of a table under lookups", makeLookup},
	"seconds_later": {1, 1, "a number of seconds", makeLater},
}

func transformNames() string { return strings.Join(slices.Sorted(maps.Keys(transforms)), ", ") }

// eachText runs f over a text, or over each text of a list.
func eachText(f func(string) string) transform {
	return func(v any, _ scope) (any, error) {
		list, isList := v.([]any)
		if !isList {
			text, err := textOf(v)
			return f(text), err
		}
		out := make([]any, len(list))
		for i, item := range list {
			text, err := textOf(item)
			if err != nil {
				return nil, err
			}
			out[i] = f(text)
		}
		return out, nil
	}
}

func plainText(f func(string) string) definition {
	return definition{0, 0, "nothing", func([]string) (transform, error) { return eachText(f), nil }}
}

func one(f func(s, arg string) string) func([]string) (transform, error) {
	return func(args []string) (transform, error) {
		return eachText(func(s string) string { return f(s, args[0]) }), nil
	}
}

func numbered(f func(string, int) string) func([]string) (transform, error) {
	return func(args []string) (transform, error) {
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number from 1", args[0])
		}
		return eachText(func(s string) string { return f(s, n) }), nil
	}
}

func makeReplace(args []string) (transform, error) {
	if args[0] == "" || len(args[1]) > len(args[0])*8 { // a replacement must not blow a text up
		return nil, errors.New("the first text is empty or the second much longer")
	}
	return eachText(func(s string) string { return strings.ReplaceAll(s, args[0], args[1]) }), nil
}

func escapeXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

// backslash puts a backslash before each of chars and before a backslash, as texts in many query languages want it.
func backslash(s, chars string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\\' || strings.ContainsRune(chars, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// double doubles each of chars, as texts in SQL and OData want it.
func double(s, chars string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(chars, r) {
			b.WriteRune(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

func toBase64(v any, _ scope) (any, error) {
	if b, ok := v.([]byte); ok {
		return base64.StdEncoding.EncodeToString(b), nil
	}
	text, err := textOf(v)
	return base64.StdEncoding.EncodeToString([]byte(text)), err
}

func toJSON(v any, _ scope) (any, error) {
	b, err := encodeJSON(plain(v))
	return string(b), err
}

func toText(v any, _ scope) (any, error) { return textOf(v) }

func toNumber(v any, _ scope) (any, error) {
	text, err := textOf(v)
	if err != nil {
		return nil, err
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	if _, err := strconv.ParseFloat(text, 64); err != nil || !json.Valid([]byte(text)) {
		return nil, errors.New("the text is not a number")
	}
	return json.Number(text), nil
}

func makeBoolean(args []string) (transform, error) {
	if len(args) == 1 {
		return nil, errors.New("it needs both texts or none")
	}
	return func(v any, _ scope) (any, error) {
		is := isTrue(v)
		switch {
		case len(args) == 0:
			return is, nil
		case is:
			return args[0], nil
		}
		return args[1], nil
	}, nil
}

// isTrue says whether a value is there and not a word for no.
func isTrue(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		return v != "" && v != "0" && !strings.EqualFold(v, "false") && !strings.EqualFold(v, "no")
	case json.Number:
		return v != "0"
	}
	return !isEmpty(v)
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil, omission:
		return true
	case string:
		return v == ""
	case []byte:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	case time.Time:
		return v.IsZero()
	}
	return false
}

func makeDefault(args []string) (transform, error) {
	return func(v any, _ scope) (any, error) {
		if isEmpty(v) {
			return args[0], nil
		}
		return v, nil
	}, nil
}

// optional leaves out the key or parameter whose value is empty.
func optional(v any, _ scope) (any, error) {
	if isEmpty(v) {
		return omitted, nil
	}
	return v, nil
}

func makeJoin(args []string) (transform, error) {
	return func(v any, _ scope) (any, error) {
		list, ok := v.([]any)
		if !ok {
			return textOf(v)
		}
		texts := make([]string, len(list))
		for i, item := range list {
			var err error
			if texts[i], err = textOf(item); err != nil {
				return nil, err
			}
		}
		return strings.Join(texts, args[0]), nil
	}, nil
}

func makeSplit(args []string) (transform, error) {
	if args[0] == "" {
		return nil, errors.New("the text is empty")
	}
	return func(v any, _ scope) (any, error) {
		text, err := textOf(v)
		if err != nil || text == "" {
			return []any{}, err
		}
		var out []any
		for piece := range strings.SplitSeq(text, args[0]) {
			out = append(out, strings.TrimSpace(piece))
		}
		return out, nil
	}, nil
}

func first(v any, _ scope) (any, error) {
	list, ok := v.([]any)
	switch {
	case !ok:
		return v, nil
	case len(list) == 0:
		return nil, nil
	}
	return list[0], nil
}

func asList(v any, _ scope) (any, error) {
	if list, ok := v.([]any); ok {
		return list, nil
	}
	if isEmpty(v) {
		return []any{}, nil
	}
	return []any{v}, nil
}

func count(v any, _ scope) (any, error) {
	switch v := v.(type) {
	case []any:
		return int64(len(v)), nil
	case map[string]any:
		return int64(len(v)), nil
	}
	if isEmpty(v) {
		return int64(0), nil
	}
	return int64(1), nil
}

// makePluck takes one value of an object, or of each object of a list.
func makePluck(args []string) (transform, error) {
	return func(v any, _ scope) (any, error) {
		list, ok := v.([]any)
		if !ok {
			return member(v, args[0]), nil
		}
		out := make([]any, 0, len(list))
		for _, item := range list {
			if m := member(item, args[0]); !isEmpty(m) {
				out = append(out, m)
			}
		}
		return out, nil
	}, nil
}

func makeDate(args []string) (transform, error) {
	format, zone := fieldmap.DateFormat(args[0]), time.UTC
	if !slices.Contains(format.Allowed(), args[0]) {
		return nil, fmt.Errorf("%q is not a format; known are %s", args[0], strings.Join(format.Allowed(), ", "))
	}
	if len(args) == 2 {
		var err error
		if zone, err = time.LoadLocation(args[1]); err != nil || args[1] == "" || args[1] == "Local" {
			return nil, fmt.Errorf("%q is not a time zone", args[1])
		}
	}
	return func(v any, _ scope) (any, error) {
		if isEmpty(v) {
			return nil, nil
		}
		at, err := timeOf(v)
		if err != nil {
			return nil, err
		}
		return format.Format(at, zone)
	}, nil
}

func makeLater(args []string) (transform, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, fmt.Errorf("%q is not a whole number", args[0])
	}
	return func(v any, _ scope) (any, error) {
		at, err := timeOf(v)
		return at.Add(time.Duration(n) * time.Second), err
	}, nil
}

// timeLayouts are the forms in which CRMs write a time, besides numbers.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", time.DateTime, "2006-01-02 15:04", "2006/01/02 15:04:05",
	time.DateOnly, time.RFC1123Z, time.RFC1123,
}

// timeOf reads a time: a text in one of the usual forms (UTC where it names no zone), or a number of seconds or
// milliseconds since 1970.
func timeOf(v any) (time.Time, error) {
	if at, ok := v.(time.Time); ok {
		return at, nil
	}
	text, err := textOf(v)
	if err != nil {
		return time.Time{}, err
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n > 1e11 || n < -1e11 { // seconds would be the year 5138
			return time.UnixMilli(n).UTC(), nil
		}
		return time.Unix(n, 0).UTC(), nil
	}
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New("it is not a time in a known form")
}

// errNoLookup says that a table has no line for a value.
var errNoLookup = errors.New("the table has no such value")

// makeLookup replaces a value by what a table of the section says; the line "*" is for all others.
func makeLookup(args []string) (transform, error) {
	return func(v any, s scope) (any, error) {
		table, ok := s.table(args[0])
		if !ok {
			return nil, fmt.Errorf("there is no table %q under lookups", args[0])
		}
		text, err := textOf(v)
		if err != nil {
			return nil, err
		}
		if out, ok := table[text]; ok {
			return out, nil
		}
		if out, ok := table["*"]; ok {
			return out, nil
		}
		return nil, errNoLookup
	}, nil
}
