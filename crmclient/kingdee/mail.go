package kingdee

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

var (
	_ crmclient.Client             = (*Client)(nil)
	_ crmclient.ActivityUpdater    = (*Client)(nil)
	_ crmclient.ActivityWithdrawer = (*Client)(nil)
	_ crmclient.Capped             = (*Client)(nil)
)

// The sources that only this connector has: numbers, by which a document refers to others.
const (
	sourceContact  = "contact_number"  // of the first contact of the kind contact
	sourceCustomer = "customer_number" // of the first of the kind customer
	sourceOwner    = "owner_number"    // of the employee whom the mail belongs to
)

func mailSources() fieldmap.Sources {
	return fieldmap.ActivitySources().With(fieldmap.Sources{
		sourceContact: fieldmap.Text, sourceCustomer: fieldmap.Text, sourceOwner: fieldmap.Text,
	})
}

// kindCustomer is the kind of people whose form is that of customers.
const kindCustomer = "customer"

// changing are the sources that may become known later.
var changing = []string{"accounts", "bcc", "bcc_addresses", "thread", "unconfirmed", "owner", sourceOwner}

// changingOnly returns the fields of a mapping that UpdateEmail writes. They are written also when they are empty.
func changingOnly(defaults, section fieldmap.Fields) fieldmap.Fields {
	merged := maps.Clone(defaults)
	maps.Copy(merged, section)
	maps.DeleteFunc(merged, func(_ string, f fieldmap.Field) bool {
		return f.Remove || !slices.Contains(changing, f.From)
	})
	return merged
}

// keyPrefix begins the number of each mail, so that people see where it comes from.
const keyPrefix = "HG"

// recordKey is the number of a mail: of a length that every field for numbers has, and the same on every try.
func recordKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return keyPrefix + base32.StdEncoding.EncodeToString(sum[:])[:26]
}

// cutUnits shortens a text to the UTF-16 code units that the database counts, with an ellipsis, between runes.
func cutUnits(s string, limit int) string {
	if len(s) <= limit { // a byte is at most one unit
		return s
	}
	units, cut := 0, 0
	for i, r := range s {
		if units <= limit-1 {
			cut = i
		}
		if units += max(utf16.RuneLen(r), 1); units > limit {
			return s[:cut] + "…"
		}
	}
	return s
}

// Caps returns the lengths of the section in runes. A rune may take two units; a subject is to fit in any case, while a
// text that does not is cut here.
func (c *Client) Caps() crmclient.Caps {
	return crmclient.Caps{SubjectRunes: max(c.cfg.Mail.SubjectUnits/2, 1), TextRunes: c.cfg.Mail.TextUnits, AttachmentBytes: c.cfg.Mail.AttachmentBytes}
}

// found is a mail that is there.
type found struct {
	id, number, status, files string
}

// findMail looks for the mail with a key.
func (c *Client) findMail(ctx context.Context, key string) (found, bool, error) {
	m := c.cfg.Mail
	fields := []string{m.ID, m.Number}
	if m.Finish != finishSave {
		fields = append(fields, m.Status)
	}
	if m.Attachments {
		fields = append(fields, m.Files)
	}
	rows, err := c.query(ctx, question{form: m.Form, fields: fields, filter: m.Key + "=" + quote(recordKey(key)), order: m.ID, limit: 1})
	if err != nil || len(rows) == 0 {
		return found{}, false, err
	}
	r := rows[0]
	return found{id: r.text(m.ID), number: r.text(m.Number), status: r.text(m.Status), files: r.text(m.Files)}, true, nil
}

// LogEmail looks for the mail by its key, saves it if it is not there, uploads its files and brings the document into
// the state of the section. What an earlier try left undone is done.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	if a.Key == "" {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the activity has no key"}
	}
	done, err := c.turns.Take(ctx, "mail:"+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer done()
	f, there, err := c.findMail(ctx, a.Key)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("look for the mail: %w", err)
	}
	if !there {
		if f, there, err = c.makeMail(ctx, a); err != nil {
			return crmclient.Receipt{}, fmt.Errorf("log mail: %w", err)
		}
	}
	if c.cfg.Mail.Attachments {
		if err := c.uploadMissing(ctx, f, a.Attachments); err != nil {
			return crmclient.Receipt{}, fmt.Errorf("upload files of the mail: %w", err)
		}
	}
	if err := c.finish(ctx, a.Key, f); err != nil {
		return crmclient.Receipt{}, fmt.Errorf("finish the mail: %w", err)
	}
	return crmclient.Receipt{RemoteID: f.id, Duplicate: there}, nil
}

// makeMail saves the mail. Where the site refuses it, it may be because another node was faster: then it is there.
func (c *Client) makeMail(ctx context.Context, a *crmclient.Activity) (f found, duplicate bool, err error) {
	model, err := c.mailModel(ctx, a)
	if err != nil {
		return found{}, false, err
	}
	made, err := c.save(ctx, c.cfg.Mail.Form, model, nil)
	if err == nil {
		return found{id: made.ID, number: made.Number}, false, nil
	}
	if class := crmclient.ClassOf(err); class != crmclient.ClassPermanent && class != crmclient.ClassDuplicate {
		return found{}, false, err
	}
	other, there, findErr := c.findMail(ctx, a.Key)
	if findErr != nil || !there {
		return found{}, false, err // the first error says more
	}
	return other, true, nil
}

func (c *Client) mailModel(ctx context.Context, a *crmclient.Activity) (map[string]any, error) {
	cut := *a
	m := c.cfg.Mail
	cut.Subject, cut.HTML = cutUnits(a.Subject, m.SubjectUnits), cutUnits(a.HTML, m.TextUnits)
	left := cutUnits(leftOut(a.AttachmentsLeft), m.TextUnits/2)
	room := m.TextUnits - len(left) // a byte is at most one unit
	cut.Text, cut.TextUnquoted = cutUnits(a.Text, room)+left, cutUnits(a.TextUnquoted, room)+left
	values, err := c.mailValues(ctx, &cut)
	if err != nil {
		return nil, err
	}
	model, err := c.mail.Apply(values)
	if err != nil {
		return nil, err
	}
	model[m.Key] = recordKey(a.Key)
	return model, nil
}

// leftOut is what stands behind the text where files were left out.
func leftOut(files []crmclient.AttachmentLeft) string {
	if len(files) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n\n[未保存的附件 / attachments left out:")
	for _, f := range files {
		fmt.Fprintf(&b, "\n%s (%d bytes, %s)", f.Name, f.Size, f.Reason)
	}
	b.WriteString("]")
	return b.String()
}

// mailValues adds the numbers that the mapping asks for. Somebody without a number is left out.
func (c *Client) mailValues(ctx context.Context, a *crmclient.Activity) (fieldmap.Values, error) {
	values := fieldmap.Activity(a)
	for source, kind := range map[string]string{sourceContact: crmclient.KindContact, sourceCustomer: kindCustomer} {
		i := slices.IndexFunc(a.Contacts, func(p crmclient.Contact) bool { return p.Kind == kind })
		if i < 0 || c.mail.NameOf(source) == "" {
			continue
		}
		n, err := c.numberOf(ctx, a.Contacts[i].ID)
		if err != nil && !errors.Is(err, errNoNumber) {
			return nil, err
		}
		values[source] = n
	}
	if a.Owner == "" || c.cfg.Owners.Form == "" || c.mail.NameOf(sourceOwner) == "" {
		return values, nil
	}
	n, err := c.ownerNumber(ctx, a.Owner)
	values[sourceOwner] = n
	return values, err
}

// ownerNumber returns the number of the employee with a mail address, or nothing.
func (c *Client) ownerNumber(ctx context.Context, address string) (string, error) {
	if n, ok := c.numbers.get("owner:" + address); ok {
		return n, nil
	}
	o := c.cfg.Owners
	rows, err := c.query(ctx, question{form: o.Form, fields: []string{o.Number}, filter: o.Address + "=" + quote(address), order: o.Number, limit: 1})
	if err != nil || len(rows) == 0 {
		return "", err
	}
	n := rows[0].text(o.Number)
	c.numbers.put("owner:"+address, n)
	return n, nil
}

// The states of a document.
const (
	stateSubmitted = "B"
	stateAudited   = "C"
	stateReopened  = "D"
)

// finish brings a document into the state of the section. A step that the site refuses may have been done by an
// earlier try whose answer was lost: the state decides.
func (c *Client) finish(ctx context.Context, key string, f found) error {
	m := c.cfg.Mail
	reached := func(state string) bool {
		return state == stateAudited || m.Finish == finishSubmit && state == stateSubmitted
	}
	if m.Finish == finishSave || reached(f.status) {
		return nil
	}
	var err error
	if f.status != stateSubmitted {
		err = c.operate(ctx, "Submit", m.Form, f.id)
	}
	if err == nil && m.Finish == finishAudit {
		err = c.operate(ctx, "Audit", m.Form, f.id)
	}
	if err == nil || crmclient.ClassOf(err) != crmclient.ClassPermanent {
		return err
	}
	now, there, findErr := c.findMail(ctx, key)
	switch {
	case findErr != nil || !there:
		return err
	case reached(now.status):
		return nil
	case now.status == stateSubmitted && f.status != stateSubmitted: // it was submitted before, and still is to be audited
		return c.finish(ctx, key, now)
	}
	return err
}

// reopen makes an audited document one that can be changed.
func (c *Client) reopen(ctx context.Context, f found) error {
	if f.status != stateAudited {
		return nil
	}
	return c.operate(ctx, "UnAudit", c.cfg.Mail.Form, f.id)
}

// UpdateEmail writes what became known later.
func (c *Client) UpdateEmail(ctx context.Context, _ string, a *crmclient.Activity) (crmclient.Receipt, error) {
	done, err := c.turns.Take(ctx, "mail:"+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer done()
	f, there, err := c.findMail(ctx, a.Key)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("look for the mail: %w", err)
	}
	if !there {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the mail is not there", Err: crmclient.ErrNoRecord}
	}
	receipt := crmclient.Receipt{RemoteID: f.id}
	values, err := c.mailValues(ctx, a)
	if err != nil {
		return receipt, err
	}
	model, err := c.updating.Apply(values)
	if err != nil || len(model) == 0 {
		return receipt, err
	}
	if err := c.reopen(ctx, f); err != nil {
		return receipt, fmt.Errorf("reopen the mail: %w", err)
	}
	update := slices.Sorted(maps.Keys(model))
	model[c.cfg.Mail.ID] = json.Number(f.id)
	if _, err := c.save(ctx, c.cfg.Mail.Form, model, update); err != nil {
		return receipt, fmt.Errorf("update the mail: %w", err)
	}
	if f.status == stateAudited {
		f.status = stateReopened
	}
	if err := c.finish(ctx, a.Key, f); err != nil {
		return receipt, fmt.Errorf("finish the mail: %w", err)
	}
	return receipt, nil
}

// WithdrawEmail deletes the mail. What is not there is deleted.
func (c *Client) WithdrawEmail(ctx context.Context, _, key string) error {
	done, err := c.turns.Take(ctx, "mail:"+key)
	if err != nil {
		return err
	}
	defer done()
	f, there, err := c.findMail(ctx, key)
	if err != nil {
		return fmt.Errorf("look for the mail: %w", err)
	}
	if !there {
		return nil
	}
	if err := c.reopen(ctx, f); err != nil {
		return fmt.Errorf("reopen the mail: %w", err)
	}
	if err := c.operate(ctx, "Delete", c.cfg.Mail.Form, f.id); err != nil {
		if _, there, findErr := c.findMail(ctx, key); findErr == nil && !there {
			return nil
		}
		return fmt.Errorf("delete the mail: %w", err)
	}
	return nil
}

// filesOf reads the hashes of the files that a mail has already.
func filesOf(field string) []string {
	return strings.Fields(field)
}
