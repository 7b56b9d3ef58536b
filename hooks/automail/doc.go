// Package automail sends mail: what machines gave to a queue listener, the
// notices that this causes, and what rules send.
//
// The main idea of the [Outbox]: the message stays in the journal, the moment of its next
// attempt is a job of kind "outbox", and what the upstream said of each recipient
// is a row. One attempt sends the message in one transaction to all recipients that are
// still pending. A 5xx reply is final for whom it concerns; a 4xx reply and any trouble on
// the way there mean later, after 1, 2, 5, 10, 20, 40, 80 and then each 120 minutes, until the
// message expires. The sender learns of failures, of a long delay, and on request of the
// handing over to a server that reports no success itself, by delivery status
// notifications (RFC 3464), which go through the same outbox with a null reverse path; what fails
// there is a dead letter, and nobody is told but the operator.
//
// Crashes: the recipients' states are committed before the job is finished, which DSN is due is
// committed with them, and a DSN has an ID that follows from that, so no step is done
// twice. One window stays, as for every mail server (RFC 1047): between the upstream's 250
// and our commit. Who dies there sends the message again. The window is a local commit
// wide; a stop of the program waits for it.
//
// What goes out are the bytes that came in. Nothing is converted: 8-bit content for an
// upstream without 8BITMIME fails with 5.6.3 (RFC 6152, 3), a message that really needs
// SMTPUTF8 where it is not offered with 5.6.7 (RFC 6531, 3.2), one above the upstream's SIZE
// with 5.3.4 (RFC 1870, 6.1). A message that says SMTPUTF8 but is ASCII is sent without.
//
// The mirror gets a message as soon as the upstream accepted it for one recipient; what the
// upstream refused for all is not mirrored. The ledger has a row for each message that failed for somebody.
//
// # Mail of rules
//
// A rule hands a composed message to [Outbox.Send] under the name of its effect. However often it does, it is one message: the effect is a
// row, the entry's id follows from it, and the record in the journal says by which rule, run and account it goes, so that the mirror marks it, no
// rule starts on it, and a database that is built anew sends it as it was meant. It goes as an account of outbox.senders or as an employee's
// who enrolled.
//
// The window of RFC 1047 is closed for it by its [Policy]: at most once means that a mark is committed before each final dot. Where the verdict is lost, the
// message is looked for in the sender's mailbox; not found, it is "unknown", a dead letter that an operator settles or retries. It is never
// sent again by itself. Its sender gets no notices: the run is told (Options.Settled), in the transaction that writes the states, also of reports that
// come later ([Outbox.Bounced], [Bounces]).
//
// Each attempt looks first for opt-outs and dead addresses, holds (the kill switch), and the budget of its account. People's own mail does not
// pass here: it is counted against the same budget, of which rules have a share only. A copy in the mailbox of sent mail is a job of its own.
//
// The files: send.go and effect.go take a message in, sender.go signs in, write.go writes the outcome of attempts down, unknown.go settles lost
// verdicts, settled.go tells runs, bounce.go, bounceparse.go, bouncewords.go and bouncehook.go read reports, budget.go, hold.go and suppress.go
// keep mail back, unsubscribe.go makes the tokens of links, mailbox.go and copy.go speak IMAP.
//
// Several nodes work on one queue; a message is delivered by the node whose journal holds
// it, the others put it back. [Control] lists, retries and drops messages, also from a
// process of its own.
//
// Pacing is per upstream (for rules: per account) and process: a few connections at a time, and a pause for all
// messages when the upstream cannot be reached or asks us to slow down.
//
// The package does not accept mail, does not look up MX records (mail leaves by the
// upstream), and signs nothing.
package automail
