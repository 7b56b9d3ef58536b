// Package customerbox serves customer mailboxes: a read-only IMAP server in which
// each customer of the built-in CRM is a mailbox that holds the team's correspondence,
// so that people browse the CRM's mail in their own mail program.
//
// # Idea
//
// Nothing is copied. A mailbox is a query over the store (who is in the CRM, which
// messages they took part in, which sightings of these are in scope), a message is the
// bytes of one sighting in the journal. Only what IMAP wants to be lasting is stored: the
// UIDs of the mailboxes that somebody has opened, and what was found when a message was read as
// a whole, so that it is read so once.
//
// The protocol is spoken by go-imap's imapserver, which is good at it once the login is done and the framing
// is beyond doubt. So it gets neither: everything up to the login is ours, and afterwards each command
// is read and checked here and handed over as one line without literals.
//
// # File by file
//
//   - server.go takes connections; login.go answers until the employee's own provider, which verify.go asks, has
//     accepted the password (it is kept nowhere, and asked for anew each time).
//   - front.go is the connection that imapserver sees; command.go reads commands.
//   - folders.go knows who sees which mailboxes, and their names.
//   - view.go gives out UIDs; pulse.go notices that the store has changed.
//   - session.go answers imapserver, fetch.go, structure.go, section.go and search.go do the larger part of it.
//
// # Rights
//
// With scope own a reader sees the messages of which a sighting in scope is his own, and the
// copy that he sees is that one; managers, and everybody with scope all, see any that has a sighting in
// scope. UIDs are given out per reader, so that what becomes visible later is new to him.
//
// # Not here
//
// No flag is kept: everything is shown as seen. Nothing can be changed, moved or added. Who
// is a customer is the matter of the CRM, and what is in scope of the mirror.
package customerbox
