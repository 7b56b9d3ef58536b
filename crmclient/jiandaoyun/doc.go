// Package jiandaoyun writes mail into the forms of 简道云 (Jiandaoyun), over its API v5.
//
// Jiandaoyun has no contacts and no mails of its own: every object is a form that the company made. The section names the forms by
// app_id and entry_id, and the widgets by alias, id or title. Where a form uses the aliases that sample.yaml lists, there
// is nothing to map; what the section gives in "fields" must be in the form, what only a default names may be missing.
//
// # Once
//
// The form of mails has a single-line text that holds the key of the mail. A mail is looked up by it before it is written, always;
// one process writes a key once at a time. Records are made by batch_create with a transaction id that is derived from the key,
// so that the vendor too knows a repetition (for an hour, it is said). The new record is read back once: did it keep its key?
// If not, it is taken away again, because nobody would find it. The vendor ignores names, filters and values that it does not understand
// without a word, and answers a filter that it ignored with the whole form. So every answer is compared with what was asked for, and
// every value is checked for its widget before it is sent.
//
// # Files
//
//   - jiandaoyun.go, config.go, create.go, query.go, call.go: client, section, making, searching, requests with the rate of each call
//   - schema.go, widgets.go, members.go: widgets of a form; their values as they are written and read; usernames by mail address
//   - activity.go, files.go: mails and their attachments, which go to the vendor's object store with one-time tokens
//   - contacts.go, sync.go, tickets.go, records.go: people, companies, tickets, any form
//   - changes.go, push.go, echo.go: changed records by polling and by 数据推送, and which of them were our own
//   - check.go, errors.go: what an administrator is told
//
// # Unverified facts, and what hides each
//
//   - What a repeated transaction id is answered with: create_with, and the look-up by the key.
//   - The shapes of links and files: link_value, file_value.
//   - Whether updateTime can be filtered: changes_by; what the filter lets through is compared again either way.
//   - Whether a text is compared without regard to case: addresses are expected in lower case; answers are compared so.
//   - The address book (/v5/corp/user/get): members.guess is off unless given; members.map and members.form do without.
//   - The codes besides 1, 1010 and 8303, and the types of widgets: public clients agree on them, the vendor's page was not at hand.
//   - Limits of texts: text_runes. The host for files: upload_hosts.
//   - What a push of a deletion holds: …?form=NAME in the address of the push names the form then.
//
// # What it cannot do
//
// 选择数据, 流水号 and 手写签名 cannot be written, and texts not searched for a part. A poll does not tell deleted records; the push
// does. Files cannot be added to those that a record has. An update has no condition: between comparing
// and writing a contact, somebody else may write.
package jiandaoyun
