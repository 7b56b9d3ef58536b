package sandbox

import (
	"bytes"

	"github.com/emersion/go-sasl"
)

const mechXOAUTH2 = "XOAUTH2"

// mechanisms are those that clients may log in by.
func (p *Provider) mechanisms() []string {
	if p.options.Token != nil {
		return []string{mechXOAUTH2}
	}
	return []string{sasl.Plain, sasl.Login}
}

// refusal is what Google says of a token that it does not take, before its last word.
const refusal = `{"status":"400","schemes":"Bearer","scope":"https://mail.example.com/"}`

// xoauth2Server is the server side of XOAUTH2, as Google has it: a refusal is told in a challenge, which the client must answer
// with nothing.
type xoauth2Server struct {
	check   func(user, token string) error
	refused error
}

func (x *xoauth2Server) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case x.refused != nil:
		return nil, true, x.refused
	case response == nil:
		return []byte{}, false, nil
	}
	var user, token []byte
	for field := range bytes.SplitSeq(response, []byte{1}) {
		if v, ok := bytes.CutPrefix(field, []byte("user=")); ok {
			user = v
		} else if v, ok := bytes.CutPrefix(field, []byte("auth=Bearer ")); ok {
			token = v
		}
	}
	if x.refused = x.check(string(user), string(token)); x.refused == nil {
		return nil, true, nil
	}
	return []byte(refusal), false, nil
}
