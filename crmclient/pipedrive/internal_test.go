package pipedrive

import (
	"strings"
	"testing"

	"heliograph/crmclient"
)

func TestCompanyHost(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"https://example.pipedrive.com": true, "http://example.pipedrive.com": false, "https://pipedrive.com.evil.example": false,
		"https://evil.example/.pipedrive.com": false, "https://example.pipedrive.com:8443": false, "": false,
	} {
		if got := companyHost(address); got != want {
			t.Errorf("%q: got %v, want %v", address, got, want)
		}
	}
}

func FuzzMarker(f *testing.F) {
	f.Add("key")
	f.Add(`k"<b>;`)
	f.Fuzz(func(t *testing.T, key string) {
		m := crmclient.KeyLine(key)
		if strings.ContainsAny(m, "<>&\"'\n") || strings.Count(m, ";") != 1 || len(m) > 200 {
			t.Errorf("got %q", m)
		}
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"success":false,"error":"x","error_info":"y"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a := &crmclient.Answer{Status: 400, Body: body}
		if err := explain(a, nil, crmclient.NewRedactor()); err == nil || strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("got %q", err)
		}
	})
}
