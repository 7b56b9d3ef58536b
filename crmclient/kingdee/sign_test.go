package kingdee

import (
	"encoding/base64"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"heliograph/crmclient"
)

// The worked example of LoginBySign; the SHA-1 of the same text is computed with sha1sum.
func TestLoginSignWorkedExample(t *testing.T) {
	t.Parallel()
	parts := []string{"5f0e1a2b3c4d5e", "demo", "230001_AbCd", "s3cr3t", "1714528984"}
	for old, want := range map[bool]string{
		false: "9f86024271c3bc0ca1ba0a9fb6b992dba26a510f65624b239f951a8c4b65f3c3",
		true:  "c0bb490ba5c36ffeeb0c67332a8cb208091a099c",
	} {
		if got := loginSign(old, parts...); got != want {
			t.Errorf("SHA-1 %v: got %s, want %s", old, got, want)
		}
	}
}

// The worked example of the headers of a request.
func TestHeadersWorkedExample(t *testing.T) {
	t.Parallel()
	s := signer{appID: "230001_AbCd", appSecret: "s3cr3t", client: "230001", secret: "clientsecret", data: "5f0e1a2b3c4d5e,demo,2052,0"}
	h := s.headers("/k3cloud/Kingdee.BOS.WebApi.ServicesStub.DynamicFormService.View.common.kdsvc", 1714528984)
	for name, want := range map[string]string{
		"X-Api-ClientID":     "230001",
		"X-Api-Auth-Version": "2.0",
		"x-api-timestamp":    "1714528984",
		"x-api-nonce":        "1714528984",
		"x-api-signheaders":  "x-api-timestamp,x-api-nonce",
		"X-Api-Signature":    "MjViOTJjZjQzODY3ZjA5NjM2YmIyM2RlNDE3YmQ5OWY2ZmUyNjYxNTM5MWRjMzZhMWFiNzA1NjMwN2Y5NGRhYw==",
		"X-Kd-Appkey":        "230001_AbCd",
		"X-Kd-Appdata":       "NWYwZTFhMmIzYzRkNWUsZGVtbywyMDUyLDA=",
		"X-Kd-Signature":     "NjhkMDRhNWVjN2JjNGU5NWEwNzdkNDg3MGE0ZGQyZTFiY2JhMmM0YzFmOWM4YThkYWU0M2QxYTgzODM3MTc4Mw==",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// The secret in an app id is 24 bytes, masked, in base64 of 32 characters.
func TestClientSecret(t *testing.T) {
	t.Parallel()
	const secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
	plain, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	for i := range plain {
		plain[i] ^= defaultMask[i]
	}
	id, got, err := clientSecret("230001_"+base64.StdEncoding.EncodeToString(plain), defaultMask)
	if err != nil || id != "230001" || got != secret {
		t.Errorf("got %s, %s, %v; want 230001 and %s", id, got, err, secret)
	}
	for _, bad := range []string{"", "230001", "230001_", "230001_%%%", "230001_" + base64.StdEncoding.EncodeToString(make([]byte, 33))} {
		if _, _, err := clientSecret(bad, defaultMask); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func FuzzClientSecret(f *testing.F) {
	f.Add("230001_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
	f.Fuzz(func(t *testing.T, appID string) {
		if _, secret, err := clientSecret(appID, defaultMask); err == nil && secret == "" {
			t.Errorf("%q: an empty secret", appID)
		}
	})
}

// A text in a filter ends only where we end it.
func FuzzQuote(f *testing.F) {
	f.Add("O'Hara")
	f.Add("' OR '1'='1")
	f.Fuzz(func(t *testing.T, s string) {
		q := quote(s)
		inner := q[1 : len(q)-1]
		if q[0] != '\'' || q[len(q)-1] != '\'' || strings.Contains(strings.ReplaceAll(inner, "''", ""), "'") {
			t.Errorf("%q became %q", s, q)
		}
		if got := strings.ReplaceAll(inner, "''", "'"); got != strings.ReplaceAll(s, "\x00", "") {
			t.Errorf("%q means %q", s, got)
		}
	})
}

func FuzzCutUnits(f *testing.F) {
	f.Add("长文本👋", 3)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 1 + (limit&0xffff)%100
		s = strings.ToValidUTF8(s, "?")
		got := cutUnits(s, limit)
		if n := len(utf16.Encode([]rune(got))); n > limit || !utf8.ValidString(got) {
			t.Errorf("%q cut to %d is %q with %d units", s, limit, got, n)
		}
		if len(utf16.Encode([]rune(s))) <= limit && got != s {
			t.Errorf("%q fits into %d but became %q", s, limit, got)
		}
	})
}

// Answers of any form are an error or not, but never a panic.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`[[{"Result":{"ResponseStatus":{"IsSuccess":false,"MsgCode":1,"Errors":[{"Message":"x"}]}}}]]`))
	f.Add([]byte(`{"Result":{"ResponseStatus":null}}`))
	c := &Client{transport: &crmclient.Transport{Redactor: crmclient.NewRedactor()}}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := c.answerError(&crmclient.Answer{Status: 200, Body: body})
		if err != nil && crmclient.ClassOf(err) == "" {
			t.Errorf("%q: an error without a class: %v", body, err)
		}
	})
}
