// Package hubspot writes mail into HubSpot as e-mail engagements, with contacts, companies, tickets and any other object.
//
// A mail is upserted by a property of e-mails whose values are unique, so that HubSpot itself keeps it single; then its contacts and
// companies are associated, which may be repeated. HubSpot only stores it: status SENT says that it was sent, by others. Contacts
// are found by batch reads of their address, not by the search, whose index is behind.
//
//   - config.go: the section
//   - hubspot.go: building, requests, tokens; errors.go: categories and policies of HubSpot
//   - email.go, files.go: what a mail becomes; contacts.go, owners.go: people, companies, owners; tickets.go
//   - records.go, search.go, changes.go: any object; hook.go: webhooks with signature v3; check.go
//
// Not verified, and therefore settings: whether a company's HubSpot lets an activity have a unique property (dedupe: unique; with
// dedupe: search a mail is looked for in the index, which may miss one of the last seconds), whether batch reads know second
// addresses (search_additional), longer texts than 65,000 characters (max_text), how HubSpot names this app as source of a change
// (app_id). The search gives 10,000 hits at most: queries go on by id instead, and changes by time.
//
// It does not follow deleted records by polling (webhooks tell of them), makes no leads (HubSpot's are contacts), and adds files to
// mails only. Thread and accounts are written where fields says so.
package hubspot
