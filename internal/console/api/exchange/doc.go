// Package exchange is the part of the API by which data comes in and goes out: imports of contacts and tables, exports of lists, and the
// settings of mail programs.
//
// The main idea of imports: the uploaded file stays as it is, on disk, and everything else follows from it and from what the person says
// of it: preview, mapping, a check that changes nothing, the import. So each step can be repeated, and importing twice changes nothing. An
// export writes a file page by page, with what its caller may see and nothing else, and only that caller gets it, for a day.
//
// A job runs in the gateway that was asked, and says every few seconds that it still does; one that has fallen silent was interrupted. What
// was imported until then stays, and starting again goes on.
//
//   - part.go: Part, Options
//   - store.go: jobs in the database; work.go: jobs at work
//   - upload.go, look.go: a file comes in, and is looked at; guess.go: what its columns mean
//   - imports.go: operations on imports; run.go, runtable.go: checks and imports; rows.go: what became of rows
//   - tables.go: tables for rules
//   - exports.go, lists.go, mail_lists.go: exports, and the lists that they write
//   - onboarding.go, links.go: settings of mail programs
//
// Files lie below data_dir and are not encrypted; only the gateway's user may read them.
package exchange

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi.yaml openapi.yaml
//go:generate go run heliograph/internal/console/api/asjson openapi.yaml openapi.gen.json
