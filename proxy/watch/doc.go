// Package watch reads mailboxes that no mail program need be open for: shared and service mailboxes such as support@, whose
// owners enrolled them. What arrives there is in the journal within a second; rules start from it.
//
// The main idea: the journal's ledger of mailboxes says what is left to do, and a connection only says when to look. A look
// asks for the UIDs above the last one that was seen, takes away what the ledger knows the end of, claims each of the others
// and brings it to an end: captured, excluded (a draft, too large), gone, or failed with the reason. So a lost connection, a
// crash or another node costs a look, and a person who reads the same mailbox through the gateway costs nothing: both sides
// claim a UID first.
//
// When to look: EXISTS during IDLE (RFC 2177), and by itself: after a silence (NOOP tells whether the server is still there), when
// an IDLE has lasted long enough, and in every poll interval where the server has no IDLE, tells late, or breaks it twice.
//
// The mailbox is not changed: EXAMINE and BODY.PEEK[]. What was there before the first look is not new mail: it is left
// alone, or captured as backfill, on which no rule fires. After the server has numbered the messages anew the same holds for what
// was there then, but what came since the last look is captured.
//
// One node watches an account, by a lease; after a lost lease the next one goes on from the ledger in the store. A login
// that is refused is tried twice, because providers lock accounts; then the account waits until it is enrolled again. Words
// by which providers slow clients down are heeded.
//
//   - watch.go: the Watcher and its accounts; reload. account.go: lease, mailboxes, connections of one account. gate.go: its
//     logins. line.go: one connection and its ends. idle.go: when to look. box.go: what to do in one mailbox. fetch.go: bodies into
//     the journal. link.go: commands, time-outs and bounds of a connection. trouble.go: words of providers. circuit.go: servers
//     that are away. record.go: state in memory, in the store and as metrics. check.go: a try for the command line.
//
// It serves no mail program, and it decides nothing about rules or CRMs.
package watch
