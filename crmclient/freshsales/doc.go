// Package freshsales writes mail into Freshsales (Freshworks CRM) as sales activities of a contact or an account.
//
// The main idea: Freshsales finds no activity by a key, and refuses none that is there twice. So the key is the last line of an
// activity's notes, and an intent is kept durably before the request is sent (crmclient.Intents). A first attempt asks nothing; one
// whose predecessor's outcome is not known looks through the newest activities for the line, back to the time of the intent, and writes only
// when it has seen all of them (package lookback; what a limit cuts off goes on with the next attempt). Where that cannot be
// (find_activities: off, or more than look_pages), on_unknown decides: stop gives the mail up with a reason, so that a person looks and, if
// it is not there, sends it again; retry writes it, and it may be there twice.
//
//   - config.go: the section
//   - freshsales.go: building, requests; errors.go: refusals; check.go
//   - activity.go, find.go, text.go, files.go: what a mail becomes; contacts.go, companies.go: people, owners, accounts
//   - records.go: reading any record, and changes by polling
//
// Not verified by the vendor's documents, and therefore settings: that the list of activities has their notes and goes back from the newest
// (if it does not, all pages up to look_pages are read), that a contact has such a list of its own (find_activities: contact), uploading of
// documents (upload_documents), how changes are searched (poll_changes), by which field an account is found by its domain
// (company_field), and the number of requests in an hour (hourly_requests). How long notes may be is not documented either: 60,000 bytes are sent.
//
// It makes no leads, which Freshsales no longer has, no tickets (those are Freshdesk's), no records and no tasks, and takes no webhooks: what a
// workflow sends is the customer's own.
package freshsales
