package dynamics

import (
	"context"
	"net/http"
	"net/url"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/upload"
)

const (
	// maxFiles bounds the files of one message; each costs a request.
	maxFiles = 50
	fileName = 255 // activitymimeattachment.filename
)

// files are what is uploaded of a mail's files.
func (c *Client) files() upload.Limits {
	l := upload.Limits{Bytes: c.cfg.maxAttachment(), Files: maxFiles}
	if l.Bytes == 0 {
		l.None = "files are not written into Dynamics"
	}
	return l
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
	file := upload.JSON(f, "body", map[string]string{
		"objectid_activitypointer@odata.bind": "/activitypointers(" + mail + ")", "objecttypecode": tableEmail,
		"filename": nameOf(f), "mimetype": kind, "subject": subjectOf(f),
	})
	_, err := c.do(ctx, request{method: http.MethodPost, path: "activitymimeattachments", body: file})
	return err
}
