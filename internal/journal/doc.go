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
// # Not here
//
// What is done with entries is the matter of the hooks; when a job runs, of the queue.
package journal
