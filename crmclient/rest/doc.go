// Package rest connects any CRM with an HTTP API by configuration alone: no code is written for a CRM. It is the way for
// 支道 and other no-code platforms, for help desks such as Request Tracker, and for systems that a company made itself.
//
// The main idea: a section lists operations (find_contacts, log_email, create_ticket …). Each is a request made of
// templates, and paths that say where in the answer the results are. A JSON body is built as data: the leaves of a YAML tree
// are templates, and what they give becomes a JSON value, so that nothing in a mail can change the form of a request. Values
// in paths, queries and forms are escaped by the place where they stand; in raw text each must be escaped by name.
//
// How a request goes, file by file:
//
//   - config.go and config_parts.go say what a section holds; validate.go and compile.go check all of it at load and build the operations
//   - values.go makes the values of a mail, a ticket, a record; template.go, transforms.go and tree.go make a request of them
//   - request.go and body.go build it, auth.go and sign.go add credentials, token.go gets those that expire
//   - answer.go tells success from errors and gives them their class; extract.go and jsonpath.go find the results in it
//   - page.go walks over pages; email.go, contacts.go, tickets.go, records.go, changes.go, files.go and check.go are the operations
//
// A mail becomes one record: with find_email the record is looked for before it is written; without it, the API itself must know a repetition,
// by a header or a unique field; or the section accepts at_least_once.
//
// What is looked for and then made is under one lock in this process only; between nodes the queue lets one mail at a time be worked on, but two
// mails of a new thread may make two parents (create_parent), unless the API refuses the second. Files found by find_file are the same
// as far as result.key tells: by name or by hash.
//
// It does not run programs, has no loops but those over a list, follows no link to another host, and receives no webhooks. An ability
// whose operation a section does not have is not offered (crmclient.As).
package rest
