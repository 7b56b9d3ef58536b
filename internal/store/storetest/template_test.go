package storetest

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// What is copied is what the migrations make, to the last default, index and constraint.
func TestCopyIsWhatMigrationsMake(t *testing.T) {
	t.Parallel()
	server := serverURL(t)
	migrated, copied := PostgresURL(t), PostgresURL(t)
	current(t, server, copied)
	dumps.Lock()
	text := dumps.byServer[server].text
	dumps.Unlock()
	if text == "" {
		t.Skip("no pg_dump fits the server, so nothing is copied")
	}
	Open(t, migrated, "")
	Open(t, copied, "")
	if a, b := dumpOf(t, server, migrated), dumpOf(t, server, copied); a != b || len(a) < 10_000 {
		t.Fatal(difference(a, b))
	}
}

var applied = regexp.MustCompile(`'20\d\d-\d\d-\d\d [0-9:.]+'`) // when a migration ran

// dumpOf is all that a schema has.
func dumpOf(t *testing.T, server, u string) string {
	t.Helper()
	program, err := findBinary("pg_dump")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "--schema="+schemaOf(t, u), "--inserts", "--no-owner", "--dbname="+server).Output()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(string(out), schemaOf(t, u), "s")) {
		if !strings.HasPrefix(line, `\`) { // a code that differs each time
			lines = append(lines, applied.ReplaceAllString(line, "at"))
		}
	}
	return strings.Join(lines, "")
}

// difference says where two texts part.
func difference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("line %d: %q, and %q", i+1, x[i], y[i])
		}
	}
	return fmt.Sprintf("%d lines, and %d", len(x), len(y))
}
