package report

import (
	"fmt"
	"html"
	"strings"
)

// Inline styles, because mail programs drop style sheets. Each colour of a text is set with its background, so that a mail program
// in dark mode turns both or none; no pure black and white, which some turn into each other.
const (
	fontStyle  = "font-family:'Microsoft YaHei','PingFang SC','Segoe UI',Arial,sans-serif;font-size:14px;line-height:1.5;"
	tableStyle = "border-collapse:collapse;border-spacing:0;mso-table-lspace:0pt;mso-table-rspace:0pt;" + fontStyle
	cellStyle  = "padding:6px 10px;border:1px solid #c8ced6;vertical-align:top;word-break:break-word;"
	headStyle  = cellStyle + "background-color:#1f4e79;color:#fdfdfd;font-weight:bold;"
	rowStyle   = cellStyle + "background-color:#fdfdfd;color:#212529;"
	zebraStyle = cellStyle + "background-color:#f1f4f8;color:#212529;"
	totalStyle = cellStyle + "background-color:#dfe8f2;color:#212529;font-weight:bold;"
)

// TableHTML renders a table for a mail: a fragment with inline styles only, that shows in Outlook and scrolls on phones.
func TableHTML(t *Table, o Options) (string, error) {
	o.Limits = o.Limits.orDefault()
	if err := t.check(o.Limits); err != nil {
		return "", wrong("make HTML table: %w", err)
	}
	var b strings.Builder
	if err := tableHTML(&b, t, o); err != nil {
		return "", wrong("make HTML table: %w", err)
	}
	return b.String(), nil
}

func tableHTML(b *strings.Builder, t *Table, o Options) error {
	b.WriteString(`<div style="overflow-x:auto;max-width:100%;margin:0 0 16px 0;">`)
	fmt.Fprintf(b, `<table cellpadding="0" cellspacing="0" border="0" style="%s">`, tableStyle)
	if t.Title != "" {
		fmt.Fprintf(b, `<caption style="text-align:left;font-weight:bold;padding:0 0 6px 0;%s">%s</caption>`, fontStyle, escape(t.Title))
	}
	b.WriteString("<thead><tr>")
	for _, c := range t.Columns {
		fmt.Fprintf(b, `<th scope="col" align="%s" bgcolor="#1f4e79" style="%stext-align:%s;white-space:nowrap;">%s</th>`, c.side(), headStyle, c.side(), escape(c.heading()))
	}
	b.WriteString("</tr></thead>\n<tbody>\n")
	for i, row := range t.Rows {
		rowHTML(b, t, i, row, o)
		if err := bound("bytes of an HTML table", b.Len(), o.Limits.OutputBytes); err != nil {
			return err
		}
	}
	if len(t.Rows) == 0 {
		fmt.Fprintf(b, `<tr><td colspan="%d" align="center" bgcolor="#fdfdfd" style="%stext-align:center;">%s</td></tr>`, len(t.Columns), rowStyle, o.word("没有数据", "No data"))
	}
	b.WriteString("</tbody></table></div>\n")
	return nil
}

func rowHTML(b *strings.Builder, t *Table, i int, row []any, o Options) {
	look, ground := rowStyle, "#fdfdfd"
	if i%2 == 1 {
		look, ground = zebraStyle, "#f1f4f8"
	}
	if role := t.Roles[i]; role == Total || role == Subtotal {
		look, ground = totalStyle, "#dfe8f2"
	}
	b.WriteString("<tr>")
	for j, v := range row {
		c := t.Columns[j]
		more := ""
		if c.valueType() != typeText {
			more = "white-space:nowrap;"
		}
		text := escape(o.cell(v, c))
		if c.alarming(v) {
			text = `<span style="color:#b91c1c;font-weight:bold;">` + text + "</span>"
		}
		if text == "" {
			text = "&nbsp;" // an empty cell loses its border in Outlook
		}
		fmt.Fprintf(b, `<td align="%s" bgcolor="%s" style="%stext-align:%s;%s">%s</td>`, c.side(), ground, look, c.side(), more, text)
	}
	b.WriteString("</tr>\n")
}

// escape makes text safe in HTML, with its line ends kept and what XML does not know taken out.
func escape(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7F {
			return -1
		}
		return r
	}, s)
	return strings.ReplaceAll(html.EscapeString(s), "\n", "<br>")
}
