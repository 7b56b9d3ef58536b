// Package upload sends a file of a mail: as a form with one file (RFC 7578, multipart/form-data), as CRMs want it that take files besides
// records, or in base64 in a field of a record. The file is streamed, not held in memory.
//
// Which fields go with it, and what is done with a file that is refused, is the connector's.
package upload

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/textproto"
	"strings"
	"unicode"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// MaxName is how many characters of a file's name are sent.
const MaxName = 120

// Name is a name that passes a header and a file system, and by which the file is known again.
func Name(f crmclient.Attachment) string {
	name := strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '/', r == '\\':
			return ' '
		case r == '"':
			return '\''
		}
		return r
	}, f.Name))
	if name == "" {
		return "attachment"
	}
	return fieldmap.CutRunes(name, MaxName)
}

// Field is a text that goes with a file.
type Field struct{ Name, Value string }

// Form is a form with the fields and, as "file", the file, of which no more than a byte above most is sent.
func Form(f crmclient.Attachment, most int64, fields ...Field) crmclient.Stream {
	return func(ctx context.Context) (crmclient.Content, error) {
		in, err := open(ctx, f)
		if err != nil {
			return crmclient.Content{}, err
		}
		var head strings.Builder
		m := multipart.NewWriter(&head)
		for _, one := range fields {
			_ = m.WriteField(one.Name, one.Value) // a strings.Builder takes everything
		}
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", `form-data; name="file"; filename="`+Name(f)+`"`)
		h.Set("Content-Type", "application/octet-stream")
		_, _ = m.CreatePart(h)
		tail := "\r\n--" + m.Boundary() + "--\r\n"
		body := form{io.MultiReader(strings.NewReader(head.String()), io.LimitReader(in, most+1), strings.NewReader(tail)), in}
		return crmclient.Content{Reader: body, Type: m.FormDataContentType()}, nil
	}
}

type form struct {
	io.Reader
	io.Closer
}

// JSON is a JSON object with the fields, of which there is one at least, and the file in base64 as the last one.
func JSON(f crmclient.Attachment, name string, fields map[string]string) crmclient.Stream {
	return func(ctx context.Context) (crmclient.Content, error) {
		head, err := json.Marshal(fields)
		if err != nil {
			return crmclient.Content{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the file's name cannot be written as JSON", Err: err}
		}
		in, err := open(ctx, f)
		if err != nil {
			return crmclient.Content{}, err
		}
		start, end := string(head[:len(head)-1])+`,"`+name+`":"`, `"}`
		body := crmclient.Base64Body(start, end, func(w io.Writer) error {
			_, err := io.Copy(w, in)
			return errors.Join(err, in.Close())
		})
		size := int64(len(start)) + int64(base64.StdEncoding.EncodedLen(int(f.Size))) + int64(len(end))
		return crmclient.Content{Reader: body, Type: "application/json", Size: size}, nil
	}
}

func open(ctx context.Context, f crmclient.Attachment) (io.ReadCloser, error) {
	in, err := f.Open(ctx)
	if err != nil {
		return nil, &crmclient.Error{Class: crmclient.ClassRetry, Message: "the file cannot be read", Err: err}
	}
	return in, nil
}
