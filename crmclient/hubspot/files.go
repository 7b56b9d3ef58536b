package hubspot

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
	maxFile     = 20 << 20 // the smallest subscription takes this much
	maxFiles    = 20       // of a mail: each is a request
	maxFileName = 120      // characters
	// fileOptions keeps the files of mails away from the public addresses that HubSpot gives to others.
	fileOptions = `{"access":"PRIVATE"}`
)

// whyLeft says why a file is not sent; nothing if it is.
func whyLeft(f crmclient.Attachment, before int) string {
	switch {
	case f.Open == nil:
		return "its content is not kept"
	case f.Size > maxFile:
		return fmt.Sprintf("larger than %d MB", maxFile>>20)
	case before >= maxFiles:
		return fmt.Sprintf("more than %d files", maxFiles)
	}
	return ""
}

func anyToSend(a *crmclient.Activity) bool {
	for _, f := range a.Attachments {
		if whyLeft(f, 0) == "" {
			return true
		}
	}
	return false
}

// notSent are the files that are left out, without sending the others.
func notSent(a *crmclient.Activity) []crmclient.AttachmentLeft {
	left := append([]crmclient.AttachmentLeft(nil), a.AttachmentsLeft...)
	n := 0
	for _, f := range a.Attachments {
		if reason := whyLeft(f, n); reason != "" {
			left = append(left, crmclient.AttachmentLeft{Name: f.Name, Size: f.Size, Reason: reason})
			continue
		}
		n++
	}
	return left
}

// sendFiles uploads the files of a mail. What HubSpot does not take is left out and named; trouble is an error.
func (c *Client) sendFiles(ctx context.Context, a *crmclient.Activity) (ids []string, left []crmclient.AttachmentLeft, err error) {
	left = append(left, a.AttachmentsLeft...)
	for _, f := range a.Attachments {
		reason := whyLeft(f, len(ids))
		if reason == "" {
			id, err := c.upload(ctx, f)
			switch {
			case crmclient.ClassOf(err) == crmclient.ClassPermanent:
				reason = "HubSpot refused it"
			case err != nil:
				return nil, nil, fmt.Errorf("upload file: %w", err)
			default:
				ids = append(ids, id)
			}
		}
		if reason != "" {
			left = append(left, crmclient.AttachmentLeft{Name: f.Name, Size: f.Size, Reason: reason})
		}
	}
	return ids, left, nil
}

func (c *Client) upload(ctx context.Context, f crmclient.Attachment) (string, error) {
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
		body, contentType := form(in, fileName(f), map[string]string{
			"fileName": fileName(f), "folderPath": or(c.cfg.Folder, defaultFolder), "options": fileOptions,
		})
		return body, contentType, nil
	}
	var out struct {
		ID string `json:"id"`
	}
	if _, err := c.call(ctx, request{method: http.MethodPost, path: "/files/v3/files", stream: stream}, &out); err != nil {
		return "", err
	}
	if out.ID == "" || strings.Contains(out.ID, ";") {
		return "", unclear()
	}
	return out.ID, nil
}

// form writes a multipart body with texts and one file (RFC 7578), without holding the file in memory.
func form(in io.Reader, name string, fields map[string]string) (io.Reader, string) {
	var head strings.Builder
	m := multipart.NewWriter(&head)
	for _, key := range []string{"fileName", "folderPath", "options"} {
		_ = m.WriteField(key, fields[key]) // a strings.Builder takes everything
	}
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", `form-data; name="file"; filename="`+name+`"`)
	h.Set("Content-Type", "application/octet-stream")
	_, _ = m.CreatePart(h)
	tail := "\r\n--" + m.Boundary() + "--\r\n"
	return io.MultiReader(strings.NewReader(head.String()), io.LimitReader(in, maxFile+1), strings.NewReader(tail)), m.FormDataContentType()
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
