// Package pipedrive writes mail into Pipedrive as activities that are done, on the person and the organisation they belong to.
//
// Pipedrive's own mailbox can only be read, so a mail is an activity whose note has the people, the text and, in its last line, the
// key. Pipedrive refuses nothing that is there twice and has no field for the key: an intent is kept before a mail is written
// (crmclient.Intents), and where one is found without an outcome, the activities of the person are looked through from the newest back to its
// time (package lookback, which goes on where a limit cut it off). Nothing is sent.
//
//   - config.go: the section
//   - pipedrive.go: building, requests, tokens, budget; errors.go: refusals
//   - activity.go, look.go, note.go, files.go: what a mail becomes; contacts.go: people and owners; check.go
//
// Not verified, and therefore settings: how an activity names its person (link), the type of activity (activity_type), where OAuth
// tokens come from (token_url), how many requests a second and a day a plan allows (requests_per_second, daily_requests: the vendor
// counts tokens, of which a mail costs about 30 and a search 40).
//
// It makes no leads and no tickets, reads no other objects, and takes no webhooks, whose bodies are not described. Files are
// added when the activity is made; one that cannot be added is named in the note.
package pipedrive
