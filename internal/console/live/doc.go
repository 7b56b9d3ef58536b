// Package live tells those who watch what happens, over a WebSocket or as server-sent events.
//
// The main idea: an event says only that a thing changed: its topic, its id, its new state and whose it is. Whoever cares reads the thing
// through the API, which decides what may be seen. So events can be derived from what is stored anyway: while somebody watches, a poller
// looks every second for rows with a newer time, over indexes, and writes what it finds into a small table with a number of its own.
// The mail path writes nothing more than before, and nothing at all is done while nobody watches. The key of an event follows from
// what happened, so that several nodes that find the same make one event; the number is given out under a lock, so that it has no gap and
// grows in the order of the commits on PostgreSQL, too. The number is the cursor with which a listener goes on at any node. Since rows can become visible later
// than their time says, each look goes back some seconds, and now and then some minutes.
//
// A listener reads from its own cursor, as fast as it takes: nothing is buffered for it besides the newest events that all share. One
// that falls behind is dropped and told to come again with its cursor. A cursor that is too old gets the event "reset".
//
//   - live.go: Event, Hub, Publish
//   - source.go: what is looked at. poll.go: the poller
//   - listen.go: Listener, who sees what
//   - http.go, socket.go, stream.go: the operations of the API
//
// What it does not see: a change that was undone or followed by another before the next look, and rows that become visible minutes after
// their time.
package live
