package automail_test

import (
	"errors"
	"strings"
	"testing"

	"heliograph/hooks/automail"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	old, err := automail.NewTokens([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	both, err := automail.NewTokens([]byte("fedcba9876543210"), []byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	token := old.Token("Bob@Example.org", "新闻")
	for name, x := range map[string]*automail.Tokens{"the same key": old, "after a new key": both} {
		if address, list, err := x.Verify(token); err != nil || address != "bob@example.org" || list != "新闻" {
			t.Errorf("%s: %q %q %v", name, address, list, err)
		}
	}
	if strings.ContainsAny(token, "+/=&?# ") {
		t.Errorf("%s does not fit into a link", token)
	}
	fresh := both.Token("bob@example.org", "")
	bad := map[string]string{
		"another key": fresh, "empty": "", "cut": token[:len(token)-2], "longer": token + "A", "upper case": strings.ToUpper(token),
		"another address": strings.Replace(token, ".", ".A", 1), "another version": "u2" + token[2:], "no code": token[:strings.LastIndexByte(token, '.')+1],
	}
	for name, s := range bad {
		if _, _, err := old.Verify(s); !errors.Is(err, automail.ErrToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, keys := range [][][]byte{nil, {[]byte("short")}} {
		if _, err := automail.NewTokens(keys...); err == nil {
			t.Errorf("took the keys %q", keys)
		}
	}
}

func FuzzVerify(f *testing.F) {
	x, err := automail.NewTokens([]byte("0123456789abcdef"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(x.Token("bob@example.org", "news"))
	f.Add("u1.Zg.Zg")
	f.Fuzz(func(t *testing.T, token string) {
		address, list, err := x.Verify(token)
		if err == nil && x.Token(address, list) != token {
			t.Errorf("%q is another spelling of the token of %q %q", token, address, list)
		}
	})
}
