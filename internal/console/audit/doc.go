// Package audit is the record of who saw or changed what.
//
// The main idea: rows form a chain. Each has a hash over all of its fields and the hash of the row before, and a MAC over that with a key
// that is not in the database: whoever can write the database can change, remove or add rows, but cannot hide it from Verify. One row, the
// head, says where the chain ends; who adds a row holds the head until the transaction ends, so that the chain has no fork, however many nodes
// write. Old rows are removed from the beginning on, and a checkpoint keeps the hash that the rest follows from. Since the end of a chain can be cut off
// with the head set back, each gateway also notes the end in a file of its own (Options.Anchor).
//
// A change is on record before it is done, or in the same transaction: without that it is refused. What the API is about to do stands beside the
// views that are counted, and becomes one row of the chain with what came of it; when a gateway was stopped in the middle, it joins as it is. A view is written within a second, in
// batches; when views cannot be written, they are refused too once a bounded number waits. Repeated views of one object by
// one person within ten minutes are one row with a count: they are counted in a table of their own, and join the chain when
// the time is over, so that a crash costs a second at most.
//
//   - audit.go: Event, Log, Record
//   - chain.go: rows, hashes, the head
//   - views.go: views, counted and batched
//   - begun.go: changes that are being made
//   - verify.go: Verify, the anchor
//   - prune.go: what is too old
//   - recorder.go: what the API records
//   - list.go, export.go: reading it
//
// It decides nothing about who may do what, and holds no secrets and no texts of mails: that is up to whoever records.
package audit
