package mail

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"heliograph/hooks/archive"
	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/message"
)

// filePolicy keeps what a browser shows all the same from doing anything.
const filePolicy = "sandbox; default-src 'none'"

// GetAttachment gives an attachment to be saved.
func (p *Part) GetAttachment(ctx context.Context, r GetAttachmentRequestObject) (GetAttachmentResponseObject, error) {
	h, err := p.head(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	e, msg, err := p.parse(ctx, h)
	if err != nil {
		return nil, told(err)
	}
	if r.N < 0 || r.N >= len(msg.Attachments) {
		return nil, api.NotFound("no_attachment", "the mail has no such attachment")
	}
	f := msg.Attachments[r.N]
	raw, err := p.o.Journal.Body(ctx, e)
	if err != nil {
		return nil, err
	}
	api.Note(ctx, "attachment", r.N)
	api.Note(ctx, "sha256", f.SHA256)
	return GetAttachment200ApplicationoctetStreamResponse{
		Body: message.OpenAttachment(raw, r.N, message.Options{Salt: e.ID.String()}), ContentLength: f.Size,
		Headers: GetAttachment200ResponseHeaders{
			ContentDisposition: some(disposition(f.Name, "attachment")), ContentSecurityPolicy: some(filePolicy), XContentTypeOptions: some("nosniff"),
		},
	}, nil
}

// GetMessageRaw gives a mail as it was captured.
func (p *Part) GetMessageRaw(ctx context.Context, r GetMessageRawRequestObject) (GetMessageRawResponseObject, error) {
	h, err := p.head(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	m, err := maskOf(access.From(ctx))
	if err != nil {
		return nil, err
	}
	if len(m.kinds) > 0 {
		return nil, api.Forbidden("masked", "parts of mails are hidden from your role, and a raw mail shows all of them")
	}
	if want := value(r.Params.Entry); want != "" {
		h.sightings = slices.DeleteFunc(h.sightings, func(s Sighting) bool { return s.Entry != want })
		if len(h.sightings) == 0 {
			return nil, api.NotFound("no_entry", "the message has no such copy")
		}
	}
	e, err := p.open(ctx, h)
	if err != nil {
		return nil, told(err)
	}
	body, err := p.o.Journal.Body(ctx, e)
	if err != nil {
		return nil, err
	}
	api.Note(ctx, "entry", e.ID.String())
	return GetMessageRaw200Messagerfc822Response{
		Body: body,
		Headers: GetMessageRaw200ResponseHeaders{
			ContentDisposition: some(disposition(e.ID.String()+".eml", "mail.eml")), ContentSecurityPolicy: some(filePolicy), XContentTypeOptions: some("nosniff"),
		},
	}, nil
}

// maxFileName bounds the name of a download, in characters.
const maxFileName = 120

// disposition names a file that is to be saved (RFC 6266): in ASCII for programs that know no better, and as it is (RFC 8187).
func disposition(name, otherwise string) string {
	name = archive.FileName(name)
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"|?*%;=`, r) || r == utf8.RuneError { // no file of Windows may have them
			return '_'
		}
		return r
	}, name)
	if r := []rune(name); len(r) > maxFileName {
		end := r[len(r)-20:] // which has the ending
		name = string(r[:maxFileName-20]) + string(end)
	}
	if name = strings.TrimRight(name, ". "); name == "" {
		name = otherwise
	}
	plain := strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '\\' {
			return '_'
		}
		return r
	}, name)
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, plain, strings.ReplaceAll(url.QueryEscape(name), "+", "%20"))
}
