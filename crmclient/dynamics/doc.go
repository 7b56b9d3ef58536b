// Package dynamics writes mail into Dynamics 365 (Dataverse) over its Web API.
//
// A message becomes an email activity with its people as activity parties: users, contacts, leads and accounts by reference, the
// rest by address. It is made as a draft, gets its files (activitymimeattachments), and is then closed as sent or received by its
// state. The action SendEmail is never called, so that nothing is sent. Before it is written a message is looked up by the hash of its
// key in a custom column (key_columns), which should have an alternate key, so that the server refuses a second one; without such a
// column by messageid and time. A draft that is found is a write that broke off: it is completed.
// Tickets are incidents.
//
//   - config.go, fields.go: the section, and which of our values go into which columns
//   - dynamics.go, call.go, errors.go, odata.go: requests, errors, literals and pages
//   - contacts.go: finding and making people, companies, users
//   - email.go, parties.go, files.go: mail
//   - tickets.go, records.go, metadata.go, changes.go: incidents, and any other table
//   - check.go: Check
//
// What is not certain about Dataverse, and the setting behind which it stands: the status reasons of closed mail (status_sent,
// status_received), the name of the property for what a mail regards (read from the metadata), the login host in China (login_url),
// qualified leads (leads), teams as queues of tickets (the ticket's queue), changing columns of a closed mail (only columns that the section adds to
// fields are), error codes beyond those of the service protection limits.
//
// Changes are polled by modifiedon, which tells nothing of deleted rows; tracking changes and webhook steps are not used. It lists no contacts.
package dynamics
