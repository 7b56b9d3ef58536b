package compose_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"heliograph/hooks/automail/compose"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	for _, tt := range []struct {
		in            string
		name, address string
		err           error
	}{
		{"li@example.com", "", "li@example.com", nil},
		{" Li Lei <Li@Example.COM> ", "Li Lei", "Li@example.com", nil},
		{`"Lei, Li" <li@example.com>`, "Lei, Li", "li@example.com", nil},
		{`"say \"hi\"" <li@example.com>`, `say "hi"`, "li@example.com", nil},
		{"李雷 <li@例子.测试>", "李雷", "li@xn--fsqu00a.xn--0zwm56d", nil},
		{"李雷@例子.测试", "", "李雷@xn--fsqu00a.xn--0zwm56d", nil},
		{"<li@example.com>", "", "li@example.com", nil},
		{"li@example.com <li@example.com>", "", "", compose.ErrName},
		{`"li@example.com" <li@example.com>`, "", "li@example.com", nil},
		{long + "@example.com", "", long + "@example.com", nil},
		{"a" + long + "@example.com", "", "", compose.ErrAddress},
		{"o'neil+tag@mail.example.com", "", "o'neil+tag@mail.example.com", nil},
		{"", "", "", compose.ErrAddress},
		{"<>", "", "", compose.ErrAddress},
		{"li", "", "", compose.ErrAddress},
		{"li@", "", "", compose.ErrAddress},
		{"@example.com", "", "", compose.ErrAddress},
		{"li@localhost", "", "", compose.ErrAddress},
		{"li@1.2.3.4", "", "", compose.ErrAddress},
		{"li@[1.2.3.4]", "", "", compose.ErrAddress},
		{"li@-x.com", "", "", compose.ErrAddress},
		{"li@exa_mple.com", "", "", compose.ErrAddress},
		{"li lei@example.com", "", "", compose.ErrAddress},
		{`"li lei"@example.com`, "", "", compose.ErrAddress},
		{"a@b.com@c.com", "", "", compose.ErrAddress},
		{".a@b.com", "", "", compose.ErrAddress},
		{"a..b@b.com", "", "", compose.ErrAddress},
		{"a@b.com, c@d.com", "", "", compose.ErrAddress},
		{"A <a@b.com>, C <c@d.com>", "", "", compose.ErrName},
		{"a@b.com (comment)", "", "", compose.ErrAddress},
		{"<@route:a@b.com>", "", "", compose.ErrAddress},
		{"team: a@b.com, c@d.com;", "", "", compose.ErrGroup},
		{"team:;", "", "", compose.ErrGroup},
		{"team: x <a@b.com>", "", "", compose.ErrGroup},
		{"a@b.com\r\nBcc: x@y.com", "", "", compose.ErrAddress},
		{"Li\r\nBcc: x@y.com <a@b.com>", "", "", compose.ErrGroup},
		{"\"Li\r\nBcc: x@y.com\" <a@b.com>", "", "", compose.ErrName},
		{"Li\x00 <a@b.com>", "", "", compose.ErrName},
		{"Li\u2028Lei <a@b.com>", "", "", compose.ErrName},
		{"Li\u202eiel <a@b.com>", "", "", compose.ErrName},
		{"a\u202e@b.com", "", "", compose.ErrAddress},
		{"a@b\u200b.com", "", "a@b.com", nil}, // IDNA drops it: the domain that is left is what is used
		{"\xff <a@b.com>", "", "", compose.ErrAddress},
		{strings.Repeat("名", 201) + " <a@b.com>", "", "", compose.ErrName},
		{"a@" + strings.Repeat("b.", 130) + "com", "", "", compose.ErrAddress},
	} {
		got, err := compose.ParseAddress(tt.in)
		if !errors.Is(err, tt.err) || got.Name != tt.name || got.Address != tt.address {
			t.Errorf("%q: got %+v, %v, want %q <%s>, %v", tt.in, got, err, tt.name, tt.address, tt.err)
		}
	}
}

func TestNeedsUTF8(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{"li@例子.测试": false, "李@example.com": true, "李 <li@example.com>": false} {
		if a, err := compose.ParseAddress(in); err != nil || a.NeedsUTF8() != want {
			t.Errorf("%s: got %v, %v", in, a.NeedsUTF8(), err)
		}
	}
}

func TestRecipients(t *testing.T) {
	t.Parallel()
	p := compose.Policy{Max: 3, Own: []string{"Robot@Example.com"}, Roles: []string{"info"}}
	list := func(addresses ...string) []compose.Address {
		var out []compose.Address
		for _, a := range addresses {
			out = append(out, compose.Address{Address: a})
		}
		return out
	}
	to, cc, bcc, err := p.Recipients(list("a@x.test", "b@x.test"), list("A@x.test", "c@x.test"), list("c@x.test"))
	if err != nil || !slices.Equal(to, list("a@x.test", "b@x.test")) || !slices.Equal(cc, list("c@x.test")) || bcc != nil {
		t.Errorf("got %v, %v, %v, %v", to, cc, bcc, err)
	}
	for _, tt := range []struct {
		address string
		want    error
	}{
		{"no-reply@x.test", compose.ErrRole},
		{"No_Reply+1@x.test", compose.ErrRole},
		{"noreply-orders@x.test", compose.ErrRole},
		{"donotreply@x.test", compose.ErrRole},
		{"MAILER-DAEMON@x.test", compose.ErrRole},
		{"postmaster@x.test", compose.ErrRole},
		{"null@x.test", compose.ErrRole},
		{"info@x.test", compose.ErrRole},
		{"robot@example.com", compose.ErrOwnSender},
		{"", compose.ErrAddress},
		{"reply@x.test", nil},
		{"sales@x.test", nil},
	} {
		if _, _, _, err := p.Recipients(list(tt.address), nil, nil); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.address, err, tt.want)
		}
	}
	if _, _, _, err := p.Recipients(nil, nil, nil); !errors.Is(err, compose.ErrNobody) {
		t.Errorf("got %v", err)
	}
	if _, _, _, err := p.Recipients(list("a@x.test", "b@x.test"), list("c@x.test", "d@x.test"), nil); !errors.Is(err, compose.ErrRecipients) {
		t.Errorf("got %v", err)
	}
}

// TestAddressTemplates sees that values give the mailboxes that the author meant, and strangers no more.
func TestAddressTemplates(t *testing.T) {
	t.Parallel()
	f := facts{
		"name": `x" <evil@x.test>, "y`, "comma": "evil@x.test, evil2@x.test", "semi": "a@x.test; b@y.test；c@z.test", "mail": "li@customer.test", "inject": "a@x.test>\r\nBcc: <evil@x.test",
		"words": "=?utf-8?q?a=3E=2C_=3Cevil=40x.test?=", "local": "li", "named": "李 <li@customer.test>",
		"list": []any{m{"address": "a@x.test", "name": "A, \"q\""}, "b@y.test", nil, m{"address": "c@z.test", "name": "bad\u202e"}}, "nl": "Li\nLei", "group": "g: evil@x.test;", "mark": "\ue0f00\ue0f1",
	}
	for _, tt := range []struct{ source, want string }{
		{"li@x.test", "li@x.test"},
		{"A <a@x.test>; \"B, C\" <b@x.test>,\n c@x.test , ", "A <a@x.test>|B, C <b@x.test>|c@x.test"},
		{"{{.mail}}", "li@customer.test"},
		{"{{.named}}", "李 <li@customer.test>"},
		{"{{.name}} <{{.mail}}>", `x" <evil@x.test>, "y <li@customer.test>`},
		{`"{{.name}}" <{{.mail}}>`, `x" <evil@x.test>, "y <li@customer.test>`},
		{"{{.words}} <{{.mail}}>", `=?utf-8?q?a=3E=2C_=3Cevil=40x.test?= <li@customer.test>`},
		{"VIP {{.comma}} x <{{.mail}}>", "VIP evil@x.test, evil2@x.test x <li@customer.test>"},
		{"{{.local}}@x.test", "li@x.test"},
		{"<{{.local}}@x.test>", "li@x.test"},
		{"{{.list}}", `A, "q" <a@x.test>|b@y.test|c@z.test`},
		{"{{.semi | split}}, d@w.test", "a@x.test|b@y.test|c@z.test|d@w.test"},
		{"{{if .mail}}{{.mail}}{{end}}{{range .list}},{{.}}{{end}}", ""},
		{"{{.comma}}", "error"},
		{"{{.semi}}", "error"},
		{"{{.inject}}", "error"},
		{"<{{.inject}}>", "error"},
		{"x <{{.comma}}>", "error"},
		{"{{.comma}} ", "error"},
		{"{{.nl}} <{{.mail}}>", "Li Lei <li@customer.test>|no"},
		{"{{.group}}", "error"},
		{"{{.mark}} <{{.mail}}>", "\ue0f00\ue0f1 <li@customer.test>"},
		{"{{.name}}", "error"},
		{"team: a@x.test, b@x.test;", "error"},
		{"a@x.test <", "error"},
		{"{{.none}}", "error"},
		{`{{.none | default "x@x.test"}}`, "x@x.test"},
	} {
		made, problems := compose.New("to", compose.Addresses, tt.source, compose.Options{})
		if problems != nil {
			t.Errorf("%s: %v", tt.source, problems)
			continue
		}
		list, err := made.RenderAddresses(t.Context(), f, compose.Limits{})
		var words []string
		for _, a := range list {
			words = append(words, a.String())
		}
		got := strings.Join(words, "|")
		if err != nil {
			got = "error"
		}
		switch {
		case strings.HasSuffix(tt.want, "|no"): // a line end in a name is refused
			if err == nil {
				t.Errorf("%s: got %s, want an error", tt.source, got)
			}
		case tt.want == "":
			if err == nil {
				t.Errorf("%s: got %s, want an error for the list's missing item", tt.source, got)
			}
		case got != tt.want:
			t.Errorf("%s: got %s, %v, want %s", tt.source, got, err, tt.want)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"a@b.com", `"x" <a@b.com>`, "李 <a@例.测>", "a: b@c.d;", "=?utf-8?q?x?= <a@b.com>", "<a@b.com", "\"\\", "a@b.com>,<c@d.com>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := compose.ParseAddress(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(a.Address, "\r\n\x00 ,;<>\"()") || strings.ContainsAny(a.Name, "\r\n\x00") || strings.Count(a.Address, "@") != 1 {
			t.Fatalf("%q gave %+v", s, a)
		}
		again, err := compose.ParseAddress(a.Address)
		if err != nil || again.Address != a.Address {
			t.Fatalf("%q gave %+v and then %+v, %v", s, a, again, err)
		}
		sent := base()
		sent.To, sent.CC = []compose.Address{a}, nil
		raw, err := compose.Compose(sent)
		if err != nil {
			t.Fatalf("%+v: %v", a, err)
		}
		back := parse(t, raw)
		if len(back.To) != 1 || back.To[0].Address != strings.ToLower(a.Address) {
			t.Fatalf("%+v came back as %+v\n%s", a, back.To, raw)
		}
	})
}

// FuzzAddressTemplate puts a stranger's text where a name is meant: there is always the one recipient.
func FuzzAddressTemplate(f *testing.F) {
	made, problems := compose.New("to", compose.Addresses, "{{.name}} <{{.mail}}>", compose.Options{})
	if problems != nil {
		f.Fatal(problems)
	}
	for _, s := range []string{`a" <b@c.d>, "`, "a,b;c", "\r\nBcc: x@y.z", "=?utf-8?b?PGFAYi5jPg==?=", "\\", "\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		list, err := made.RenderAddresses(t.Context(), facts{"name": name, "mail": "li@customer.test"}, compose.Limits{})
		if err != nil {
			return
		}
		if len(list) != 1 || list[0].Address != "li@customer.test" {
			t.Fatalf("%q gave %v", name, list)
		}
		sent := base()
		sent.To, sent.CC = list, nil
		raw, err := compose.Compose(sent)
		if err != nil {
			t.Fatal(err)
		}
		if back := parse(t, raw); fmt.Sprint(addressesOf(back)) != "[li@customer.test]" {
			t.Fatalf("%q gave %v\n%s", name, addressesOf(back), raw)
		}
	})
}
