package automail

import (
	"reflect"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

func TestParseMail(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in   string
		want mailParams
	}{
		"nothing":          {"", mailParams{}},
		"all":              {"BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=QQ314159+2B1", mailParams{utf8: true, ret: smtp.DSNReturnFull, envID: "QQ314159+1"}},
		"lower case":       {"ret=hdrs smtputf8", mailParams{utf8: true, ret: smtp.DSNReturnHeaders}},
		"unknown values":   {"RET=SOME SIZE=100 AUTH=<> X", mailParams{}},
		"broken xtext":     {"ENVID=a+2", mailParams{}},
		"lower-case xtext": {"ENVID=a+2b", mailParams{}},
		"line break":       {"ENVID=a+0D+0AX-Evil:+20yes", mailParams{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := parseMail(tc.in); got != tc.want {
				t.Errorf("parseMail(%q) = %+v, want %+v", tc.in, got, tc.want)
			}
		})
	}
}

func TestParseRcpt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in   string
		want rcptParams
	}{
		"nothing":       {"", rcptParams{}},
		"all":           {"NOTIFY=SUCCESS,delay ORCPT=rfc822;Bob+2Bx@example.com", rcptParams{notify: []smtp.DSNNotify{"SUCCESS", "DELAY"}, origType: "RFC822", orig: "Bob+x@example.com"}},
		"never":         {"NOTIFY=NEVER", rcptParams{notify: []smtp.DSNNotify{"NEVER"}}},
		"never and":     {"NOTIFY=NEVER,FAILURE", rcptParams{}},
		"twice":         {"NOTIFY=DELAY,DELAY", rcptParams{notify: []smtp.DSNNotify{"DELAY"}}},
		"unknown":       {"NOTIFY=SOMETIMES", rcptParams{}},
		"utf-8":         {"ORCPT=utf-8;+E4+B8+AD@example.cn", rcptParams{origType: "UTF-8", orig: "中@example.cn"}},
		"unknown type":  {"ORCPT=x400;a@b", rcptParams{}},
		"no type":       {"ORCPT=a@b", rcptParams{}},
		"line break":    {"ORCPT=rfc822;a+0D+0AAction:+20delivered", rcptParams{}},
		"utf-8 as 822":  {"ORCPT=rfc822;+E4+B8+AD@example.cn", rcptParams{}},
		"empty address": {"ORCPT=rfc822;", rcptParams{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := parseRcpt(tc.in); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("parseRcpt(%q) = %+v, want %+v", tc.in, got, tc.want)
			}
		})
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		params string
		want   string // of failure, delay, success
	}{
		{"", "yyn"},
		{"NOTIFY=NEVER", "nnn"},
		{"NOTIFY=SUCCESS", "nny"},
		{"NOTIFY=FAILURE", "ynn"},
		{"NOTIFY=DELAY,SUCCESS", "nyy"},
		{"NOTIFY=NONSENSE", "yyn"},
	} {
		got := ""
		for _, event := range []smtp.DSNNotify{smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed, smtp.DSNNotifySuccess} {
			if parseRcpt(tc.params).wants(event) {
				got += "y"
			} else {
				got += "n"
			}
		}
		if got != tc.want {
			t.Errorf("%q wants failure, delay, success = %s, want %s", tc.params, got, tc.want)
		}
	}
}

// What comes out of parameters goes into command lines and header fields: never a line break.
func FuzzParams(f *testing.F) {
	f.Add("BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=a+2Bb", "NOTIFY=NEVER ORCPT=rfc822;a@b")
	f.Add("ENVID=+0D+0A", "ORCPT=utf-8;+0A")
	f.Fuzz(func(t *testing.T, mail, rcpt string) {
		if p := parseMail(mail); strings.ContainsAny(p.envID, "\r\n\x00") || !ascii(p.envID) {
			t.Errorf("parseMail(%q) gives the envelope id %q", mail, p.envID)
		}
		p := parseRcpt(rcpt)
		if strings.ContainsAny(p.orig, "\r\n\x00") {
			t.Errorf("parseRcpt(%q) gives the address %q", rcpt, p.orig)
		}
		if status := statusAddress(strings.ToLower(string(p.origType)), p.orig); !printable(status) {
			t.Errorf("parseRcpt(%q) is reported as %q", rcpt, status)
		}
	})
}
