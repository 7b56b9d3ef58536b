package imapd_test

import "testing"

func TestLoginFirst(t *testing.T) {
	t.Parallel()
	f := newFront(t, nil, learn, lines(upHello, `
		C: a LOGIN u@example.com secret
		S: * CAPABILITY IMAP4rev1 COMPRESS=DEFLATE
		S: a OK [CAPABILITY IMAP4rev1 MOVE COMPRESS=DEFLATE X] Hello, u
	`, upTap))
	f.talk(lines(hello, `
		C: a LOGIN u@example.com secret
		S: * CAPABILITY IMAP4rev1
		S: a OK [CAPABILITY IMAP4rev1 MOVE X] Hello, u
	`, tap))
	f.wantLogin("ok")
}
