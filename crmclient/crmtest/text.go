package crmtest

import (
	"strings"
	"testing"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// caps returns the limits that the connector tells; zero means none.
func (b *bench) caps() crmclient.Caps {
	if c, ok := crmclient.As[crmclient.Capped](b.client); ok {
		return c.Caps()
	}
	return crmclient.Caps{}
}

// runText writes texts as long as they come. What is beyond the connector's caps is cut before, as the mirror does.
func (s Subject) runText(t *testing.T) {
	texts := map[string]string{
		"1 MB of letters":          strings.Repeat("The quick brown fox jumps over the lazy dog.\n", 1<<20/45),
		"1 MB of Chinese":          strings.Repeat("敏捷的棕色狐狸跳过懒狗。\n", 1<<20/37),
		"four-byte runes":          strings.Repeat("𠀀👋𪚥", 8_000), // 48,000 units of UTF-16: the shortest limit of a vendor that counts these
		"right to left, long":      strings.Repeat("שלום עולם مرحبا ", 4_000),
		"nothing but line breaks":  strings.Repeat("\n", 5_000) + "end",
		"what looks like a marker": strings.Repeat("]]> --> */ ${x} {{y}} %s \\u0000 ", 500),
	}
	t.Run("long text within the caps", func(t *testing.T) {
		t.Parallel()
		b := s.start(t, longTimeout)
		caps := b.caps()
		for name, text := range texts {
			a := Activity("long-" + name)
			a.Text = fieldmap.CutRunes(text, caps.TextRunes)
			a.TextUnquoted = a.Text
			if _, err := b.client.LogEmail(t.Context(), a); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			b.wantOne(t, a.Key)
			for _, r := range b.records(t, a.Key) {
				if !s.sameText(r.Text, a.Text) {
					t.Errorf("%s: text of %d bytes came back as %d bytes, beginning %.60q", name, len(a.Text), len(r.Text), r.Text)
				}
			}
		}
	})
	t.Run("a subject as long as the caps say", func(t *testing.T) {
		t.Parallel()
		b := s.start(t, longTimeout)
		most := b.caps().SubjectRunes
		if most <= 0 {
			return
		}
		a := Activity("long-subject")
		a.Subject = strings.Repeat("𠀀", most)
		if _, err := b.client.LogEmail(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		b.wantOne(t, a.Key)
		for _, r := range b.records(t, a.Key) {
			if r.Subject != a.Subject {
				t.Errorf("subject of %d runes came back as %d", most, len([]rune(r.Subject)))
			}
		}
	})
}
