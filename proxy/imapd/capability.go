package imapd

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"heliograph/proxy/upstream"
)

// hidden reports whether a capability ends at the gateway. The README repeats this list.
func hidden(capability string) bool {
	switch c := strings.ToUpper(capability); {
	case c == "STARTTLS": // our own TLS is offered instead
	case c == "UNAUTHENTICATE": // RFC 8437: the account of a session would change
	case strings.HasPrefix(c, "COMPRESS="): // RFC 4978: nothing could be read
	case strings.HasPrefix(c, "AUTH=") && strings.HasSuffix(c, "-PLUS"): // bound to a TLS session that ends here
	case c == "AUTH=EXTERNAL": // the client's certificate ends here too
	default:
		return false
	}
	return true
}

// Where a server tells its capabilities; some tell less in the greeting.
func inGreeting(f upstream.IMAPFacts) upstream.Capabilities { return f.Greeting }
func onDemand(f upstream.IMAPFacts) upstream.Capabilities   { return f.Capabilities }

// shown returns the capabilities that the client is shown now: those that every
// upstream it may go to says of itself in that place, in the words and order of the
// first.
func (p *preamble) shown(ctx context.Context, place func(upstream.IMAPFacts) upstream.Capabilities) (string, error) {
	facts, err := p.facts(ctx)
	if err != nil {
		return "", err
	}
	var all []upstream.Capabilities
	for _, f := range facts {
		all = append(all, place(f))
	}
	return downstream(upstream.CommonCapabilities(all...), p.mayLogin(), p.mayStartTLS()), nil
}

// facts are what the upstreams that this client may go to have said of themselves.
func (p *preamble) facts(ctx context.Context) ([]upstream.IMAPFacts, error) {
	var all []upstream.IMAPFacts
	lastErr := errors.New("no upstream with IMAP for this listener")
	for _, u := range p.set.Router.Candidates(p.conn.Listener.Upstream, p.conn.SNI()) {
		if !u.HasIMAP() {
			continue
		}
		f, err := u.IMAPFacts(ctx)
		if err != nil {
			lastErr = err
			continue
		}
		all = append(all, f)
	}
	if len(all) == 0 {
		return nil, lastErr
	}
	return all, nil
}

// downstream renders capabilities for a client before its login. Where it must not
// log in yet, STARTTLS and LOGINDISABLED stand where the mechanisms will.
func downstream(caps upstream.Capabilities, mayLogin, mayStartTLS bool) string {
	var list, tls []string
	if mayStartTLS {
		tls = append(tls, "STARTTLS")
	}
	if !mayLogin {
		tls = append(tls, "LOGINDISABLED")
	}
	at := -1
	for _, c := range caps.Atoms() {
		mechanism := strings.HasPrefix(strings.ToUpper(c), "AUTH=")
		if mechanism && at < 0 {
			at = len(list)
		}
		if hidden(c) || !mayLogin && (mechanism || strings.EqualFold(c, "LOGINDISABLED")) {
			continue
		}
		list = append(list, c)
	}
	if at < 0 {
		at = len(list)
	}
	return strings.Join(slices.Insert(list, at, tls...), " ")
}

// hideCapabilities takes out of a line what hidden names, if the line is a
// CAPABILITY response or a status response with that code; all else of it stays
// as it is. A line with nothing to hide is returned itself.
func hideCapabilities(line []byte) []byte {
	start, end := capabilityList(line)
	if start == end {
		return line
	}
	var out []byte // of the whole line, once it departs from it
	for at := start; at < end; {
		// Each capability goes with the blanks before it.
		word := at
		for word < end && line[word] == ' ' {
			word++
		}
		next := word
		for next < end && line[next] != ' ' {
			next++
		}
		switch hide := hidden(string(line[word:next])); {
		case hide && out == nil:
			out = append(make([]byte, 0, len(line)), line[:at]...)
		case !hide && out != nil:
			out = append(out, line[at:next]...)
		}
		at = next
	}
	if out == nil {
		return line
	}
	return append(out, line[end:]...)
}

// capabilityList finds where in a line the capabilities stand, with the blank before
// the first; start and end are equal where there are none.
func capabilityList(line []byte) (start, end int) {
	const word = "CAPABILITY "
	tag := bytes.IndexByte(line, ' ') + 1
	if tag == 0 {
		return 0, 0
	}
	if hasWord(line[tag:], word) && line[0] == '*' && tag == 2 {
		return tag + len(word) - 1, len(bytes.TrimRight(line, "\r\n"))
	}
	status := bytes.IndexByte(line[tag:], ' ') + 1
	if status == 0 {
		return 0, 0
	}
	switch strings.ToUpper(string(line[tag : tag+status-1])) {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
	default:
		return 0, 0
	}
	code := tag + status
	closing := bytes.IndexByte(line[code:], ']')
	if !hasWord(line[code:], "["+word) || closing < 0 {
		return 0, 0
	}
	return code + len(word), code + closing
}

func hasWord(p []byte, word string) bool {
	return len(p) >= len(word) && strings.EqualFold(string(p[:len(word)]), word)
}
