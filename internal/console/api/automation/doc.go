// Package automation is the part of the API for rules and automated mail, made for a designer in which nobody sees syntax.
//
// The main idea: everything that a designer needs is data with labels in Chinese and English: what a rule can be made of (the vocabulary), what is
// wrong with one (problems with places in it), what it would do (trials, replays), and what it did (runs, approvals, the outbox). The rules themselves
// stay what package rules has: this package asks and translates, and decides nothing but who may see what.
//
// What only a running gateway knows comes through Gateway and Bench.
//
//   - part.go: Part, Options, Gateway, Bench. scope.go: who sees what. words.go: small translations
//   - vocabulary.go, vocabulary_names.go: what rules can be made of
//   - problems.go: what is wrong with a rule, with pointers that resolve; graph.go: the flow view
//   - rules.go, publish.go, versions.go, transfer.go: rules and their versions; examples, import, export
//   - try.go, trial.go, why.go: trials; replay.go, replay_job.go, replay_store.go: replays as jobs of the queue
//   - templates.go, previews.go: templates and pages of HTML
//   - runs.go, runs_show.go: what rules did. approvals.go: what people decide
//   - outbox.go, outbox_change.go, suppressions.go, holds.go: mail on its way out
//
// Whose mail a caller sees decides on runs, trials and the outbox; rules themselves are seen by all who may read them.
package automation

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi.yaml openapi.yaml
//go:generate go run heliograph/internal/console/api/asjson openapi.yaml openapi.gen.json
