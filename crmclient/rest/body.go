package rest

import (
	"bytes"
	"errors"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"heliograph/crmclient"
)

type bodyKind int

const (
	noBody bodyKind = iota
	jsonBody
	formBody
	multipartBody
	textBody
)

// maxBody bounds a request: the largest files, in base64, and the text.
const maxBody = 64 << 20

// body is a compiled body.
type body struct {
	kind        bodyKind
	json        node
	form        []param
	parts       []piece
	text        *template
	contentType string
}

// piece is one part of a multipart body.
type piece struct {
	name     string
	value    *template
	json     node
	file     bool
	fileName *template // nil: the file's own
}

// escapers are the transforms that may end a placeholder in raw text.
var escapers = []string{"json", "xml", "url", "csv", "base64", "escape_html", "raw", "number"}

func (c *compiler) body(o *Operation) body {
	b := body{}
	given := 0
	if o.JSON != nil {
		given++
		b.kind, b.json = jsonBody, c.tree("json", o.JSON)
	}
	if o.Form != nil {
		given++
		b.kind, b.form = formBody, c.params("form", o.Form)
	}
	if len(o.Multipart) > 0 {
		given++
		b.kind, b.parts = multipartBody, c.multipart(o.Multipart)
	}
	if o.Text != "" {
		given++
		b.kind, b.text, b.contentType = textBody, c.template("text", o.Text), o.ContentType
		for _, p := range b.text.parts {
			if p.expr != nil && (len(p.expr.steps) == 0 || !slices.Contains(escapers, p.expr.steps[len(p.expr.steps)-1].name)) {
				c.bad("text", "the placeholder %s must end with one of %s", p.expr, strings.Join(escapers, ", "))
			}
		}
		if o.ContentType == "" || !httpguts.ValidHeaderFieldValue(o.ContentType) {
			c.bad("content_type", "the media type of the text is missing or wrong")
		}
	} else if o.ContentType != "" {
		c.bad("content_type", "it is for text only; the other bodies have their own")
	}
	if given > 1 {
		c.bad("", "only one of json, form, multipart and text can be the body")
	}
	return b
}

func (c *compiler) tree(key string, v any) node {
	n, err := compileTree(v, 0)
	if err != nil {
		c.bad(key, "%w", err)
		return fixedNode{}
	}
	n.each(func(t *template) { c.checkNames(key, t) })
	return n
}

func (c *compiler) multipart(parts []Part) []piece {
	var out []piece
	for i, p := range parts {
		key := fmt.Sprintf("multipart[%d]", i)
		n := piece{name: p.Name, file: p.File}
		if p.Name == "" || strings.ContainsAny(p.Name, "\r\n\"") {
			c.bad(key, "name is missing or has quotes or line ends")
		}
		switch {
		case p.File && (p.Value != "" || p.JSON != nil), p.Value != "" && p.JSON != nil:
			c.bad(key, "only one of value, json and file can be given")
		case p.File:
			if p.FileName != "" {
				n.fileName = c.template(key+".file_name", p.FileName)
			}
			if !c.voc["file"] && !c.voc["files"] {
				c.bad(key, "there is no file here")
			}
			c.used["files"] = true
		case p.JSON != nil:
			n.json = c.tree(key+".json", p.JSON)
		default:
			n.value = c.template(key+".value", p.Value)
		}
		out = append(out, n)
	}
	return out
}

// draft is a request that is not yet encoded, so that a signature can add to it.
type draft struct {
	method      string
	url         *url.URL // without query
	query       url.Values
	header      map[string]string
	form        url.Values
	json        any
	bytes       []byte
	kind        bodyKind
	contentType string
}

// fill renders the body into the draft.
func (b *body) fill(d *draft, s scope) error {
	d.kind = b.kind
	var err error
	switch b.kind {
	case noBody:
	case jsonBody:
		d.contentType = "application/json"
		d.json, err = b.json.build(s)
		if isOmitted(d.json) {
			d.json = nil
		}
	case formBody:
		d.contentType = "application/x-www-form-urlencoded"
		d.form, err = values(b.form, s)
	case multipartBody:
		d.bytes, d.contentType, err = encodeMultipart(b.parts, s)
	case textBody:
		d.contentType = b.contentType
		var text string
		text, err = b.text.text(s)
		d.bytes = []byte(text)
	}
	return err
}

// encode returns the bytes of the body.
func (d *draft) encode() ([]byte, error) {
	out := d.bytes
	switch d.kind {
	case jsonBody:
		var err error
		if out, err = encodeJSON(d.json); err != nil {
			return nil, errors.New("the body cannot be written as JSON")
		}
	case formBody:
		out = []byte(d.form.Encode())
	case noBody, multipartBody, textBody:
	}
	if len(out) > maxBody {
		return nil, &crmclient.Error{Class: crmclient.ClassPermanent, Message: fmt.Sprintf("the request would be larger than %d bytes", maxBody)}
	}
	return out, nil
}

// values renders parameters. A list gives one value each.
func values(params []param, s scope) (url.Values, error) {
	out := url.Values{}
	for _, p := range params {
		for _, t := range p.values {
			v, err := t.value(s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			if isOmitted(v) {
				continue
			}
			list, isList := v.([]any)
			if !isList {
				list = []any{v}
			}
			for _, item := range list {
				text, err := textOf(item)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", p.name, err)
				}
				out.Add(p.name, text)
			}
		}
	}
	return out, nil
}

func encodeMultipart(parts []piece, s scope) (content []byte, contentType string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		if err := p.write(w, s); err != nil {
			return nil, "", fmt.Errorf("part %s: %w", p.name, err)
		}
		if b.Len() > maxBody {
			return nil, "", fmt.Errorf("the request would be larger than %d bytes", maxBody)
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), w.FormDataContentType(), nil
}

func (p *piece) write(w *multipart.Writer, s scope) error {
	switch {
	case p.file:
		files, _ := s.lookup("files").([]any)
		if one := s.lookup("file"); one != nil {
			files = []any{one}
		}
		for _, f := range files {
			if err := p.writeFile(w, s.with("file", f)); err != nil {
				return err
			}
		}
		return nil
	case p.json != nil:
		v, err := p.json.build(s)
		if err != nil {
			return err
		}
		content, err := encodeJSON(v)
		if err != nil {
			return err
		}
		return writePart(w, p.name, "", "application/json", content)
	}
	text, err := p.value.text(s)
	if err != nil {
		return err
	}
	return w.WriteField(p.name, text)
}

func (p *piece) writeFile(w *multipart.Writer, s scope) error {
	name, _ := s.lookup("file.name").(string)
	if p.fileName != nil {
		var err error
		if name, err = p.fileName.text(s); err != nil {
			return err
		}
	}
	typ, _ := s.lookup("file.type").(string)
	content, _ := s.lookup("file.content").([]byte)
	if content == nil { // only its name is known
		return nil
	}
	if typ == "" || !httpguts.ValidHeaderFieldValue(typ) {
		typ = "application/octet-stream"
	}
	return writePart(w, p.name, name, typ, content)
}

// quoteName escapes a name as browsers do, which servers expect (WHATWG HTML, 4.10.21.8).
var quoteName = strings.NewReplacer(`"`, "%22", "\r", "%0D", "\n", "%0A")

func writePart(w *multipart.Writer, field, file, typ string, content []byte) error {
	disposition := `form-data; name="` + quoteName.Replace(field) + `"`
	if file != "" {
		disposition += `; filename="` + quoteName.Replace(file) + `"`
	}
	out, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}, "Content-Type": {typ}})
	if err != nil {
		return err
	}
	_, err = out.Write(content)
	return err
}
