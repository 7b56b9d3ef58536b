package rules

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"heliograph/internal/report"
)

// Files is a World that can open the files of a stored message.
type Files interface {
	// Files lists the files of the message of an entry, those inside the text too, in its order. A message that is not there any more is an
	// error that no repetition mends.
	Files(ctx context.Context, entry string) ([]MailFile, error)
}

// MailFile is a file of a message.
type MailFile struct {
	Name   string
	Type   string
	Size   int64
	Inline bool   // shown inside the text
	Digest string // equal files have equal ones; empty: unknown
	// Open gives the bytes. Who opens closes.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

const (
	// maxPictures and maxPictureBytes bound what one document takes from a mail: strangers attach what they like.
	maxPictures     = 30
	maxPictureBytes = 25 << 20
	// leastPicture is how large a picture inside a text is at least. Smaller ones are logos of signatures.
	leastPicture = 10 << 10
	// ofMail names the pictures of the mail that started the rule.
	ofMail = "mail"
)

// documentStep makes a document of blocks, such as a quality report with pictures and process: as PDF, and as HTML for a mail
// (steps.ID.html), whose pictures go along when the mail's files name the step.
type documentStep struct {
	Title    line  `json:"title"`
	Subtitle line  `json:"subtitle,omitempty"`
	Facts    value `json:"facts,omitzero"` // a list of label, value and warn
	// Blocks are those of a report.Document; texts in them are templates, and {"fact": PATH} is a list from elsewhere. Tables and charts say with
	// "of" which of Tables they show; pictures say of: mail, or the id of an earlier step whose pictures they are.
	Blocks      value                  `json:"blocks"`
	Tables      map[string]tableSource `json:"tables,omitempty"`
	Outputs     []string               `json:"outputs,omitempty"` // pdf, html; pdf if empty
	FileName    line                   `json:"file_name,omitempty"`
	Orientation string                 `json:"orientation,omitempty"`
	Language    string                 `json:"language,omitempty"`
}

func (d *documentStep) compile(*compiler) error {
	if d.Title.IsZero() {
		return errors.New("a document needs a title")
	}
	for _, name := range slices.Sorted(maps.Keys(d.Tables)) {
		s := d.Tables[name]
		if err := s.compile(); err != nil {
			return &PathError{"/with/tables/" + name, err}
		}
	}
	var doc report.Document
	if err := fill(static(d.Facts.raw), &doc.Facts); err != nil {
		return &PathError{"/with/facts", err}
	}
	if err := fill(static(d.Blocks.raw), &doc.Blocks); err != nil {
		return &PathError{"/with/blocks", err}
	}
	doc.Orientation = d.Orientation
	if err := doc.Check(); err != nil {
		return &PathError{"/with/blocks", err}
	}
	return outputs(d.Outputs, asPDF, asHTML)
}

// fill reads a value as a part of a document.
func fill(v, into any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return decode(text, into)
}

// static is a value without the facts in it, whose form is known later only.
func static(raw any) any {
	switch v := raw.(type) {
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = static(e)
		}
		return out
	case map[string]any:
		if _, ok := v["fact"].(string); ok && len(v) == 1 {
			return nil
		}
		out := map[string]any{}
		for name, e := range v {
			out[name] = static(e)
		}
		return out
	}
	return raw
}

func (d *documentStep) run(x *exec) (outcome, error) {
	doc, name, err := d.document(x)
	if err != nil {
		return outcome{}, err
	}
	o := x.reportOptions(d.Language)
	b := &binder{x: x, tables: newTables(x, d.Tables, o)}
	if err := b.bind(doc); err != nil {
		return outcome{}, err
	}
	out := map[string]any{"title": doc.Title}
	notes, files := b.notes, []File(nil)
	wanted := d.Outputs
	if len(wanted) == 0 {
		wanted = []string{asPDF}
	}
	if slices.Contains(wanted, asPDF) {
		f, more, err := x.pdf(doc, name, o)
		if err != nil {
			return outcome{}, err
		}
		files, notes = append(files, f), append(notes, more...)
	}
	if slices.Contains(wanted, asHTML) {
		_, domain, _ := strings.Cut(x.rule.rule.Owner, "@")
		page, err := report.HTML(x, doc, domain, o)
		if err != nil {
			return outcome{}, err
		}
		if err := tooMuch(page.HTML); err != nil {
			return outcome{}, err
		}
		for _, p := range page.Inline {
			files = append(files, File{Name: p.Name, Type: p.Type, Content: p.Data, Inline: p.ContentID})
		}
		out[asHTML] = page.HTML
		notes = append(notes, page.Notes...)
	}
	if err := x.keep(files); err != nil {
		return outcome{}, err
	}
	slices.Sort(notes)
	out["files"], out["notes"], out["pictures"] = fileNames(files), texted(slices.Compact(notes)), b.pictures
	return done(out), nil
}

// document evaluates the templates.
func (d *documentStep) document(x *exec) (doc *report.Document, name string, err error) {
	doc = &report.Document{Orientation: d.Orientation}
	texts := []struct {
		into *string
		from *template
	}{{&doc.Title, &d.Title.template}, {&doc.Subtitle, &d.Subtitle.template}, {&name, &d.FileName.template}}
	for _, t := range texts {
		if *t.into, err = t.from.render(x, x.facts); err != nil {
			return nil, "", err
		}
	}
	parts := []struct {
		into any
		from *value
		what string
	}{{&doc.Facts, &d.Facts, "facts"}, {&doc.Blocks, &d.Blocks, "blocks"}}
	for _, p := range parts {
		v, err := p.from.eval(x, x.facts)
		if err != nil {
			return nil, "", err
		}
		if err := fill(v, p.into); err != nil {
			return nil, "", Permanent(fmt.Errorf("%s: %w", p.what, err))
		}
	}
	return doc, cmp.Or(name, doc.Title), nil
}

// binder finds the tables and pictures that the blocks of a document name.
type binder struct {
	x        *exec
	tables   *tables
	pictures int
	bytes    int64
	notes    []string
}

func (b *binder) bind(doc *report.Document) error {
	made := map[string]*report.Table{}
	for _, block := range doc.Blocks {
		of := ""
		switch {
		case block.Table != nil:
			of = block.Table.Of
		case block.Chart != nil:
			of = block.Chart.Of
		}
		if of == "" {
			continue
		}
		t, err := b.tables.get(of, 0)
		if err != nil {
			return err
		}
		made[of] = t
	}
	var own error // Bind makes all errors permanent
	err := doc.Bind(made, func(of string) ([]report.Picture, error) {
		found, err := b.find(of)
		own = errors.Join(own, err)
		return found, err
	})
	if own != nil {
		return own
	}
	return err
}

// find gives the pictures of the mail, or of a step.
func (b *binder) find(of string) ([]report.Picture, error) {
	if of != ofMail {
		return b.ofStep(of)
	}
	w, ok := b.x.e.world.(Files)
	if !ok || b.x.run.Event.Data["mail"] == nil {
		return nil, Permanent(errors.New("there is no mail to take pictures from"))
	}
	files, err := w.Files(b.x, b.x.run.Event.Entry)
	if err != nil {
		return nil, err
	}
	var out []report.Picture
	seen := map[string]bool{}
	for _, f := range files {
		if !isImage(f.Type, f.Name) || f.Inline && f.Size < leastPicture || f.Digest != "" && seen[f.Digest] {
			continue
		}
		seen[f.Digest] = true
		p, ok, err := b.read(f)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, p)
		}
	}
	return out, nil
}

// read takes one picture, unless there are too many.
func (b *binder) read(f MailFile) (p report.Picture, ok bool, err error) {
	left := maxPictureBytes - b.bytes
	if b.pictures >= maxPictures || f.Size > left {
		b.notes = append(b.notes, fmt.Sprintf("%s is left out: a document has %d pictures and %d MB of them at most", f.Name, maxPictures, maxPictureBytes>>20))
		return p, false, nil
	}
	r, err := f.Open(b.x)
	if err != nil {
		return p, false, fmt.Errorf("open %s: %w", f.Name, err)
	}
	data, err := io.ReadAll(io.LimitReader(r, left+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return p, false, fmt.Errorf("read %s: %w", f.Name, err)
	}
	if int64(len(data)) > left {
		b.notes = append(b.notes, f.Name+" is left out: it is larger than it said")
		return p, false, nil
	}
	b.pictures++
	b.bytes += int64(len(data))
	return report.Picture{Name: f.Name, Caption: strings.TrimSuffix(f.Name, path.Ext(f.Name)), Data: data}, true, nil
}

// ofStep gives the pictures that an earlier step kept.
func (b *binder) ofStep(id string) (out []report.Picture, err error) {
	files, err := b.x.files([]string{id})
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if isImage(f.Type, f.Name) {
			b.pictures++
			out = append(out, report.Picture{Name: f.Name, Caption: strings.TrimSuffix(f.Name, path.Ext(f.Name)), Data: f.Content})
		}
	}
	return out, nil
}

// isImage says whether a file is a picture, by its type, or by its name where the type says nothing.
func isImage(kind, name string) bool {
	kind, _, _ = strings.Cut(strings.ToLower(kind), ";")
	switch {
	case strings.HasPrefix(kind, "image/"):
		return true
	case kind != "application/octet-stream" && kind != "":
		return false
	}
	return slices.Contains([]string{".jpg", ".jpeg", ".png", ".gif"}, strings.ToLower(path.Ext(name)))
}

func (d *documentStep) check(c *checker) {
	c.template("/title", d.Title.template)
	c.template("/subtitle", d.Subtitle.template)
	c.template("/file_name", d.FileName.template)
	c.value("/facts", &d.Facts)
	c.value("/blocks", &d.Blocks)
	c.oneOf("orientation", d.Orientation, "", "portrait", "landscape")
	c.oneOf("language", d.Language, "", "zh", "en")
	for _, name := range slices.Sorted(maps.Keys(d.Tables)) {
		s := d.Tables[name]
		c.within("/tables/"+name, func() { s.check(c) })
	}
	var blocks []report.Block
	if fill(static(d.Blocks.raw), &blocks) != nil {
		return // compile has said so
	}
	for i, b := range blocks {
		switch {
		case b.Pictures == nil:
		case b.Pictures.Of == ofMail:
			c.within(at("blocks", i), c.needsMail)
		default:
			c.earlier(at("blocks", i)+"/pictures/of", b.Pictures.Of)
		}
	}
}

func (d *documentStep) describe(l voice) string {
	return l.of("make the document ", "生成文档 ") + l.words(d.Title.source)
}
