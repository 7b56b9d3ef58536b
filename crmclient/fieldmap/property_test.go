package fieldmap_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/quick"
	"unicode/utf8"

	"heliograph/config"
	"heliograph/crmclient/fieldmap"
)

func TestCuttingProperties(t *testing.T) {
	t.Parallel()
	property := func(text string, n uint8) bool {
		s, limit := strings.ToValidUTF8(text, "?"), int(n%40)+1
		runes, bytes := fieldmap.CutRunes(s, limit), fieldmap.CutUTF8(s, limit)
		whole := utf8.RuneCountInString(s) > limit || runes == s
		return whole && utf8.ValidString(runes) && utf8.ValidString(bytes) &&
			utf8.RuneCountInString(runes) <= limit && len(bytes) <= limit &&
			strings.HasPrefix(s, strings.TrimSuffix(bytes, "…")) &&
			fieldmap.CutRunes(runes, limit) == runes && fieldmap.CutUTF8(bytes, limit) == bytes
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 3000}); err != nil {
		t.Error(err)
	}
	for limit, want := range map[int]string{1: "…", 2: "\U0001f44b…", 3: "\U0001f44bש…", 4: "\U0001f44bשלx"} {
		if got := fieldmap.CutRunes("\U0001f44bשלx", limit); got != want {
			t.Errorf("%d runes: got %q, want %q", limit, got, want)
		}
	}
}

func TestHTMLProperties(t *testing.T) {
	t.Parallel()
	property := func(s string) bool {
		got := strings.ReplaceAll(fieldmap.HTMLFromText(s), "<br>\n", "")
		return !strings.ContainsAny(got, "<>\"'\n")
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 2000}); err != nil {
		t.Error(err)
	}
}

// FuzzFields decodes any text as a section. What is taken must work on any mail without a panic, give JSON, and give the
// same again.
func FuzzFields(f *testing.F) {
	f.Add("fields:\n  X: {from: subject, then: [{cut: 5}]}\n", "hello")
	f.Add("fields:\n  X: {from: date, then: [{date: unix, zone: UTC}, {string: true}, {map: {a: 1}, else: 2.5}]}\n", "")
	f.Add("fields:\n  X: {value: [a], then: [{wrap_each: b}]}\n  Y: {from: to, then: [{first: true}, {number: true}, {list: true}]}\n", "7")
	f.Add("fields:\n  X: {from: automated, then: [{bool: [Y, 1]}, {default: x}, {wrap: z}]}\n  Type: {remove: true}\n", "x")
	f.Fuzz(func(t *testing.T, text, subject string) {
		var s section
		if config.NewSection(text).Decode(&s) != nil {
			return
		}
		m, err := fieldmap.New("fields", fieldmap.ActivitySources(), defaults(), s.Fields)
		if err != nil {
			return
		}
		a := example()
		a.Subject = subject
		a.To[0].Name, a.To[0].Address = "", subject
		first, err := m.Apply(fieldmap.Activity(a))
		if err != nil {
			return
		}
		one, err := json.Marshal(first)
		if err != nil {
			t.Fatalf("not JSON: %v", err)
		}
		again, err := m.Apply(fieldmap.Activity(a))
		if err != nil {
			t.Fatal(err)
		}
		if two, err := json.Marshal(again); err != nil || string(one) != string(two) {
			t.Errorf("got %s, then %s (%v)", one, two, err)
		}
	})
}
