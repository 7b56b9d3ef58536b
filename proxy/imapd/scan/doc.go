// Package scan finds the frame of an IMAP conversation while it passes: where lines,
// literals, commands and responses begin and end, and the few things in them that the
// gateway looks at.
//
// The main idea: the caller reads a chunk, hands it to Next until it is used up, and sends
// on the same bytes. Nothing is copied but a line that is split over two reads, literals are
// passed over by count, and memory is bounded by MaxText a direction. Any split of the input
// gives the same events.
//
// The two directions differ on purpose. A Client is strict: where servers may disagree on
// where a command ends, a command could hide from the gateway, so it ends with Bad. A Server
// is open: whatever comes is passed over as lines, and what cannot be followed only means
// that nothing is captured from it.
//
//   - event.go     what Next returns, and the bounds
//   - line.go      puts a split line together
//   - literal.go   announcements of literals, for both directions
//   - server.go    frames what the upstream sends
//   - client.go    frames what the downstream sends
//   - command.go   tag, verb and arguments; which verbs take literals
//   - response.go  tells the responses apart: tag, status, code, number, keyword
//   - fetch.go     reads a FETCH response fragment by fragment; items.go has its items
//   - args.go      mailbox names, LIST, APPEND, VANISHED
//   - utf7.go      the encoding of mailbox names
//
// The package does no input or output, and decides nothing: what a refused command, a lost
// response or a BYE means is the caller's business.
package scan
