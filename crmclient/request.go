package crmclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// NewRequest builds a request whose answer is JSON. The body is nil, a Stream, or what becomes JSON (JSONBody); Content-Type says which, and
// connectors set the other fields of the header.
func NewRequest(ctx context.Context, method, target string, body any) (*http.Request, error) {
	content, err := contentOf(ctx, body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, target, content.Reader)
	if err != nil { // the error repeats the address
		if c, ok := content.Reader.(io.Closer); ok {
			_ = c.Close()
		}
		return nil, &Error{Class: ClassConfiguration, Message: "the request cannot be built"}
	}
	if content.Size > 0 {
		req.ContentLength = content.Size
	}
	if content.Type != "" {
		req.Header.Set("Content-Type", content.Type)
	}
	req.Header.Set("Accept", "application/json")
	return req, nil
}

// Stream opens a body that is not held in memory, anew for each try. What it returns is closed with the request, if it can be.
type Stream func(ctx context.Context) (Content, error)

// Content is the body of a request.
type Content struct {
	io.Reader
	Type string // media type
	Size int64  // in bytes; 0: not known
}

func contentOf(ctx context.Context, body any) (Content, error) {
	switch body := body.(type) {
	case nil:
		return Content{Reader: http.NoBody}, nil
	case Stream:
		return body(ctx)
	}
	b, err := JSONBody(body)
	return Content{Reader: b, Type: "application/json"}, err
}

// ExactJSON decodes JSON as json.Unmarshal does, but numbers that go into an any stay as they are written: json.Number. The amounts and
// numbers of CRMs do not fit into a float64.
func ExactJSON(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind the JSON")
	}
	return nil
}
