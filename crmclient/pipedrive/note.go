package pipedrive

import (
	"fmt"
	"html"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/upload"
)

const (
	maxSubject = 255
	// maxText bounds the text in characters: with it, a listing of activities stays readable, and Pipedrive names no limit.
	maxText   = 30_000
	maxPeople = 100 // of a line of the note
)

// noteOf writes the note of a mail in HTML: people, text, files that were left out, key. All but the mail's own HTML, which was
// sanitised, is escaped.
func (c *Client) noteOf(a *crmclient.Activity, left []crmclient.AttachmentLeft) string {
	var b strings.Builder
	b.WriteString("<p>")
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s<br>", name, html.EscapeString(value))
		}
	}
	line("From", people([]crmclient.Person{a.From}))
	line("To", people(a.To))
	line("Cc", people(a.CC))
	line("Bcc", people(a.BCC))
	line("Employees", strings.Join(a.Accounts[:min(len(a.Accounts), maxPeople)], ", "))
	line("Thread", a.Thread)
	b.WriteString("</p><hr>")
	if c.cfg.html() && a.HTML != "" && len([]rune(a.HTML)) <= maxText {
		b.WriteString(a.HTML)
	} else {
		b.WriteString(fieldmap.HTMLFromText(fieldmap.CutRunes(a.Text, maxText)))
	}
	b.WriteString("<hr>")
	if len(left) > 0 {
		b.WriteString("<p>Files that are not in the CRM:")
		for i, f := range left {
			if i == maxPeople {
				b.WriteString("<br>…")
				break
			}
			fmt.Fprintf(&b, "<br>%s (%d bytes): %s", html.EscapeString(fieldmap.CutRunes(f.Name, upload.MaxName)), f.Size, html.EscapeString(f.Reason))
		}
		b.WriteString("</p>")
	}
	b.WriteString("<p>" + crmclient.KeyLine(a.Key) + "</p>")
	return b.String()
}

func people(list []crmclient.Person) string {
	var out []string
	for i, p := range list {
		switch {
		case i == maxPeople:
			return strings.Join(append(out, "…"), ", ")
		case p.Name != "" && p.Address != "":
			out = append(out, p.Name+" <"+p.Address+">")
		case p.Address+p.Name != "":
			out = append(out, p.Address+p.Name)
		}
	}
	return strings.Join(out, ", ")
}
