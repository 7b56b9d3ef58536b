// Package upstream is the provider side of the proxy: which upstream a user
// goes to, how to reach it, what it can do, and logging in there with a fixed
// identity.
//
// The main idea: an upstream is reached the same way whoever asks. DialSMTP
// returns a connection that is past greeting, TLS, EHLO and XCLIENT, DialIMAP one
// that is past greeting, TLS, CAPABILITY and the client's address, with the next
// byte unread, so that the front can tap it raw. TLS is never negotiable
// downwards: where the configuration says starttls, a server without it is an
// error, and a byte behind its reply is an attack. What the upstream offers is
// learnt from those connections and kept, so that a client's EHLO or CAPABILITY
// is answered without waiting; a provider that is away does not change the answer.
//
// Everything read from an upstream has a bound. Refusals keep the upstream's
// own bytes, because they return to the client word for word; other errors have
// a class for metrics and a remedy for the operator.
//
// The package relays no mail: commands, DATA and verdicts belong to smtpd, and
// all that follows an IMAP greeting to imapd.
package upstream
