package crmclient

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestRedactor(t *testing.T) {
	t.Parallel()
	r := NewRedactor("s3cr3t&more", "s3cr3t", "ab")
	for in, want := range map[string]string{
		"token s3cr3t here":      "token <secret> here",
		"longer s3cr3t&more":     "longer <secret>",
		"escaped s3cr3t%26more":  "escaped <secret>",
		"too short to hide: abc": "too short to hide: abc",
	} {
		if got := r.Text(in); got != want {
			t.Errorf("text: got %q, want %q", got, want)
		}
	}
	for in, want := range map[string]string{
		"https://user:pw@crm.example/a/b?key=12345&x=&flag#frag": "https://crm.example/a/b?key=…&x=…",
		"https://crm.example/hooks/s3cr3t/go":                    "https://crm.example/hooks/%3Csecret%3E/go",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		got := r.URL(u)
		if got != want && got != strings.ReplaceAll(want, "%3Csecret%3E", "<secret>") {
			t.Errorf("url: got %q, want %q", got, want)
		}
	}
	h := r.Header(http.Header{
		"Authorization": {"Bearer x"}, "X-Custom": {"y"}, "Content-Type": {"application/json"},
		"Location": {"https://crm.example/next?token=zzzz"}, "User-Agent": {"s3cr3t agent"},
	})
	for name, want := range map[string]string{
		"Authorization": "<secret>", "X-Custom": "<secret>", "Content-Type": "application/json",
		"Location": "https://crm.example/next?token=…", "User-Agent": "<secret> agent",
	} {
		if got := h[name][0]; got != want {
			t.Errorf("header %s: got %q, want %q", name, got, want)
		}
	}
	got := r.Excerpt([]byte("  line one\r\n\x1b[31mline \x00two s3cr3t\xff " + strings.Repeat("长", 300)))
	if strings.ContainsAny(got, "\r\n\x00\x1b") || strings.Contains(got, "s3cr3t") || len([]rune(got)) > maxExcerpt+1 {
		t.Errorf("excerpt: got %q", got)
	}
}

// A zero Redactor must not panic: it stands in structs that tests and tools build by hand.
func TestZeroRedactor(t *testing.T) {
	t.Parallel()
	var r *Redactor
	if got := r.Text("x"); got != "x" {
		t.Errorf("got %q", got)
	}
}
