package dynamics

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

const (
	// maxFiles bounds the files of one message; each costs a request.
	maxFiles = 50
	fileName = 255 // activitymimeattachment.filename
)

// filesFor splits the attachments into those that are uploaded and those that are only named in the text.
func (c *Client) filesFor(files []crmclient.Attachment, already []crmclient.AttachmentLeft) (send []crmclient.Attachment, left []crmclient.AttachmentLeft) {
	left = append(left, already...)
	most := c.cfg.maxAttachment()
	for _, f := range files {
		why := ""
		switch {
		case most == 0:
			why = "files are not written into Dynamics"
		case f.Open == nil:
			why = "its content is not there"
		case f.Size > most:
			why = fmt.Sprintf("more than %d bytes", most)
		case len(send) == maxFiles:
			why = fmt.Sprintf("more than %d files", maxFiles)
		}
		if why == "" {
			send = append(send, f)
			continue
		}
		left = append(left, crmclient.AttachmentLeft{Name: f.Name, Size: f.Size, Reason: why})
	}
	return send, left
}

// attach uploads files to a mail, but not those that an earlier try has uploaded: of the same name and hash.
func (c *Client) attach(ctx context.Context, mail string, files []crmclient.Attachment, look bool) error {
	type file struct{ name, hash string }
	has := map[file]int{}
	if look && len(files) > 0 {
		rows, err := c.list(ctx, "activitymimeattachments", url.Values{"$select": {"filename,subject"}, "$filter": {"_objectid_value eq " + mail}}, 0)
		if err != nil {
			return err
		}
		for _, r := range rows {
			has[file{r.text("filename"), r.text("subject")}]++
		}
	}
	for _, f := range files {
		id := file{nameOf(f), subjectOf(f)}
		if has[id] > 0 { // the same file twice in a message is twice there
			has[id]--
			continue
		}
		if err := c.upload(ctx, mail, f); err != nil {
			return err
		}
	}
	return nil
}

func nameOf(f crmclient.Attachment) string {
	if f.Name == "" {
		return "attachment"
	}
	return fieldmap.CutRunes(f.Name, fileName)
}

// subjectOf is the title of a file: the hash makes it known again.
func subjectOf(f crmclient.Attachment) string { return "sha256:" + f.SHA256 }

// upload adds a file. The content is encoded while it is sent.
func (c *Client) upload(ctx context.Context, mail string, f crmclient.Attachment) error {
	kind := f.Type
	if kind == "" {
		kind = "application/octet-stream"
	}
	head, err := json.Marshal(map[string]string{
		"objectid_activitypointer@odata.bind": "/activitypointers(" + mail + ")", "objecttypecode": tableEmail,
		"filename": nameOf(f), "mimetype": kind, "subject": subjectOf(f),
	})
	if err != nil {
		return &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the file's name cannot be written as JSON", Err: err}
	}
	start, end := string(head[:len(head)-1])+`,"body":"`, `"}`
	_, err = c.do(ctx, request{
		method: http.MethodPost, path: "activitymimeattachments",
		stream: func(ctx context.Context) (io.ReadCloser, int64, error) {
			content, err := f.Open(ctx)
			if err != nil {
				return nil, 0, &crmclient.Error{Class: crmclient.ClassRetry, Message: "the file cannot be read", Err: err}
			}
			body := crmclient.Base64Body(start, end, func(w io.Writer) error {
				_, err := io.Copy(w, content)
				return errors.Join(err, content.Close())
			})
			return body, int64(len(start)) + int64(base64.StdEncoding.EncodedLen(int(f.Size))) + int64(len(end)), nil
		},
	})
	return err
}
