package salesforce

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

// keyHash is what stands in the key field: always 64 characters, whatever the key has in it.
func keyHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// LogEmail writes the record of a message, then its relations and files. Done again it completes what is missing.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	if a.Key == "" {
		return crmclient.Receipt{}, &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the activity has no key"}
	}
	release, err := c.turns.Take(ctx, "mail:"+a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	who, err := c.participants(ctx, a)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	files, left := c.files().Split(a.Attachments, a.AttachmentsLeft)
	fields, err := c.maps.mail.Apply(c.mailValues(a, who, left))
	if err != nil {
		return crmclient.Receipt{}, err
	}
	id, duplicate, err := c.writeMail(ctx, a, fields)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("write mail: %w", err)
	}
	if c.cfg.LogAs == LogAsEmailMessage {
		if err := c.relate(ctx, id, a, who, duplicate); err != nil {
			return crmclient.Receipt{}, fmt.Errorf("relate mail: %w", err)
		}
	}
	if err := c.attach(ctx, id, files, duplicate); err != nil {
		return crmclient.Receipt{}, fmt.Errorf("attach files: %w", err)
	}
	return c.receipt(id, duplicate), nil
}

func (c *Client) receipt(id string, duplicate bool) crmclient.Receipt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return crmclient.Receipt{RemoteID: id, URL: strings.TrimRight(c.instance, "/") + "/" + id, Duplicate: duplicate}
}

// mailValues are the values of the mapping.
func (c *Client) mailValues(a *crmclient.Activity, who participants, left []crmclient.AttachmentLeft) fieldmap.Values {
	v := fieldmap.Activity(a)
	note, htmlNote := notes(left)
	v["body"] = fieldmap.CutRunes(a.Text, c.cfg.MaxText-noteRoom) + note
	if h := a.HTML + htmlNote; a.HTML != "" && len([]rune(h)) <= c.cfg.MaxText { // cut HTML is broken HTML; the text says it too
		v["html_body"] = h
	}
	v["incoming"] = a.Direction == crmclient.Inbound
	v["message_identifier"] = messageIdentifier(a)
	v["to_ids"], v["to_others"] = who.split(a.To)
	v["cc_ids"], v["cc_others"] = who.split(a.CC)
	v["bcc_ids"], v["bcc_others"] = who.split(a.BCC)
	v["owner_id"] = who.ids[a.Owner]
	if len(a.Companies) > 0 {
		v["company_id"] = a.Companies[0].ID
	}
	whoID, lead := who.main(a)
	v["who_id"] = whoID
	if !lead { // a task with a lead has no place for an account
		v["what_id"] = v["company_id"]
	}
	return v
}

// messageIdentifier is never empty, so that the message can be found again by it. Salesforce wants the brackets
// no more than we do; a longer one is replaced, because a cut one may be another message's.
func messageIdentifier(a *crmclient.Activity) string {
	if a.MessageID == "" || len([]rune(a.MessageID)) > emailID {
		return keyHash(a.Key) + "@heliograph.invalid"
	}
	return a.MessageID
}

const (
	// noteRoom is what is kept free behind the text for the list of files, in runes.
	noteRoom = 1500
	noteName = 200 // runes of one file's name
	noteTail = 40  // for "and 99 more"
)

// notes list the files that Salesforce does not get, for the end of the text and of the HTML.
func notes(left []crmclient.AttachmentLeft) (plain, markup string) {
	if len(left) == 0 {
		return "", ""
	}
	p, h := "\n\n-- \nFiles that are not here:\n", "<hr><p>Files that are not here:</p><ul>"
	for i, f := range left {
		line := fmt.Sprintf("%s (%d bytes): %s", fieldmap.CutRunes(f.Name, noteName), f.Size, fieldmap.CutRunes(f.Reason, noteName))
		if len([]rune(p+line)) > noteRoom-noteTail {
			p += fmt.Sprintf("- and %d more\n", len(left)-i)
			h += fmt.Sprintf("<li>and %d more</li>", len(left)-i)
			break
		}
		p += "- " + line + "\n"
		h += "<li>" + html.EscapeString(line) + "</li>"
	}
	return p, h + "</ul>"
}

// writeMail makes the record unless it is there, and returns its id.
func (c *Client) writeMail(ctx context.Context, a *crmclient.Activity, fields map[string]any) (id string, duplicate bool, err error) {
	object := c.cfg.object()
	if key := c.cfg.keyField(object); key != "" {
		return c.upsert(ctx, object, key, keyHash(a.Key), fields)
	}
	if id, err = c.findMail(ctx, a); err != nil || id != "" {
		return id, id != "", err
	}
	id, err = c.create(ctx, object, fields, nil)
	return id, false, err
}

// findMail looks for a message without a key field: by its Message-ID and its time, as several may claim one Message-ID.
func (c *Client) findMail(ctx context.Context, a *crmclient.Activity) (string, error) {
	if key := c.cfg.keyField(c.cfg.object()); key != "" {
		return c.findByKey(ctx, c.cfg.object(), key, keyHash(a.Key))
	}
	rows, err := c.query(ctx, fmt.Sprintf("SELECT Id, MessageDate FROM EmailMessage WHERE MessageIdentifier = %s ORDER BY Id LIMIT %d", text(messageIdentifier(a)), maxMatches), false)
	if err != nil {
		return "", err
	}
	for _, r := range rows {
		if r.time("MessageDate").Truncate(time.Second).Equal(a.Date.UTC().Truncate(time.Second)) {
			return r.text("Id"), nil
		}
	}
	return "", nil
}

// findByKey returns the id of the record with a key, or nothing.
func (c *Client) findByKey(ctx context.Context, object, field, value string) (string, error) {
	r, err := c.one(ctx, fmt.Sprintf("SELECT Id FROM %s WHERE %s = %s ORDER BY Id", object, field, text(value)))
	return r.text("Id"), err
}

// upsert makes a record unless there is one with the key. Of an EmailMessage that is there Salesforce refuses it, because those cannot
// be changed; then the look-up says that all is well.
func (c *Client) upsert(ctx context.Context, object, field, value string, fields map[string]any) (id string, duplicate bool, err error) {
	return c.upsertWith(ctx, object, field, value, fields, nil)
}

func (c *Client) upsertWith(ctx context.Context, object, field, value string, fields map[string]any, header map[string]string) (id string, duplicate bool, err error) {
	answer, err := c.do(ctx, request{
		method: http.MethodPatch, path: "/sobjects/" + object + "/" + field + "/" + url.PathEscape(value), body: fields, header: header,
	})
	if err != nil {
		return c.afterRefusal(ctx, object, field, value, err)
	}
	var s saved
	if len(answer.Body) > 0 {
		if err := answer.Exact(&s); err != nil {
			return "", false, err
		}
	}
	if s.ID == "" {
		if s.ID, err = c.findByKey(ctx, object, field, value); err == nil && s.ID == "" {
			err = &crmclient.Error{Class: crmclient.ClassRetry, Status: answer.Status, Message: "Salesforce does not tell what became of the record", RequestID: answer.RequestID}
		}
	}
	duplicate = answer.Status != http.StatusCreated
	if s.Created != nil {
		duplicate = !*s.Created
	}
	return s.ID, duplicate, err
}

// afterRefusal tells whether a refused upsert was of a record that is there.
func (c *Client) afterRefusal(ctx context.Context, object, field, value string, refused error) (string, bool, error) {
	switch crmclient.ClassOf(refused) {
	case crmclient.ClassRetry, crmclient.ClassRate:
		return "", false, refused
	}
	if codeOf(refused) == "NOT_FOUND" { // the path names nothing but the object and the field
		return "", false, missingKey(refused, object, field)
	}
	switch codeOf(refused) {
	case "", "INVALID_SESSION_ID", "API_DISABLED_FOR_ORG", "STORAGE_LIMIT_EXCEEDED", "STRING_TOO_LONG", "MALFORMED_ID", "DUPLICATE_EXTERNAL_ID":
		return "", false, refused
	}
	id, err := c.findByKey(ctx, object, field, value)
	if err == nil && id != "" {
		return id, true, nil
	}
	var e *crmclient.Error
	if errors.As(refused, &e) && e.Class == crmclient.ClassDuplicate { // by whom, nobody can see: no success
		again := *e
		again.Class = crmclient.ClassRetry
		return "", false, &again
	}
	return "", false, refused
}

func missingKey(err error, object, field string) error {
	var e *crmclient.Error
	if !errors.As(err, &e) {
		return err
	}
	return &crmclient.Error{
		Class: crmclient.ClassConfiguration, Status: e.Status, RequestID: e.RequestID, Err: e.Err,
		Message: fmt.Sprintf("field %s is not in object %s, or not an External Id", field, object),
		Remedy:  keyRemedy(object, field),
	}
}

func keyRemedy(object, field string) string {
	return fmt.Sprintf("create %s on %s in Setup, Object Manager: Text(64), External ID, Unique (case-sensitive), and give the user read and edit access to it; or name another field in key_fields", field, object)
}

// participants are those of a message whom Salesforce knows: ids by address.
type participants struct{ ids map[string]string }

// participants resolves the people of a message: contacts and leads that the mirror found, then users.
func (c *Client) participants(ctx context.Context, a *crmclient.Activity) (participants, error) {
	p := participants{ids: map[string]string{}}
	for _, kind := range []string{crmclient.KindContact, crmclient.KindLead} { // a contact wins over a lead
		for _, f := range a.Contacts {
			if f.Kind == kind && p.ids[f.Address] == "" && idForm.MatchString(f.ID) {
				p.ids[f.Address] = f.ID
			}
		}
	}
	if !orTrue(c.cfg.LinkUsers) {
		return p, nil
	}
	var rest []string
	add := func(address string) {
		if address != "" && p.ids[address] == "" && !slices.Contains(rest, address) && len(rest) < maxParticipants {
			rest = append(rest, address)
		}
	}
	add(a.Owner)
	add(a.From.Address)
	for _, account := range a.Accounts {
		add(account)
	}
	for _, people := range [][]crmclient.Person{a.To, a.CC, a.BCC} {
		for _, who := range people {
			add(who.Address)
		}
	}
	users, err := c.usersOf(ctx, rest)
	for address, id := range users {
		p.ids[address] = id
	}
	return p, err
}

// maxParticipants bounds for how many addresses of one message users are looked up.
const maxParticipants = 200

// split returns the ids of those whom Salesforce knows, and the addresses of the rest.
func (p participants) split(people []crmclient.Person) (ids, others []string) {
	for _, who := range people {
		switch id := p.ids[who.Address]; {
		case id == "" && who.Address != "":
			others = append(others, who.Address)
		case id != "" && !slices.Contains(ids, id):
			ids = append(ids, id)
		}
	}
	return ids, others
}

// main returns the contact or lead that a task is about.
func (p participants) main(a *crmclient.Activity) (id string, lead bool) {
	for _, kind := range []string{crmclient.KindContact, crmclient.KindLead} {
		for _, f := range a.Contacts {
			if f.Kind == kind {
				return f.ID, kind == crmclient.KindLead
			}
		}
	}
	return "", false
}
