package freshsales

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"heliograph/crmclient"
	"heliograph/crmclient/upload"
)

const (
	maxFile  = 20 << 20
	maxFiles = 20 // of a mail: each is a request
)

// files are what is sent of a mail's files.
func (c *Client) files() upload.Limits {
	l := upload.Limits{Bytes: maxFile, Files: maxFiles}
	if !c.cfg.UploadDocuments {
		l.None = "not in Freshsales"
	}
	return l
}

// addFiles adds the files beside the new activity. Those that cannot be added are named in its notes: the next try would find the
// activity and do no more.
func (c *Client) addFiles(ctx context.Context, id string, where place, a *crmclient.Activity, left []crmclient.AttachmentLeft, sent []crmclient.Attachment) error {
	failed := false
	for _, f := range sent {
		if err := c.upload(ctx, where, f); err != nil {
			left = append(left, crmclient.AttachmentLeft{Name: f.Name, Size: f.Size, Reason: "Freshsales did not take it"})
			failed = true
		}
	}
	if !failed {
		return nil
	}
	if err := c.setNotes(ctx, id, notesOf(a, left)); err != nil {
		return fmt.Errorf("name files that were not taken: %w", err)
	}
	return nil
}

// upload adds a document to a contact or account.
func (c *Client) upload(ctx context.Context, where place, f crmclient.Attachment) error {
	form := upload.Form(f, maxFile, upload.Field{Name: "file_name", Value: upload.Name(f)}, upload.Field{Name: "is_shared", Value: "false"},
		upload.Field{Name: "targetable_id", Value: strconv.FormatInt(where.id, 10)}, upload.Field{Name: "targetable_type", Value: where.object})
	_, err := c.call(ctx, request{method: http.MethodPost, path: "/documents", body: form}, nil)
	return err
}
