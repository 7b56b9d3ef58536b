// Package backfill fetches what capture on users' own sessions has not: mail from before the
// gateway came, and gaps. It works on a side session, a connection of its own with
// credentials that a person gives for this one run.
//
// The main idea: the journal's mailbox ledger is the only state. A run asks the mailbox for its
// UIDs, takes away those that the ledger knows the end of, and brings each of the others to
// an end: captured, excluded (a draft), gone, or failed with the server's words. So a second run does what
// is left, however the first one ended; a lost connection is answered by beginning again; and
// messages that a mail program fetches meanwhile through the gateway are not fetched twice, because both
// sides claim a UID first.
//
// The mailbox is not changed: EXAMINE and BODY.PEEK[] only, in chunks. The work is paced: it
// stays behind mail that passes, below the provider's daily budget, below the rate that was asked for, and
// there is one session per account. A refused login ends the run at once, since providers lock accounts
// over repeated ones. Entries have a kind of their own, on which no rule ever fires.
//
// The path of a run, file by file:
//
//	request.go    what a person asks for, and what a run tells
//	runner.go     one run per account; metrics
//	run.go        folders, plan, mailbox after mailbox, again after a lost connection
//	mailbox.go    one mailbox: what is missing, drafts, vanished messages
//	fetch.go      bodies, in batches of small ones or in chunks of a large one, into the journal
//	reconcile.go  the same comparison as a report
//	pace.go       rate, budget, waiting
//	side.go       the connection: login, time-outs, bounds, errors that are final
//
// It serves no mail program and decides nothing about CRMs.
package backfill
