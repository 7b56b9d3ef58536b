package crmclient_test

import (
	"testing"

	"heliograph/crmclient"
)

func TestAtDomain(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]bool{
		"customer.example": true, "https://www.Customer.example:443/cn?x=1": true, " shop.customer.example. ": true, "info@customer.example": true,
		"http://customer.example#top": true, "": false, "notcustomer.example": false, "https://other.example/customer.example": false, "example": false,
	} {
		if got := crmclient.AtDomain(written, "customer.example"); got != want {
			t.Errorf("%q: got %v, want %v", written, got, want)
		}
	}
	if !crmclient.AtDomain("https://xn--fiqs8s.example", "中国.example") || !crmclient.AtDomain("中国.example", "中国.example") {
		t.Error("a domain is not known in both of its forms")
	}
	if crmclient.AtDomain("", "") {
		t.Error("nothing is at no domain")
	}
}

func TestCompanyAt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sites []string
		want  string
	}{
		"one":               {[]string{"https://www.acme.example/"}, "https://www.acme.example/"},
		"one branch":        {[]string{"shop.acme.example", "other.example"}, "shop.acme.example"},
		"the head office":   {[]string{"shop.acme.example", "www.acme.example", "cn.acme.example"}, "www.acme.example"},
		"two head offices":  {[]string{"acme.example", "www.acme.example"}, ""},
		"only branches":     {[]string{"shop.acme.example", "cn.acme.example"}, ""},
		"none":              {[]string{"other.example", ""}, ""},
		"nothing was found": {nil, ""},
	} {
		got, ok := crmclient.CompanyAt(c.sites, func(s string) string { return s }, "acme.example")
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s: got %q, %v; want %q", name, got, ok, c.want)
		}
	}
}

func FuzzAtDomain(f *testing.F) {
	for _, s := range []string{"", "https://www.acme.example/", "a@b@acme.example:1", "://", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if crmclient.AtDomain(s, "acme.example") && len(s) < len("acme.example") {
			t.Errorf("%q is at the domain", s)
		}
	})
}
