package kingdee

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"heliograph/crmclient"
)

var _ crmclient.FileAttacher = (*Client)(nil)

// pieceBytes is how much of a file goes into one request. At most 4 MB are advised; in base64 this is 2 MiB.
const pieceBytes = 3 << 19

// hashLetters is how much of a hash tells one file of a mail from another.
const hashLetters = 12

// maxFilesNoted is how many files of a mail are remembered and uploaded: their hashes must fit into a field of 255 characters.
const maxFilesNoted = 255 / (hashLetters + 1)

// uploadMissing uploads the files that the mail does not have yet, and notes each, so that a later try goes on behind it.
func (c *Client) uploadMissing(ctx context.Context, f found, files []crmclient.Attachment) error {
	m := c.cfg.Mail
	have := filesOf(f.files)
	for _, file := range files {
		hash := file.SHA256[:min(len(file.SHA256), hashLetters)]
		if file.Open == nil || hash == "" || file.Size > m.AttachmentBytes || len(have) >= maxFilesNoted || slices.Contains(have, hash) {
			continue
		}
		if _, err := c.upload(ctx, m.Form, f.id, f.number, file, m.AttachmentBytes); err != nil {
			if crmclient.ClassOf(err) == crmclient.ClassPermanent {
				return fmt.Errorf("a file of %d bytes: %w", file.Size, err)
			}
			return err
		}
		have = append(have, hash)
		model := map[string]any{m.ID: json.Number(f.id), m.Files: strings.Join(have, " ")}
		if _, err := c.save(ctx, m.Form, model, []string{m.Files}); err != nil {
			return err
		}
	}
	return nil
}

// AttachFile adds a file to a record of any object. The site tells nothing of the content of files, so a repetition
// adds it again.
func (c *Client) AttachFile(ctx context.Context, object, id string, f crmclient.Attachment) (string, error) {
	o, err := c.object(object)
	if err != nil {
		return "", err
	}
	if f.Open == nil || f.Size > c.cfg.Mail.AttachmentBytes {
		return "", &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("the file of %d bytes cannot be uploaded", f.Size)}
	}
	r, err := c.readRow(ctx, o, id, []string{o.Number})
	if err != nil {
		return "", err
	}
	return c.upload(ctx, o.Form, id, r.text(o.Number), f, c.cfg.Mail.AttachmentBytes)
}

// upload sends a file in pieces; the site joins them by the id that it gave for the first.
func (c *Client) upload(ctx context.Context, form, id, number string, f crmclient.Attachment, limit int64) (string, error) {
	r, err := f.Open(ctx)
	if err != nil {
		return "", fmt.Errorf("open the file: %w", err)
	}
	defer r.Close()
	source := io.LimitReader(r, limit+1)
	buffers := [2][]byte{make([]byte, pieceBytes), make([]byte, pieceBytes)}
	fileID, total := "", int64(0)
	piece, err := readPiece(source, buffers[0])
	for i := 1; ; i++ {
		if err != nil {
			return "", fmt.Errorf("read the file: %w", err)
		}
		if total += int64(len(piece)); total > limit {
			return "", &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("the file has more than %d bytes", limit)}
		}
		var next []byte
		if len(piece) == pieceBytes { // whether it is the last one only the next one tells
			next, err = readPiece(source, buffers[i%2])
		}
		last := err == nil && len(next) == 0
		given, sendErr := c.sendPiece(ctx, uploadData{
			FileName: f.Name, AliasFileName: f.Name, FormID: form, InterID: id, BillNo: number, SendByte: base64.StdEncoding.EncodeToString(piece),
			IsLast: last, FileID: fileID, EntryinterID: "-1",
		})
		if sendErr != nil {
			return "", sendErr
		}
		if fileID == "" {
			fileID = given
		}
		if last {
			return fileID, nil
		}
		piece = next
	}
}

func readPiece(r io.Reader, buffer []byte) ([]byte, error) {
	n, err := io.ReadFull(r, buffer)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return buffer[:n], err
}

// uploadData is the body of AttachmentUpLoad.
type uploadData struct {
	FileName      string `json:"FileName"`
	FormID        string `json:"FormId"`
	IsLast        bool   `json:"IsLast"`
	InterID       string `json:"InterId"`
	EntryinterID  string `json:"EntryinterId"` // -1: the document itself, not one of its rows
	BillNo        string `json:"BillNo"`
	AliasFileName string `json:"AliasFileName"`
	FileID        string `json:"FileId"`
	SendByte      string `json:"SendByte"`
}

func (c *Client) sendPiece(ctx context.Context, d uploadData) (fileID string, err error) {
	answer, err := c.call(ctx, writing, "AttachmentUpLoad", argument{"data", d})
	if err != nil {
		return "", err
	}
	var said struct {
		Result struct {
			FileID string `json:"FileId"`
		} `json:"Result"`
	}
	if err := answer.JSON(&said); err != nil {
		return "", err
	}
	if said.Result.FileID == "" {
		return "", badAnswer(answer, "that of an upload")
	}
	return said.Result.FileID, nil
}
