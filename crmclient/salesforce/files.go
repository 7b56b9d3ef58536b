package salesforce

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/upload"
)

const (
	// maxFiles bounds the files of one message; each costs a request.
	maxFiles  = 50
	fileTitle = 255 // ContentVersion.Title
	// fileMark stands before the hash in the description of a file, by which the file is known again.
	fileMark = "sha256:"
)

// files are what is uploaded of a mail's files.
func (c *Client) files() upload.Limits {
	l := upload.Limits{Bytes: c.cfg.maxAttachment(), Files: maxFiles}
	if l.Bytes == 0 {
		l.None = "files are not written into Salesforce"
	}
	return l
}

// file is a ContentVersion that was made for a record.
type file struct{ document, hash, title string }

// filesOf returns the files that were first published at a record.
func (c *Client) filesOf(ctx context.Context, record string) ([]file, error) {
	rows, err := c.query(ctx, "SELECT ContentDocumentId, Title, Description FROM ContentVersion WHERE IsLatest = true AND FirstPublishLocationId = "+text(record), false)
	if err != nil {
		return nil, err
	}
	out := make([]file, len(rows))
	for i, r := range rows {
		hash, _ := strings.CutPrefix(r.text("Description"), fileMark)
		out[i] = file{r.text("ContentDocumentId"), hash, r.text("Title")}
	}
	return out, nil
}

// attach uploads files to a record, but not those that an earlier try has uploaded.
func (c *Client) attach(ctx context.Context, record string, files []crmclient.Attachment, look bool) error {
	if len(files) == 0 {
		return nil
	}
	has := map[file]int{}
	if look {
		there, err := c.filesOf(ctx, record)
		if err != nil {
			return err
		}
		for _, f := range there {
			has[file{hash: f.hash, title: f.title}]++
		}
	}
	for _, f := range files {
		id := file{hash: f.SHA256, title: titleOf(f)}
		if has[id] > 0 { // the same file twice in a message is twice there
			has[id]--
			continue
		}
		if _, err := c.upload(ctx, record, f); err != nil {
			return err
		}
	}
	return nil
}

func titleOf(f crmclient.Attachment) string {
	name := strings.Map(func(r rune) rune {
		if r < ' ' || r == '/' || r == '\\' || r == 0x7f {
			return '_'
		}
		return r
	}, f.Name)
	if strings.TrimSpace(name) == "" {
		name = "attachment"
	}
	return fieldmap.CutRunes(name, fileTitle)
}

// upload makes a ContentVersion and returns its id. The content is encoded while it is sent.
func (c *Client) upload(ctx context.Context, record string, f crmclient.Attachment) (string, error) {
	if f.Open == nil || f.Size > highestMaxFile {
		return "", &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the file is too large, or its content is not there"}
	}
	content := upload.JSON(f, "VersionData", map[string]string{
		"Title": titleOf(f), "PathOnClient": titleOf(f), "Description": fileMark + f.SHA256, "FirstPublishLocationId": record,
	})
	answer, err := c.do(ctx, request{method: http.MethodPost, path: "/sobjects/" + objectVersion, body: content})
	if err != nil {
		return "", err
	}
	var s saved
	if err := answer.Exact(&s); err != nil {
		return "", err
	}
	return s.ID, nil
}

// AttachFile adds a file to a record and returns the id of its document.
func (c *Client) AttachFile(ctx context.Context, _, id string, f crmclient.Attachment) (string, error) {
	if !idForm.MatchString(id) {
		return "", noRecord(nil)
	}
	release, err := c.turns.Take(ctx, "file:"+id)
	if err != nil {
		return "", err
	}
	defer release()
	if document, err := c.findFile(ctx, id, f); err != nil || document != "" {
		return document, err
	}
	if _, err := c.upload(ctx, id, f); err != nil {
		if gone(err) {
			return "", noRecord(err)
		}
		return "", fmt.Errorf("attach file: %w", err)
	}
	return c.findFile(ctx, id, f)
}

func (c *Client) findFile(ctx context.Context, record string, f crmclient.Attachment) (string, error) {
	there, err := c.filesOf(ctx, record)
	if err != nil {
		return "", fmt.Errorf("find files: %w", err)
	}
	for _, t := range there {
		if t.hash == f.SHA256 && t.title == titleOf(f) {
			return t.document, nil
		}
	}
	return "", nil
}
