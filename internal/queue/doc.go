// Package queue is a durable work queue in the tables of package store.
//
// A job is added in the same transaction as the rows that it belongs to, so
// there is never one without the other. Workers claim jobs in batches under a
// lease; each claim raises the job's fence, and whoever finishes a job must show the
// fence of the claim that is in force, so a worker that was too slow cannot overwrite
// what its successor did. A lease that expires makes the job claimable again,
// so a handler may run twice for one job: its effects outside need a key of
// their own (the job's Key will do).
//
// Jobs that share an order key run one at a time in the order of their creation;
// one that is waiting to be retried holds up those behind it. The order is kept by
// a flag: of all live jobs of an order key exactly one is not blocked, which a unique
// index guarantees, and whatever ends a job lets the next one go. So claiming never
// looks at jobs that cannot run.
//
// States and their names are those of River: available, scheduled, running,
// retryable, completed, discarded, cancelled. The first four are live. Discarded jobs
// are the dead letters: they stay, with the reason, until they are redriven or dropped.
//
// Waking is in-process, with polling as the fallback between nodes. The queue
// knows nothing of what jobs mean.
package queue
