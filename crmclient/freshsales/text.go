package freshsales

import (
	"fmt"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
	"heliograph/crmclient/upload"
)

const (
	maxTitle  = 255    // characters
	maxText   = 50_000 // bytes of the mail's text
	maxAround = 4_000  // bytes before and after the text, each
	runeBytes = 4
	noSubject = "(no subject)"

	// rule stands between the parts of the notes.
	rule = "\n----\n"
)

// notesOf writes the notes: people, text, files, key. They are plain text.
func notesOf(a *crmclient.Activity, left []crmclient.AttachmentLeft) string {
	var head, files strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&head, "%s: %s\n", name, value)
		}
	}
	line("From", people([]crmclient.Person{a.From}))
	line("To", people(a.To))
	line("Cc", people(a.CC))
	line("Bcc", people(a.BCC))
	line("Employees", strings.Join(a.Accounts, ", "))
	line("Thread", a.Thread)
	for _, f := range left {
		fmt.Fprintf(&files, "%s (%d bytes): %s\n", fieldmap.CutRunes(f.Name, upload.MaxName), f.Size, f.Reason)
	}
	return fieldmap.CutUTF8(head.String(), maxAround) + rule + fieldmap.CutUTF8(a.Text, maxText) + rule +
		fieldmap.CutUTF8(files.String(), maxAround) + "\n" + crmclient.KeyLine(a.Key)
}

func people(list []crmclient.Person) string {
	var out []string
	for _, p := range list {
		switch {
		case p.Name != "" && p.Address != "":
			out = append(out, p.Name+" <"+p.Address+">")
		case p.Address+p.Name != "":
			out = append(out, p.Address+p.Name)
		}
	}
	return strings.Join(out, ", ")
}
