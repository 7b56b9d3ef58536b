// Package imapd is the IMAP front: it lets a mail program log in at its own
// provider and then taps the wire, so that what the user reads, receives and
// files is in the journal, whole, even when the program fetches pieces only.
//
// # Idea
//
// A session has two phases. The preamble speaks for the provider: greeting,
// CAPABILITY, ID, NOOP, STARTTLS, and LOGIN or AUTHENTICATE, which names the
// account and is relayed, bytes and mechanism and all. What it says of the
// provider is what the provider said of itself. From then on the session is a
// tap: each direction reads a chunk, scans it in place and writes the same bytes
// on. What the scan finds moves one common state, the selected mailbox and the
// commands under way. A message that passes whole is copied. All else that is
// wanted is fetched on the same session by commands of our own, whose answers the
// client does not see: no second connection, no stored password, any mechanism of
// login.
//
// # File by file, as a message comes by
//
//	server.go     the Server, its settings, one connection
//	preamble.go   the commands before the login
//	command.go    reads one command of a client that is not trusted yet
//	wire.go       bounded buffers that forget passwords
//	capability.go which capabilities the client is shown
//	id.go         ID: the client's words to the provider
//	auth.go       which account, which upstream, may it try; LOGIN and AUTHENTICATE
//	exchange.go   the lines of one AUTHENTICATE
//	answer.go     what the upstream says to a login, and what of it is believed
//	session.go    what a session knows after the login
//	tap.go        both directions after the login: their goroutines, parking, the end
//	down.go       the client's commands, and how they wait for us
//	up.go         the upstream's responses: which pass, which are ours, which change
//	output.go     writes under a deadline
//	mailbox.go    the selected mailbox: its numbers, and what of it is wanted
//	capture.go    copies of messages on their way to the journal: read, or by APPEND
//	interject.go  when we may speak, and what we ask
//	own.go        the answers to us, and what of them is the client's after all
//	linger.go     the end of a session whose client is gone; the provider's budget
//
// # Framing
//
// What bytes mean must never depend on who reads them. Before the login a line
// ends in CRLF and holds no NUL, a literal is announced in the one exact form, and
// only where a string may stand. All else is answered with BAD and the connection
// ends. A command line goes to the upstream in the client's own words; only the
// announcements of its literals are made anew, in the form that the upstream takes.
// After the login the package scan keeps to the same rules; well-framed commands
// pass, known or not, but for COMPRESS, UNAUTHENTICATE and STARTTLS. Towards the
// client everything passes: what cannot be followed is counted, and only capture
// does without it.
//
// A SASL mechanism with a security layer (GSSAPI, DIGEST-MD5; RFC 4422, 3.7) is
// relayed like any other, because the layer is a choice, which programs do not make
// under TLS and some servers, such as Dovecot, do not offer. Where it is made all
// the same, the first packet of the client is no command: it gets BAD, and the
// session ends before the upstream has seen any of it.
//
// # What is captured
//
// The policy of the account and the folders say which messages are wanted. The
// ledger of the mailbox (package journal) knows by UID which of them are captured,
// excluded, gone or failed, over all sessions and restarts: a mailbox is never
// caught up by date or by its highest UID. Three ways lead to the journal. The tee
// copies a literal that holds the whole message. APPEND is copied and waits for the
// upstream's verdict; what the server puts together or changes itself is fetched
// instead. Interjection fetches what was read in part and what is new. The journal
// is given bytes after they have passed, and never makes them wait: what it cannot
// take is let go and stays wanted.
//
// # Rules of interjecting
//
//   - Only in a mailbox that is selected and captured, between two responses, with no
//     command of the client open and none sent in part. The client's IDLE is ended and
//     begun anew at the upstream, and the client sees neither.
//   - Not while the client is busy: it has been silent for quietTime, or has had
//     arrivalTime in IDLE to fetch new mail itself. One that never falls silent is
//     interrupted once in hurryTime.
//   - Whatever could change a mailbox is not said: BODY.PEEK, FETCH by sequence number
//     and SEARCH, in answer to which no server may send EXPUNGE (RFC 9051, 7.5.1), so that the
//     client's own numbers hold. UID FETCH only where there are no numbers (UIDONLY).
//   - One command at a time, for one chunk (capture.chunk_bytes). A command of the
//     client that comes meanwhile waits for that chunk and goes first then.
//   - What the server tells besides (EXISTS, EXPUNGE in IDLE, flags of other messages,
//     ALERT, BYE) passes in its order. FLAGS and MODSEQ of the message that we fetch
//     are passed on without the rest.
//   - BAD ends our part in this mailbox, silence of answerLimit the session. A message
//     that is refused twice, or sent otherwise than it was asked for, is settled as
//     failed. The client hears of none of it.
//   - The provider's budget of bytes a day holds. A session that its client left goes on
//     for lingerTime at most.
//
// # What it does not do
//
// It stores no password, changes no mailbox and no flag, opens no second connection,
// filters no content and does not know better than the provider which commands
// exist. It does not compress, and does not read what is encrypted end to end. Mail that
// nobody selects is not looked for: package backfill does that when it is asked to.
package imapd
