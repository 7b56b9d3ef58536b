// Package mail is the part of the API for mail: messages, threads, customers, what became of a mail, and an employee's own page.
//
// The main idea: lists come from package archive, texts from the journal, who a customer is from package contacts, and what became of a mail
// from the ledger and whatever else has rows of it. All reads take the caller's accounts, and what these do not see is not there.
// What strangers wrote is data: text is text, HTML is sanitised once more and served for a sandbox, files are only downloaded.
//
//   - part.go: Options, and what the files share
//   - messages.go: lists and threads. message.go: one message. text.go: its text in blocks
//   - html.go: its HTML. files.go: attachments and the raw mail
//   - act.go: withdraw, mark private, tags
//   - customers.go: lists. customer.go: one customer and the mail with them
//   - ledger.go: the ledger. story.go, storymirror.go, storyrules.go: the story of a mail. likely.go: why one was never seen
//   - me.go: the own page. foresee.go: what a choice would keep out
package mail

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi.yaml openapi.yaml
//go:generate go run heliograph/internal/console/api/asjson openapi.yaml openapi.gen.json
