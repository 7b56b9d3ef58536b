// Package bench measures the gateway on this machine against the limits that it can come
// close to and against a well-known peer.
//
// The same load goes by each [Path] to a sink: straight, through a program that only copies
// TCP, through the gateway, and for SMTP through Postfix as a relay. Mail that is sent goes
// through the gateway with a durable journal and with one that is synced after the reply, to
// a sink that throws it away. Mail that is read comes from an IMAP server that has it
// in memory, and the gateway captures it. Sink, proxies and load are processes of their own,
// started from one program with a specification each. The rounds of the paths are
// interleaved and the figures that count are ratios within one round, because rates of two
// different minutes say little. Each load begins with fresh processes and empty folders, and
// ends with the count of what was sent, what arrived, and what the journal knows; of IMAP
// also with checksums over all messages, in the IMAP server and in the journal. Loads of
// sessions that only wait measure the memory and processor time of a fresh process instead
// of a rate.
//
//	plan.go          the loads, paths and goals
//	run.go idle.go   what one run does
//	part.go serve.go process.go   the processes
//	client.go sink.go             both ends of SMTP
//	imapload.go imapclient.go mailbox.go mailsession.go mailfetch.go corpus.go   both ends of IMAP
//	splice.go postfix.go          what the gateway is compared with
//	report.go table.go            the figures
//
// It judges no time: a figure below its floor is printed as such and fails nothing. It
// knows nothing of the gateway; who calls [RunPart] hands in how one is started.
package bench
