package espocrm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/export"
	"heliograph/crmclient/fieldmap"
)

// LogEmail writes the message, unless the key is there.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	release, err := c.turns.Take(ctx, a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	var r crmclient.Receipt
	if c.cfg.LogAs == LogRecord {
		r, err = c.logRecord(ctx, a)
	} else {
		r, err = c.logEML(ctx, a)
	}
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("log mail: %w", err)
	}
	r.URL = c.page("Email", r.RemoteID)
	return r, nil
}

// page is where a person sees a record.
func (c *Client) page(object, id string) string {
	u := *c.base
	if u.Path = strings.TrimSuffix(u.Path, "api/v1/"); u.Path == "" {
		u.Path = "/"
	}
	u.Fragment = object + "/view/" + id
	return u.String()
}

// findMail returns the id of the mail with the key.
func (c *Client) findMail(ctx context.Context, key string) (string, error) {
	page, _, err := c.list(ctx, "Email", listQuery{
		fields: []string{"id"}, size: 1, where: []filter{{Type: "equals", Attribute: c.cfg.keyField(), Value: key}},
	})
	if err != nil || len(page) == 0 {
		return "", err
	}
	return text(page[0], "id"), nil
}

// logEML imports a mail file. It needs no look-up before: the import itself tells what is there.
func (c *Client) logEML(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	own := strings.ReplaceAll(a.Key, "@", ".") + "@heliograph.invalid"
	ids := []string{a.MessageID, own}
	if a.MessageID == "" || strings.ContainsAny(a.MessageID, "<> \r\n") {
		ids = ids[1:]
	}
	for _, messageID := range ids {
		id, there, err := c.importEML(ctx, a, messageID)
		if err != nil {
			return crmclient.Receipt{}, err
		}
		key := ""
		if there {
			if key, err = c.keyOf(ctx, id); err != nil {
				return crmclient.Receipt{}, err
			}
			if key == a.Key {
				return crmclient.Receipt{RemoteID: id, Duplicate: true}, nil
			}
		}
		if key != "" {
			continue // another message with this Message-ID: ours gets an id of its own
		}
		// New, or imported by somebody who gave it no key: Espo's fetcher, or a try of ours that was cut short.
		return crmclient.Receipt{RemoteID: id, Duplicate: there}, c.complete(ctx, id, a)
	}
	return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "EspoCRM has other mail under all ids of this message"}
}

// keyOf returns our key of a mail. It asks for a list of one, because a record as a whole may be long.
func (c *Client) keyOf(ctx context.Context, id string) (string, error) {
	page, _, err := c.list(ctx, "Email", listQuery{
		fields: []string{"id", c.cfg.keyField()}, size: 1, where: []filter{{Type: "equals", Attribute: "id", Value: id}},
	})
	if err != nil || len(page) == 0 {
		return "", err
	}
	return text(page[0], c.cfg.keyField()), nil
}

// importEML uploads the file and imports it. There says that Espo has a mail with the Message-ID already.
func (c *Client) importEML(ctx context.Context, a *crmclient.Activity, messageID string) (id string, there bool, err error) {
	file, err := c.upload(ctx, `{"name":"mail.eml","type":"message/rfc822","role":"Attachment","relatedType":"ImportEml","field":"file","file":"data:message/rfc822;base64,`,
		func(w io.Writer) error { return export.EML(ctx, w, a, messageID) })
	if err != nil {
		return "", false, err
	}
	var made struct {
		ID string `json:"id"`
	}
	body, err := json.Marshal(map[string]string{"fileId": file})
	if err != nil {
		return "", false, err
	}
	answer, err := c.send(ctx, http.MethodPost, "Email/importEml", nil, strings.NewReader(string(body)), &made)
	switch {
	case statusOf(err) == http.StatusConflict:
		var there struct {
			ID   string `json:"id"`
			Data struct {
				ID string `json:"id"`
			} `json:"data"`
			Message struct {
				Data struct {
					ID string `json:"id"`
				} `json:"data"`
			} `json:"messageTranslation"`
		}
		if err := answer.JSON(&there); err != nil {
			return "", false, err
		}
		for _, id := range []string{there.ID, there.Data.ID, there.Message.Data.ID} {
			if id != "" {
				return id, true, nil
			}
		}
		return "", false, err
	case statusOf(err) == http.StatusNotFound:
		var e *crmclient.Error
		errors.As(err, &e)
		e.Remedy = "this EspoCRM cannot import mail files: update it, or write log_as: record"
		return "", false, err
	case err == nil && made.ID == "":
		return "", false, &crmclient.Error{Class: crmclient.ClassRetry, Message: "EspoCRM told no id of the imported mail", RequestID: answer.RequestID}
	}
	return made.ID, false, err
}

// upload makes an attachment of what write writes, and returns its id. head is JSON up to the beginning of the content.
func (c *Client) upload(ctx context.Context, head string, write func(io.Writer) error) (string, error) {
	body := crmclient.Base64Body(head, `"}`, write)
	defer func() { _ = body.Close() }() // ends its writer
	var made struct {
		ID string `json:"id"`
	}
	answer, err := c.send(ctx, http.MethodPost, "Attachment", nil, body, &made)
	if statusOf(err) == http.StatusRequestEntityTooLarge {
		var e *crmclient.Error
		errors.As(err, &e)
		e.Remedy = "lower max_attachment, or raise the upload limits of EspoCRM and its web server"
	}
	if err == nil && made.ID == "" {
		err = &crmclient.Error{Class: crmclient.ClassRetry, Message: "EspoCRM told no id of the file", RequestID: answer.RequestID}
	}
	return made.ID, err
}

// complete sets what an import cannot: the key, the mapped fields, the owner and whom the mail belongs to.
func (c *Client) complete(ctx context.Context, id string, a *crmclient.Activity) error {
	fields, err := c.ownFields(ctx, a)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPut, "Email/"+id, nil, fields, nil)
}

func (c *Client) ownFields(ctx context.Context, a *crmclient.Activity) (map[string]any, error) {
	fields, err := c.mail.Apply(fieldmap.Activity(a))
	if err != nil {
		return nil, err
	}
	if kind, id := parentOf(a); id != "" {
		fields["parentType"], fields["parentId"] = kind, id
	}
	if a.Owner != "" {
		id, err := c.users.ID(ctx, a.Owner)
		if err != nil {
			return nil, err
		}
		if id != "" {
			fields["assignedUserId"] = id
		}
	}
	return fields, nil
}

// parentOf is the record that the mail is shown at: a contact before a lead before a company.
func parentOf(a *crmclient.Activity) (kind, id string) {
	for _, want := range []string{crmclient.KindContact, crmclient.KindLead} {
		for _, contact := range a.Contacts {
			if contact.Kind == want {
				return map[string]string{crmclient.KindContact: "Contact", crmclient.KindLead: "Lead"}[want], contact.ID
			}
		}
	}
	if len(a.Companies) > 0 {
		return "Account", a.Companies[0].ID
	}
	return "", ""
}

// logRecord makes a record by its fields.
func (c *Client) logRecord(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	id, err := c.findMail(ctx, a.Key)
	if err != nil || id != "" {
		return crmclient.Receipt{RemoteID: id, Duplicate: id != ""}, err
	}
	fields, err := c.ownFields(ctx, a)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	subject := a.Subject
	if subject == "" {
		subject = "(no subject)"
	}
	fields["name"], fields["subject"] = subject, subject
	// Archived only keeps the mail; Sending would send it.
	fields["status"], fields["dateSent"] = "Archived", a.Date.UTC().Format(timeLayout)
	fields["from"], fields["fromString"] = a.From.Address, named(a.From)
	fields["to"], fields["cc"], fields["bcc"] = addresses(a.To), addresses(a.CC), addresses(a.BCC)
	for _, name := range []string{"from", "to"} { // Espo demands them
		if fields[name] == "" {
			fields[name] = nobody
		}
	}
	fields["isHtml"], fields["body"] = false, a.Text+export.LeftOut(a.AttachmentsLeft)
	var files []string
	for _, f := range a.Attachments {
		if f.Open == nil {
			continue
		}
		file, err := c.uploadFile(ctx, "Email", "attachments", f)
		if err != nil {
			return crmclient.Receipt{}, err
		}
		files = append(files, file)
	}
	if len(files) > 0 {
		fields["attachmentsIds"] = files
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := c.call(ctx, http.MethodPost, "Email", nil, fields, &made); err != nil {
		return crmclient.Receipt{}, err
	}
	if made.ID == "" {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassRetry, Message: "EspoCRM told no id of the mail"}
	}
	return crmclient.Receipt{RemoteID: made.ID}, nil
}

func (c *Client) uploadFile(ctx context.Context, object, field string, f crmclient.Attachment) (string, error) {
	head, err := json.Marshal(map[string]string{"name": f.Name, "type": f.Type, "role": "Attachment", "parentType": object, "field": field})
	if err != nil {
		return "", err
	}
	kind, err := json.Marshal(f.Type)
	if err != nil {
		return "", err
	}
	start := strings.TrimSuffix(string(head), "}") + `,"file":"data:` + strings.Trim(string(kind), `"`) + `;base64,`
	return c.upload(ctx, start, func(w io.Writer) (err error) {
		r, err := f.Open(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, r.Close()) }()
		_, err = io.Copy(w, r)
		return err
	})
}

// nobody stands for people whom the mail does not name.
const nobody = "undisclosed@heliograph.invalid"

func named(p crmclient.Person) string {
	if p.Name == "" {
		return p.Address
	}
	return p.Name + " <" + p.Address + ">"
}

func addresses(list []crmclient.Person) string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.Address
	}
	return strings.Join(out, ";")
}

// WithdrawEmail deletes the mail with the key.
func (c *Client) WithdrawEmail(ctx context.Context, _, key string) error {
	id, err := c.findMail(ctx, key)
	if err != nil || id == "" {
		return err
	}
	err = c.call(ctx, http.MethodDelete, "Email/"+id, nil, nil, nil)
	if statusOf(err) == http.StatusNotFound {
		return nil
	}
	return err
}
