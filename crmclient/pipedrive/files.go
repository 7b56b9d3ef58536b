package pipedrive

import (
	"context"
	"net/http"

	"heliograph/crmclient"
	"heliograph/crmclient/upload"
)

const (
	maxFile  = 20 << 20 // Pipedrive names no limit; what a mail brings is below this
	maxFiles = 20       // of a mail: each is a request
)

// limits are what is sent of a mail.
var limits = upload.Limits{Bytes: maxFile, Files: maxFiles}

// upload adds a file to an activity.
func (c *Client) upload(ctx context.Context, activityID string, f crmclient.Attachment) error {
	form := upload.Form(f, maxFile, upload.Field{Name: "activity_id", Value: activityID})
	_, err := c.call(ctx, request{method: http.MethodPost, version: v1, path: "/files", body: form}, nil)
	return err
}
