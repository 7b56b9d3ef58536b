// Package zoho writes mail into Zoho CRM (REST API v8), in any of its data centres.
//
// A mail becomes an associated e-mail on each contact, lead and company that it belongs to (record: email), or one record of a
// module such as Tasks (record: activity). Associated e-mails look like mail in Zoho, but Zoho does not say that it refuses
// the same one twice: each has an original_message_id made of the key and the record, which is asked for before it is written. Activities
// are upserted by a unique field, so that Zoho itself keeps them single; only these can be updated and withdrawn. Neither sends a mail.
//
//   - config.go: the section, data centres
//   - zoho.go, token.go: building, requests, tokens (one refresh at a time, at most ten in ten minutes); errors.go: codes of Zoho
//   - email.go, activity.go, files.go: what a mail becomes
//   - contacts.go, users.go, tickets.go: people, owners, Cases
//   - records.go, coql.go, changes.go: any module; watch.go: notification channels and what they send
//
// Not verified, and therefore settings: what the answer of email_available means (stored_when: by default only a
// record that it names counts), how a quotation mark is written in COQL (coql_quotes: refused by default), whether the index of the
// search has everything (search: coql), the fields of Cases (case_fields) and of contacts (contact_fields, lead_fields). A channel's
// notifications are no more than a token's word, and whether Zoho repeats them is unknown: they only wake, and polling goes on.
//
// It cannot thread associated e-mails, update or delete them, set their owner, or add files to Cases before these exist. Zoho
// Desk is another product with another API.
package zoho
