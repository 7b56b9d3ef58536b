package storetest

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// spares are schemas that tests have given back. To clean one is many times cheaper than to make one: PostgreSQL creates
// a file for each table and index.
var spares = spareSchemas{byServer: map[string][]string{}}

type spareSchemas struct {
	mu       sync.Mutex // guards byServer
	byServer map[string][]string
}

// take returns the url of a clean schema, or "" when there is none.
func (s *spareSchemas) take(server string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.byServer[server]
	if len(all) == 0 {
		return ""
	}
	u := all[len(all)-1]
	s.byServer[server] = all[:len(all)-1]
	return u
}

// giveBack cleans a schema for the next test, and drops it where that cannot be done: the test has made or dropped tables,
// has written much, or the server does not let its user do it. What a process keeps at its end goes with its server; on a
// server that HELIOGRAPH_TEST_POSTGRES names, nothing is kept.
func (s *spareSchemas) giveBack(t testing.TB, server, u string) {
	t.Helper()
	seed, ok := seedOf(server)
	if !ok || os.Getenv(Variable) != "" || execute(t, server, cleaning(schemaOf(t, u), seed)) != nil {
		dropSchema(t, server, u)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byServer[server] = append(s.byServer[server], u)
}

// largest is what a schema may have grown to, in bytes, its empty tables included, to be worth cleaning.
const largest = 24 << 20

// cleaning are statements that bring a schema back to what a new one is, or fail.
func cleaning(schema string, s seed) string {
	return fmt.Sprintf(`
BEGIN;
SET LOCAL session_replication_role = replica;
DO $clean$
DECLARE
	r record;
BEGIN
	SELECT count(*), sum(pg_relation_size(oid)) AS size INTO r FROM pg_class WHERE relnamespace = '%[1]s'::regnamespace;
	IF r.count <> %[2]d OR r.size > %[3]d THEN
		RAISE EXCEPTION 'not worth it';
	END IF;
	FOR r IN SELECT oid::regclass AS name FROM pg_class WHERE relnamespace = '%[1]s'::regnamespace AND relkind = 'r' LOOP
		EXECUTE format('DELETE FROM %%s', r.name);
	END LOOP;
	FOR r IN SELECT seqrelid::regclass AS name, seqstart AS start FROM pg_sequence JOIN pg_class c ON c.oid = seqrelid
		WHERE c.relnamespace = '%[1]s'::regnamespace LOOP
		PERFORM setval(r.name, r.start, false);
	END LOOP;
END
$clean$;
%[4]s
COMMIT;`, schema, s.relations, largest, strings.ReplaceAll(s.rows, s.schema, schema))
}
