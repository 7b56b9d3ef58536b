package oauth

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"heliograph/config"
)

// fingerprint writes a value with all that it holds, secrets too, so that two that mean the same give the same text. The
// result must not be shown.
func fingerprint(v any) string {
	var b strings.Builder
	writeFingerprint(&b, reflect.ValueOf(v), 0)
	return b.String()
}

// maxDepth bounds how deep settings are nested; they are structs of a few levels.
const maxDepth = 12

func writeFingerprint(b *strings.Builder, v reflect.Value, depth int) {
	if !v.IsValid() || depth > maxDepth {
		b.WriteString("nil;")
		return
	}
	if v.CanInterface() {
		if s, ok := v.Interface().(config.Secret); ok {
			fmt.Fprintf(b, "%q;", s.Reveal())
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		writeFingerprint(b, v.Elem(), depth+1)
	case reflect.Struct:
		b.WriteString("{")
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				b.WriteString(f.Name + ":")
				writeFingerprint(b, v.Field(i), depth+1)
			}
		}
		b.WriteString("}")
	case reflect.Slice, reflect.Array:
		b.WriteString("[")
		for i := range v.Len() {
			writeFingerprint(b, v.Index(i), depth+1)
		}
		b.WriteString("]")
	case reflect.Map:
		lines := make([]string, 0, v.Len())
		for _, key := range v.MapKeys() {
			var line strings.Builder
			writeFingerprint(&line, key, depth+1)
			line.WriteString("=")
			writeFingerprint(&line, v.MapIndex(key), depth+1)
			lines = append(lines, line.String())
		}
		slices.Sort(lines)
		b.WriteString("<" + strings.Join(lines, "") + ">")
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		b.WriteString("-;")
	case reflect.String:
		fmt.Fprintf(b, "%q;", v.String())
	default:
		fmt.Fprintf(b, "%v;", v)
	}
}
