package report

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Page is a document as HTML for a mail.
type Page struct {
	HTML   string
	Inline []Inline // the pictures that the HTML names by cid:
	Notes  []string // what could not be shown as it came
}

// Inline is a picture to be attached beside the HTML, with its Content-ID. Mail programs load nothing from elsewhere.
type Inline struct {
	ContentID string // without the angle brackets
	Name      string
	Type      string // image/jpeg or image/png
	Data      []byte
}

// HTML renders a document as a fragment for a mail, with inline styles only. Charts are shown as their table of values, since
// mail programs draw nothing. domain makes the Content-IDs; equal pictures get equal ones.
func HTML(ctx context.Context, d *Document, domain string, o Options) (*Page, error) {
	o.Limits = o.Limits.orDefault()
	if err := d.bounds(o.Limits); err != nil {
		return nil, wrong("make HTML: %w", err)
	}
	w := &htmlWriter{opts: o, domain: cmp.Or(domain, "heliograph.invalid"), seen: make(map[string]bool)}
	fmt.Fprintf(&w.b, `<div style="%scolor:#212529;background-color:#fdfdfd;max-width:760px;padding:8px;">`, fontStyle)
	fmt.Fprintf(&w.b, `<h1 style="font-size:22px;margin:0 0 4px 0;color:#1f4e79;">%s</h1>`, escape(d.Title))
	if d.Subtitle != "" {
		fmt.Fprintf(&w.b, `<p style="margin:0 0 8px 0;color:#5c6670;">%s</p>`, escape(d.Subtitle))
	}
	w.facts(d.Facts)
	for i, b := range d.Blocks {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("make HTML: %w", err)
		}
		if err := w.block(b); err != nil {
			return nil, wrong("make HTML: block %d: %w", i+1, err)
		}
		if err := bound("bytes of HTML", w.b.Len(), o.Limits.OutputBytes); err != nil {
			return nil, wrong("make HTML: %w", err)
		}
	}
	w.b.WriteString("</div>\n")
	return &Page{HTML: w.b.String(), Inline: w.inline, Notes: w.notes}, nil
}

type htmlWriter struct {
	b      strings.Builder
	opts   Options
	domain string
	inline []Inline
	seen   map[string]bool
	notes  []string
}

func (w *htmlWriter) block(b Block) error {
	switch {
	case b.Heading != "":
		tag, size := "h2", 17
		if b.Level == 2 {
			tag, size = "h3", 15
		}
		fmt.Fprintf(&w.b, `<%s style="font-size:%dpx;margin:16px 0 6px 0;color:#1f4e79;">%s</%s>`, tag, size, escape(b.Heading), tag)
	case b.Paragraph != "":
		fmt.Fprintf(&w.b, `<p style="margin:0 0 10px 0;">%s</p>`, escape(b.Paragraph))
	case len(b.Facts) > 0:
		w.facts(b.Facts)
	case b.Table != nil:
		return tableHTML(&w.b, b.Table.Data, w.opts)
	case b.Chart != nil:
		return w.chart(b.Chart)
	case b.Pictures != nil:
		w.pictures(b.Pictures)
	case len(b.Process) > 0:
		w.process(b.Process)
	case len(b.Signatures) > 0:
		w.signatures(b.Signatures)
	case b.PageBreak:
		w.b.WriteString(`<hr style="border:0;border-top:1px solid #c8ced6;margin:16px 0;">`)
	}
	w.b.WriteByte('\n')
	return nil
}

func (w *htmlWriter) facts(facts []Fact) {
	if len(facts) == 0 {
		return
	}
	fmt.Fprintf(&w.b, `<table cellpadding="0" cellspacing="0" border="0" style="%smargin:0 0 12px 0;">`, tableStyle)
	for _, f := range facts {
		color := "#212529"
		if f.Warn {
			color = "#b91c1c;font-weight:bold"
		}
		fmt.Fprintf(&w.b, `<tr><td valign="top" style="padding:2px 16px 2px 0;color:#5c6670;white-space:nowrap;">%s</td><td valign="top" style="padding:2px 0;color:%s;">%s</td></tr>`, escape(f.Label), color, escape(f.Value))
	}
	w.b.WriteString("</table>")
}

// chart shows the values of a chart as bars made of table cells, which every mail program draws; a pie and lines alike.
func (w *htmlWriter) chart(b *ChartBlock) error {
	p, err := b.plot(b.Data, w.opts)
	if err != nil {
		return err
	}
	low, high, known := p.extent()
	largest := max(high, -low)
	if b.Title != "" {
		fmt.Fprintf(&w.b, `<p style="margin:0 0 6px 0;font-weight:bold;">%s</p>`, escape(b.Title))
	}
	fmt.Fprintf(&w.b, `<table cellpadding="0" cellspacing="0" border="0" style="%smargin:0 0 12px 0;">`, tableStyle)
	for i, category := range p.categories {
		for n, series := range p.series {
			label := ""
			if n == 0 {
				label = category
			}
			value, length := noValue, 0
			if series.exact[i] != nil {
				value = w.opts.show(number(series.exact[i]), series.column)
				length = int(200 * abs(series.values[i]) / largest)
			}
			c := palette[n]
			fmt.Fprintf(&w.b, `<tr><td style="padding:1px 10px 1px 0;white-space:nowrap;">%s</td><td style="padding:1px 10px 1px 0;color:#5c6670;white-space:nowrap;">%s</td><td style="padding:1px 0;white-space:nowrap;">`, escape(label), escape(series.column.heading()))
			if known && length > 0 {
				fmt.Fprintf(&w.b, `<span style="display:inline-block;width:%dpx;height:11px;background-color:#%02x%02x%02x;">&nbsp;</span> `, length, c[0], c[1], c[2])
			}
			fmt.Fprintf(&w.b, `%s</td></tr>`, escape(value))
		}
	}
	w.b.WriteString("</table>\n")
	return nil
}

func abs(v float64) float64 { return max(v, -v) }

func (w *htmlWriter) pictures(p *Pictures) {
	for _, one := range p.Data {
		prepared, err := one.prepare(w.opts.Limits)
		if err != nil {
			reason := one.complaint(err, w.opts)
			w.notes = append(w.notes, reason)
			fmt.Fprintf(&w.b, `<p style="margin:0 0 10px 0;padding:12px;border:1px solid #c8ced6;color:#b91c1c;">%s<br>%s</p>`, w.opts.word("无法显示图片", "This picture cannot be shown"), escape(reason))
			continue
		}
		shown := min(prepared.width, 560)
		fmt.Fprintf(&w.b, `<div style="margin:0 0 12px 0;"><img src="cid:%s" width="%d" alt="%s" style="display:block;max-width:100%%;height:auto;border:0;">`, w.attach(one, prepared), shown, escape(cmp.Or(one.Caption, one.Name)))
		if one.Caption != "" {
			fmt.Fprintf(&w.b, `<div style="color:#5c6670;font-size:12px;">%s</div>`, escape(one.Caption))
		}
		w.b.WriteString("</div>")
	}
}

// attach keeps a picture once and gives its Content-ID.
func (w *htmlWriter) attach(p Picture, r *ready) string {
	digest := sha256.Sum256(r.data)
	id := hex.EncodeToString(digest[:12]) + "@" + w.domain
	if !w.seen[id] {
		w.seen[id] = true
		extension := map[string]string{"jpeg": ".jpg", "png": ".png"}[r.format]
		name := fmt.Sprintf("picture-%d%s", len(w.inline)+1, extension)
		if stem, _, ok := strings.Cut(p.Name, "."); ok && stem != "" {
			name = FileName(stem, extension)
		}
		w.inline = append(w.inline, Inline{ContentID: id, Name: name, Type: "image/" + r.format, Data: r.data})
	}
	return id
}

func (w *htmlWriter) process(steps []Step) {
	states := map[string][2]string{
		"":        {"✔", "#168054"},
		"done":    {"✔", "#168054"},
		"current": {"●", "#d97706"},
		"open":    {"○", "#5c6670"},
		"failed":  {"✘", "#b91c1c"},
	}
	fmt.Fprintf(&w.b, `<table cellpadding="0" cellspacing="0" border="0" style="%smargin:0 0 12px 0;">`, tableStyle)
	for _, step := range steps {
		state := states[step.State]
		fmt.Fprintf(&w.b, `<tr><td valign="top" style="padding:4px 8px 4px 0;color:%s;">%s</td><td valign="top" style="padding:4px 0;"><b>%s</b>`, state[1], state[0], escape(step.Title))
		if about := strings.Trim(step.When+"　"+step.By, "　"); about != "" {
			fmt.Fprintf(&w.b, `<br><span style="color:#5c6670;font-size:12px;">%s</span>`, escape(about))
		}
		if step.Text != "" {
			fmt.Fprintf(&w.b, `<br>%s`, escape(step.Text))
		}
		w.b.WriteString("</td></tr>")
	}
	w.b.WriteString("</table>")
}

func (w *htmlWriter) signatures(all []Signature) {
	facts := make([]Fact, len(all))
	for i, s := range all {
		facts[i] = Fact{Label: s.Role, Value: strings.TrimSpace(s.Name + "　" + s.Date)}
	}
	w.facts(facts)
}
