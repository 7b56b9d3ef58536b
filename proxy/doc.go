// Package proxy holds what every protocol front needs before the first word of
// its protocol: listeners, TLS, the PROXY protocol, connection limits, drain.
//
// The main idea: a Server binds all its listeners or none, and gives each
// accepted connection a goroutine of its own. In that goroutine, never in the
// accept loop, the PROXY header is read (only from networks that the listener
// names), the client is counted, implicit TLS is shaken, and then the
// listener's Handler takes over. Nothing is read ahead: the handler gets the
// connection with the next byte still in the socket, so that it may put its one
// and only buffer on it, or read the raw descriptor. A handler may hold a
// connection beyond its return, so that a session which is silent for hours
// needs no goroutine.
//
// The package knows nothing of SMTP or IMAP; the one text it writes, to a
// client that is one too many, is handed in. It does not authenticate anyone:
// it says which certificate the client proved, the handler decides.
package proxy
