package scan_test

import (
	"fmt"
	"testing"

	"heliograph/proxy/imapd/scan"
)

func TestParseResponse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"* OK [UIDVALIDITY 123] UIDs valid":    `OK code="UIDVALIDITY" args="123" rest="UIDs valid"`,
		"* ok [READ-ONLY]":                     `OK code="READ-ONLY" args="" rest=""`,
		"* OK [PERMANENTFLAGS (\\Seen \\*)] x": `OK code="PERMANENTFLAGS" args="(\\Seen \\*)" rest="x"`,
		"* NO [BADCHARSET (\"x]\" y)] bad":     `NO code="BADCHARSET" args="(\"x]\" y)" rest="bad"`,
		"* OK [X \"y] z":                       `OK code="X" args="\"y" rest="z"`,
		"* OK [X \\] y":                        `OK code="X" args="\\" rest="y"`,
		"* OK [X y":                            `OK rest="[X y"`,
		"* OK[ALERT] hello":                    `OK code="ALERT" args="" rest="hello"`,
		"* OK":                                 `OK rest=""`,
		"* BYE {5}":                            `BYE rest="{5}"`,
		"* PREAUTH hello":                      `PREAUTH rest="hello"`,
		"* BAD  two  spaces":                   `BAD rest="two  spaces"`,
		"a1 OK [APPENDUID 1 7] done":           `tag="a1" OK code="APPENDUID" args="1 7" rest="done"`,
		"a1 no":                                `tag="a1" NO rest=""`,
		"a1 WHAT is this":                      `tag="a1" rest="is this"`,
		"a1":                                   `tag="a1" rest=""`,
		"":                                     `tag="" rest=""`,
		"+ idling":                             `+ rest="idling"`,
		"+":                                    `+ rest=""`,
		"+ [X y] z":                            `+ code="X" args="y" rest="z"`,
		"* 5 EXISTS":                           `5 "EXISTS" rest=""`,
		"* 5 Fetch (UID 7)":                    `5 "Fetch" rest="(UID 7)"`,
		"*  5  expunge ":                       `5 "expunge" rest=""`,
		"* 4294967295 EXPUNGE":                 `4294967295 "EXPUNGE" rest=""`,
		"* 4294967296 EXPUNGE":                 `"4294967296" rest="EXPUNGE"`,
		"* VANISHED (EARLIER) 1:5":             `"VANISHED" rest="(EARLIER) 1:5"`,
		"* CAPABILITY IMAP4rev1 IDLE":          `"CAPABILITY" rest="IMAP4rev1 IDLE"`,
		"* SEARCH":                             `"SEARCH" rest=""`,
		"* LIST () \"/\" INBOX":                `"LIST" rest="() \"/\" INBOX"`,
		"*":                                    `"" rest=""`,
		"* ":                                   `"" rest=""`,
		"* 5":                                  `5 "" rest=""`,
		"* NOTHING":                            `"NOTHING" rest=""`,
	} {
		r := scan.ParseResponse([]byte(in))
		got := ""
		if r.Tag != nil {
			got += fmt.Sprintf("tag=%q ", r.Tag)
		}
		if r.Continuation {
			got += "+ "
		}
		if r.Status != scan.StatusNone {
			got += string(r.Status) + " "
		}
		if r.Code != nil {
			got += fmt.Sprintf("code=%q args=%q ", r.Code, r.CodeArgs)
		}
		if r.Number > 0 {
			got += fmt.Sprintf("%d ", r.Number)
		}
		if r.Tag == nil && !r.Continuation && r.Status == scan.StatusNone {
			got += fmt.Sprintf("%q ", r.Keyword)
		}
		if got += fmt.Sprintf("rest=%q", r.Rest); got != want {
			t.Errorf("%q:\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestResponseIs(t *testing.T) {
	t.Parallel()
	r := scan.ParseResponse([]byte("* 5 eXists"))
	if !r.Is("EXISTS") || r.Is("EXIST") || r.Is("EXPUNGE") || r.HasCode("EXISTS") {
		t.Errorf("%+v", r)
	}
	if r = scan.ParseResponse([]byte("* OK [uidNext 4] x")); !r.HasCode("UIDNEXT") || r.Is("") != true {
		t.Errorf("%+v", r)
	}
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte("* OK [UIDVALIDITY 123] UIDs valid"))
	f.Add([]byte("* 5 FETCH (UID 7)"))
	f.Add([]byte("a OK[\"]\\"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := scan.ParseResponse(in)
		if len(r.Rest)+len(r.Code)+len(r.CodeArgs)+len(r.Tag)+len(r.Keyword) > len(in) {
			t.Fatalf("%q: more than there is: %+v", in, r)
		}
		scan.ParseVanished(r.Rest)
		scan.ParseList(r.Rest)
		scan.ParseAppend(r.Rest)
		scan.ParseAppendNext(r.Rest)
		scan.ParseCommand(in)
	})
}
