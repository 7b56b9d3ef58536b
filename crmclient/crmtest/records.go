package crmtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"heliograph/crmclient"
)

// runRecords is the part of the suite that needs no wire.
func (s Subject) runRecords(t *testing.T) {
	t.Run("a repeated key makes no second record", func(t *testing.T) {
		t.Parallel()
		b := s.start(t, longTimeout)
		for range 3 {
			if _, err := b.client.LogEmail(t.Context(), Activity("repeat")); err != nil {
				t.Fatal(err)
			}
		}
		b.wantOne(t, "repeat")
	})
	t.Run("different keys with the same words are two records", func(t *testing.T) {
		t.Parallel()
		b := s.start(t, longTimeout)
		for _, key := range []string{"twin-1", "twin-2"} {
			if _, err := b.client.LogEmail(t.Context(), Activity(key)); err != nil {
				t.Fatal(err)
			}
			b.wantOne(t, key)
		}
	})
	t.Run("unicode and long text survive", s.unicode)
	t.Run("attachments are told of", func(t *testing.T) {
		t.Parallel()
		if s.NoAttachments {
			return
		}
		b := s.start(t, longTimeout)
		a := Activity("attachments")
		a.Attachments = append(a.Attachments, crmclient.Attachment{
			Name: "报价单 📎.xlsx", Type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Size: 1 << 33, SHA256: strings.Repeat("cd", 32),
		})
		if _, err := b.client.LogEmail(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		b.wantOne(t, a.Key)
		want := []string{"quotation.pdf", "报价单 📎.xlsx"}
		for _, r := range b.records(t, a.Key) {
			if !slices.Equal(r.Attachments, want) {
				t.Errorf("attachments: got %q, want %q", r.Attachments, want)
			}
		}
	})
	t.Run("an empty mail is a record too", func(t *testing.T) {
		t.Parallel()
		b := s.start(t, longTimeout)
		a := &crmclient.Activity{Key: "empty", Direction: crmclient.Inbound, Date: Activity("").Date}
		if _, err := b.client.LogEmail(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		b.wantOne(t, a.Key)
	})
	t.Run("concurrent use", s.concurrent)
	t.Run("a cancelled context stops the work", func(t *testing.T) {
		t.Parallel()
		b := s.start(t, longTimeout)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := b.client.LogEmail(ctx, Activity("cancelled"))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		if n := len(b.records(t, "cancelled")); n != 0 {
			t.Errorf("records: got %d, want 0", n)
		}
	})
	// Not in parallel: the others write, where they share a store.
	t.Run("the check writes nothing", func(t *testing.T) {
		b := s.start(t, longTimeout)
		c, ok := crmclient.As[crmclient.Checker](b.client)
		if !ok {
			return
		}
		before := len(b.fake.Records(t))
		line, err := c.Check(t.Context())
		if err != nil || line == "" {
			t.Errorf("check: got %q, %v", line, err)
		}
		s.noSecrets(t, "check", line)
		if after := len(b.fake.Records(t)); after != before {
			t.Errorf("records: %d before the check, %d after it", before, after)
		}
	})
}

func (s Subject) unicode(t *testing.T) {
	t.Parallel()
	texts := map[string]string{
		"chinese":    "您好，附件是上个月的报价单。㐀𠀀𪚥",
		"emoji":      "Done 👍🏽 👩‍👩‍👧‍👦 🇨🇳",
		"rtl":        "שלום עולם — مرحبا بالعالم \u202bnested\u202c",
		"combining":  "Zalgo Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯ and ñ decomposed n\u0303",
		"quotes":     `"double" 'single' \back\slash <b>tag</b> & {"json": [1]} ${x} %s %00`,
		"white":      "tab\there, nbsp\u00a0there, line\u2028separator",
		"long":       strings.Repeat("长文本，一行又一行。The quick brown fox.\n", 8000),
		"one line":   strings.Repeat("x", 200_000),
		"byte order": "\ufeffbegins with a byte order mark",
	}
	b := s.start(t, longTimeout)
	for name, text := range texts {
		a := Activity("unicode-" + name)
		a.Text, a.TextUnquoted = text, text
		a.Subject = string([]rune(strings.ReplaceAll(text, "\n", " "))[:min(60, len([]rune(text)))])
		a.From.Name = "王芳 🌟"
		if _, err := b.client.LogEmail(t.Context(), a); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		found := b.records(t, a.Key)
		if len(found) != 1 {
			t.Errorf("%s: got %d records, want 1", name, len(found))
			continue
		}
		if found[0].Subject != a.Subject {
			t.Errorf("%s: subject: got %q, want %q", name, found[0].Subject, a.Subject)
		}
		if !s.sameText(found[0].Text, text) {
			t.Errorf("%s: text of %d bytes came back as %d bytes, beginning %.60q", name, len(text), len(found[0].Text), found[0].Text)
		}
	}
}

func (s Subject) sameText(got, want string) bool {
	if s.MaxText == 0 || len(want) <= s.MaxText {
		return got == want
	}
	kept, cut := strings.CutSuffix(got, "…")
	return cut && len(got) <= s.MaxText && strings.HasPrefix(want, kept)
}

func (s Subject) concurrent(t *testing.T) {
	t.Parallel()
	b := s.start(t, longTimeout)
	const workers, keys = 12, 4
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for k := range keys {
				key := fmt.Sprintf("concurrent-%d", (w+k)%keys)
				if _, err := b.client.LogEmail(t.Context(), Activity(key)); err != nil {
					t.Errorf("worker %d: %v", w, err)
				}
				if _, err := b.client.FindContacts(t.Context(), []string{"li.lei@customer.example"}); err != nil {
					t.Errorf("worker %d: %v", w, err)
				}
			}
		})
	}
	group.Wait()
	for k := range keys {
		b.wantOne(t, fmt.Sprintf("concurrent-%d", k))
	}
}

func (s Subject) findContacts(t *testing.T) {
	t.Parallel()
	b := s.start(t, longTimeout)
	seeder, ok := b.fake.(Seeder)
	if !ok {
		t.Fatal("the fake is no Seeder any more")
	}
	names := map[string]string{"find.li@customer.example": "李雷 👋", "find.o'hara+tag@customer.example": "O'Hara, \"Scarlett\""}
	asked := []string{"nobody@elsewhere.example"}
	for address, name := range names {
		seeder.AddContact(t, name, address)
		asked = append(asked, address)
	}
	for i := range 60 { // more than fit into one question at some vendors
		address := fmt.Sprintf("find.%d@customer.example", i)
		names[address] = fmt.Sprintf("Person %d", i)
		seeder.AddContact(t, names[address], address)
		asked = append(asked, address)
	}
	found, err := b.client.FindContacts(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found {
		if c.ID == "" || names[c.Address] != c.Name {
			t.Errorf("contact: got %+v, want the name %q", c, names[c.Address])
		}
		delete(names, c.Address)
	}
	if len(names) > 0 {
		t.Errorf("not found: %v", names)
	}
	none, err := b.client.FindContacts(t.Context(), nil)
	if err != nil || len(none) != 0 {
		t.Errorf("no address: got %v, %v; want nothing", none, err)
	}
}
