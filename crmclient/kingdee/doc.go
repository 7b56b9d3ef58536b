// Package kingdee connects to Kingdee K/3 Cloud (金蝶云星空) by its WebAPI.
//
// Mail goes into a form of the customer's own, made in BOS 设计器, because the WebAPI has no object for mail: a
// document per message, with fields by mapping. Its key is a hash of the activity key, best in the number of the document
// (FBillNo), which the site keeps unique. Before a mail is saved it is looked for by the key, one at a time per key here; if the
// site refuses it because another node was faster, it is found then. A save whose outcome is not known is never
// repeated without looking. Files are noted on the document one by one, so that a later try goes on behind the last. A crash between
// the last piece of a file and its note uploads that file once more.
//
// A session is opened by a signature and shared through the keeper of tokens, as each one takes a licence seat. When the site has
// lost it, which it tells inside a 200, one new login is made and the request sent again, unless a web page came in answer to a
// write: then what became of it is not known.
//
//   - config.go: the section, its defaults and mistakes
//   - sign.go, session.go: signatures, login, calls, forms of a body
//   - errors.go: the tables of what the site's errors mean
//   - api.go, filter.go: queries, Save and the other operations, metadata; filters without injection
//   - contacts.go: people and customers; mail.go, files.go: mail and files
//   - records.go, changes.go: stock, orders and any other form for rules; polling for changes
//   - memory.go: a small memory of numbers
//
// Settings hide what no source confirms:
//
//   - contacts[].address: that the mail address of a contact is FEMail; likewise all fields of people besides FContactId, FNumber,
//     FName and FMobile, and those of companies and owners
//   - objects: the fields of stock, orders and receivables, which edition has them, and that FModifyDate (stock: FUpdateTime)
//     changes with each change
//   - mail.status: that FDocumentStatus is B when submitted and C when audited; used by finish: submit and audit, and by
//     changing and deleting audited documents, which are un-audited first. A submitted one the site may refuse to change
//   - body: which of the three forms of a body an older site takes
//   - login: headers with secret_mask and milliseconds, in which public clients differ
//   - page_size: that a page may have 2,000 rows; pieces of files: that 4 MB are taken
//   - session: how long a session lives
//   - zone: the zone of the site's times, which have none
//   - that letters in addresses are compared without their case is up to the site's database
//   - the bodies of Submit, Audit, UnAudit and Delete are as public programs send them
//
// It cannot tell of deleted records, nor be called by the site: there is no public webhook. It makes no leads, tickets or
// sales activities, whose forms depend on the edition. A comparison with an empty field is refused, as databases differ in what
// that is. The owner of a mail needs owners: a form in which an employee is found by mail address. Whether
// it may save, the check cannot tell without saving.
//
// Left out: login by password (ValidateUser), which the vendor advises against; Cosmic OpenAPI (苍穹, 星空旗舰版), whose
// objects and paths no source confirms beyond the token; the 精斗云/云星辰 gateway, which has customers but no object that
// could hold a mail in any source. Both can be reached with the connector rest as far as their customer's own documents go.
package kingdee
