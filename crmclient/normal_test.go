package crmclient_test

import (
	"slices"
	"strings"
	"testing"

	"heliograph/crmclient"
)

func TestCanonicalAddresses(t *testing.T) {
	t.Parallel()
	strip := crmclient.AddressPolicy{StripPlusTags: true}
	dots := crmclient.AddressPolicy{StripPlusTags: true, IgnoreGmailDots: true}
	for _, tt := range []struct {
		name   string
		policy crmclient.AddressPolicy
		in     string
		want   string
	}{
		{"plain", strip, "li@customer.test", "li@customer.test"},
		{"case", strip, "Li.Lei@Customer.TEST", "li.lei@customer.test"},
		{"blanks", strip, " \t li@customer.test\r\n", "li@customer.test"},
		{"brackets", strip, "<li@customer.test>", "li@customer.test"},
		{"link", strip, "MAILTO:li@customer.test?subject=hello@x", "li@customer.test"},
		{"end of a sentence", strip, "(li@customer.test).", "li@customer.test"},
		{"list", strip, "li@customer.test;,", "li@customer.test"},
		{"quotes", strip, "'li@customer.test'", "li@customer.test"},
		{"double quotes", strip, `"li@customer.test"`, "li@customer.test"},
		{"invisible", strip, "\u200bli@customer.test\ufeff\u00a0", "li@customer.test"},
		{"full width", strip, "ｌｉ＠ｃｕｓｔｏｍｅｒ．ｔｅｓｔ", "li@customer.test"},
		{"ideographic full stop", strip, "li@客户。中国", "li@xn--ubt06m.xn--fiqs8s"},
		{"final dot", strip, "li@customer.test.", "li@customer.test"},
		{"U-label", strip, "info@Bücher.example", "info@xn--bcher-kva.example"},
		{"A-label", strip, "info@XN--BCHER-kva.example", "info@xn--bcher-kva.example"},
		{"decomposed", strip, "rene\u0301@bu\u0308cher.example", "rené@xn--bcher-kva.example"},
		{"tag", strip, "li+offers+2@customer.test", "li@customer.test"},
		{"tag kept", crmclient.AddressPolicy{}, "Li+Offers@customer.test", "li+offers@customer.test"},
		{"nothing but a tag", strip, "+li@customer.test", "+li@customer.test"},
		{"dots kept", strip, "l.i@gmail.com", "l.i@gmail.com"},
		{"dots", dots, "L.i.+x@googlemail.com", "li@gmail.com"},
		{"dots elsewhere", dots, "l.i@customer.test", "l.i@customer.test"},
		{"googlemail kept", strip, "li@googlemail.com", "li@googlemail.com"},
		{"needless quotes", strip, `"li"@customer.test`, "li@customer.test"},
		{"needed quotes", strip, `"li lei+x"@customer.test`, `"li lei+x"@customer.test`},
		{"address literal", strip, "li@[192.0.2.1]", "li@[192.0.2.1]"},
		{"IPv6 literal", strip, "li@[IPv6:2001:db8::1]", "li@[ipv6:2001:db8::1]"},
		{"underscore", strip, "li@mail_1.customer.test", "li@mail_1.customer.test"},
		{"two at signs", strip, "li@a@customer.test", ""},
		{"no local part", strip, "@customer.test", ""},
		{"no domain", strip, "li@", ""},
		{"no address", strip, "undisclosed-recipients:;", ""},
		{"inner blank", strip, "li lei@customer.test", ""},
		{"broken literal", strip, "li@[192.0.2]", ""},
		{"too long", strip, strings.Repeat("x", 400) + "@customer.test", ""},
		{"nothing", strip, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.policy.Canonical(tt.in); got != tt.want {
				t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestFormsOfAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		policy       crmclient.AddressPolicy
		in           string
		exact, loose string
	}{
		{"plain", crmclient.AddressPolicy{StripPlusTags: true}, "Li@Customer.test", "li@customer.test", ""},
		{"both forms of a domain", crmclient.AddressPolicy{}, "li@客户.中国", "li@xn--ubt06m.xn--fiqs8s li@客户.中国", ""},
		{"tag", crmclient.AddressPolicy{StripPlusTags: true}, "li+x@bücher.example", "li+x@xn--bcher-kva.example li+x@bücher.example", "li@xn--bcher-kva.example li@bücher.example"},
		{"gmail", crmclient.AddressPolicy{IgnoreGmailDots: true}, "l.i@gmail.com", "l.i@gmail.com", "li@gmail.com li@googlemail.com l.i@googlemail.com"},
		{"nothing", crmclient.AddressPolicy{StripPlusTags: true}, "li", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			exact, loose := tt.policy.Forms(tt.in)
			if got := strings.Join(exact, " "); got != tt.exact {
				t.Errorf("exact: got %q, want %q", got, tt.exact)
			}
			if got := strings.Join(loose, " "); got != tt.loose {
				t.Errorf("loose: got %q, want %q", got, tt.loose)
			}
		})
	}
}

func TestCompanyDomains(t *testing.T) {
	t.Parallel()
	c := crmclient.NewCompanyDomains([]string{"Mail.Example", "邮箱.example"})
	for in, want := range map[string]string{
		"li@mail.customer.co.uk":     "customer.co.uk",
		"li@customer.com.cn":         "customer.com.cn",
		"li@CUSTOMER.test.":          "customer.test",
		"li@a.xn--bcher-kva.example": "bücher.example",
		"li@bücher.example":          "bücher.example",
		"li@qq.com":                  "",
		"li@mail.qq.com":             "",
		"li@vip.163.com":             "",
		"li@yahoo.com.ph":            "",
		"li@yahoo.customer.com":      "customer.com",
		"li@hotmail.se":              "",
		"li@comcast.net":             "",
		"li@mail.example":            "",
		"li@x.邮箱.example":            "",
		"li@[192.0.2.1]":             "",
		"li@192.0.2.1":               "",
		"li@com":                     "",
		"li@":                        "",
		"li":                         "",
	} {
		if got := c.Of(in); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		"li@customer.test", "<L.i+x@GoogleMail.com>", `"a b"@x.y`, "mailto:mailto:a@b?c", "ｌｉ＠客户。中国", "a@[ipv6:::1]", "a@-b.c", "İ@x", "a@ß.de", "'\"a@b", "a@x..y", "a@xn--a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range []crmclient.AddressPolicy{{}, {StripPlusTags: true}, {IgnoreGmailDots: true}, {StripPlusTags: true, IgnoreGmailDots: true}} {
			once := p.Canonical(s)
			if again := p.Canonical(once); again != once {
				t.Errorf("%+v: %q became %q, then %q", p, s, once, again)
			}
			exact, loose := p.Forms(s)
			if (once == "") != (len(exact) == 0) || len(once) > 320 || len(exact)+len(loose) > 10 {
				t.Errorf("%+v: %q is %q with the forms %q and %q", p, s, once, exact, loose)
			}
			for _, form := range slices.Concat(exact, loose) {
				if got := p.Canonical(form); got != once {
					t.Errorf("%+v: %q is %q, but its form %q is %q", p, s, once, form, got)
				}
			}
		}
		crmclient.CompanyDomains{}.Of(s)
	})
}
