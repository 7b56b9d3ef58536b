package changes

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"heliograph/internal/decimal"
)

// maxValue bounds what is kept of one value, in bytes of JSON. Of a longer one its hash is kept: that it changed is told, what it
// was is not.
const maxValue = 4 << 10

// longValue stands for a value that is too long to keep.
type longValue struct {
	SHA256 string `json:"too_long_sha256"`
}

// kept returns a value as it is kept: JSON in one form, so that equal values have equal bytes.
func kept(v any) json.RawMessage {
	raw, err := json.Marshal(normal(v, 0))
	if err != nil { // a connector returned what is no value
		return json.RawMessage("null")
	}
	if len(raw) > maxValue {
		sum := sha256.Sum256(raw)
		raw, _ = json.Marshal(longValue{hex.EncodeToString(sum[:])})
	}
	return raw
}

// maxDepth bounds nesting; deeper parts are not compared.
const maxDepth = 10

func normal(v any, depth int) any {
	switch x := v.(type) {
	case json.Number:
		return json.RawMessage(plainNumber(x.String()))
	case time.Time:
		if x.IsZero() {
			return nil
		}
		return x.UTC().Format(time.RFC3339Nano)
	case []any:
		if depth >= maxDepth {
			return nil
		}
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = normal(e, depth+1)
		}
		return out
	case map[string]any:
		if depth >= maxDepth {
			return nil
		}
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = normal(e, depth+1)
		}
		return out
	}
	return v
}

// plainNumber writes 1, 1.0 and 1e0 alike: CRMs change the form of a number without changing it. What is too long, or no number,
// becomes a text.
func plainNumber(n string) string {
	asText, _ := json.Marshal(n) // a text cannot fail
	r, ok := decimal.Parse(n)
	if !ok || !json.Valid([]byte(n)) {
		return string(asText)
	}
	digits, _ := r.FloatPrec() // exact: it was a decimal number
	plain := r.FloatString(digits)
	if len(plain) > decimal.MaxText {
		return string(asText)
	}
	return plain
}

// shown reads a kept value back, for those who are told of a change. Of a value that was too long it is nil.
func shown(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	var long longValue
	if bytes.HasPrefix(raw, []byte(`{"too_long_sha256"`)) && json.Unmarshal(raw, &long) == nil && long.SHA256 != "" {
		return nil
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// echoHash is equal for a value that was written and for what a CRM makes of it: 5, "5" and "5.00"; a time in another zone.
func echoHash(v any) string {
	text := ""
	switch x := v.(type) {
	case string:
		text = strings.TrimSpace(x)
	default:
		text = string(kept(v))
		if s, ok := shown(json.RawMessage(text)).(string); ok {
			text = s
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		text = t.UTC().Format(time.RFC3339Nano)
	}
	if json.Valid([]byte(text)) && text != "" && strings.ContainsAny(text[:1], "-0123456789") {
		text = plainNumber(text)
	}
	if text == "null" {
		text = ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}
