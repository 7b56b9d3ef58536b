package crmclient

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
)

// Base64Body returns the body of a request as a stream: head, what write writes as base64, and tail. So a file goes into JSON without ever
// being in memory as a whole. It must be closed, which ends write's writer too.
func Base64Body(head, tail string, write func(io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		b := bufio.NewWriterSize(w, 32<<10)
		_, err := b.WriteString(head)
		if err == nil {
			e := base64.NewEncoder(base64.StdEncoding, b)
			err = errors.Join(write(e), e.Close())
		}
		if err == nil {
			_, err = b.WriteString(tail)
		}
		if err == nil {
			err = b.Flush()
		}
		w.CloseWithError(err) // a nil error is the end
	}()
	return r
}

// JSONBody writes the body of a request as JSON, in which < and > stay as they are: CRMs that show what they were sent show escapes, too.
func JSONBody(v any) (*bytes.Reader, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, &Error{Class: ClassPermanent, Message: "the request cannot be written as JSON", Err: err}
	}
	return bytes.NewReader(b.Bytes()), nil
}
