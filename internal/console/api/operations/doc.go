// Package operations is the part of the API for those who run the gateway: what works, what waits, and what needs a person.
//
// The main idea: nothing is kept here that another package owns. The queue, the mirror, the contacts, the book of accounts, the watch and
// the ledger tell how they stand, and do what a person asks; this package puts it into words with a remedy each, and keeps everybody to their
// own accounts. What only a running gateway knows comes in by small interfaces (Options). It has tables of its own for what nobody
// else keeps: figures over time, nodes, runs that fetch mail, and links for employees.
//
//   - part.go: Options, the Part. scope.go: whose mail a caller sees, in SQL
//   - overview.go, attention.go: now. trends.go: over time; rollup.go, histogram.go: how that is kept
//   - nodes.go: signs of life of the nodes
//   - queue.go, queue_change.go, jobs.go, remedy.go: work that waits or failed
//   - targets.go, connections.go: CRMs, notifiers, mail providers
//   - accounts.go, account_change.go, mailboxes.go: mail accounts. runs.go: backfills and reconciliations. enrolment.go, enrolment_public.go: links
//   - watched.go: watched mailboxes
//   - reviews.go, duplicates.go, conflicts.go: people on whom somebody has to decide
//
// It does not deliver, capture or sign in anywhere itself.
package operations

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi.yaml openapi.yaml
//go:generate go run heliograph/internal/console/api/asjson openapi.yaml openapi.gen.json
