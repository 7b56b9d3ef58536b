package scan_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"heliograph/proxy/imapd/scan"
)

func TestMailbox(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		name, rest string
		fails      bool
	}{
		`INBOX`:                     {name: "INBOX"},
		`inbox (CONDSTORE)`:         {name: "INBOX", rest: "(CONDSTORE)"},
		`"InBox"`:                   {name: "INBOX"},
		` Sent (\Seen) {5}`:         {name: "Sent", rest: `(\Seen) {5}`},
		`"a \"b\" \\c" x`:           {name: `a "b" \c`, rest: "x"},
		`[Gmail]/All`:               {name: "[Gmail]/All"},
		`"[Gmail]/&V4NXPpCuTvY-"`:   {name: "[Gmail]/垃圾邮件"},
		`Entw&APw-rfe`:              {name: "Entwürfe"},
		`&2D3eAA-`:                  {name: "😀"},
		`a&-b`:                      {name: "a&b"},
		`"&-&-"`:                    {name: "&&"},
		`""`:                        {name: ""},
		`"Entwürfe"`:                {name: "Entwürfe"}, // UTF8=ACCEPT
		`a&b`:                       {name: "a&b"},      // no modified UTF-7
		`&AGE-`:                     {name: "&AGE-"},    // "a" needs no encoding
		`&2D0-`:                     {name: "&2D0-"},    // half a pair
		`&AP`:                       {name: "&AP"},
		`&APw-&APw-`:                {name: "&APw-&APw-"}, // two runs where one would do
		`x)`:                        {name: "x", rest: ")"},
		`{5}`:                       {fails: true},
		"{5}\r\nA b\"c (x)":         {name: "A b\"c", rest: "(x)"},
		"~{5+}\r\ninbox":            {name: "INBOX"},
		"{0}\r\n {3}":               {name: "", rest: "{3}"},
		"{9}\r\nEntw&APw-rfe":       {name: "Entwü", rest: "rfe"},
		"{5}\r\nabcd":               {fails: true},
		"{9223372036854775807}\r\n": {fails: true},
		"{-1}\r\nabc":               {fails: true},
		"a {1}\r\nb":                {name: "a", rest: "{1}\r\nb"},
		`a{5}`:                      {fails: true},
		``:                          {fails: true},
		`"x`:                        {fails: true},
		`(x)`:                       {fails: true},
	} {
		name, rest, ok := scan.Mailbox([]byte(in))
		if ok == want.fails || name != want.name || string(rest) != want.rest {
			t.Errorf("Mailbox(%q) = %q, %q, %v", in, name, rest, ok)
		}
	}
}

func TestEncodeMailbox(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"INBOX": "INBOX", "Sent": "Sent", "a b": `"a b"`, `a"b\`: `"a\"b\\"`, "": `""`, "Entwürfe": "Entw&APw-rfe",
		"a&b": "a&-b", "nil": `"nil"`, "a\r\nb": "a&AA0ACg-b", "[Gmail]/x": `"[Gmail]/x"`, "a%": `"a%"`,
	} {
		if got := string(scan.EncodeMailbox(name)); got != want {
			t.Errorf("EncodeMailbox(%q) = %s, want %s", name, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		encoded := scan.EncodeMailbox(name)
		back, rest, ok := scan.Mailbox(encoded)
		if strings.EqualFold(name, "INBOX") {
			name = "INBOX"
		}
		if !ok || len(rest) > 0 || back != name {
			t.Fatalf("%q became %s and %q, %q, %v", name, encoded, back, rest, ok)
		}
	})
}

func FuzzMailbox(f *testing.F) {
	for _, in := range []string{"{5}\r\nA b c (x)", `"a\"" x`, `&2D3eAA-`, `&-`, `{5}`, `Entw&APw-rfe`} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		name, _, ok := scan.Mailbox(in)
		if !ok || !utf8.ValidString(name) {
			return
		}
		if back, _, ok := scan.Mailbox(scan.EncodeMailbox(name)); !ok || back != name {
			t.Fatalf("%q: %q became %q", in, name, back)
		}
	})
}

func TestParseList(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		attrs, name string
		fails       bool
	}{
		`() "/" INBOX`:                                    {name: "INBOX"},
		`(\HasNoChildren \Sent) "/" "Sent Mail"`:          {attrs: `\HasNoChildren \Sent`, name: "Sent Mail"},
		` ( \Noselect ) NIL x`:                            {attrs: `\Noselect`, name: "x"},
		`(\Drafts) "\\" Entw&APw-rfe ("CHILDINFO" ("x"))`: {attrs: `\Drafts`, name: "Entwürfe"},
		`() "/" {5}`:                                      {fails: true},
		`() "/`:                                           {fails: true},
		`() "/"`:                                          {fails: true},
		`(\Sent "/" x`:                                    {fails: true},
		`"/" x`:                                           {fails: true},
		``:                                                {fails: true},
	} {
		attrs, name, ok := scan.ParseList([]byte(in))
		if ok == want.fails || ok && (strings.Join(attrs, " ") != want.attrs || name != want.name) {
			t.Errorf("ParseList(%q) = %q, %q, %v", in, attrs, name, ok)
		}
	}
}

func TestParseAppend(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		mailbox, flags string
		fails          bool
	}{
		`Sent (\Seen) "17-Jul-1996 02:44:25 -0700" {123}`: {mailbox: "Sent", flags: `\Seen`},
		`Sent {123+}`: {mailbox: "Sent"},
		`"Sent" " 7-Jul-1996 02:44:25 -0700" ~{123}`:        {mailbox: "Sent"},
		`Sent (\Seen \Draft) UTF8 (~{5}`:                    {mailbox: "Sent", flags: `\Seen \Draft`},
		`Sent utf8 (~{5+}`:                                  {mailbox: "Sent"},
		`Sent UTF8(~{5+}`:                                   {mailbox: "Sent"},
		`Sent () {1}`:                                       {mailbox: "Sent"},
		`Sent CATENATE (TEXT {5}`:                           {fails: true},
		`Sent (\Seen) CATENATE (URL "x" TEXT {5}`:           {fails: true},
		`Sent (\Seen) ANNOTATION (/comment (value.priv {5}`: {fails: true},
		`Sent (\Seen {5}`:                                   {fails: true},
		`Sent "x {5}`:                                       {fails: true},
		`Sent (\Seen)`:                                      {fails: true},
		`{4}`:                                               {fails: true},
		``:                                                  {fails: true},
	} {
		mailbox, flags, ok := scan.ParseAppend([]byte(in))
		if ok == want.fails || ok && (mailbox != want.mailbox || string(flags) != want.flags) {
			t.Errorf("ParseAppend(%q) = %q, %q, %v", in, mailbox, flags, ok)
		}
	}
	for in, want := range map[string]string{
		` (\Seen) {5}`: `\Seen`, ` {5+}`: "", ` "d" {5}`: "", `) (\Seen) UTF8 (~{5}`: `\Seen`,
		"": "fails", ")": "fails", " TEXT {5}": "fails", ` (\Seen) "d"`: "fails",
	} {
		flags, ok := scan.ParseAppendNext([]byte(in))
		if ok == (want == "fails") || ok && string(flags) != want {
			t.Errorf("ParseAppendNext(%q) = %q, %v", in, flags, ok)
		}
	}
}

func TestParseVanished(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		set         string
		earlier, ok bool
	}{
		"1:5,7":            {set: "1:5,7", ok: true},
		" (EARLIER) 7,1:3": {set: "1:3,7", earlier: true, ok: true},
		"(earlier)  9 x":   {set: "9", earlier: true, ok: true},
		"":                 {},
		"(EARLIER)":        {earlier: true},
		"(FOO) 1":          {},
		"1:*":              {},
		"x":                {},
	} {
		set, earlier, ok := scan.ParseVanished([]byte(in))
		if set.String() != want.set || earlier != want.earlier || ok != want.ok {
			t.Errorf("ParseVanished(%q) = %q, %v, %v", in, set, earlier, ok)
		}
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]bool{ // tag, atom
		"a1": {true, true}, "A.]": {true, false}, "a+": {false, true}, "+": {false, true}, "*": {}, "": {}, "a b": {}, "a\"": {},
		"a\\": {}, "a{": {}, "a(": {}, "a%": {}, "a\x7f": {}, "a\xff": {}, "a\t": {}, "LITERAL+": {false, true}, "AUTH=PLAIN": {true, true},
	} {
		if got := [2]bool{scan.ValidTag([]byte(in)), scan.ValidAtom([]byte(in))}; got != want {
			t.Errorf("%q: tag and atom %v, want %v", in, got, want)
		}
	}
}
