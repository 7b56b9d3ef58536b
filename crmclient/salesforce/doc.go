// Package salesforce writes mail into Salesforce over its REST API.
//
// A message becomes an EmailMessage (log_as: email_message) with its recipients in ToIds, CcIds and BccIds and its
// sender and further owners as rows of EmailMessageRelation, or a completed Task (log_as: task). Nothing is sent: both are records.
// Each has a hash of the activity key in a custom field that must be External Id and Unique (key_field), and is written by an upsert
// on that field. An EmailMessage cannot be changed once it is there, so that the upsert of one that is there fails; the look-up by
// the key then tells that this is why. A Task that is there gets the same words again, if a try is repeated. Without a key field an EmailMessage is looked up by MessageIdentifier and MessageDate before it is
// written. Files are ContentVersions whose FirstPublishLocationId is the record; tickets are Cases.
//
//   - config.go, fields.go: the section, and which of our values go into which fields
//   - salesforce.go, call.go, usage.go: the connection: token, instance, requests, what is left of the daily limit
//   - errors.go: Salesforce's error codes, their classes and remedies
//   - soql.go: queries, their literals and pages
//   - contacts.go, people.go, company.go: finding and making people and companies
//   - email.go, relations.go, update.go, files.go: mail, what is told of it later, and attachments
//   - tickets.go, records.go, describe.go: Cases, and any other object
//   - changes.go, lister.go: what changed, by polling SystemModstamp with an overlap
//   - check.go: Check
//
// What is not certain about Salesforce, and the setting behind which it stands: Status of an EmailMessage ("3", fields: Status), the
// separator of addresses (fields: ToAddress), the length of bodies (max_text), the custom field's upsert on EmailMessage (key_fields:
// EmailMessage: "" looks up instead), EmailMessageRelation beyond the sender (link_users), sharing of files (attachments), the person
// account's fields (person_accounts), the domain of instances (instance_domains), the API version (api_version).
//
// It does not receive Change Data Capture (that is gRPC) or outbound messages, does not search by SOSL, whose index lags behind
// what was written, and does not merge contacts. Only the custom fields of an EmailMessage and its relations follow what becomes known later.
package salesforce
