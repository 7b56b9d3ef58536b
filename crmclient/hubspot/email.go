package hubspot

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"heliograph/crmclient"
	"heliograph/crmclient/fieldmap"
)

const (
	objectEmails    = "emails"
	objectContacts  = "contacts"
	objectCompanies = "companies"
	objectTickets   = "tickets"

	maxSubject = 1000
	maxNotice  = 2_000 // of the list of files that were left out
	// maxLinks bounds to how many records one mail is linked: each is a request.
	maxLinks = 50

	// HubSpot's own kinds of links (specs, 2.3).
	emailToContact = 198
	emailToCompany = 186
)

func (c *Config) emailDefaults() fieldmap.Fields {
	return fieldmap.Fields{
		"hs_timestamp":       fieldmap.From("date", fieldmap.Date(fieldmap.RFC3339Millis, "")),
		"hs_email_direction": fieldmap.From("direction", fieldmap.Lookup(map[string]any{"inbound": "INCOMING_EMAIL"}, "EMAIL")),
		"hs_email_status":    fieldmap.Value("SENT"), // HubSpot sends nothing: it only says so
		"hs_email_subject":   fieldmap.From("subject", fieldmap.Cut(maxSubject)),
		"hs_email_text":      fieldmap.From("body", fieldmap.Cut(c.maxText())),
	}
}

// LogEmail stores the mail and links it.
func (c *Client) LogEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	release, err := c.turns.Take(ctx, a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	defer release()
	receipt, err := c.logEmail(ctx, a)
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("log e-mail: %w", err)
	}
	return receipt, nil
}

func (c *Client) logEmail(ctx context.Context, a *crmclient.Activity) (crmclient.Receipt, error) {
	if c.cfg.searches() || anyToSend(a) { // files must not be sent twice
		there, err := c.byKey(ctx, objectEmails, c.cfg.key(), a.Key)
		if err != nil {
			return crmclient.Receipt{}, err
		}
		if there != nil {
			return crmclient.Receipt{RemoteID: there.ID, Duplicate: true}, c.link(ctx, there.ID, a)
		}
	}
	files, left, err := c.sendFiles(ctx, a)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	properties, err := c.emailProperties(ctx, a, left)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	if len(files) > 0 {
		properties["hs_attachment_ids"] = strings.Join(files, ";")
	}
	if c.cfg.searches() {
		return c.createEmail(ctx, a, properties)
	}
	made, err := c.upsert(ctx, objectEmails, c.cfg.key(), storedKey(a.Key), properties)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	return crmclient.Receipt{RemoteID: made.ID, Duplicate: !made.New}, c.link(ctx, made.ID, a)
}

// createEmail makes the record with its links in one request.
func (c *Client) createEmail(ctx context.Context, a *crmclient.Activity, properties map[string]string) (crmclient.Receipt, error) {
	var out object
	links := []map[string]any{}
	for _, l := range linksOf(a) {
		links = append(links, map[string]any{
			"to":    map[string]string{"id": l.id},
			"types": []map[string]any{{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": l.kind}},
		})
	}
	_, err := c.call(ctx, request{method: http.MethodPost, path: c.objects(objectEmails), body: map[string]any{"properties": properties, "associations": links}}, &out)
	if err == nil && out.ID == "" {
		err = unclear()
	}
	return crmclient.Receipt{RemoteID: out.ID}, err
}

// upsert makes or changes the record with the value of a unique property.
func (c *Client) upsert(ctx context.Context, name, property, value string, properties map[string]string) (object, error) {
	var out objectList
	properties[property] = value
	_, err := c.call(ctx, request{method: http.MethodPost, path: c.objects(name) + "/batch/upsert", body: map[string]any{
		"inputs": []any{map[string]any{"idProperty": property, "id": value, "properties": properties}},
	}}, &out)
	if err != nil {
		return object{}, err
	}
	if len(out.Results) != 1 || out.Results[0].ID == "" {
		return object{}, unclear()
	}
	return out.Results[0], nil
}

// byKey returns the record with the key, or nil.
func (c *Client) byKey(ctx context.Context, name, property, key string, more ...string) (*object, error) {
	var out objectList
	read := append([]string{property}, more...)
	r := request{method: http.MethodPost, path: c.objects(name) + "/batch/read", body: map[string]any{
		"idProperty": property, "inputs": []any{map[string]string{"id": storedKey(key)}}, "properties": read, "propertiesWithHistory": []string{},
	}}
	if name == objectEmails && c.cfg.searches() {
		r = searchFor(c.objects(name), []filter{{Property: property, Operator: "EQ", Value: storedKey(key)}}, read, 1)
	}
	if _, err := c.call(ctx, r, &out); err != nil {
		return nil, fmt.Errorf("look for the key: %w", err)
	}
	for i := range out.Results {
		if out.Results[i].Properties[property] == storedKey(key) && !out.Results[i].Archived {
			return &out.Results[i], nil
		}
	}
	return nil, nil
}

// linked is a record that a mail is linked to.
type linked struct {
	object, id string
	kind       int
}

func linksOf(a *crmclient.Activity) []linked {
	var out []linked
	for _, k := range a.Contacts {
		out = append(out, linked{objectContacts, k.ID, emailToContact})
	}
	for _, k := range a.Companies {
		out = append(out, linked{objectCompanies, k.ID, emailToCompany})
	}
	return out[:min(len(out), maxLinks)]
}

// link links the mail to its records. Doing it again changes nothing.
func (c *Client) link(ctx context.Context, id string, a *crmclient.Activity) error {
	for _, l := range linksOf(a) {
		path := c.associate(objectEmails, url.PathEscape(id), l.object, url.PathEscape(l.id))
		if _, err := c.call(ctx, request{method: http.MethodPut, path: path}, nil); err != nil {
			if isGone(err) { // deleted since it was found: the mail stays
				continue
			}
			return fmt.Errorf("link to %s: %w", l.object, err)
		}
	}
	return nil
}

// emailProperties fills the properties of the mail.
func (c *Client) emailProperties(ctx context.Context, a *crmclient.Activity, left []crmclient.AttachmentLeft) (map[string]string, error) {
	notice := fieldmap.CutRunes(leftNotice(left), maxNotice)
	v := fieldmap.Activity(a)
	v["body"] = fieldmap.CutRunes(a.Text, c.cfg.maxText()-len([]rune(notice))) + notice
	filled, err := c.maps.email.Apply(v)
	if err != nil {
		return nil, err
	}
	out := texts(filled)
	if c.cfg.html() && a.HTML != "" {
		markup := a.HTML
		if notice != "" {
			markup += "<hr>" + strings.ReplaceAll(html.EscapeString(strings.TrimSpace(notice)), "\n", "<br>")
		}
		if len([]rune(markup)) <= c.cfg.maxText() { // HTML cannot be cut
			out["hs_email_html"] = markup
		}
	}
	headers, err := headersOf(a)
	if err != nil {
		return nil, err
	}
	out["hs_email_headers"] = headers
	out[c.cfg.key()] = storedKey(a.Key)
	return out, c.own(ctx, out, a.Owner)
}

// own sets the owner, where HubSpot knows the employee and nothing else was mapped.
func (c *Client) own(ctx context.Context, properties map[string]string, email string) error {
	if _, mapped := properties["hubspot_owner_id"]; mapped || email == "" {
		return nil
	}
	id, err := c.owners.ID(ctx, email)
	if err == nil && id != "" {
		properties["hubspot_owner_id"] = id
	}
	return err
}

// texts writes all values as HubSpot wants them.
func texts(values map[string]any) map[string]string {
	out := make(map[string]string, len(values)+4)
	for name, v := range values {
		out[name] = valueText(v)
	}
	return out
}

// mailbox is a participant in hs_email_headers.
type mailbox struct {
	Email     string `json:"email"`
	FirstName string `json:"firstName,omitempty"`
	LastName  string `json:"lastName,omitempty"`
}

// headersOf writes the people as the JSON text from which HubSpot takes sender and receivers.
func headersOf(a *crmclient.Activity) (string, error) {
	list := func(people []crmclient.Person) []mailbox {
		out := make([]mailbox, 0, len(people))
		for _, p := range people {
			out = append(out, mailboxOf(p))
		}
		return out
	}
	b, err := json.Marshal(map[string]any{"from": mailboxOf(a.From), "to": list(a.To), "cc": list(a.CC), "bcc": list(a.BCC)})
	if err != nil {
		return "", &crmclient.Error{Class: crmclient.ClassPermanent, Message: "the people of the mail cannot be written as JSON"}
	}
	return string(b), nil
}

func mailboxOf(p crmclient.Person) mailbox {
	m := mailbox{Email: p.Address}
	if i := strings.LastIndex(p.Name, " "); i >= 0 {
		m.FirstName, m.LastName = p.Name[:i], p.Name[i+1:]
	} else {
		m.LastName = p.Name
	}
	return m
}

// UpdateEmail sets the properties of the mail as they are now.
func (c *Client) UpdateEmail(ctx context.Context, _ string, a *crmclient.Activity) (crmclient.Receipt, error) {
	there, err := c.byKey(ctx, objectEmails, c.cfg.key(), a.Key)
	if err != nil {
		return crmclient.Receipt{}, err
	}
	if there == nil {
		return crmclient.Receipt{}, noRecord("the mail")
	}
	properties, err := c.emailProperties(ctx, a, notSent(a))
	if err != nil {
		return crmclient.Receipt{}, err
	}
	_, err = c.call(ctx, request{method: http.MethodPatch, path: c.objects(objectEmails) + "/" + url.PathEscape(there.ID), body: map[string]any{"properties": properties}}, nil)
	if isGone(err) {
		return crmclient.Receipt{}, noRecord("the mail")
	}
	if err != nil {
		return crmclient.Receipt{}, fmt.Errorf("update e-mail: %w", err)
	}
	return crmclient.Receipt{RemoteID: there.ID}, c.link(ctx, there.ID, a)
}

// WithdrawEmail deletes the mail; HubSpot keeps it in the recycle bin for a while.
func (c *Client) WithdrawEmail(ctx context.Context, _, key string) error {
	there, err := c.byKey(ctx, objectEmails, c.cfg.key(), key)
	if err != nil || there == nil {
		return err
	}
	_, err = c.call(ctx, request{method: http.MethodDelete, path: c.objects(objectEmails) + "/" + url.PathEscape(there.ID)}, nil)
	if isGone(err) {
		return nil
	}
	return err
}

const (
	maxKey   = 100    // bytes of a key that is written in full
	codedKey = "b64." // begins one that is written in base64
)

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*$`)

// storedKey is how a key is written in a property: as it is, unless an id may not look like it.
func storedKey(key string) string {
	switch {
	case plainKey.MatchString(key) && !strings.HasPrefix(key, codedKey) && len(key) <= maxKey:
		return key
	case len(key) <= maxKey:
		return codedKey + base64.RawURLEncoding.EncodeToString([]byte(key))
	}
	sum := sha256.Sum256([]byte(key))
	return "sha256." + hex.EncodeToString(sum[:])
}

// leftNotice lists the files that HubSpot does not get.
func leftNotice(left []crmclient.AttachmentLeft) string {
	if len(left) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n\n-- \nFiles that are not in the CRM:")
	for _, f := range left {
		fmt.Fprintf(&b, "\n- %s (%d bytes): %s", f.Name, f.Size, f.Reason)
	}
	return b.String()
}
