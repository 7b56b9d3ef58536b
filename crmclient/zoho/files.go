package zoho

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"heliograph/crmclient"
	"heliograph/crmclient/upload"
)

const (
	maxFile  = 20 << 20 // one larger file makes Zoho refuse the request (specs, 3.4)
	maxFiles = 20       // of a mail: each is a request
)

// limits are what Zoho takes of a mail.
var limits = upload.Limits{Bytes: maxFile, Files: maxFiles}

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
		reason := limits.Why(f, len(u.ids))
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

func refusal(err error) string {
	var f *fault
	if errors.As(err, &f) && f.Code == "VIRUS_DETECTED" {
		return "Zoho found a virus in it"
	}
	return "Zoho refused it"
}

// upload streams a file to a path that takes one, and returns its id.
func (c *Client) upload(ctx context.Context, path string, f crmclient.Attachment) (string, error) {
	var out struct {
		Data []written `json:"data"`
	}
	if _, err := c.call(ctx, request{method: http.MethodPost, path: path, body: upload.Form(f, maxFile)}, &out); err != nil {
		return "", err
	}
	if len(out.Data) != 1 || out.Data[0].Details.ID == "" {
		return "", unclear()
	}
	return out.Data[0].Details.ID, nil
}

// AttachFile adds a file to a record, unless one with its name and size is there.
func (c *Client) AttachFile(ctx context.Context, object, id string, f crmclient.Attachment) (string, error) {
	if err := checkName(object, id); err != nil {
		return "", err
	}
	if reason := limits.Why(f, 0); reason != "" {
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
		if t.Name == upload.Name(f) && t.size() == f.Size {
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
