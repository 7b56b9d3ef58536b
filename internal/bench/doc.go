// Package bench measures the gateway on this machine against the limits that it can come
// close to and against a well-known peer.
//
// The same load goes by each [Path] to a sink that throws mail away: straight, through a
// program that only copies TCP, through the gateway with a durable journal, through the
// gateway with a journal that is synced after the reply, and through Postfix as a relay.
// Sink, proxies and load are processes of their own, started from one program with a
// specification each. The rounds of the paths are interleaved and the figures that count are
// ratios within one round, because rates of two different minutes say little. Each load
// begins with fresh processes and empty folders, and ends with the count of what was
// sent, what arrived, and what the journal knows.
//
// It judges no time: a figure below its floor is printed as such and fails nothing. It
// knows nothing of the gateway; who calls [RunPart] hands in how one is started.
package bench
