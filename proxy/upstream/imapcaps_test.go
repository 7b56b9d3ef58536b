package upstream_test

import (
	"slices"
	"testing"

	"heliograph/proxy/upstream"
)

func capabilities(list string) upstream.Capabilities {
	return upstream.ParseCapabilities([]byte(list))
}

func TestParseCapabilities(t *testing.T) {
	t.Parallel()
	for _, list := range []string{
		" IMAP4rev1 idle AUTH=Plain AUTH=", "IMAP4rev1  idle AUTH=Plain\tAUTH=\r\n", "IMAP4rev1 idle AUTH=Plain AUTH=] and text X",
	} {
		c := capabilities(list)
		if got := c.Atoms(); !slices.Equal(got, []string{"IMAP4rev1", "idle", "AUTH=Plain", "AUTH="}) {
			t.Errorf("%q: atoms %q", list, got)
		}
		if !c.Has("IDLE") || !c.Has("imap4REV1") || c.Has("X") || c.Has("") {
			t.Errorf("%q: has the wrong ones", list)
		}
		if got := c.Mechanisms(); !slices.Equal(got, []string{"PLAIN"}) {
			t.Errorf("%q: mechanisms %q", list, got)
		}
	}
	c := capabilities("A B")
	c.Atoms()[0] = "C"
	if c.Has("C") || c.String() != "A B" {
		t.Error("the caller can change the capabilities")
	}
}

func TestCommonCapabilities(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		list []string
		want string
	}{
		{nil, ""},
		{[]string{"IMAP4rev1 B A"}, "IMAP4rev1 B A"},
		{[]string{"IMAP4rev1 Idle AUTH=PLAIN AUTH=LOGIN X", "AUTH=LOGIN IDLE IMAP4rev1 Y"}, "IMAP4rev1 Idle AUTH=LOGIN"},
		{[]string{"IMAP4rev1 AUTH=PLAIN", "IMAP4rev1 AUTH=XOAUTH2 AUTH=PLAIN-X", "IMAP4rev1 auth=plain"}, "IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 AUTH=PLAIN-X"},
		{[]string{"IMAP4rev1", "IMAP4rev1 LOGINDISABLED"}, "IMAP4rev1"},
	} {
		var list []upstream.Capabilities
		for _, text := range c.list {
			list = append(list, capabilities(text))
		}
		if got := upstream.CommonCapabilities(list...).String(); got != c.want {
			t.Errorf("%q: got %q, want %q", c.list, got, c.want)
		}
	}
}
