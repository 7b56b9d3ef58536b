// Package neocrm writes mail into 销售易 (Neocrm) as activity records, over its REST API v2.0.
//
// A mail becomes an activityrecord with one owner record: a contact, a company or a lead. The vendor has no field that must be
// unique, so the section names a text field of the company's own (…__c) that holds the key of the mail: it is looked up before each
// writing, one process writes a key once at a time, and after an unknown outcome the next try finds it. Which further fields a
// tenant demands differs; the check reads the description of the object and names them.
//
// Searching is done in XOQL, which has no parameters. A value with a quote or a backslash is not searched for, unless the section
// says how such a character is written (quote). What comes is compared with what was asked for.
//
//   - neocrm.go, config.go, call.go: client, section, requests and tokens
//   - query.go, records.go: XOQL; any object, and what changed
//   - activity.go, contacts.go: mails and people
//   - check.go, errors.go: what an administrator is told
//
// # Unverified facts, and what hides each
//
//   - How the token is written in the header: auth_header.
//   - Which codes say that a token is no longer known: status 401 and code 401, and token_codes.
//   - How a quote is written in XOQL: quote.
//   - What the description of an object looks like: where no field is read from it, fields are not checked.
//   - Rates: none are documented; requests_per_second, and five requests at a time.
//   - The address for tokens: token_path.
//
// # What it cannot do
//
// It deletes nothing, uploads no files and takes no webhooks, because none of that is verified.
package neocrm
