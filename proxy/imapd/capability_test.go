package imapd_test

import (
	"bytes"
	"strings"
	"testing"

	"heliograph/proxy/imapd"
)

func TestHideCapabilities(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"* CAPABILITY IMAP4rev1 IDLE\r\n":                                       "",
		"* CAPABILITY IMAP4rev1 COMPRESS=DEFLATE IDLE\r\n":                      "* CAPABILITY IMAP4rev1 IDLE\r\n",
		"* CAPABILITY STARTTLS IMAP4rev1\r\n":                                   "* CAPABILITY IMAP4rev1\r\n",
		"* CAPABILITY  compress=deflate  IMAP4rev1  UNAUTHENTICATE \r\n":        "* CAPABILITY  IMAP4rev1 \r\n",
		"* capability IMAP4rev1 AUTH=SCRAM-SHA-1-PLUS AUTH=EXTERNAL AUTH=PLAIN": "* capability IMAP4rev1 AUTH=PLAIN",
		"* CAPABILITY IMAP4rev1 COMPRESS=DEFLATE\n":                             "* CAPABILITY IMAP4rev1\n",
		"* CAPABILITY COMPRESSED X-STARTTLS LITERAL+ AUTH=PLUS X-PLUS\r\n":      "",
		"a OK [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE] Logged in\r\n":            "a OK [CAPABILITY IMAP4rev1] Logged in\r\n",
		"* OK [CAPABILITY COMPRESS=DEFLATE IMAP4rev1] COMPRESS=DEFLATE x\r\n":   "* OK [CAPABILITY IMAP4rev1] COMPRESS=DEFLATE x\r\n",
		"a ok [capability UNAUTHENTICATE x]\r\n":                                "a ok [capability x]\r\n",
		"* OK COMPRESS=DEFLATE\r\n":                                             "",
		"* OK [ALERT] [CAPABILITY COMPRESS=DEFLATE]\r\n":                        "",
		"* OK [CAPABILITY COMPRESS=DEFLATE\r\n":                                 "",
		"a CAPABILITY COMPRESS=DEFLATE\r\n":                                     "",
		"* ENABLED COMPRESS=DEFLATE\r\n":                                        "",
		"* LIST () \"/\" CAPABILITY COMPRESS=DEFLATE\r\n":                       "",
		"+ CAPABILITY COMPRESS=DEFLATE\r\n":                                     "",
		"* CAPABILITY\r\n":                                                      "", "* CAPABILITY \r\n": "", "*": "", "* ": "", "": "", "\r\n": "", "a OK": "", "a OK [": "",
	} {
		line := []byte(in)
		got := imapd.HideCapabilities(line)
		if want == "" {
			if string(got) != in || len(in) > 0 && &got[0] != &line[0] {
				t.Errorf("%q became %q, want it itself", in, got)
			}
			continue
		}
		if string(got) != want || string(line) != in {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// What is hidden goes, all else stays, and a second look finds nothing more.
func FuzzHideCapabilities(f *testing.F) {
	f.Add([]byte("* CAPABILITY IMAP4rev1 COMPRESS=DEFLATE IDLE\r\n"))
	f.Add([]byte("a OK [CAPABILITY  COMPRESS=DEFLATE UNAUTHENTICATE] [x]\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		line := bytes.Clone(in)
		out := imapd.HideCapabilities(line)
		if !bytes.Equal(line, in) {
			t.Fatalf("%q was changed in place", in)
		}
		if again := imapd.HideCapabilities(bytes.Clone(out)); !bytes.Equal(again, out) {
			t.Fatalf("%q became %q and then %q", in, out, again)
		}
		if !bytes.Equal(in, out) && (len(out) >= len(in) || !strings.Contains(strings.ToUpper(string(in)), "CAPABILITY ")) {
			t.Fatalf("%q became %q", in, out)
		}
	})
}
