package webhook

import (
	"strings"
	"testing"
	"time"
)

// The worked example of Standard Webhooks 1.0.0.
func TestSignWorkedExample(t *testing.T) {
	t.Parallel()
	key, err := parseSecret("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
	if err != nil {
		t.Fatal(err)
	}
	if string(key) != "0123456789abcdef01234567" {
		t.Errorf("key: got %q", key)
	}
	got := sign([][]byte{key}, "msg_01HZX", time.Unix(1700000000, 0), []byte(`{"type":"contact.updated","data":{"id":"42"}}`))
	if want := "v1,n2G08v42rEDXaU/SLaCS76ozdERJ6MWX/aJm2V8i9Hs="; got != want {
		t.Errorf("signature: got %s, want %s", got, want)
	}
}

func TestMessageID(t *testing.T) {
	t.Parallel()
	a, b := messageID("a.b"), messageID("a.c")
	if a == b || strings.Contains(a, ".") || a != messageID("a.b") {
		t.Errorf("ids: %s %s", a, b)
	}
}
