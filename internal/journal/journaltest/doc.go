// Package journaltest is a disk for tests of the journal: a segment.FS in memory that
// remembers everything done to it, so that a test can cut the power at any moment of
// the past and see what a real disk might hold then.
//
// A write is durable when a later Sync of its file has succeeded, a name when a later
// SyncDir has. What is not durable at the cut may be there, or not, or in part, in any
// combination. After a failed Sync the writes it was for may or may not be on the disk, and
// no later Sync changes that, as with the page cache of Linux.
//
// A test records one run of its workload, puts what it was promised into the
// record with Note, and then walks over Cuts.
package journaltest
