// Package yonyou connects to Yonyou YonBIP and YonSuite (用友) by the open platform of the public cloud.
//
// Which host serves a tenant is asked first; gateway and token are kept together and found anew together when a token or a path
// is refused. The token goes in the query, so everything that may repeat it is cleaned. Errors come as codes in the body, mostly with
// status 200.
//
// A mail becomes a follow-up record (跟进记录) with subject, head lines and text as its content, linked to contact, customer, lead and
// the employee's code. Its code is a hash of the activity key, by which it is looked for before it is saved, one at a time per
// key here; it is saved with a resubmitCheckKey, by which the tenant itself knows a repetition.
//
// People are found by the tenant's own check for duplicates, one call per address; it compares what its rules say, so these must
// hold the e-mail. The vendor's example of its answer has no id of a contact: such a contact is known by its customer and address, and mail
// is linked to the customer. Leads are found again by their names, which the tenant keeps unique.
//
//   - config.go: the section, its defaults and mistakes
//   - sign.go, session.go: signature, discovery, token, calls; errors.go: what codes mean
//   - mail.go: follow-up records; contacts.go: people, leads, employees
//   - records.go: lists and details for rules, and polling for changes; push.go: encrypted events
//
// Settings hide what no source confirms:
//
//   - hosts: that data centres are below yonyoucloud.com or diwork.com; token_path: where older ones give tokens
//   - mail.text_length: how long a content may be; mail.content: whether it is text or HTML
//   - mail.fields with followRecordDefineCharacter.X: writing features of the tenant (自定义项), which are read so
//   - page_size: how many records a page may have
//   - push.signature and push.reply: how events are signed and answered, of which the vendor has three descriptions; push.events: their
//     names for records of the CRM, and that ids are in lists of the event or its content
//   - objects: that opportunities and tasks have lists and details as leads do, with the same times
//   - leads.find: that the check for leads takes an address alone
//   - that a resubmitCheckKey of a try that failed may be used again: if not, such a mail stays in the queue as passing trouble
//
// It cannot change or delete a follow-up record, upload files (they are listed by name), make contacts or tasks, or find
// customers by domain: no source has these calls with their bodies. What is deleted polling does not tell. Fields are not described by
// the vendor, so the check cannot compare the mapping; nor can it tell whether a record may be saved. 畅捷通 (Chanjet), NC Cloud, U8 and
// installations of one's own are other systems with other gateways, and are left out.
package yonyou
