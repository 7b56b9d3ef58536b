package mailtest_test

import (
	"net"
	"strings"
	"testing"

	"heliograph/internal/mailtest"
)

// TestIMAPScript plays one step of each kind against a server that insists on every byte.
func TestIMAPScript(t *testing.T) {
	t.Parallel()
	addr := mailtest.Serve(t, nil, `
		S: * OK ready {5}
		C: a1 LOGIN li "pass word"
		S: a1 OK [CAPABILITY IMAP4rev1 IDLE] in
		C: a2 APPEND x {3}
		S: + go
		C= "a\x00b\r\n"
		S: a2 OK
		C: a3 APPEND x ~{5+}
		C= "12345\r\n"
		S: a3 NO not today
		C: a4 SELECT {5}
		S: a4 BAD no
		C: a5 FETCH 1 BODY[]
		S: * OK [UIDVALIDITY 77] told {9}
		S= "* 1 FETCH (BODY[] {7}\r\na\r\nb\r\n) UID {2}\r\n12)\r\n"
		S: a5 OK
		C: a6 NOOP 77
		C: a7 NOOP
		S: * 1 EXISTS
		S: a7 OK
		S: a6 OK
		C: a8 IDLE
		S: + idling
		S: * 2 EXISTS
		S: * 12 EXISTS
		C: DONE
		S: a8 OK
		C: raw
		S: * BYE
		-- eof
	`)
	script, err := mailtest.ParseIMAPScript(`
# every kind of step
A+
A LOGIN ${USER} "${PASSWORD}"
[IDLE]
A APPEND x <"a\x00b">
A APPEND x <~+five>
A SELECT <"INBOX">
[QRESYNC]
A NONSENSE
[!Courier]
A NONSENSE
[]
A FETCH 1 BODY[]
A| NOOP ${UIDVALIDITY}
A NOOP
A> IDLE
A? * 2 EXISTS
A? * N EXISTS
A< DONE
A! "raw\r\n"
A? * BYE
`)
	if err != nil {
		t.Fatal(err)
	}
	p := mailtest.IMAPPlay{
		Dial: func() (net.Conn, error) { return net.Dial("tcp", addr) },
		User: mailtest.User{Name: "li", Password: "pass word"}, Server: "Courier",
		Offers: func(capability string) bool { return capability == "IDLE" },
		Bytes:  map[string][]byte{"five": []byte("12345")},
	}
	all := p.Run(script)
	if last := all[len(all)-1]; last.Err != nil {
		t.Fatal(last.Step, last.Err)
	}
	if p.Commands != 8 || len(all) != 14 {
		t.Errorf("%d commands and %d steps, want 8 and 14", p.Commands, len(all))
	}
	var fetched []string
	for _, r := range all[5].Responses {
		fetched = append(fetched, r.String())
	}
	want := "* OK [UIDVALIDITY 77] told {9}|* 1 FETCH (BODY[] {7}\r\na\r\nb\r\n) UID {2}\r\n12)|a5 OK"
	if got := strings.Join(fetched, "|"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestIMAPScriptMistakes(t *testing.T) {
	t.Parallel()
	if _, err := mailtest.ParseIMAPScript("A* what"); err == nil {
		t.Error("an unknown mark is taken")
	}
	for _, text := range []string{"A NOOP", "A+\nA APPEND <who>", "A+\nA| APPEND <\"waits\">", "A+\nA! unquoted"} {
		script, err := mailtest.ParseIMAPScript(text)
		if err != nil {
			t.Fatal(err)
		}
		client, server := net.Pipe()
		go func() { _, _ = server.Write([]byte("* OK\r\n")) }()
		p := mailtest.IMAPPlay{Dial: func() (net.Conn, error) { return client, nil }}
		all := p.Run(script)
		if all[len(all)-1].Err == nil {
			t.Errorf("%q plays", text)
		}
		_ = client.Close()
		_ = server.Close()
	}
}
