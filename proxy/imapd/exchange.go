package imapd

import (
	"bytes"
	"context"
	"errors"

	"heliograph/proxy/imapd/scan"
)

// maxAuthRounds bounds the challenges of one AUTHENTICATE; GSSAPI takes four.
const maxAuthRounds = 16

// exchange is one AUTHENTICATE under way.
type exchange struct {
	*attempt
	name    []byte // of the mechanism, as sent
	first   []byte // the client's first response, in base64; nil if the server speaks first
	initial bool   // first came with the command
	second  []byte // the client's second response, if it was asked for it here
}

// prompt asks the client for its first response in the upstream's place.
func (x *exchange) prompt(challenge string) (err error) {
	if err = x.say("+ %s", challenge); err != nil {
		return err
	}
	if x.first, err = x.response(); err != nil {
		return err
	}
	x.learn(x.first)
	return nil
}

// response reads a line of the client's that answers a challenge. Only base64
// passes, and the "*" that cancels: whatever the upstream takes the line for, it
// is not a command.
func (x *exchange) response() ([]byte, error) {
	x.client.asked()
	l, err := x.in.line(func([]byte) int { return maxSecret })
	if err != nil {
		return nil, err
	}
	defer x.in.use(len(l))
	text, err := strict(l)
	if err != nil {
		return nil, err
	}
	if string(text) != "*" && !isBase64(text) {
		return nil, errSyntax
	}
	return append([]byte{}, text...), nil
}

// isBase64 takes any arrangement of base64's characters: whether they mean
// something is for the upstream to say.
func isBase64(p []byte) bool {
	for _, b := range p {
		if (b|0x20 < 'a' || b|0x20 > 'z') && (b < '0' || b > '9') && b != '+' && b != '/' && b != '=' {
			return false
		}
	}
	return true
}

// run relays the login until the upstream's last word. That of GSSAPI or DIGEST-MD5 may
// begin a security layer, which is not for us to follow; see the package comment.
func (x *exchange) run(ctx context.Context) (answer, error) {
	v, said, err := x.begin(ctx)
	for range maxAuthRounds {
		if err != nil || v.status != continuation {
			break
		}
		var l []byte
		if l, err = x.next(v.line); err != nil {
			return v, err
		}
		if limited, err := x.identify(ctx, l); limited {
			return v, errors.Join(errAnswered, err)
		}
		v, err = x.send(ctx, l)
		said = said || string(l) != "*"
		clear(l)
	}
	switch {
	case err != nil:
		return v, err
	case v.status == continuation:
		return v, &upstreamError{errContinuation}
	case v.status == scan.StatusOK && !said:
		return v, &upstreamError{errUnproven}
	}
	return v, nil
}

// next returns the client's answer to a challenge, which it may have given already.
func (x *exchange) next(challenge []byte) ([]byte, error) {
	if l := x.second; l != nil {
		x.second = nil
		return l, nil
	}
	if err := x.pass(challenge); err != nil {
		return nil, err
	}
	return x.response()
}

// begin sends the command and the client's first response, in one line if the
// client did so and the upstream takes it so (RFC 4959, 3). said reports whether
// the response was sent.
func (x *exchange) begin(ctx context.Context) (v answer, said bool, err error) {
	line := bytes.Join([][]byte{[]byte(x.tag), []byte("AUTHENTICATE"), x.name}, []byte(" "))
	if x.initial && x.caps.Has("SASL-IR") {
		line = append(append(line, ' '), x.first...)
		v, err = x.send(ctx, line)
		clear(line)
		return v, true, err
	}
	if v, err = x.send(ctx, line); err != nil || v.status != continuation || x.first == nil {
		return v, false, err
	}
	first := x.first
	if string(first) == "=" && x.initial {
		first = nil
	}
	v, err = x.send(ctx, first)
	return v, true, err
}

// send sends one line to the upstream.
func (x *exchange) send(ctx context.Context, text []byte) (answer, error) {
	l := append(append(make([]byte, 0, len(text)+2), text...), "\r\n"...)
	defer clear(l)
	return x.d.ask(ctx, l)
}

// identify takes the user from a response where the upstream spoke first, and stops
// one who must wait. Where the client spoke first, what comes later is its proof,
// whether its name could be read or not.
func (x *exchange) identify(ctx context.Context, response []byte) (limited bool, err error) {
	if _, first := clientFirst(x.mech); first || x.user != "" || string(response) == "*" {
		return false, nil
	}
	if x.learn(response); x.user == "" {
		return false, nil
	}
	return x.limited(ctx)
}
