// Package store is the SQL database of a node: SQLite in the data directory on
// one machine, PostgreSQL beyond that, behind the same queries.
//
// Queries are written once, with numbered placeholders ($1, $2, …), and run on
// both. Times are int64 Unix microseconds (Micros, FromMicros). Reading goes
// through Reader, a pool that cannot write. Writing goes through Write, which
// runs a function in one transaction. On SQLite there is a single writer, and
// what waits for it shares one commit: each function runs inside its own
// savepoint, so that one may fail without the others, and a single fsync makes
// all of them durable. On PostgreSQL each function is an ordinary transaction,
// run again when it lost a race against another.
//
// The schema is a folder of goose migrations (migrations/NNNN_name.sql) that
// both engines share; the few words that differ are templates (see Dialect).
//
// It is not an ORM, builds no SQL, and knows no table. Searching text is left to
// its callers; Bigrams gives them tokens that find Chinese as well as English.
package store
