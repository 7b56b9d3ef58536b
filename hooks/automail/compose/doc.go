// Package compose makes the mails that rules send: templates, recipients, the bytes of the message, and the guards that
// keep two machines from writing to each other for ever.
//
// The main idea: what strangers wrote can never become more than text. A template is parsed, checked against a
// short list of what is allowed, and rewritten so that every look at a fact is a call of ours; nothing in it can reach a method, a header or
// another template. Values in HTML are escaped for the place in which they stand. In a template of addresses a value is a mark until the text round it is
// cut at its commas, so that no name brings a recipient along. Headers are made of decoded words by go-message, and whatever
// is not plain ASCII, or looks as if it were encoded already, is encoded.
//
// A fact that is unknown or has no value is an error that names it, unless the template gives a default; if and with ask whether
// there is something, and take unknown for no. A mail is the same to the last byte each time it is made for one
// effect: date, Message-ID and boundaries follow from it, and so a crash sends nothing twice that could not be recognised.
//
// A mail says that a machine wrote it (RFC 3834) and which run of which rule, signed, in [CauseHeader]. [Judge] says whether a mail that came in
// may be answered by a machine, and gives all reasons against it.
//
//   - template.go, compile.go and syntax.go check and rewrite templates, render.go looks up facts, functions.go, numbers.go, dates.go and lists.go are
//     what templates can call, page.go guards HTML, chips.go is the editor's view, problem.go what authors are told;
//   - address.go and addresstemplate.go read and check mailboxes, set.go renders all templates of a mail and previews them;
//   - message.go, header.go and body.go make the bytes, reply.go threads and quotes;
//   - cause.go signs why a mail was sent; judge.go and judgewords.go read the signs of machines.
//
// It knows no outbox and no store, sends nothing, opens no socket and asks no clock. Who may be written to how
// often, quiet hours and opt-outs are the rules' budgets, not its own.
package compose
