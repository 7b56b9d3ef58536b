package rest

import (
	"context"
	"fmt"
	"io"

	"heliograph/crmclient"
)

// contents reads the files of an operation that sends them in its request.
func (c *Client) contents(ctx context.Context, op *operation, files []crmclient.Attachment) ([][]byte, error) {
	if op.files != FilesInline {
		return nil, nil
	}
	_, left := c.fileLimits()
	out := make([][]byte, len(files))
	for i, f := range files {
		if f.Open == nil { // only its name is known
			continue
		}
		content, err := c.content(ctx, f)
		if err != nil {
			return nil, err
		}
		if left -= int64(len(content)); left < 0 {
			return nil, tooLarge()
		}
		out[i] = content
	}
	return out, nil
}

func tooLarge() error {
	return &crmclient.Error{
		Class: crmclient.ClassPermanent, Message: "the attachments are larger than the target takes",
		Remedy: "raise limits.attachment_bytes or limits.attachments_bytes if the API takes more",
	}
}

// content reads a file, up to the limit of the section.
func (c *Client) content(ctx context.Context, f crmclient.Attachment) ([]byte, error) {
	if f.Open == nil {
		return nil, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the content of an attachment is not kept"}
	}
	limit, _ := c.fileLimits()
	if f.Size > limit {
		return nil, tooLarge()
	}
	r, err := f.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open attachment: %w", err)
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read attachment: %w", err)
	}
	if int64(len(content)) > limit {
		return nil, tooLarge()
	}
	return content, nil
}

// attachAll adds the files to a record that was made or found.
func (c *Client) attachAll(ctx context.Context, op *operation, object, id string, files []crmclient.Attachment) error {
	if op.files != FilesAttach {
		return nil
	}
	for _, f := range files {
		if f.Open == nil {
			continue
		}
		if _, err := (fileAttacher{c}).AttachFile(ctx, object, id, f); err != nil {
			return err
		}
	}
	return nil
}

// AttachFile adds a file to a record, after looking for it where find_file is configured.
func (c fileAttacher) AttachFile(ctx context.Context, object, id string, f crmclient.Attachment) (string, error) {
	op := c.ops.attachFile
	s := c.scope(map[string]any{"object": object, "id": id, "file": fileValue(f, nil), "key": id + " " + f.SHA256})
	if find := c.ops.findFile; find != nil {
		known, there, err := c.findFile(ctx, find, s, f)
		if err != nil || there {
			return known, err
		}
	}
	content, err := c.content(ctx, f)
	if err != nil {
		return "", err
	}
	made, err := c.make(ctx, op, s.with("file", fileValue(f, content)))
	if crmclient.ClassOf(err) == crmclient.ClassDuplicate {
		return made.id, nil
	}
	return made.id, err
}

// findFile looks among the files of the record. Where result.key says what tells a file, it is compared with name or hash.
func (c *Client) findFile(ctx context.Context, op *operation, s scope, f crmclient.Attachment) (id string, there bool, err error) {
	err = c.pages(ctx, op, s, func(r *reply, items []any) error {
		for _, item := range items {
			same := op.result.key == nil
			if !same {
				key, err := op.result.key.text(r.place(item, s))
				if err != nil {
					return r.broken("result.key", err)
				}
				same = key != "" && (key == f.Name || key == f.SHA256)
			}
			if there || !same {
				continue
			}
			there = true
			if op.result.id != nil {
				if id, err = op.result.id.text(r.place(item, s)); err != nil {
					return r.broken("result.id", err)
				}
			}
		}
		return nil
	})
	return id, there, err
}
