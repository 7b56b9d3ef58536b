package suitecrm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// LogEmail writes a note, unless the key is there.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	attributes, err := c.note.Apply(fieldmap.Activity(a))
	if err != nil {
		return crmclient.Receipt{}, err
	}
	attributes["description"] = noteText(a)
	if kind, id := parent(a); id != "" {
		attributes["parent_type"], attributes["parent_id"] = kind, id
	}
	note, there, err := c.once(ctx, "Notes", c.cfg.KeyField, a.Key, attributes)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("log mail: %w", err)
	}
	return crmclient.Receipt{RemoteID: text(note, "id"), Duplicate: there}, nil
}

// parent is what the note hangs under.
func parent(a *crmclient.Activity) (module, id string) {
	for _, contact := range a.Contacts {
		if contact.Kind == crmclient.KindContact && contact.ID != "" {
			return "Contacts", contact.ID
		}
	}
	for _, company := range a.Companies {
		if company.ID != "" {
			return "Accounts", company.ID
		}
	}
	return "", ""
}

// rule stands between the parts of a note.
const rule = "\n----\n"

// noteText says who wrote to whom, the text, and which files there were. It is plain text: SuiteCRM shows it as such.
func noteText(a *crmclient.Activity) string {
	var head, files strings.Builder
	line := func(name string, people ...crmclient.Person) {
		var list []string
		for _, p := range people {
			if s := strings.TrimSpace(p.Name + " " + p.Address); s != "" {
				list = append(list, s)
			}
		}
		if len(list) > 0 {
			fmt.Fprintf(&head, "%s: %s\n", name, strings.Join(list, ", "))
		}
	}
	line("From", a.From)
	line("To", a.To...)
	line("Cc", a.CC...)
	if !a.Date.IsZero() {
		fmt.Fprintf(&head, "Date: %s\n", a.Date.UTC().Format(timeLayout+" UTC"))
	}
	for _, f := range a.Attachments {
		files.WriteString(f.Name + "\n")
	}
	for _, f := range a.AttachmentsLeft {
		files.WriteString("[" + f.Name + ": " + f.Reason + "]\n")
	}
	return fieldmap.CutUTF8(head.String(), maxAround) + rule + fieldmap.CutUTF8(a.Text, maxText) + rule + fieldmap.CutUTF8(files.String(), maxAround)
}

// FindContacts asks for contacts by the field that mirrors their addresses. A filter holds one value of a field, so that each
// address is a request.
func (c *Client) FindContacts(ctx context.Context, asked []string) ([]crmclient.Contact, error) {
	var out []crmclient.Contact
	for _, address := range asked {
		page, err := c.list(ctx, "Contacts", listQuery{where: []condition{{c.cfg.EmailField, "eq", address}}, sort: "id"})
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			out = append(out, c.contact(r, address))
		}
	}
	return out, nil
}

func (c *Client) contact(r map[string]any, address string) crmclient.Contact {
	return crmclient.Contact{
		ID: text(r, "id"), Kind: crmclient.KindContact, Address: address, Company: text(r, "account_name"),
		Name: strings.TrimSpace(text(r, "first_name") + " " + text(r, "last_name")),
	}
}

// CreateContact adds a contact. Who owns it is SuiteCRM's default: the API finds no users by address.
func (c *Client) CreateContact(ctx context.Context, p crmclient.Person, owner string) (crmclient.Contact, error) {
	v := fieldmap.Contact(p, owner)
	made, _, err := c.once(ctx, "Contacts", c.cfg.EmailField, p.Address, map[string]any{
		"first_name": v["first_name"], "last_name": v["last_name"], "email1": p.Address,
	})
	if err != nil {
		return crmclient.Contact{}, err
	}
	return c.contact(made, p.Address), nil
}

// ContactByID returns a contact.
func (c *Client) ContactByID(ctx context.Context, id string) (crmclient.Contact, bool, error) {
	r, err := c.ReadRecord(ctx, "Contacts", id)
	if errors.Is(err, crmclient.ErrNoRecord) {
		return crmclient.Contact{}, false, nil
	}
	if err != nil {
		return crmclient.Contact{}, false, err
	}
	return c.contact(r.Fields, strings.ToLower(text(r.Fields, c.cfg.EmailField))), true, nil
}
