package mail

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"heliograph/internal/console/access"
	"heliograph/internal/console/api"
	"heliograph/internal/journal"
	"heliograph/internal/message"
)

// htmlPolicy lets a page show words, styles and the pictures that are in it, and nothing else. A link that a person clicks may open a window, which is
// the console's own page on links: see linkPage.
const htmlPolicy = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"

const (
	// maxPicture bounds one inlined picture, maxPictures all of a page, in bytes.
	maxPicture  = 2 << 20
	maxPictures = 8 << 20
	// maxInlined bounds how many pictures are inlined: each is one more walk through the mail.
	maxInlined = 40
)

// pageHead and pageTail are what stands around the words of a mail.
const (
	pageHead = `<!doctype html><html><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">` +
		`<style>body{margin:8px;font-family:sans-serif;overflow-wrap:anywhere}img{max-width:100%;height:auto}table{max-width:100%}</style></head><body>`
	pageTail = `</body></html>`
)

// GetMessageHtml shows the HTML of a message, for a sandbox.
func (p *Part) GetMessageHtml(ctx context.Context, r GetMessageHtmlRequestObject) (GetMessageHtmlResponseObject, error) {
	h, err := p.head(ctx, r.Key)
	if err != nil {
		return nil, err
	}
	e, msg, err := p.parse(ctx, h)
	if err != nil {
		return nil, told(err)
	}
	if msg.HTML == "" {
		return nil, api.NotFound("no_html", "the mail has no HTML")
	}
	m, err := maskOf(access.From(ctx))
	if err != nil {
		return nil, err
	}
	pictures := p.pictures(ctx, e, msg)
	page := []byte(pageHead + harmless(m.html(msg.HTML), pictures) + pageTail)
	return GetMessageHtml200TexthtmlResponse{
		Body: bytes.NewReader(page), ContentLength: int64(len(page)),
		Headers: GetMessageHtml200ResponseHeaders{ContentSecurityPolicy: some(htmlPolicy), XContentTypeOptions: some("nosniff")},
	}, nil
}

// told turns errors of reading a text into problems.
func told(err error) error {
	var lost *errText
	if errors.As(err, &lost) {
		return lost.problem()
	}
	return err
}

// pictures returns what gives the picture with a Content-ID as a data URI, or nothing.
func (p *Part) pictures(ctx context.Context, e journal.Entry, msg *message.Message) func(cid string) string {
	known := map[string]string{}
	left := maxPictures
	return func(cid string) string {
		if uri, ok := known[cid]; ok || len(known) >= maxInlined {
			return uri
		}
		known[cid] = ""
		for i, f := range msg.Attachments {
			if f.ContentID != cid || f.Size > maxPicture || f.Size > int64(left) {
				continue
			}
			content, err := p.content(ctx, e, i)
			if err != nil || len(content) > maxPicture {
				return ""
			}
			left -= len(content)
			if kind := picture(content); kind != "" {
				known[cid] = "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(content)
			}
			break
		}
		return known[cid]
	}
}

// content reads a small attachment.
func (p *Part) content(ctx context.Context, e journal.Entry, n int) ([]byte, error) {
	raw, err := p.o.Journal.Body(ctx, e)
	if err != nil {
		return nil, err
	}
	body := message.OpenAttachment(raw, n, message.Options{Salt: e.ID.String()})
	content, err := io.ReadAll(io.LimitReader(body, maxPicture+1))
	return content, errors.Join(err, body.Close())
}

// picture returns the type of a picture by its bytes, whatever the mail says of them; of SVG, which is a program, nothing.
func picture(content []byte) string {
	switch kind := http.DetectContentType(content); kind {
	case "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp":
		return kind
	}
	return ""
}

// plainStyles are styles that name no address and call nothing. Package message lets no others through; this looks again.
var plainStyles = regexp.MustCompile(`^(?:[a-z-]{1,30}: (?:[#%.,\w -]|rgba?\([\d.,% ]+\))+(?:; |;|$))+$`)

// harmless writes sanitised HTML once more: pictures of the mail are put in, and whatever could load or run anything is left out, should
// it ever have come through.
func harmless(text string, pictures func(cid string) string) string {
	z := html.NewTokenizer(strings.NewReader(text))
	var out strings.Builder
	depth := 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return out.String() // the end: a tokenizer of a string has no other error
		case html.TextToken:
			out.Write(z.Raw())
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			if forbidden[t.Data] {
				continue
			}
			if !void[t.Data] {
				depth++
			}
			if depth <= maxDepth {
				t.Attr = safe(t, pictures)
				out.WriteString(t.String())
			}
		case html.EndTagToken:
			t := z.Token()
			if forbidden[t.Data] || void[t.Data] {
				continue
			}
			if depth <= maxDepth {
				out.WriteString(t.String())
			}
			depth = max(0, depth-1)
		case html.CommentToken, html.DoctypeToken:
		}
	}
}

// maxDepth bounds how deep elements are nested: browsers differ in what they make of more.
const maxDepth = 250

// void are elements without an end.
var void = map[string]bool{"br": true, "hr": true, "img": true, "wbr": true, "col": true, "area": true}

// forbidden are elements that load or run something, or change how the page is read.
var forbidden = map[string]bool{
	"script": true, "style": true, "link": true, "meta": true, "base": true, "iframe": true, "frame": true, "frameset": true, "object": true, "embed": true,
	"applet": true, "svg": true, "math": true, "form": true, "input": true, "button": true, "textarea": true, "select": true, "video": true, "audio": true,
	"source": true, "track": true, "template": true, "noscript": true, "portal": true, "title": true, "xml": true, "image": true, "picture": true,
}

// safe returns the attributes that a tag keeps.
func safe(t html.Token, pictures func(cid string) string) (out []html.Attribute) {
	href := ""
	for _, a := range t.Attr {
		switch name := strings.ToLower(a.Key); {
		case name == "src":
			if cid, ok := cutFold(a.Val, "cid:"); ok && t.Data == "img" {
				if plain, err := url.PathUnescape(cid); err == nil {
					cid = plain
				}
				if uri := pictures(strings.Trim(cid, "<>")); uri != "" {
					out = append(out, html.Attribute{Key: "src", Val: uri})
				}
			}
		case name == "href":
			if t.Data == "a" && leads(a.Val) {
				href = strings.TrimSpace(a.Val)
			}
		case name == "style":
			if plainStyles.MatchString(a.Val) {
				out = append(out, a)
			}
		case plainAttributes[name]:
			out = append(out, html.Attribute{Key: name, Val: a.Val})
		}
	}
	if href != "" {
		out = slices.DeleteFunc(out, func(a html.Attribute) bool { return a.Key == "title" })
		out = append(out, html.Attribute{Key: "href", Val: linkPage + url.PathEscape(href)}, html.Attribute{Key: "title", Val: href},
			html.Attribute{Key: "rel", Val: "noopener noreferrer nofollow"}, html.Attribute{Key: "target", Val: "_blank"})
	}
	return out
}

// plainAttributes say how something looks, and nothing else.
var plainAttributes = map[string]bool{
	"align": true, "valign": true, "colspan": true, "rowspan": true, "border": true, "cellpadding": true, "cellspacing": true, "width": true, "height": true,
	"color": true, "start": true, "alt": true, "title": true, "hidden": true,
}

// linkPage is the console's page that shows where a link leads before it is followed. The address stands behind the #, so that no server is told of it.
const linkPage = "/link#"

// leads tells whether a link may be followed by a person.
func leads(href string) bool {
	u, err := url.Parse(strings.TrimSpace(href))
	if err != nil {
		return false
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		return u.Host != ""
	case "mailto":
		return true
	}
	return false
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
