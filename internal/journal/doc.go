// Package journal keeps a durable copy of every message that passes the gateway, and
// hands it to the hooks. It is the border between the proxy, which writes, and the hooks,
// which read: a crash on one side costs the other nothing.
//
// # Idea
//
// The log of record is a log of segments (package segment). A message is written while
// it arrives (Pending.Write), made durable before the upstream is told that it is
// complete (Pending.Seal), and marked with the upstream's verdict afterwards
// (Pending.Commit, Pending.Discard). Sealing waits for one disk sync and for nothing else:
// the database is not on that way.
//
// One goroutine, the indexer, follows the log and brings the database up to date in
// batches: a row per entry, a row in the ledger, a job per consumer in the queue, and the
// place in the log up to which all this is done, in one transaction. A crash
// repeats nothing and leaves nothing out. A database that is away costs time only, and one
// that is lost is built again from the log by the same code.
//
// An entry without a verdict (a crash, a lost connection) becomes unconfirmed after a while and
// goes to the consumers with that mark. What the upstream refused leaves a row in the ledger only.
//
// A message that is in a mailbox already (kinds fetch and backfill) has no verdict to wait for: it is confirmed by being
// sealed. Begin and BeginTee differ in who waits: a submission for the disk, a fetch for nothing.
//
// # The ledger of mailboxes
//
// Of each mailbox (upstream, account, name, UIDVALIDITY) the journal knows the sets of UIDs in a final state, as ranges:
// captured, excluded, gone, failed. The indexer adds a captured UID in the transaction that adds its
// entry, so a crash leaves neither an entry that is captured again nor a UID without its entry. Where a mailbox
// began for us is a mark in the log. Both are rebuilt with the index; what sessions settled
// without an entry is not, and costs a look at those messages.
//
// Sessions share one ledger per mailbox in memory (OpenMailbox), where a claim keeps two of them from capturing the
// same message at once. mailbox.go is their view of it, mailboxes.go loads, writes and unloads, uidsets.go
// holds the sets, mailbox_store.go brings them into the database.
//
// # Not here
//
// What is done with entries is the matter of the hooks; when a job runs, of the queue.
package journal
