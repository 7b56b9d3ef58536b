package yonyou

import (
	"net/url"
	"strings"
	"testing"
)

// The worked example of a call for a token.
func TestSignWorkedExample(t *testing.T) {
	t.Parallel()
	got := sign("s3cr3t", map[string]string{"timestamp": "1547192727928", "appKey": "fbb5f5b6-21fb-4156-8b73-3ec3ac389ab7"})
	if want := "asdDClWam1X8xlFbBkZVTVpnfLxZn+6QURkqbFnUYDU="; got != want {
		t.Errorf("signature: got %s, want %s", got, want)
	}
	if got, want := url.QueryEscape(got), "asdDClWam1X8xlFbBkZVTVpnfLxZn%2B6QURkqbFnUYDU%3D"; got != want {
		t.Errorf("in the query: got %s, want %s", got, want)
	}
}

// The worked example of an event's signature.
func TestPushSignatureWorkedExample(t *testing.T) {
	t.Parallel()
	k := newPushKey("app", "s3cr3t")
	if got, want := k.sortedSHA1("1530862251583", "uM48M4qajlEtVCz4", "ZW5j"), "0a44c2e46bfe88564ca55fe6bee21b2eddce8e18"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The key is the secret without hyphens, 43 letters long; events encrypted for another application are refused.
func TestPushEncryption(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"s3cr3t", "0f6f6a2f-1a1c-4a2b-8f1e-9a6d3c2b1a00", strings.Repeat("a", 60)} {
		k := newPushKey("app", secret)
		other := newPushKey("another", secret)
		wrong := newPushKey("app", "another")
		for _, text := range []string{"", "{}", strings.Repeat("长", 1000)} {
			encrypted, err := k.encrypt([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := k.decrypt(encrypted); err != nil || string(got) != text {
				t.Errorf("got %q, %v; want %q", got, err, text)
			}
			if got, err := other.decrypt(encrypted); err == nil {
				t.Errorf("for another application: got %q", got)
			}
			if got, err := wrong.decrypt(encrypted); err == nil {
				t.Errorf("with another secret: got %q", got)
			}
		}
	}
	if k := newPushKey("app", "no base64: $%&"); k.aes != nil {
		t.Error("a secret that is no base64 became a key")
	}
}

func FuzzDecrypt(f *testing.F) {
	k := newPushKey("app", "s3cr3t")
	good, _ := k.encrypt([]byte(`{"type":"CHECK_URL"}`))
	f.Add(good)
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, encrypted string) {
		if text, err := k.decrypt(encrypted); err == nil && len(text) > len(encrypted) {
			t.Errorf("%q became %d bytes", encrypted, len(text))
		}
	})
}
