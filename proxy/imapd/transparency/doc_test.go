// Package transparency_test shows that no mail program can tell the gateway from the
// server behind it, and that all they read is captured.
//
// The main idea: what is said once to Dovecot, Cyrus and Courier themselves is said
// again through a whole gateway, and the answers are compared byte for byte. What two
// runs without a gateway differ in is masked; what the gateway changes on purpose is a
// short table. The same gateway then serves the mail programs that people use.
//
//	testdata/session.imap  the commands; internal/mailtest has the notation
//	messages_test.go       the messages that they store and read
//	transparency_test.go   plays them, directly and with capture off and on
//	compare_test.go        masks, documented differences, comparison
//	strict_test.go         what is refused on purpose
//	programs_test.go       mutt, mbsync, offlineimap, getmail, fetchmail, curl, imaplib
//	thunderbird_test.go    Thunderbird, driven by Marionette
//	gateway_test.go        the gateway
//	mailbox_test.go        what a mailbox holds, and whether the journal has it too
//
// Limits and time-outs, hostile peers and random commands have their tests elsewhere.
package transparency_test
