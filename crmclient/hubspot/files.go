package hubspot

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/upload"
)

const (
	maxFile  = 20 << 20 // the smallest subscription takes this much
	maxFiles = 20       // of a mail: each is a request
	// fileOptions keeps the files of mails away from the public addresses that HubSpot gives to others.
	fileOptions = `{"access":"PRIVATE"}`
)

// limits are what HubSpot takes of a mail.
var limits = upload.Limits{Bytes: maxFile, Files: maxFiles}

func anyToSend(a *crmclient.Activity) bool {
	for _, f := range a.Attachments {
		if limits.Why(f, 0) == "" {
			return true
		}
	}
	return false
}

// notSent are the files that are left out, without sending the others.
func notSent(a *crmclient.Activity) []crmclient.AttachmentLeft {
	_, left := limits.Split(a.Attachments, a.AttachmentsLeft)
	return left
}

// sendFiles uploads the files of a mail. What HubSpot does not take is left out and named; trouble is an error.
func (c *Client) sendFiles(ctx context.Context, a *crmclient.Activity) (ids []string, left []crmclient.AttachmentLeft, err error) {
	left = append(left, a.AttachmentsLeft...)
	for _, f := range a.Attachments {
		reason := limits.Why(f, len(ids))
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
	form := upload.Form(f, maxFile, upload.Field{Name: "fileName", Value: upload.Name(f)},
		upload.Field{Name: "folderPath", Value: or(c.cfg.Folder, defaultFolder)}, upload.Field{Name: "options", Value: fileOptions})
	var out struct {
		ID string `json:"id"`
	}
	if _, err := c.call(ctx, request{method: http.MethodPost, path: "/files/v3/files", body: form}, &out); err != nil {
		return "", err
	}
	if out.ID == "" || strings.Contains(out.ID, ";") {
		return "", unclear()
	}
	return out.ID, nil
}
