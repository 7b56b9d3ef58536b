package twenty

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// keyText is a key as it is stored. One that a filter cannot hold is stored as its hash.
func keyText(key string) string {
	if quotable(key) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// LogEmail writes the note, unless the key is there, and links it.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	release, err := c.turns.Take(ctx, "notes "+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	r, err := c.logNote(ctx, a)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("log mail: %w", err)
	}
	return r, nil
}

func (c *Client) logNote(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	fields, err := c.note.Apply(fieldmap.Activity(a))
	if err != nil {
		return crmclient.Receipt{}, err
	}
	fields["bodyV2"] = map[string]any{"markdown": noteBody(a)}
	fields[c.cfg.KeyField] = keyText(a.Key)
	note, there, err := c.once(ctx, "notes", c.cfg.KeyField, keyText(a.Key), fields)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	id := text(note, "id")
	return crmclient.Receipt{RemoteID: id, Duplicate: there}, c.link(ctx, id, c.targets(a))
}

// target is somebody or something that a note is linked to.
type target struct{ field, id string }

func (c *Client) targets(a *crmclient.Activity) []target {
	var out []target
	seen := map[target]bool{}
	add := func(t target) {
		if t.id != "" && !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	for _, contact := range a.Contacts {
		if contact.Kind == crmclient.KindContact {
			add(target{c.cfg.PersonTarget, contact.ID})
		}
	}
	for _, company := range a.Companies {
		add(target{c.cfg.CompanyTarget, company.ID})
	}
	return out
}

// link makes those links of the note that are missing, and reads them back: a server that calls the field by another name
// takes the request and leaves the note without a link.
func (c *Client) link(ctx context.Context, note string, wanted []target) error {
	missing, err := c.unlinked(ctx, note, wanted)
	if err != nil || len(missing) == 0 {
		return err
	}
	for _, t := range missing {
		if _, err := c.create(ctx, "noteTargets", map[string]any{"noteId": note, t.field: t.id}); err != nil {
			return fmt.Errorf("link the note: %w", err)
		}
	}
	if missing, err = c.unlinked(ctx, note, wanted); err != nil || len(missing) == 0 {
		return err
	}
	return &crmclient.Error{
		Class: crmclient.ClassConfiguration, Message: fmt.Sprintf("Twenty took a link of a note but ignored its field %s", missing[0].field),
		Remedy: "the field has another name on this server: set person_target and company_target (older servers: personId and companyId)",
	}
}

func (c *Client) unlinked(ctx context.Context, note string, wanted []target) ([]target, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	there := map[target]bool{}
	err := c.eachLink(ctx, note, func(row map[string]any) error {
		for _, field := range []string{c.cfg.PersonTarget, c.cfg.CompanyTarget} {
			there[target{field, text(row, field)}] = true
		}
		return nil
	})
	var out []target
	for _, t := range wanted {
		if !there[t] {
			out = append(out, t)
		}
	}
	return out, err
}

// maxLinkPages bounds the links of a note, far above the people of one mail.
const maxLinkPages = 50

func (c *Client) eachLink(ctx context.Context, note string, visit func(map[string]any) error) error {
	where, err := compare("noteId", "eq", note)
	if err != nil {
		return err
	}
	l := listQuery{filter: where}
	for range maxLinkPages {
		page, next, err := c.list(ctx, "noteTargets", l)
		if err != nil {
			return fmt.Errorf("links of the note: %w", err)
		}
		for _, row := range page {
			if err := visit(row); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		l.after = next
	}
	return nil
}

// rule stands between the parts of a note. Escaped text cannot hold it.
const rule = "\n\n---\n\n"

// noteBody is Markdown: who wrote to whom, the text, and the files.
func noteBody(a *crmclient.Activity) string {
	var b strings.Builder
	line := func(name string, people ...crmclient.Person) {
		var list []string
		for _, p := range people {
			if s := strings.TrimSpace(p.Name + " " + p.Address); s != "" {
				list = append(list, escape(s))
			}
		}
		if len(list) > 0 {
			fmt.Fprintf(&b, "- %s: %s\n", name, strings.Join(list, ", "))
		}
	}
	line("From", a.From)
	line("To", a.To...)
	line("Cc", a.CC...)
	if !a.Date.IsZero() {
		fmt.Fprintf(&b, "- Date: %s\n", a.Date.UTC().Format(time.DateTime+" UTC"))
	}
	b.WriteString(rule + escape(a.Text) + rule)
	for _, f := range a.Attachments {
		fmt.Fprintf(&b, "- %s\n", escape(strings.ReplaceAll(f.Name, "\n", " ")))
	}
	for _, f := range a.AttachmentsLeft {
		fmt.Fprintf(&b, "- [%s]\n", escape(strings.ReplaceAll(f.Name+": "+f.Reason, "\n", " ")))
	}
	return b.String()
}

// active are the characters that mean something in Markdown or its extensions, those of links among them.
const active = "\\`*_{}[]<>()#+-.!|~&=:@^$"

// escape writes text that means nothing as Markdown (CommonMark 2.4): a backslash before each character that could. Single
// line breaks become hard ones, and blanks at the beginning of a line are written as numbers, so that they make no code.
func escape(s string) string {
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	for i := 0; i < len(s); i++ {
		begins := i == 0 || s[i-1] == '\n'
		switch ch := s[i]; {
		case begins && ch == ' ':
			b.WriteString("&#32;")
		case begins && ch == '\t':
			b.WriteString("&#9;")
		case ch == '\n' && !begins && i+1 < len(s) && s[i+1] != '\n':
			b.WriteString("\\\n")
		case strings.IndexByte(active, ch) >= 0:
			b.WriteByte('\\')
			b.WriteByte(ch)
		default:
			b.WriteByte(ch)
		}
	}
	return b.String()
}

// WithdrawEmail deletes the note with the key, its links first.
func (c *Client) WithdrawEmail(ctx context.Context, _, key string) error {
	for { // more than one only if somebody copied a note where the field is not unique
		note, err := c.first(ctx, "notes", c.cfg.KeyField, keyText(key))
		if err != nil || note == nil {
			return err
		}
		id := text(note, "id")
		var links []string
		if err := c.eachLink(ctx, id, func(row map[string]any) error {
			links = append(links, text(row, "id"))
			return nil
		}); err != nil {
			return err
		}
		for _, link := range links {
			if err := c.remove(ctx, "noteTargets", link); err != nil {
				return err
			}
		}
		if err := c.remove(ctx, "notes", id); err != nil {
			return err
		}
	}
}

// remove deletes a record. One that is not there is fine.
func (c *Client) remove(ctx context.Context, object, id string) error {
	if !recordID(id) {
		return &crmclient.Error{Class: crmclient.ClassRetry, Message: "Twenty told no id of a record"}
	}
	err := c.call(ctx, http.MethodDelete, object+"/"+id, nil, nil, nil)
	if statusOf(err) == http.StatusNotFound {
		return nil
	}
	return err
}
