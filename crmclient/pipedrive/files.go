package pipedrive

import (
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"unicode"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

const (
	maxFile     = 20 << 20 // Pipedrive names no limit; what a mail brings is below this
	maxFiles    = 20       // of a mail: each is a request
	maxFileName = 120      // characters
)

// whyLeft says why a file is not sent; nothing if it is.
func whyLeft(f crmclient.Attachment, already int) string {
	switch {
	case f.Open == nil:
		return "its content is not kept"
	case f.Size > maxFile:
		return fmt.Sprintf("larger than %d MB", maxFile>>20)
	case already >= maxFiles:
		return fmt.Sprintf("more than %d files", maxFiles)
	}
	return ""
}

// upload adds a file to an activity.
func (c *Client) upload(ctx context.Context, activityID string, f crmclient.Attachment) error {
	var source io.Closer
	defer func() {
		if source != nil {
			source.Close()
		}
	}()
	stream := func() (io.Reader, string, error) {
		in, err := f.Open(ctx)
		if err != nil {
			return nil, "", &crmclient.Error{Class: crmclient.ClassRetry, Message: "the file cannot be read", Err: err}
		}
		source = in
		var head strings.Builder
		m := multipart.NewWriter(&head)
		_ = m.WriteField("activity_id", activityID) // a strings.Builder takes everything
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", `form-data; name="file"; filename="`+fileName(f)+`"`)
		h.Set("Content-Type", "application/octet-stream")
		_, _ = m.CreatePart(h)
		tail := "\r\n--" + m.Boundary() + "--\r\n"
		return io.MultiReader(strings.NewReader(head.String()), io.LimitReader(in, maxFile+1), strings.NewReader(tail)), m.FormDataContentType(), nil
	}
	_, err := c.call(ctx, request{method: http.MethodPost, version: v1, path: "/files", stream: stream}, nil)
	return err
}

// fileName is a name that passes a header and a file system.
func fileName(f crmclient.Attachment) string {
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
	return fieldmap.CutRunes(name, maxFileName)
}
