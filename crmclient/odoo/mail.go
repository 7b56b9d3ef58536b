package odoo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"strconv"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// noteID is the Message-ID of the note of an activity. It is not the mail's own, which a forger may choose.
func noteID(key string) string { return "<" + url.QueryEscape(key) + "@heliograph.invalid>" }

// findNote returns the note of an activity, or 0.
func (c *Client) findNote(ctx context.Context, key string) (int64, error) {
	rows, err := c.search(ctx, "mail.message", []any{[]any{"message_id", "=", noteID(key)}}, []string{"id"}, "id asc", 1, 0)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return number(rows[0]["id"]), nil
}

// LogEmail posts a note, unless it is there.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	release, err := c.turns.Take(ctx, a.Key)
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
	model, id, err := c.place(a)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	if note, err := c.findNote(ctx, a.Key); err != nil || note != 0 {
		return crmclient.Receipt{RemoteID: strconv.FormatInt(note, 10), URL: c.page(model, id), Duplicate: true}, err
	}
	v := fieldmap.Activity(a)
	v["note_id"] = noteID(a.Key)
	kwargs, err := c.post.Apply(v)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	kwargs["body"] = noteBody(a)
	for _, contact := range a.Contacts {
		if contact.Address == a.From.Address && contact.Kind == crmclient.KindContact {
			if n, err := strconv.ParseInt(contact.ID, 10, 64); err == nil {
				kwargs["author_id"] = n
			}
		}
	}
	var files []int64
	for _, f := range a.Attachments {
		if f.Open == nil {
			continue
		}
		file, err := c.attach(ctx, model, id, a.Key, f)
		if err != nil {
			return crmclient.Receipt{}, err
		}
		files = append(files, file)
	}
	if len(files) > 0 {
		kwargs["attachment_ids"] = files
	}
	var made any
	if err := c.call(ctx, model, "message_post", []int64{id}, kwargs, &made); err != nil {
		return crmclient.Receipt{}, err
	}
	note := firstID(made)
	if note == 0 {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassRetry, Message: "Odoo told no number of the note"}
	}
	return crmclient.Receipt{RemoteID: strconv.FormatInt(note, 10), URL: c.page(model, id)}, nil
}

// place is the record in whose history the note goes: a contact before a lead before a company before the inbox.
func (c *Client) place(a *crmclient.Activity) (model string, id int64, err error) {
	for _, want := range []struct{ kind, model string }{{crmclient.KindContact, partner}, {crmclient.KindLead, lead}} {
		for _, contact := range a.Contacts {
			if n, err := strconv.ParseInt(contact.ID, 10, 64); err == nil && contact.Kind == want.kind {
				return want.model, n, nil
			}
		}
	}
	for _, company := range a.Companies {
		if n, err := strconv.ParseInt(company.ID, 10, 64); err == nil {
			return partner, n, nil
		}
	}
	if c.cfg.Inbox.ID != 0 {
		return c.cfg.Inbox.Model, c.cfg.Inbox.ID, nil
	}
	return "", 0, &crmclient.Error{
		Class: crmclient.ClassPermanent, Message: "Odoo knows nobody in this mail, and there is no inbox for such mail",
		Remedy: "set inbox to a record for mail of unknown people, or mirror.unmatched so that they become leads",
	}
}

// page is where a person sees a record.
func (c *Client) page(model string, id int64) string {
	u := c.base.JoinPath("web")
	u.Fragment = fmt.Sprintf("id=%d&model=%s&view_type=form", id, model)
	return u.String()
}

// noteBody is HTML made of the text: what a stranger wrote is shown, not run.
func noteBody(a *crmclient.Activity) string {
	var b strings.Builder
	if !a.Date.IsZero() {
		people := make([]string, 0, len(a.To)+len(a.CC))
		for _, p := range append(append([]crmclient.Person{}, a.To...), a.CC...) {
			people = append(people, p.Address)
		}
		fmt.Fprintf(&b, "<p><i>%s → %s</i></p>", html.EscapeString(a.From.Address), html.EscapeString(strings.Join(people, ", ")))
	}
	b.WriteString("<p>" + strings.ReplaceAll(html.EscapeString(a.Text), "\n", "<br/>") + "</p>")
	for _, f := range a.AttachmentsLeft {
		b.WriteString("<p>[" + html.EscapeString(f.Name+": "+f.Reason) + "]</p>")
	}
	return b.String()
}

// attach makes an attachment of a record, unless it is there from a try that was cut short.
func (c *Client) attach(ctx context.Context, model string, id int64, key string, f crmclient.Attachment) (int64, error) {
	mark := "heliograph " + key + " " + f.SHA256
	rows, err := c.search(ctx, "ir.attachment", []any{
		[]any{"res_model", "=", model}, []any{"res_id", "=", id}, []any{"name", "=", f.Name}, []any{"description", "=", mark},
	}, []string{"id"}, "id asc", 1, 0)
	if err != nil {
		return 0, err
	}
	if len(rows) > 0 {
		return number(rows[0]["id"]), nil
	}
	vals, err := encode(map[string]any{
		"name": f.Name, "res_model": model, "res_id": id, "mimetype": f.Type, "description": mark,
	})
	if err != nil {
		return 0, err
	}
	head, tail, path, err := c.creation(ctx, "ir.attachment")
	if err != nil {
		return 0, err
	}
	body := crmclient.Base64Body(head+strings.TrimSuffix(vals, "}")+`,"datas":"`, `"}`+tail, func(w io.Writer) (err error) {
		r, err := f.Open(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.Close()) }()
		_, err = io.Copy(w, r)
		return err
	})
	defer func() { _ = body.Close() }() // ends its writer
	var made any
	if err := c.send(ctx, path, body, &made); err != nil {
		return 0, err
	}
	file := firstID(made)
	if file == 0 {
		return 0, &crmclient.Error{Class: crmclient.ClassRetry, Message: "Odoo told no number of the file"}
	}
	return file, nil
}

// AttachFile adds a file to a record.
func (c *Client) AttachFile(ctx context.Context, object, id string, f crmclient.Attachment) (string, error) {
	n, err := idOf(object, id)
	if err != nil {
		return "", err
	}
	if _, err := c.ReadRecord(ctx, object, id); err != nil { // Odoo takes files of records that are not there
		return "", err
	}
	file, err := c.attach(ctx, object, n, "file", f)
	return strconv.FormatInt(file, 10), err
}

// WithdrawEmail deletes the note with its files.
func (c *Client) WithdrawEmail(ctx context.Context, _, key string) error {
	for { // more than one only if somebody copied a note
		rows, err := c.search(ctx, "mail.message", []any{[]any{"message_id", "=", noteID(key)}}, []string{"id", "attachment_ids"}, "id asc", 1, 0)
		if err != nil || len(rows) == 0 {
			return err
		}
		var files []int64
		list, _ := rows[0]["attachment_ids"].([]any)
		for _, x := range list {
			files = append(files, number(x))
		}
		if len(files) > 0 {
			if err := c.call(ctx, "ir.attachment", "unlink", files, map[string]any{}, nil); err != nil && !errors.Is(err, crmclient.ErrNoRecord) {
				return err
			}
		}
		if err := c.call(ctx, "mail.message", "unlink", []int64{number(rows[0]["id"])}, map[string]any{}, nil); err != nil && !errors.Is(err, crmclient.ErrNoRecord) {
			return err
		}
	}
}

// number reads an id.
func number(v any) int64 {
	n, ok := v.(json.Number)
	if !ok {
		return 0
	}
	i, err := n.Int64()
	if err != nil {
		return 0
	}
	return i
}

// firstID reads an id, or the first of a list of them: versions differ.
func firstID(v any) int64 {
	if list, ok := v.([]any); ok && len(list) > 0 {
		return number(list[0])
	}
	return number(v)
}
