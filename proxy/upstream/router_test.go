package upstream_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"heliograph/config"
	"heliograph/proxy/upstream"
)

func section(name string, isDefault bool, domains ...string) config.Upstream {
	return config.Upstream{Name: name, Default: isDefault, Domains: domains, SMTP: plain("127.0.0.1:1")}
}

func router(t *testing.T, sections ...config.Upstream) *upstream.Router {
	t.Helper()
	r, err := upstream.New(sections, upstream.Options{})
	if err != nil {
		t.Fatalf("new router: %v", err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestRoute(t *testing.T) {
	t.Parallel()
	several := []config.Upstream{section("a", false, "A.example", "例子.公司"), section("b", false, "b.example"), section("c", true)}
	noDefault := several[:2]
	for name, c := range map[string]struct {
		sections         []config.Upstream
		fixed, sni, user string
		want             string // empty: ErrNoUpstream
	}{
		"the listener decides":       {several, "b", "smtp.a.example", "x@a.example", "b"},
		"unknown upstream":           {several, "z", "", "x@a.example", ""},
		"by domain":                  {several, "", "", "x@a.EXAMPLE.", "a"},
		"by domain, not by SNI":      {several, "", "smtp.b.example", "x@a.example", "a"},
		"internationalised domain":   {several, "", "", "x@例子.公司", "a"},
		"its ASCII form":             {several, "", "", "x@xn--fsqu00a.xn--55qx5d", "a"},
		"by SNI":                     {several, "", "SMTP.b.example", "x", "b"},
		"by SNI without label":       {several, "", "b.example", "x@elsewhere.example", "b"},
		"SNI of a subdomain":         {several, "", "www.b.example", "x", "c"},
		"default":                    {several, "", "", "x@elsewhere.example", "c"},
		"subdomain is not a domain":  {noDefault, "", "", "x@sub.a.example", ""},
		"no default":                 {noDefault, "", "", "x@elsewhere.example", ""},
		"no domain":                  {noDefault, "", "", "x", ""},
		"the only one":               {several[:1], "", "", "x@elsewhere.example", "a"},
		"domain behind the last at":  {noDefault, "", "", "b.example@a.example", "a"},
		"a Windows name has no host": {several, "", "", `CORP\x`, "c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := router(t, c.sections...).Route(c.fixed, c.sni, c.user)
			if c.want == "" {
				if !errors.Is(err, upstream.ErrNoUpstream) {
					t.Fatalf("got %v, want ErrNoUpstream", err)
				}
				return
			}
			if err != nil || u.Name() != c.want {
				t.Errorf("got %v, %v, want %s", u, err, c.want)
			}
		})
	}
}

func TestRouteNamesTheDomain(t *testing.T) {
	t.Parallel()
	_, err := router(t, section("a", false, "a.example"), section("b", false)).Route("", "", "x@elsewhere.example")
	if err == nil || !strings.Contains(err.Error(), "elsewhere.example") {
		t.Errorf("got %v", err)
	}
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	r := router(t, section("a", false, "a.example"), section("b", false, "b.example"))
	for _, c := range []struct{ fixed, sni, want string }{
		{"", "", "a b"}, {"b", "", "b"}, {"", "mail.b.example", "b"}, {"z", "", ""}, {"", "other.example", "a b"},
	} {
		var names []string
		for _, u := range r.Candidates(c.fixed, c.sni) {
			names = append(names, u.Name())
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("Candidates(%q, %q) = %q, want %q", c.fixed, c.sni, got, c.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	noCA := section("a", false)
	noCA.SMTP = config.Endpoint{Address: "h:25", TLS: config.TLSImplicit, CAFile: "/nowhere/ca.pem"}
	badMode := section("a", false)
	badMode.SMTP.TLS = "maybe"
	noPort := section("a", false)
	noPort.SMTP = config.Endpoint{Address: "host"}
	for name, sections := range map[string][]config.Upstream{
		"same name":       {section("a", false), section("a", false)},
		"same domain":     {section("a", false, "x.example"), section("b", false, "X.example.")},
		"two defaults":    {section("a", true), section("b", true)},
		"no such ca_file": {noCA},
		"no such mode":    {badMode},
		"no port":         {noPort},
	} {
		if _, err := upstream.New(sections, upstream.Options{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestReloadKeepsCounting(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	for range 2 {
		r, err := upstream.New([]config.Upstream{section("a", false)}, upstream.Options{Registerer: reg})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Refresh(t.Context()); err == nil {
			t.Error("nobody there, but no error")
		}
		r.Close()
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "heliograph_upstream_dials_total" {
			if got := f.GetMetric()[0].GetCounter().GetValue(); got != 2 {
				t.Errorf("counted %v dials, want 2", got)
			}
			return
		}
	}
	t.Error("dials are not counted")
}
