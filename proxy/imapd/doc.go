// Package imapd is the IMAP front: it lets a mail program log in at its own
// provider and then taps the wire, so that what the user reads, receives and
// stores is in the journal.
//
// # Idea
//
// A session has two phases. The preamble speaks for the provider: greeting,
// CAPABILITY, ID, NOOP, STARTTLS, and LOGIN or AUTHENTICATE, which names the
// account and is relayed, bytes and mechanism and all. What it says of the
// provider is what the provider said of itself. From then on the session is a
// tap, a scanner beside the stream in each direction.
//
//	server.go     the Server, its settings, one connection
//	preamble.go   the commands before the login
//	command.go    reads one command of a client that is not trusted yet
//	wire.go       bounded buffers that forget passwords
//	auth.go       which account, which upstream, may it try; LOGIN and AUTHENTICATE
//	exchange.go   the lines of one AUTHENTICATE
//	answer.go     what the upstream says to a login, and what of it is believed
//	id.go         ID: the client's words to the provider
//	capability.go which capabilities the client is shown
//	session.go    what a session knows after the login
//	tap.go        both directions after the login
//
// # Framing
//
// What bytes mean must never depend on who reads them. Before the login a line
// ends in CRLF and holds no NUL, a literal is announced in the one exact form, and
// only where a string may stand. All else is answered with BAD and the connection
// ends. A command line goes to the upstream in the client's own words; only the
// announcements of its literals are made anew, in the form that the upstream takes.
//
// # What it does not do
//
// It stores no password, changes no mailbox, filters no content and does not
// know better than the provider which commands exist.
package imapd
