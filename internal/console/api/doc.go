// Package api is the core of the REST API: what all its parts have in common, so that a part is nothing but operations.
//
// The main idea: each Part brings an OpenAPI 3.1 document, and that document decides. It says who may call an operation (x-permission), what is
// recorded of it (x-audit) and what a request may hold; the core checks all of it before the operation's code runs, and an operation
// that the document does not know cannot be mounted. What is left to a part is the scope: whose mail the caller sees.
//
//   - part.go: Part, and how it is mounted
//   - handler.go: New; login, permission, rate, size of the body, audit. call.go: one request on its way
//   - document.go: the documents read, and joined into the one that is served. validate.go: requests held against it; an operation's
//     schemas are compiled when it is asked for first, since a gateway that starts has mail waiting
//   - asjson: makes the JSON that is embedded out of the YAML that people edit
//   - problem.go: errors that say what to do (RFC 9457)
//   - page.go: cursors of lists, ETags
//   - apitest: tests of parts; each answer is held against the document
//
// It knows nothing of mail, rules or people, and stores nothing.
package api

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi.yaml openapi.yaml
