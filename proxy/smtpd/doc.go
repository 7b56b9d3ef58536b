// Package smtpd is the SMTP front: it lets a mail program log in at its own
// provider and then taps the wire, so that each message is in the journal before
// the provider can accept it.
//
// # Idea
//
// A session has two phases. The preamble speaks for the provider: greeting, EHLO
// with the provider's own extensions, STARTTLS, and AUTH, which names the account
// and is relayed, mechanism and all. From then on the session is a tap with one
// goroutine a direction. The one towards the provider checks each command line and
// passes it on as it came, a pipelined group as a group; it passes DATA and BDAT
// while they arrive, and withholds the end of the message until the journal has it
// on disk. The one towards the client passes replies word for word and ties each
// to its command, which is how the journal learns the verdict.
//
//	client ── commands, DATA ──▶ check ─ tee ─▶ upstream
//	                                  └─▶ journal: write … seal, then the final dot
//	client ◀── replies ───────── match ◀─────── upstream
//	                                  └─▶ journal: commit or discard
//
// # Framing
//
// What bytes mean must never depend on who reads them. Only CRLF.CRLF ends DATA;
// a bare LF becomes CRLF (or is refused), a bare CR is refused, and a truncated
// message never gets its final dot or its BDAT LAST, because the connection to the
// provider is dropped instead (see scan.go and bdat.go).
//
// # What it does not do
//
// It does not queue people's mail, rewrite addresses, add header fields or filter
// content. Machines that cannot retry are served by queue.go, which stands on
// go-smtp and leaves delivery to the outbox.
package smtpd
