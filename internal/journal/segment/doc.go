// Package segment is the durable log under the journal: append-only files of
// checksummed, encrypted records, and one fsync for all who wait for it.
//
// # Idea
//
// One goroutine, the appender, owns the file that is written and its offset.
// Writers compress and encrypt in their own goroutine and leave finished records
// in the next group; the appender writes a whole group with one write, syncs once
// for everybody in it, and wakes them. While it syncs, the next group gathers.
// So the cost of a sync is shared by all messages that arrive while one runs.
//
// A message whose body fits a chunk (128 KiB) is one entry record: wrapped data
// key, metadata, body. The body of a longer one streams into the log as chunk
// records while it arrives; its entry record comes last, lists them and holds the
// remainder. An entry exists when its entry record does, so a message is either
// whole or absent. Marks (commit, discard, settled) say later what became of it.
//
// # Layout
//
// Segments are files NNNNNNNNNN.seg, numbered upwards, allocated ahead. A segment
// begins with a header that states where the segment before it ends: what lies
// behind that point was never acknowledged, whatever it looks like. Each record
// has a header with its own checksum, so that bodies can be skipped, and a checksum
// of the payload. The checksums are seeded with the segment's number. Where records
// stop, there are zeros. A process never appends to a segment of an earlier
// one; it starts the next, so that nothing is ever written behind a torn tail.
//
// # Failures
//
// A failed write or fsync ends the segment for good at its last acknowledged byte
// and fails everybody who waited; nothing is retried, because after a failed fsync
// the kernel may have dropped the pages. The next append opens a new segment, and
// while that fails (a full disk), appends fail at once. Unreadable bytes in the
// middle of a segment are logged and counted, and reading goes on behind them.
//
// # Not here
//
// The package knows no SQL, no queue and no mail: an entry's metadata and body are
// bytes. It does not delete old segments, and it does not copy them elsewhere.
package segment
