package export

import (
	"context"
	"errors"
	"io"

	"github.com/emersion/go-message/mail"

	"heliograph/crmclient"
)

// EML writes the activity as a mail file (RFC 5322) with the Message-ID. It is built anew, because what was captured may hold what
// must not leave. Files without content are left out.
func EML(ctx context.Context, w io.Writer, a *crmclient.Activity, id string) error {
	var h mail.Header
	h.SetDate(a.Date)
	h.SetMessageID(id)
	h.SetSubject(a.Subject)
	for name, list := range map[string][]crmclient.Person{"From": {a.From}, "To": a.To, "Cc": a.CC, "Bcc": a.BCC} {
		var out []*mail.Address
		for _, p := range list {
			if p.Address != "" {
				out = append(out, &mail.Address{Name: p.Name, Address: p.Address})
			}
		}
		if len(out) > 0 {
			h.SetAddressList(name, out)
		}
	}
	mw, err := mail.CreateWriter(w, h)
	if err != nil {
		return err
	}
	if err := writeTexts(mw, a); err != nil {
		return err
	}
	for _, f := range a.Attachments {
		if f.Open == nil {
			continue
		}
		if err := writeFile(ctx, mw, f); err != nil {
			return err
		}
	}
	return mw.Close()
}

func writeTexts(mw *mail.Writer, a *crmclient.Activity) error {
	tw, err := mw.CreateInline()
	if err != nil {
		return err
	}
	for _, part := range []struct{ kind, text string }{{"text/plain", a.Text + LeftOut(a.AttachmentsLeft)}, {"text/html", a.HTML}} {
		if part.kind == "text/html" && part.text == "" {
			continue
		}
		var h mail.InlineHeader
		h.SetContentType(part.kind, map[string]string{"charset": "utf-8"})
		h.Set("Content-Transfer-Encoding", "base64")
		pw, err := tw.CreatePart(h)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(pw, part.text); err != nil {
			return err
		}
		if err := pw.Close(); err != nil {
			return err
		}
	}
	return tw.Close()
}

func writeFile(ctx context.Context, mw *mail.Writer, f crmclient.Attachment) (err error) {
	r, err := f.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var h mail.AttachmentHeader
	h.SetContentType(f.Type, nil)
	h.SetFilename(f.Name)
	pw, err := mw.CreateAttachment(h)
	if err != nil {
		return err
	}
	if _, err := io.Copy(pw, r); err != nil {
		return err
	}
	return pw.Close()
}

// LeftOut names the files that the mail had and the CRM does not get.
func LeftOut(left []crmclient.AttachmentLeft) string {
	out := ""
	for _, f := range left {
		out += "\n[" + f.Name + ": " + f.Reason + "]"
	}
	return out
}
