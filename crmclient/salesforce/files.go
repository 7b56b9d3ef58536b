package salesforce

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

const (
	// maxFiles bounds the files of one message; each costs a request.
	maxFiles  = 50
	fileTitle = 255 // ContentVersion.Title
	// fileMark stands before the hash in the description of a file, by which the file is known again.
	fileMark = "sha256:"
)

// filesFor splits the attachments into those that are uploaded and those that are only named in the text.
func (c *Client) filesFor(a *crmclient.Activity) (send []crmclient.Attachment, left []crmclient.AttachmentLeft) {
	left = append(left, a.AttachmentsLeft...)
	most := c.cfg.maxAttachment()
	for _, f := range a.Attachments {
		why := ""
		switch {
		case most == 0:
			why = "files are not written into Salesforce"
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
	head, err := json.Marshal(map[string]string{
		"Title": titleOf(f), "PathOnClient": titleOf(f), "Description": fileMark + f.SHA256, "FirstPublishLocationId": record,
	})
	if err != nil {
		return "", &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the file's name cannot be written as JSON", Err: err}
	}
	head = append(head[:len(head)-1], `,"VersionData":"`...)
	const tail = `"}`
	answer, err := c.do(ctx, request{
		method: http.MethodPost, path: "/sobjects/" + objectVersion,
		stream: func(ctx context.Context) (io.ReadCloser, int64, error) {
			content, err := f.Open(ctx)
			if err != nil {
				return nil, 0, &crmclient.Error{Class: crmclient.ClassRetry, Message: "the file cannot be read", Err: err}
			}
			body := io.MultiReader(bytes.NewReader(head), &encoder{from: content}, strings.NewReader(tail))
			length := int64(len(head)) + int64(base64.StdEncoding.EncodedLen(int(f.Size))) + int64(len(tail))
			return struct {
				io.Reader
				io.Closer
			}{body, content}, length, nil
		},
	})
	if err != nil {
		return "", err
	}
	var s saved
	if err := decode(answer, &s); err != nil {
		return "", err
	}
	return s.ID, nil
}

// encoder gives what it reads in base64.
type encoder struct {
	from io.Reader
	raw  [3 << 10]byte
	out  []byte // encoded and not yet given
	err  error
}

// Read encodes the next piece.
func (e *encoder) Read(p []byte) (int, error) {
	if len(e.out) == 0 && e.err == nil {
		var n int
		n, e.err = io.ReadFull(e.from, e.raw[:])
		if errors.Is(e.err, io.ErrUnexpectedEOF) {
			e.err = io.EOF
		}
		e.out = base64.StdEncoding.AppendEncode(e.out, e.raw[:n])
	}
	if len(e.out) == 0 {
		return 0, e.err
	}
	n := copy(p, e.out)
	e.out = e.out[n:]
	return n, nil
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
