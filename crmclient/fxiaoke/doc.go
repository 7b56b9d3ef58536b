// Package fxiaoke writes mail into 纷享销客 (Fxiaoke) as sales records, over its open API.
//
// A mail becomes a record of the object ActiveRecordObj (销售记录), tied to the contacts, leads and companies that it is about. The vendor has
// no field that must be unique, so the section names a text field of the company's own (…__c) that holds the key of the mail: it
// is looked up before each writing, one process writes a key once at a time, and after an unknown outcome the next try finds it.
//
// Every call is a POST with the token of the company, its id and the acting employee in the body. Errors come with status 200 and
// an errorCode. A token that the vendor no longer knows (20016) is renewed once.
//
//   - fxiaoke.go, config.go, call.go: client, section, requests and tokens
//   - values.go: what the objects consist of, and their values as they are written and read
//   - activity.go, contacts.go, records.go, changes.go: mails, people, any object, and what changed
//   - callback.go: signed and encrypted events; check.go, errors.go: what an administrator is told
//
// # Unverified facts, and what hides each
//
//   - The key under which a query names its object: object_key.
//   - Whether ActiveRecordObj takes related_object_data: relate.
//   - The names of fields for titles and telephones: contacts, leads; those that an object does not have are left out.
//   - What an event looks like inside: the names of object and id are those that public clients read; an event without them
//     wakes nobody, and polling finds the change.
//   - Objects whose name ends in __c have paths of their own (/cgi/crm/custom/v2); the vendor's pages say so.
//
// # What it cannot do
//
// It uploads no files, because the path is not verified; their names are in the text. Polling does not tell deleted records.
package fxiaoke
