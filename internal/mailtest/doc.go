// Package mailtest is the test kit: real servers that a test starts for itself,
// certificates, and corpora of mail.
//
// The main idea: a test says what it needs in one line and gets a running
// server on a free loopback port, with a directory of its own, ended when the
// test ends, and also when the test's process dies without a word. The servers
// are Debian's Postfix, Dovecot, Cyrus, Courier and Redis, since what a peer
// really does is the thing under test. A missing program fails the test and says
// how to install it; nothing is skipped.
//
// It is for tests only.
package mailtest
