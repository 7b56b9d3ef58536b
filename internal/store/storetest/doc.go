// Package storetest runs tests on every engine of package store: on SQLite in a temporary
// directory, and on a real PostgreSQL.
//
// The PostgreSQL server is started once for each test binary, on a Unix socket in a
// temporary directory, and each test gets a schema of its own in it. The server
// hangs on a pipe to the test binary, so that it ends with it, however that ends. Where
// PostgreSQL is not installed the tests fail. The variable HELIOGRAPH_TEST_POSTGRES names
// the url of a server to use instead; its user must be able to create schemas.
//
// A package that uses it calls Main in its TestMain.
package storetest
