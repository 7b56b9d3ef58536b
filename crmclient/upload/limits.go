package upload

import (
	"fmt"
	"slices"

	"heliograph/crmclient"
)

// Limits are what a CRM takes of the files of a mail.
type Limits struct {
	None  string // why none is sent; empty: they are
	Bytes int64  // of a file
	Files int    // of a mail: each is a request
}

// Why says why a file is not sent after so many others; nothing if it is.
func (l Limits) Why(f crmclient.Attachment, before int) string {
	switch {
	case l.None != "":
		return l.None
	case f.Open == nil:
		return "its content is not kept"
	case f.Size > l.Bytes && l.Bytes%(1<<20) == 0:
		return fmt.Sprintf("larger than %d MB", l.Bytes>>20)
	case f.Size > l.Bytes:
		return fmt.Sprintf("larger than %d bytes", l.Bytes)
	case before >= l.Files:
		return fmt.Sprintf("more than %d files", l.Files)
	}
	return ""
}

// Split tells the files that are sent from all that are left out.
func (l Limits) Split(files []crmclient.Attachment, left []crmclient.AttachmentLeft) (sent []crmclient.Attachment, all []crmclient.AttachmentLeft) {
	all = slices.Clone(left)
	for _, f := range files {
		if reason := l.Why(f, len(sent)); reason != "" {
			all = append(all, crmclient.AttachmentLeft{Name: f.Name, Size: f.Size, Reason: reason})
		} else {
			sent = append(sent, f)
		}
	}
	return sent, all
}
