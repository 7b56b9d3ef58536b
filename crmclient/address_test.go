package crmclient

import (
	"net/netip"
	"net/url"
	"testing"
)

func TestAddressGuard(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	cases := map[string]struct {
		url   string
		allow *bool
		addr  string
		ok    bool
	}{
		"public":                          {"https://crm.example", nil, "93.184.216.34", true},
		"public IPv6":                     {"https://crm.example", nil, "2606:2800:220:1::1", true},
		"name to private":                 {"https://crm.example", nil, "10.1.2.3", false},
		"name to loopback":                {"https://crm.example", nil, "127.0.0.1", false},
		"name to private, allowed":        {"https://crm.example", &yes, "192.168.1.9", true},
		"name to loopback, allowed":       {"https://crm.example", &yes, "::1", true},
		"name to private IPv6":            {"https://crm.example", nil, "fd12::1", false},
		"name to carrier NAT":             {"https://crm.example", nil, "100.64.0.9", false},
		"mapped":                          {"https://crm.example", nil, "::ffff:10.0.0.1", false},
		"NAT64":                           {"https://crm.example", nil, "64:ff9b::a00:1", false},
		"6to4":                            {"https://crm.example", nil, "2002:a00:1::", false},
		"literal private":                 {"http://10.0.0.5:9000", nil, "10.0.0.5", true},
		"literal private, another one":    {"http://10.0.0.5:9000", nil, "10.0.0.6", false},
		"literal private, refused":        {"http://10.0.0.5:9000", &no, "10.0.0.5", false},
		"literal loopback":                {"http://127.0.0.1:9000", nil, "127.0.0.1", true},
		"localhost":                       {"http://localhost:9000", nil, "127.0.0.1", true},
		"localhost IPv6":                  {"http://localhost:9000", nil, "::1", true},
		"localhost, refused":              {"http://localhost:9000", &no, "::1", false},
		"localhost to private":            {"http://localhost:9000", nil, "10.0.0.1", false},
		"metadata, although allowed":      {"http://crm.example", &yes, "169.254.169.254", false},
		"Alibaba's metadata":              {"http://crm.example", &yes, "100.100.100.200", false},
		"AWS' metadata IPv6":              {"http://crm.example", &yes, "fd00:ec2::254", false},
		"link-local IPv6 with a zone":     {"http://crm.example", &yes, "fe80::1%eth0", false},
		"unspecified, although allowed":   {"http://crm.example", &yes, "0.0.0.0", false},
		"broadcast, although allowed":     {"http://crm.example", &yes, "255.255.255.255", false},
		"multicast, although allowed":     {"http://crm.example", &yes, "224.0.0.1", false},
		"mapped metadata, though allowed": {"http://crm.example", &yes, "::ffff:169.254.169.254", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(c.url)
			if err != nil {
				t.Fatal(err)
			}
			if err := newAddressGuard(u, c.allow).check(netip.MustParseAddr(c.addr)); (err == nil) != c.ok {
				t.Errorf("got %v, want allowed %v", err, c.ok)
			}
		})
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"https://crm.example/api?x=1": true, "http://127.0.0.1:9000": true, "HTTP://crm.example": true,
		"": false, "crm.example/api": false, "file:///etc/passwd": false, "gopher://crm.example": false, "https://": false,
		"https://crm.example/#top": false, "http://169.254.169.254/": false, "http://[fe80::1]/": false, "http://0.0.0.0:80": false,
		"http://[::ffff:169.254.169.254]/": false, "https://a b/": false, "http://[64:ff9b::a9fe:a9fe]/": false,
	} {
		if _, err := ParseURL(text); (err == nil) != ok {
			t.Errorf("%q: got %v, want ok %v", text, err, ok)
		}
	}
}
