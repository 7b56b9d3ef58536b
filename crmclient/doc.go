// Package crmclient is the border between the gateway and CRMs: what a CRM gets (Activity,
// Person, Attachment), what it answers (Contact, Receipt), the small interfaces that connectors
// implement, the classes of their errors, and the HTTP transport that they share.
//
// The main idea: Client has two methods; every further ability is a small interface of its own,
// found by As. What a caller can do about an error is its Class, which survives
// wrapping. Transport owns what every vendor needs in the same way: time-outs, Retry-After, redaction of
// secrets, a cap on answers, the refusal of private addresses, concurrency, and the circuit breaker.
//
// It knows no vendor (each has a folder below; package catalog lists them), keeps no queue and
// repeats nothing itself: that is the mirror's work.
package crmclient
