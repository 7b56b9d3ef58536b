package zoho

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

const (
	maxFile  = 20 << 20 // one larger file makes Zoho refuse the request (specs, 3.4)
	maxFiles = 20       // of a mail: each is a request

	maxFileName = 120 // characters
)

// uploads sends the files of an activity once, for all the records that it is put on.
type uploads struct {
	c    *Client
	a    *crmclient.Activity
	done bool
	ids  []string
	left []crmclient.AttachmentLeft
}

// send uploads what can be uploaded. Files that Zoho does not take are left out and named; trouble is an error.
func (u *uploads) send(ctx context.Context) error {
	if u.done {
		return nil
	}
	u.ids, u.left = nil, slices.Clone(u.a.AttachmentsLeft)
	for _, f := range u.a.Attachments {
		reason := whyLeft(f, len(u.ids))
		if reason == "" {
			id, err := u.c.upload(ctx, "/files", f)
			if crmclient.ClassOf(err) == crmclient.ClassPermanent {
				reason = refusal(err)
			} else if err != nil {
				return fmt.Errorf("upload file: %w", err)
			} else {
				u.ids = append(u.ids, id)
			}
		}
		if reason != "" {
			u.left = append(u.left, crmclient.AttachmentLeft{Name: f.Name, Size: f.Size, Reason: reason})
		}
	}
	u.done = true
	return nil
}

func (u *uploads) attachments() []map[string]string {
	out := make([]map[string]string, len(u.ids))
	for i, id := range u.ids {
		out[i] = map[string]string{"id": id}
	}
	return out
}

// whyLeft says why a file is not uploaded; nothing if it is.
func whyLeft(f crmclient.Attachment, before int) string {
	switch {
	case f.Open == nil:
		return "its content is not kept"
	case f.Size > maxFile:
		return fmt.Sprintf("larger than the %d MB that Zoho takes", maxFile>>20)
	case before >= maxFiles:
		return fmt.Sprintf("more than %d files", maxFiles)
	}
	return ""
}

func refusal(err error) string {
	var f *fault
	if errors.As(err, &f) && f.Code == "VIRUS_DETECTED" {
		return "Zoho found a virus in it"
	}
	return "Zoho refused it"
}

// upload streams a file to a path that takes one, and returns its id.
func (c *Client) upload(ctx context.Context, path string, f crmclient.Attachment) (string, error) {
	var source io.Closer
	stream := func() (io.Reader, string, error) {
		in, err := f.Open(ctx)
		if err != nil {
			return nil, "", &crmclient.Error{Class: crmclient.ClassRetry, Message: "the file cannot be read", Err: err}
		}
		source = in
		body, contentType := part(in, f)
		return body, contentType, nil
	}
	defer func() {
		if source != nil {
			source.Close()
		}
	}()
	var out struct {
		Data []written `json:"data"`
	}
	if _, err := c.call(ctx, request{method: http.MethodPost, path: path, stream: stream}, &out); err != nil {
		return "", err
	}
	if len(out.Data) != 1 || out.Data[0].Details.ID == "" {
		return "", unclear()
	}
	return out.Data[0].Details.ID, nil
}

// fileName is a name that passes a header and a file system, and by which the file is known again.
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

// part writes a multipart body with the one part "file" (RFC 7578), without holding the file in memory.
func part(in io.Reader, f crmclient.Attachment) (io.Reader, string) {
	var head, tail strings.Builder
	m := multipart.NewWriter(&head)
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", `form-data; name="file"; filename="`+fileName(f)+`"`)
	h.Set("Content-Type", "application/octet-stream")
	_, _ = m.CreatePart(h) // a strings.Builder takes everything
	fmt.Fprintf(&tail, "\r\n--%s--\r\n", m.Boundary())
	return io.MultiReader(strings.NewReader(head.String()), io.LimitReader(in, maxFile+1), strings.NewReader(tail.String())), m.FormDataContentType()
}

// AttachFile adds a file to a record, unless one with its name and size is there.
func (c *Client) AttachFile(ctx context.Context, object, id string, f crmclient.Attachment) (string, error) {
	if err := checkName(object, id); err != nil {
		return "", err
	}
	if reason := whyLeft(f, 0); reason != "" {
		return "", permanent("the file cannot be attached: %s", reason)
	}
	p := parent{object, id}
	unlock, err := c.turns.Take(ctx, object+"/"+id)
	if err != nil {
		return "", err
	}
	defer unlock()
	there, err := c.attachments(ctx, p)
	if err != nil {
		return "", err
	}
	for _, t := range there {
		if t.Name == fileName(f) && t.size() == f.Size {
			return t.ID, nil
		}
	}
	return c.upload(ctx, p.path()+"/Attachments", f)
}

// attached is a file of a record. Its size comes as text.
type attached struct {
	ID   string `json:"id"`
	Name string `json:"File_Name"`
	Size any    `json:"Size"`
}

func (t attached) size() int64 {
	var n int64
	if _, err := fmt.Sscan(fmt.Sprint(t.Size), &n); err != nil {
		return -1
	}
	return n
}

// attachments lists the files of a record: the first page, which has more than a mail brings.
func (c *Client) attachments(ctx context.Context, p parent) ([]attached, error) {
	var out struct {
		Data []attached `json:"data"`
	}
	_, err := c.call(ctx, request{
		method: http.MethodGet, path: p.path() + "/Attachments",
		query: url.Values{"fields": {"id,File_Name,Size"}, "page": {"1"}, "per_page": {"200"}},
	}, &out)
	return out.Data, err
}
