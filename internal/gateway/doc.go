// Package gateway is the composition root: it builds every part from one
// configuration and owns their order.
//
// Started in this order, stopped in reverse:
//
//	lock, store, queue, limits, journal      what must not be lost
//	workers: hooks, mirror, outbox           what reads the journal
//	proxy with smtpd, imapd                  what writes it; customerbox, which reads it
//	console                                  what watches
//
// A Gateway can be built, started and stopped any number of times in one process, with
// port 0 for every listener; the tests do. It holds no protocol and no policy.
package gateway
